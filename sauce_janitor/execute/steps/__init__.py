"""What is done to one job, step by step: archive, delete (in rounds of several jobs), stop."""
