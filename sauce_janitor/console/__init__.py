"""What the console's pages show: read from the state, the archive and the configuration."""
