"""The grammar of the configuration as pydantic models: which keys there are and what they mean.

The JSON Schema and docs/reference/configuration.md are generated from the descriptions here, and
the docstring of a model is the text above its table.
"""
