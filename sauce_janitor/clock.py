"""This machine's clocks: the date, and the steady count of seconds that measures how old an answer
is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

APART_S: Final = 2.0
"""How far the wall clock and the steady clock may drift apart between two readings: NTP slews the
wall clock.
"""
LEAP_S: Final = 120.0
"""How far `monotonic` leaps, at least, once the clocks disagree.

It is longer than the greatest age at which an answer still counts as fresh: so no answer from
before the leap does.
"""


class Clock(Protocol):
    """Tells the time, measures how long ago something was, and waits. `CLOCK`, or a test's."""

    def now(self) -> float:
        """Return epoch seconds, UTC. They may jump forward and back."""

    def monotonic(self) -> float:
        """Return seconds that only ever grow; they measure the age of an answer."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait up to `seconds` of this clock, and return whether the event was set."""


def _steady() -> float:
    """Return seconds that go on while the machine sleeps, where the operating system counts them.

    Linux: CLOCK_BOOTTIME, because CLOCK_MONOTONIC (Python's `time.monotonic`) stops while the
    machine is suspended. macOS: CLOCK_MONOTONIC. Source: clock_gettime(2), clock_gettime(3).
    """
    return time.clock_gettime(_STEADY)


_STEADY: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The clocks of one process; any thread may read them.

    All code shares `CLOCK`: the age of an answer must be measured by the clock that saw the
    request leave.
    """

    def __init__(
        self, steady: Callable[[], float] = _steady, wall: Callable[[], float] = time.time
    ) -> None:
        self._steady, self._wall = steady, wall
        self._lock = threading.Lock()
        self._apart: float | None = None
        self._leapt_s = 0.0

    def now(self) -> int:
        """Return epoch seconds, UTC. They may jump forward and back."""
        return int(self._wall())

    def monotonic(self) -> float:
        """Return seconds that only ever grow, also while the machine or the process sleeps.

        If the wall clock moved by another amount since the last reading, one of the two clocks is
        wrong: a virtual machine was paused, or somebody set the date. Then the count leaps ahead,
        so that everything read before counts as old.
        """
        with self._lock:
            steady = self._steady()
            apart = self._wall() - steady
            moved_s = 0.0 if self._apart is None else abs(apart - self._apart)
            self._apart = apart
            # Which of the two clocks is wrong cannot be told from here. The leap is at least as
            # long as the time that may have passed unseen.
            if moved_s > APART_S:
                self._leapt_s += max(LEAP_S, moved_s)
            return steady + self._leapt_s

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait up to `seconds`, and return whether the event was set."""
        return event.wait(seconds)


CLOCK: Final = SystemClock()
"""The one clock of this process."""
