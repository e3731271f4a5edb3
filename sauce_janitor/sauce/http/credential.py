"""The user name and access key of one account; after a 401 a key that was changed is read again."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from pydantic import SecretStr

from sauce_janitor.errors import ConfigError, CredentialsError

# Real access keys have 36 letters. Removing a short word would damage other text.
_SHORTEST_REMOVED: Final = 16


class Credential:
    """What requests are signed with; shared by all users of one connection, in any thread.

    `read_again` returns (user name, access key) from where they are kept. It raises ConfigError
    when they cannot be read.
    """

    def __init__(
        self,
        username: str,
        key: SecretStr,
        read_again: Callable[[], tuple[str, SecretStr]] | None = None,
    ) -> None:
        self.username: Final = username
        self._read_again = read_again
        self._lock = threading.Lock()
        self._key = key
        self._secrets: set[str] = set()
        self.authorization = self._signed(key)

    @property
    def secrets(self) -> frozenset[str]:
        """Return every form of the present and earlier keys that must never be shown or stored."""
        return frozenset(self._secrets)

    def renew(self, refused: str) -> bool:
        """Tell whether there is another `authorization` now than the one `refused` by a 401.

        The key is read again once. Raises CredentialsError when it cannot be read.
        """
        with self._lock:
            # Another thread was faster.
            if self.authorization != refused:
                return True
            if self._read_again is None:
                return False
            read_again, self._read_again = self._read_again, None
            try:
                username, key = read_again()
            except ConfigError as error:
                raise CredentialsError(
                    f"the access key is not accepted (401), and cannot be read again: {error}"
                ) from error
            # A key of another user, or the same key, would not help.
            if username != self.username or key.get_secret_value() == self._key.get_secret_value():
                return False
            self._key = key
            self.authorization = self._signed(key)
            return True

    def _signed(self, secret: SecretStr) -> str:
        key = secret.get_secret_value()
        token = base64.b64encode(f"{self.username}:{key}".encode()).decode()
        if len(key) >= _SHORTEST_REMOVED:
            self._secrets |= {key, quote(key, safe=""), token}
        return f"Basic {token}"
