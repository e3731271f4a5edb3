"""Reads the text of a configuration: strict YAML, included files, problems and their places."""
