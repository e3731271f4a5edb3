"""The token that opens the pages. It is read again while the daemon runs, so that it can be
changed; the last good one counts.
"""

from __future__ import annotations

import os
from typing import Any, Final

import structlog

from sauce_janitor.config import Web
from sauce_janitor.errors import ConfigError

SHORTEST: Final = 16


class Token:
    """The token; the server's threads read `value`."""

    def __init__(self, web: Web) -> None:
        self._source = web.token
        self._value = ""
        self._reported: str | None = None
        self._log: Any = structlog.get_logger()

    def value(self) -> str:
        """Return the newest good token."""
        return self._value

    def read(self) -> None:
        """Read it for the first time. Raise ConfigError when there is none, or one that can be
        guessed.
        """
        if self._source is None:
            return
        fresh = self._source.resolve(os.environ).get_secret_value()
        if len(fresh) < SHORTEST:
            raise ConfigError(
                [self._source.problem(f"is too short for a token: at least {SHORTEST} characters")]
            )
        self._value = fresh

    def read_again(self) -> None:
        """Use a changed token. One that cannot be read changes nothing and is reported once."""
        try:
            self.read()
        except ConfigError as error:
            # It is read again and again: the same trouble is one line of the log.
            if str(error) != self._reported:
                self._log.error(
                    "web.token_unreadable", why=str(error), in_force="the last good one"
                )
            self._reported = str(error)
        else:
            self._reported = None
