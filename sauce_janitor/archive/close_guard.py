"""Whether an archive is still open, as threads see it that were left behind.

A stop waits some seconds for the threads of a run, and then goes on without them. Such a thread may
still be fetching when the archive is closed and another run begins. It must not use a descriptor
that by then is another file's, and it must not show what it has made: the lease it worked under is
gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sauce_janitor.errors import ArchiveUnusableError


class CloseGuard:
    """`let_go` closes the descriptors: at `cut`, or when the last thread that holds on lets go
    after it.
    """

    def __init__(self, let_go: Callable[[], None]) -> None:
        self._let_go = let_go
        self._lock = threading.Condition()
        self._holding = self._showing = 0
        self._is_cut = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """The descriptors stay open inside. Raises ArchiveUnusableError when the archive is
        closed.
        """
        with self._lock:
            self._check()
            self._holding += 1
        try:
            yield
        finally:
            with self._lock:
                self._holding -= 1
                is_last = self._is_cut and self._holding == 0
            if is_last:
                self._let_go()

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Nobody cuts it inside. Raises ArchiveUnusableError when the archive is closed: then
        nothing may be shown any more.
        """
        with self._lock:
            self._check()
            self._showing += 1
        try:
            yield
        finally:
            with self._lock:
                self._showing -= 1
                self._lock.notify_all()

    def cut(self, *, last: Callable[[], None] = lambda: None) -> None:
        """The archive is closed from now on, for everybody; waits for what is being shown. A second
        time changes nothing.

        `last` is called once, when nothing is shown any more and the descriptors are still open.
        """
        with self._lock:
            was_cut, self._is_cut = self._is_cut, True
            self._lock.wait_for(lambda: self._showing == 0)
            if not was_cut:
                last()
            is_last = not was_cut and self._holding == 0
        if is_last:
            self._let_go()

    def _check(self) -> None:
        if self._is_cut:
            raise ArchiveUnusableError(
                "the archive was closed while a job was still being stored: nothing of it is kept"
            )
