"""The time that the daemon lives in: this machine's, or one that a test drives."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What time it is, and how to wait."""

    def now(self) -> float:
        """Epoch seconds, UTC; it may jump, both ways."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Whether the event was set within so many seconds of this clock."""


class SystemClock:
    """This machine's clock."""

    def now(self) -> float:
        return time.time()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(seconds)
