"""The calendar periods by which keep rules count: one row each.

Everything else walks this table: the grammar's keys, keep rules, forecasts, simulations, warnings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Self
from zoneinfo import ZoneInfo

from sauce_janitor.model.safety_numbers import DAY_S

_LEEWAY_S: Final = 2 * DAY_S
"""Time zones and changes of clocks shift a period by less than this."""


def _iso_week(local: datetime) -> int:
    # Day 1 of Python's calendar is a Monday, and ISO weeks begin on Mondays.
    return (local.toordinal() - 1) // 7


def _month(local: datetime) -> int:
    return local.year * 12 + local.month


def _year(local: datetime) -> int:
    return local.year


@dataclass(frozen=True, slots=True)
class PeriodFacts:
    """What there is to know about a calendar period.

    `noun` names it in messages, `full_noun` in the reference, and `example` is how many of them the
    reference keeps. `shortest_s` and `longest_s` are how long one lasts, without a change of
    clocks. `number` numbers the period of a local time; the next period has the next number.
    """

    noun: str
    full_noun: str
    example: int
    shortest_s: int
    longest_s: int
    number: Callable[[datetime], int]


class CalendarPeriod(StrEnum):
    """A calendar period by which keep rules count. Its value is the key in YAML."""

    facts: PeriodFacts

    def __new__(cls, key: str, facts: PeriodFacts) -> Self:
        """Make one row of the table."""
        # The value is the key alone, so that rules compare and print as plain text.
        period = str.__new__(cls, key)
        period._value_ = key
        period.facts = facts
        return period

    DAILY = "daily", PeriodFacts("day", "day", 14, DAY_S, DAY_S, datetime.toordinal)
    WEEKLY = "weekly", PeriodFacts("week", "ISO week", 8, 7 * DAY_S, 7 * DAY_S, _iso_week)
    MONTHLY = "monthly", PeriodFacts("month", "month", 12, 28 * DAY_S, 31 * DAY_S, _month)
    YEARLY = "yearly", PeriodFacts("year", "year", 2, 365 * DAY_S, 366 * DAY_S, _year)

    def numbering(self, zone: ZoneInfo) -> Callable[[int], int]:
        """Return a function that numbers the period of an epoch second in `zone`."""
        number = self.facts.number
        return lambda time: number(datetime.fromtimestamp(time, zone))

    def surely_before(self, count: int, as_of: int) -> int:
        """Return a time before which nothing falls in the last `count` periods up to `as_of`, in
        any zone.
        """
        return as_of - count * self.facts.longest_s - _LEEWAY_S
