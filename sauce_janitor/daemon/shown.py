"""What the pages show, kept ready in memory, so that no page ever waits for a disk or a database."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sauce_janitor.web.overview import Overview, Readiness


class Kept:
    """The newest of each; written by the daemon's threads, read by the server's (`web.pages.Shown`)."""

    def __init__(self, page: Callable[[], bytes], overview: Overview) -> None:
        self._page = page
        self._overview = overview
        self._readiness = Readiness(("starting",))
        self._lock = threading.Lock()
        self.is_alive: Callable[[], bool] = lambda: True

    def alive(self) -> bool:
        return self.is_alive()

    def readiness(self) -> Readiness:
        return self._readiness

    def metrics(self) -> bytes:
        return self._page()

    def overview(self) -> Overview:
        return self._overview

    def keep(self, overview: Overview, readiness: Readiness) -> None:
        """This is how things stand now."""
        with self._lock:
            self._overview, self._readiness = overview, readiness
