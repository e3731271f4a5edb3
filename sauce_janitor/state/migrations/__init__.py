"""The schema's history: one revision a change, run when a state is opened."""
