"""Warnings: what a configuration allows but its author hardly meant."""
