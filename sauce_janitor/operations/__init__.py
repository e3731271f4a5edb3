"""What the commands do: one module an operation, made of `steps`, `records` and `wiring`.

Import the modules themselves: a command that only reads the state must not load the HTTP client.
"""
