"""What a state on a server needs from others."""

from __future__ import annotations

from typing import Protocol


class StateAddress(Protocol):
    """Where the address of a state is read from, each time that it is needed: it may have a
    password.
    """

    def read(self) -> str:
        """Return the address. Raise ConfigError where it cannot be read."""
