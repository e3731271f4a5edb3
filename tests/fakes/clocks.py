"""A clock that stands still but for who waits, and the event that moves it."""

from __future__ import annotations

import threading


class Clock:
    """Both clocks in one, in seconds: the one on the wall may be set apart by `ahead_s`."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.ahead_s = 0.0

    def time(self) -> float:
        return self.seconds + self.ahead_s

    def monotonic(self) -> float:
        return self.seconds


class Waiting(threading.Event):
    """Waiting takes no time but the clock's; every wait is on record."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self.clock.seconds += timeout
        return self.is_set()
