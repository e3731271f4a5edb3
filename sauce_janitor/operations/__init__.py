"""What the commands do: one module for each operation, built from `steps`, `records` and `wiring`.

Import the modules themselves: a command that only reads the state must not load the HTTP client.
"""
