"""What the clocks of a time zone show, and when. Pure.

A wall time is what the clocks show, as seconds since 1970-01-01 00:00 on those clocks; an instant
is epoch seconds in UTC. Their difference is the zone's offset.
"""

from __future__ import annotations

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

_STEP_S: Final = 12 * 3600
"""No zone changes its clocks and changes them back within this time."""


class WallClock:
    """The clocks of one time zone."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)

    def offset(self, instant: int) -> int:
        """Return how many seconds the clocks are ahead of UTC at that instant."""
        return _seconds(dt.datetime.fromtimestamp(instant, self._zone).utcoffset())

    def change(self, after: int, until: int) -> int | None:
        """Return the first instant in (`after`, `until`] from which the offset differs from that at
        `after`.
        """
        offset = self.offset(after)
        low = after
        while low < until:
            high = min(low + _STEP_S, until)
            if self.offset(high) != offset:
                return self._first_with_another(offset, low, high)
            low = high
        return None

    def instants(self, wall: int) -> tuple[int, int]:
        """Return the first and the last instant at which the clocks show that wall time.

        They differ where clocks are set back over it. Where clocks are set forward over it, it is
        never shown: both are the instant that a clock which had not been set forward would show it
        (RFC 5545, 3.3.5).
        """
        local = dt.datetime.fromtimestamp(wall, dt.UTC).replace(tzinfo=self._zone)
        first, last = (wall - _seconds(local.replace(fold=fold).utcoffset()) for fold in (0, 1))
        return first, max(first, last)

    def _first_with_another(self, offset: int, low: int, high: int) -> int:
        while high - low > 1:
            middle = (low + high) // 2
            if self.offset(middle) == offset:
                low = middle
            else:
                high = middle
        return high


def _seconds(offset: dt.timedelta | None) -> int:
    assert offset is not None  # every time zone has one
    return int(offset.total_seconds())
