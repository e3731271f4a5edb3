"""The configuration's grammar as pydantic models: what may be written, and what each key means.

The JSON Schema and docs/reference/configuration.md are made from the descriptions here.
"""
