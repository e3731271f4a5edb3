"""Commands and exit codes, one file a group."""
