"""What the console keeps in the state."""
