"""Calendar periods: which day, ISO week, month or year a time falls in, in the configured zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sauce_janitor.model.policies import Period

_LONGEST_S: Final = {
    "daily": 86_400,
    "weekly": 7 * 86_400,
    "monthly": 31 * 86_400,
    "yearly": 366 * 86_400,
}
_LEEWAY_S: Final = 2 * 86_400


def periods(kind: Period, zone: ZoneInfo) -> Callable[[int], int]:
    """A function that numbers the period an epoch second falls in; the next period has the next
    number.
    """
    number: dict[Period, Callable[[datetime], int]] = {
        "daily": datetime.toordinal,
        "weekly": lambda local: (local.toordinal() - 1) // 7,  # day 1 of the calendar was a Monday
        "monthly": lambda local: local.year * 12 + local.month,
        "yearly": lambda local: local.year,
    }
    number_of = number[kind]
    return lambda time: number_of(datetime.fromtimestamp(time, zone))


def surely_before(kind: Period, count: int, as_of: int) -> int:
    """A time before which nothing falls in the last `count` periods up to `as_of`, in any zone."""
    return as_of - count * _LONGEST_S[kind] - _LEEWAY_S
