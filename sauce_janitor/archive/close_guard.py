"""Keeps an archive's descriptors open for threads that still use them when it is closed.

A stop waits some seconds for the threads of a run and then continues without them. Such a thread
may still be fetching when the archive is closed and another run begins. It must not use a
descriptor that by then belongs to another file, and it must not commit what it has made: its lease
is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sauce_janitor.errors import ArchiveUnusableError


class CloseGuard:
    """Closes descriptors by `close`: at `cut`, or after it, when the last thread has left
    `held`.
    """

    def __init__(self, close: Callable[[], None]) -> None:
        self._close_folders = close
        self._lock = threading.Condition()
        self._holding = self._showing = 0
        self._is_cut = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the descriptors open inside. Raises ArchiveUnusableError when the archive is
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
                self._close_folders()

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Keep the archive from being closed inside.

        Raises ArchiveUnusableError when it is closed: then nothing may be committed any more.
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
        """Close the archive for every thread; wait for commits that have begun. Calling it again is
        safe.

        `last` is called once, when nothing is being committed any more and the descriptors are
        still open.
        """
        with self._lock:
            # New commits are refused from here on; those that have begun are awaited.
            was_cut, self._is_cut = self._is_cut, True
            self._lock.wait_for(lambda: self._showing == 0)
            if not was_cut:
                last()
            # Threads that still hold the descriptors close them themselves, when the last one
            # leaves.
            is_last = not was_cut and self._holding == 0
        if is_last:
            self._close_folders()

    def _check(self) -> None:
        if self._is_cut:
            raise ArchiveUnusableError(
                "the archive was closed while a job was still being stored: nothing of it is kept"
            )
