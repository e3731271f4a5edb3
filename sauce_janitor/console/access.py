"""What the console reads from: the configuration in use, the open state, the open archive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from sauce_janitor.archive import Catalogue
from sauce_janitor.archive.storage.sites import ArchiveLocation
from sauce_janitor.config import Account, Config
from sauce_janitor.errors import JanitorError, StateError
from sauce_janitor.operations.wiring.archive_index import keep_up
from sauce_janitor.state import State

_OPEN_S: Final = 30.0
"""How long an open archive is used before it is opened again: its disk may have been exchanged."""
_PATIENCE_S: Final = 0.1
_INDEX_S: Final = 15.0
"""How often the index of archived jobs is brought up to date at most, while somebody looks."""


@dataclass(frozen=True, slots=True)
class _OpenArchive:
    """An open archive, where it is, and since when (monotonic seconds) it is open."""

    location: ArchiveLocation
    known: str | None
    at: float
    catalogue: Catalogue

    def is_of(self, location: ArchiveLocation, known: str | None) -> bool:
        """Return whether it can be used for this location still."""
        is_same = (self.location, self.known) == (location, known)
        return is_same and time.monotonic() - self.at < _OPEN_S


class ConsoleAccess:
    """The daemon's own configuration and state, and its archive. Any thread may use it.

    `state` returns None while the state is closed; `closed_because` then says why.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        state: Callable[[], State | None],
        closed_because: Callable[[], str],
    ) -> None:
        self._config, self._state, self._closed_because = config, state, closed_because
        self._lock = threading.Lock()
        self._opened: _OpenArchive | None = None
        self._index: threading.Thread | None = None
        self._indexed_at = -float("inf")
        self._ending = threading.Event()

    @property
    def config(self) -> Config:
        """The configuration in use."""
        return self._config()

    @property
    def state(self) -> State:
        """The open state. Raise StateError while it is closed."""
        state = self._state()
        if state is None:
            raise StateError(self._closed_because())
        return state

    def account(self, name: str) -> Account | None:
        """Return the configured account of this name."""
        return next((each for each in self.config.accounts if each.name == name), None)

    def catalogue(self) -> Catalogue:
        """Return the archive, open for reading. Raise ArchiveUnusableError where there is none, or
        another one than the state's.
        """
        location = self.config.archive.location
        known = self.state.identity.archive_uuid(str(location))
        with self._lock:
            before = self._opened
            if before is not None and before.is_of(location, known):
                return before.catalogue
            opened = Catalogue.open(location, known_uuid=known)
            self._opened = _OpenArchive(location, known, time.monotonic(), opened)
        # A thread that still reads from it keeps it open until it is done.
        if before is not None:
            before.catalogue.close()
        return opened

    def keep_up(self) -> bool:
        """Bring the index of archived jobs up to date in a thread of its own. Wait for it shortly,
        and return whether it still works: the first time, it reads every receipt.
        """
        with self._lock:
            index = self._index
            is_working = index is not None and index.is_alive()
            is_fresh = time.monotonic() - self._indexed_at < _INDEX_S
            if not is_working and not is_fresh and not self._ending.is_set():
                index = threading.Thread(target=self._keep_up, name="archive index", daemon=True)
                index.start()
                self._index = index
        if index is not None:
            index.join(_PATIENCE_S)
        return index is not None and index.is_alive()

    def _keep_up(self) -> None:
        def step(_jobs: int) -> None:
            if self._ending.is_set():
                raise _StopError

        try:
            keep_up(self.state, self.catalogue(), step=step)
        except _StopError:
            return
        # The list shows what is known; the archive's own trouble is on the overview.
        except JanitorError as error:
            structlog.get_logger().debug("archive.index_failed", why=str(error))
        self._indexed_at = time.monotonic()

    def close(self) -> None:
        """End the indexing and close the archive; no page uses it any more."""
        self._ending.set()
        if self._index is not None:
            self._index.join()
        with self._lock:
            if self._opened is not None:
                self._opened.catalogue.close()
                self._opened = None


class _StopError(Exception):
    """Ends the indexing between two batches."""
