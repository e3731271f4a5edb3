"""The user name and access key of one account as they are now: a key that was changed meanwhile is
read again.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from pydantic import SecretStr

from sauce_janitor.errors import ConfigError, CredentialsError

_SHORTEST_BLOTTED: Final = (
    16  # real access keys have 36 letters; blotting out a short word would mangle honest text
)


class Credential:
    """What requests are signed with; shared by all who use one connection, any thread.

    `read_again` gives (user name, access key) from where they are kept; ConfigError when they
    cannot be had.
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
        self._blotted: set[str] = set()
        self.authorization = self._signed(key)

    @property
    def blotted(self) -> frozenset[str]:
        """Every form of the keys there were that must not be seen in anything that is shown or
        kept.
        """
        return frozenset(self._blotted)

    def renew(self, refused: str) -> bool:
        """After a 401 for the `authorization` in `refused`: whether there is another one now. The
        key is read again once.

        Raises CredentialsError when it cannot be read.
        """
        with self._lock:
            if self.authorization != refused:
                return True  # another thread was faster
            if self._read_again is None:
                return False
            read_again, self._read_again = self._read_again, None
            try:
                username, key = read_again()
            except ConfigError as error:
                raise CredentialsError(
                    f"the access key is not accepted (401), and cannot be read again: {error}"
                ) from error
            if username != self.username or key.get_secret_value() == self._key.get_secret_value():
                return False
            self._key = key
            self.authorization = self._signed(key)
            return True

    def _signed(self, secret: SecretStr) -> str:
        key = secret.get_secret_value()
        token = base64.b64encode(f"{self.username}:{key}".encode()).decode()
        if len(key) >= _SHORTEST_BLOTTED:
            self._blotted |= {key, quote(key, safe=""), token}
        return f"Basic {token}"
