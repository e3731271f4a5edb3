"""YAML to a frozen Config; lints; schema."""
