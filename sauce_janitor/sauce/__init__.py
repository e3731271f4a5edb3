"""The client of Sauce Labs: all HTTP to it is here."""
