"""How often a sign-in failed lately, by user or by client."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

_MOST_KEYS: Final = 10_000
"""So many users or clients are remembered; then those that failed longest ago are forgotten."""


class FailedTries:
    """Counts tries by key, in memory: `most` in `window_s` seconds of `now`. Any thread may use
    it.
    """

    def __init__(self, most: int, window_s: float, now: Callable[[], float]) -> None:
        self._most, self._window_s, self._now = most, window_s, now
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str) -> bool:
        """Count a try, and return whether it may be made."""
        now = self._now()
        with self._lock:
            tries = self._tries.setdefault(key, deque())
            while tries and now - tries[0] >= self._window_s:
                tries.popleft()
            # One that may not be made is not counted: the window ends some day.
            if len(tries) >= self._most:
                return False
            tries.append(now)
            self._tries.move_to_end(key)
            if len(self._tries) > _MOST_KEYS:
                self._tries.popitem(last=False)
            return True

    def give_back(self, key: str) -> None:
        """Forget the last try: it did not fail."""
        with self._lock:
            if tries := self._tries.get(key):
                tries.pop()
