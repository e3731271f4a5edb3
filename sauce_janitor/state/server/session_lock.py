"""A lock between processes on one server. It ends with its connection, so with its holder."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from typing import Final

from sqlalchemy import Connection, text

from sauce_janitor.errors import StateError
from sauce_janitor.state.database.postgresql import lock_key
from sauce_janitor.state.database.transactions import Database

_TAKE: Final = text("SELECT pg_try_advisory_lock(:key)")
_RELEASE: Final = text("SELECT pg_advisory_unlock(:key)")
_POLL_S: Final = 0.05


class SessionLock:
    """The lock with that name. Raises StateError."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._key = {"key": lock_key(name)}
        self._held = ExitStack()
        self._connection: Connection | None = None

    def acquire(self, wait_s: float) -> bool:
        """Take the lock; return False where it was not free so long."""
        until = time.monotonic() + wait_s
        with ExitStack() as stack:
            connection = stack.enter_context(self._database.session())
            while not connection.execute(_TAKE, self._key).scalar():
                if time.monotonic() >= until:
                    return False
                time.sleep(_POLL_S)
            self._connection, self._held = connection, stack.pop_all()
        return True

    def release(self) -> None:
        """Release the lock."""
        # A connection that broke has released it already.
        with suppress(StateError), self._held:
            if self._connection is not None:
                self._connection.execute(_RELEASE, self._key)
