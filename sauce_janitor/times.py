"""Times as people and machines read them. Inside they are epoch seconds; JSON, CSV and logs have
UTC, people their own zone.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

_zone: tzinfo = UTC
"""Where people read times. A command sets it for its process; the daemon, its log and its pages
keep UTC.
"""


def show_times_in(zone: tzinfo = UTC) -> None:
    """Show times in this zone from now on."""
    global _zone  # noqa: PLW0603 - one process shows one zone, as it has one locale
    _zone = zone


def when(epoch_s: int | None, *, seconds: bool = False) -> str:
    """Return a time as people read it, with its zone's name: `2026-11-29 14:03 CET`; - for None.

    In an hour that clocks repeat the name tells which of the two it is (CEST, CET). A zone whose
    name is no letters has its offset (`+0530`).
    """
    form = "%Y-%m-%d %H:%M:%S %Z" if seconds else "%Y-%m-%d %H:%M %Z"
    return "-" if epoch_s is None else datetime.fromtimestamp(epoch_s, _zone).strftime(form)


def day(epoch_s: int) -> str:
    """Return the day that this moment has for people: `2026-11-29`."""
    return datetime.fromtimestamp(epoch_s, _zone).strftime("%Y-%m-%d")


def iso(epoch_s: int | None) -> str | None:
    """Return a time as machines read it: ISO 8601 in UTC, to the second."""
    return (
        None
        if epoch_s is None
        else datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )
