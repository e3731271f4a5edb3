"""All HTTP to Sauce Labs."""
