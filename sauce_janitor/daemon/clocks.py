"""The time that the daemon lives in: this machine's, or one that a test drives."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """What time it is, and how to wait: `clock.CLOCK`, or a test's."""

    def now(self) -> float:
        """Epoch seconds, UTC; it may jump, both ways."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Whether the event was set within so many seconds of this clock."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the daemon looks, in seconds of this machine's time, whatever its clock says.

    `round_s`: at what is due (of its clock); `watch_s`: at how things stand; `follow_s`: at the configuration's files;
    `reopen_s`: at a state that could not be opened; `token_s`: at the token.
    """

    round_s: float = 1.0
    watch_s: float = 5.0
    follow_s: float = 5.0
    reopen_s: float = 10.0
    token_s: float = 10.0
