"""A Sauce Labs look-alike on loopback, to try policies on and to test against."""
