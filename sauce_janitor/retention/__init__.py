"""Decides, and does nothing else: pure functions over values."""
