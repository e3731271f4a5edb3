"""Durations: parse them, add them to a time, and test ages fast and exactly to the second."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from sauce_janitor.model.policies import Duration
from sauce_janitor.model.safety_numbers import DAY_S

AgeTest = Callable[[int], bool]
"""A test whether something of an epoch second is old, or young, enough."""

_SECONDS: Final = {"s": 1, "min": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}
_MONTHS: Final = {"mo": 1, "y": 12}
_WRITTEN = re.compile(r"([0-9]+)([A-Za-z]*)")
_LONGEST_YEARS = 100
_LONGEST_S: Final = _LONGEST_YEARS * 366 * DAY_S
_LEEWAY_S: Final = 5 * DAY_S
"""How much n calendar months can differ in length: month ends (3 d), daylight saving time, a zone
that skips a day (Samoa 2011).
"""


def parse_duration(text: object) -> Duration:
    """Return the duration that `text` states, such as `90min`, `2h`, `3d`, `6mo` (units `s min h d
    w mo y`, whole numbers).

    Zero is a duration; callers that do not allow it must refuse it. Raise ValueError with a
    sentence that says how to fix it for anything else.
    """
    written = _WRITTEN.fullmatch(text if isinstance(text, str) else str(text)[:60])
    if written is None:
        raise ValueError(
            f"{text!r:.60} is not a duration: write a whole number and a unit, such as 12h, "
            "3d or 6mo"
        )
    digits, unit = written.groups()
    if unit == "":
        raise ValueError(
            f"{text} has no unit: write {text}d for days, or another of s min h d w mo y"
        )
    # A wrong guess between minutes and months could delete jobs years too early.
    if unit == "m":
        raise ValueError(
            f"{text} is ambiguous: write {digits}min for minutes or {digits}mo for months"
        )
    if unit not in _SECONDS and unit not in _MONTHS:
        raise ValueError(
            f"{text!r:.60} has an unknown unit {unit!r:.20}: use one of s min h d w mo y"
        )
    # Python refuses to convert very many digits, and is slow with fewer: look at the length first.
    number = int(digits) if len(digits) <= 12 else _LONGEST_S + 1
    seconds, months = number * _SECONDS.get(unit, 0), number * _MONTHS.get(unit, 0)
    if seconds > _LONGEST_S or months > _LONGEST_YEARS * 12:
        raise ValueError(f"{text!r:.60} is longer than {_LONGEST_YEARS} years")
    return Duration(written.group(), seconds, months)


def approximately(duration: Duration) -> int:
    """Return a duration in seconds, with a month as 30 days: good enough for a warning."""
    return duration.seconds + duration.months * 30 * DAY_S


def due_at(time: int, duration: Duration, zone: ZoneInfo) -> int:
    """Return the epoch second at which something of `time` is `duration` old.

    Months and years are counted on the calendar of `zone`, at the same time of day, clamped to the
    month's end: a month after January 31 is February 28 or 29. An hour that daylight saving time
    skips is taken as the one after.
    """
    if not duration.months:
        return time + duration.seconds
    local = datetime.fromtimestamp(time, zone)
    year, month = divmod(local.year * 12 + local.month - 1 + duration.months, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return int(local.replace(year=year, month=month + 1, day=day).timestamp())


def at_least(duration: Duration, *, as_of: int, zone: ZoneInfo) -> AgeTest:
    """Return a test of times: is something of that time at least `duration` old at `as_of`? Exactly
    as old counts.

    It is true when `due_at(time) <= as_of`, and so stays true for every later `as_of`, but needs no
    calendar for most times.
    """
    if not duration.months:
        newest = as_of - duration.seconds
        return lambda time: time <= newest
    # Calendar arithmetic is slow: only times near the border need it.
    about = _months_before(as_of, duration.months)
    surely, surely_not = about - _LEEWAY_S, about + _LEEWAY_S

    def old_enough(time: int) -> bool:
        if time < surely:
            return True
        return time <= surely_not and due_at(time, duration, zone) <= as_of

    return old_enough


def at_most(duration: Duration, *, as_of: int, zone: ZoneInfo) -> AgeTest:
    """Return a test of times: is something of that time at most `duration` old at `as_of`? Exactly
    as old counts.
    """
    if not duration.months:
        oldest = as_of - duration.seconds
        return lambda time: time >= oldest
    about = _months_before(as_of, duration.months)
    surely_not, surely = about - _LEEWAY_S, about + _LEEWAY_S

    def young_enough(time: int) -> bool:
        if time > surely:
            return True
        return time >= surely_not and due_at(time, duration, zone) >= as_of

    return young_enough


def _months_before(time: int, months: int) -> int:
    local = datetime.fromtimestamp(time, UTC)
    year, month = divmod(local.year * 12 + local.month - 1 - months, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return int(local.replace(year=year, month=month + 1, day=day).timestamp())
