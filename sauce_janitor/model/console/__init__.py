"""What the state keeps for the pages of the console."""
