"""Times as text. Inside the program a time is epoch seconds. JSON, CSV and logs show UTC; people
see the configured time zone.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import overload

_zone: tzinfo = UTC
"""The zone in which people read times.

A command sets it for its process. The daemon, its log and its pages stay in UTC.
"""


def show_times_in(zone: tzinfo = UTC) -> None:
    """Set the zone in which this process shows times to people."""
    global _zone  # noqa: PLW0603 - one process shows one zone, as it has one locale
    _zone = zone


def when(epoch_s: int | None, *, seconds: bool = False) -> str:
    """Return a time for people, with the name of its zone: `2026-11-29 14:03 CET`; `-` for None.

    In the hour that clocks repeat in autumn, the name tells the two apart (CEST, CET). A zone
    without a name of letters shows its offset (`+0530`).
    """
    form = "%Y-%m-%d %H:%M:%S %Z" if seconds else "%Y-%m-%d %H:%M %Z"
    return "-" if epoch_s is None else datetime.fromtimestamp(epoch_s, _zone).strftime(form)


def day(epoch_s: int) -> str:
    """Return the day of this time in the zone for people: `2026-11-29`."""
    return datetime.fromtimestamp(epoch_s, _zone).strftime("%Y-%m-%d")


@overload
def iso(epoch_s: int) -> str: ...
@overload
def iso(epoch_s: int | None) -> str | None: ...
def iso(epoch_s: int | None) -> str | None:
    """Return a time for machines: ISO 8601 in UTC, to the second; None for None."""
    if epoch_s is None:
        return None
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
