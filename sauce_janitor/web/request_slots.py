"""Keeps threads free for monitoring: pages that take long cannot occupy all of them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PATIENCE_S: Final = 5.0
_BUSY: Final = b"The server is busy with other pages. Try again in a moment.\n"


class RequestSlots:
    """A WSGI application that passes at most `most` requests at once to another one.

    Requests of `free_paths` need no slot, so a probe is answered while somebody searches a large
    log. Another request waits up to 5 s for a slot, and is then answered with 503.
    """

    def __init__(self, app: WSGIApplication, most: int, free_paths: frozenset[str]) -> None:
        self._app, self._free_paths = app, free_paths
        self._slots = threading.BoundedSemaphore(most)
        # Only one may wait: a thread that waits is occupied, too.
        self._waiting = threading.BoundedSemaphore(1)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") in self._free_paths:
            return self._app(environ, start_response)
        if not self._taken():
            sizes = [("Content-Type", "text/plain; charset=utf-8"), ("Retry-After", "5")]
            start_response("503 Service Unavailable", sizes)
            return [] if environ.get("REQUEST_METHOD") == "HEAD" else [_BUSY]
        try:
            return _Answer(self._app(environ, start_response), self._slots)
        # The slot is free again, whatever the error was; it is raised again.
        except BaseException:
            self._slots.release()
            raise

    def _taken(self) -> bool:
        if self._slots.acquire(blocking=False):
            return True
        if not self._waiting.acquire(blocking=False):
            return False
        try:
            return self._slots.acquire(timeout=_PATIENCE_S)
        finally:
            self._waiting.release()


class _Answer:
    """An answer that gives its slot back when the server has sent or dropped it."""

    def __init__(self, parts: Iterable[bytes], slots: threading.BoundedSemaphore) -> None:
        self._parts, self._slots = parts, slots

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def close(self) -> None:
        """Close the answer of the application, and free the slot."""
        close = getattr(self._parts, "close", None)
        try:
            if close is not None:
                close()
        finally:
            # The server calls it once; a second call would free another one's slot.
            with suppress(ValueError):
                self._slots.release()
