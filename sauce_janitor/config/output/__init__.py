"""Texts made from the grammar or a configuration: schema, reference, `config show`, `init`."""
