"""The command line: one module for each command or group of commands.

`app` has the global options and imports a command when it is called. The folders follow what an
operator does: `setup`, `run`, `what_if`, `jobs` and `archive`.
"""
