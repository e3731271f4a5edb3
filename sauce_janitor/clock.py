"""This machine's clocks: the date, and the count of seconds that says how old an answer is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

APART_S: Final = 2.0
"""So much may the wall clock move against the count of seconds between two readings: NTP slews
it.
"""
LEAP_S: Final = 120.0
"""Longer than any answer may be old: no answer from before a leap of the clocks counts as fresh."""


class Clock(Protocol):
    """What time it is, how long ago something was, and how to wait: `CLOCK`, or a test's."""

    def now(self) -> float:
        """Return epoch seconds, UTC; they may jump, both ways."""

    def monotonic(self) -> float:
        """Return seconds that only ever grow, by which the age of an answer is told."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Return whether the event was set within so many seconds of this clock."""


def _steady() -> float:
    """Return seconds that go on while the machine sleeps, where the system counts them.

    Linux: CLOCK_BOOTTIME; its CLOCK_MONOTONIC, Python's `time.monotonic`, stands still in a
    suspend. macOS: CLOCK_MONOTONIC. Source: clock_gettime(2), clock_gettime(3).
    """
    return time.clock_gettime(_STEADY)


_STEADY: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The clocks of one process; any thread may read them.

    Everybody shares `CLOCK`, so that the age of an answer is told by the clock that saw it asked
    for.
    """

    def __init__(
        self, steady: Callable[[], float] = _steady, wall: Callable[[], float] = time.time
    ) -> None:
        self._steady, self._wall = steady, wall
        self._lock = threading.Lock()
        self._apart: float | None = None
        self._leapt_s = 0.0

    def now(self) -> int:
        """Return epoch seconds, UTC; they may jump, both ways."""
        return int(self._wall())

    def monotonic(self) -> float:
        """Return seconds that only ever grow, also while the machine or the process sleeps.

        Where the wall clock moved by another amount since the last reading, one of the two is
        wrong: a virtual machine was paused, or somebody set the date. Then the count leaps, so that
        everything that was read before is old.
        """
        with self._lock:
            steady = self._steady()
            apart = self._wall() - steady
            moved_s = 0.0 if self._apart is None else abs(apart - self._apart)
            self._apart = apart
            if moved_s > APART_S:
                self._leapt_s += max(LEAP_S, moved_s)
            return steady + self._leapt_s

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Return whether the event was set within so many seconds."""
        return event.wait(seconds)


CLOCK: Final = SystemClock()
"""The process's own."""
