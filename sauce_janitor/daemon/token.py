"""The token that opens the pages: read again while the daemon runs, so that it can be changed; the
last good one counts.
"""

from __future__ import annotations

import os
from typing import Any, Final

import structlog

from sauce_janitor.config import Web
from sauce_janitor.errors import ConfigError

SHORTEST: Final = 16


class Token:
    """One token; `value` is read by the server's threads."""

    def __init__(self, web: Web) -> None:
        self._source = web.token
        self._value = ""
        self._said: str | None = None
        self._log: Any = structlog.get_logger()

    def value(self) -> str:
        """The newest good one."""
        return self._value

    def read(self) -> None:
        """Read it for the first time. ConfigError when there is none, or one that can be
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
        """Take a changed one up; one that cannot be had changes nothing, and is told once."""
        try:
            self.read()
        except ConfigError as wrong:
            if str(wrong) != self._said:
                self._log.error(
                    "web.token_unreadable", why=str(wrong), in_force="the last good one"
                )
            self._said = str(wrong)
        else:
            self._said = None
