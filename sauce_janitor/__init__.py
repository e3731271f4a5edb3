"""sauce-janitor: retention for Sauce Labs jobs, builds and assets."""

__version__ = "0.1.0"
