"""The history of the schema: one revision for each change, run when a state is opened."""
