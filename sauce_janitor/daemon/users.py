"""Those who may sign in to the pages. The file is read again while the daemon runs; the last good
one counts.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import structlog

from sauce_janitor.config import Web
from sauce_janitor.config.web_users import WebUsers, read_users
from sauce_janitor.errors import ConfigError


class FollowedUsers:
    """The users; the server's threads read `value`, and `trouble`: why the newest file does not
    count, None where it does.
    """

    def __init__(self, web: Web) -> None:
        self._path = web.users
        self._value: WebUsers = MappingProxyType({})
        self.trouble: str | None = None
        self._log: Any = structlog.get_logger()

    def value(self) -> WebUsers:
        """Return the users of the newest good file."""
        return self._value

    def read(self) -> None:
        """Read the file for the first time. Raise ConfigError when it cannot be used."""
        if self._path is not None:
            self._value = read_users(self._path)

    def read_again(self) -> None:
        """Use a changed file. One that cannot be used changes nothing and is reported once."""
        before = self._value
        try:
            self.read()
        except ConfigError as error:
            # It is read again and again: the same trouble is one line of the log.
            if str(error) != self.trouble:
                self._log.error("web.users_unusable", why=str(error), in_force="the last good file")
            self.trouble = str(error)
            return
        self.trouble = None
        if self._value != before:
            self._log.info("web.users_changed", users=len(self._value))
