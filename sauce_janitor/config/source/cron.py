"""Five cron fields, as cron(8) reads them: which minutes, hours, days, months and weekdays they
mean.

Weekdays count from Sunday as 0 (7 is Sunday too). Where both days of the month and weekdays are
restricted, either will do, unless one of the two fields begins with `*`, such as `*/2`: then both
must fit. Source: crontab(5) and entry.c of Vixie cron.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ITEM = re.compile(r"(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]+))?", re.IGNORECASE)
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("weekday", 0, 7, {name: number for number, name in enumerate(WEEKDAYS)}),
)
_LONGEST: Final = dict(
    zip(range(1, 13), (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), strict=True)
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A schedule's times: `text` as written; weekdays from Sunday as 0. None of `days` or
    `weekdays`: every day.

    Where both are given, a day of either is meant; with `needs_both_days` only a day of both.
    """

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    days: frozenset[int] | None
    weekdays: frozenset[int] | None
    needs_both_days: bool = False

    @property
    def is_of_every_hour(self) -> bool:
        """Whether it goes by the clock's minutes alone, so that it goes on in real time when clocks
        change.
        """
        return len(self.hours) == 24


def parse_cron(text: str) -> Cron:
    """What five fields mean: minute hour day month weekday. ValueError, a sentence, for what is
    none or never comes.
    """
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(
            f"`{text[:60]}` is no schedule: write minute hour day month weekday, such as 17 * * * *"
        )
    minutes, hours, days, months, weekdays = (
        _values(*each) for each in zip(fields, _FIELDS, strict=True)
    )
    cron = Cron(
        text=" ".join(fields),
        minutes=minutes,
        hours=hours,
        months=months,
        days=None if fields[2].startswith("*") and len(days) == 31 else days,
        weekdays=(
            None
            if fields[4].startswith("*") and len(weekdays) >= 7
            else frozenset(day % 7 for day in weekdays)
        ),
        needs_both_days=fields[2].startswith("*") or fields[4].startswith("*"),
    )
    only_days = cron.weekdays is None or cron.needs_both_days
    if (
        only_days
        and cron.days is not None
        and min(cron.days) > max(_LONGEST[month] for month in months)
    ):
        raise ValueError(
            f"`{cron.text}` never comes: none of its months has a day {min(cron.days)}"
        )
    return cron


def weekdays_of(text: str) -> frozenset[int]:
    """Weekdays by name, such as mon-fri or sat,sun; Sunday is 0. ValueError, a sentence, for
    anything else.
    """
    if not re.fullmatch(r"[a-zA-Z]+(-[a-zA-Z]+)?(,[a-zA-Z]+(-[a-zA-Z]+)?)*", text.replace(" ", "")):
        raise ValueError(f"`{text[:60]}` names no days: write them as mon-fri or sat,sun")
    return frozenset(day % 7 for day in _values(text.replace(" ", ""), _FIELDS[4]))


def _values(field: str, known: tuple[str, int, int, dict[str, int]]) -> frozenset[int]:
    values: set[int] = set()
    for item in field.split(","):
        values |= _of_item(item, known)
    return frozenset(values)


def _of_item(item: str, known: tuple[str, int, int, dict[str, int]]) -> set[int]:
    what, least, most, names = known
    read = _ITEM.fullmatch(item)
    if read is None or (read[1] == "*" and read[2]):
        raise ValueError(
            f"`{item[:60]}` is no {what}: write a number, a range such as 1-5, a step such as */2,"
            " or *"
        )
    step = int(read[3]) if read[3] else 1
    if not 1 <= step <= most:
        raise ValueError(f"`{item[:60]}` steps by {step}: a step of the {what} is 1 to {most}")
    first = least if read[1] == "*" else _number(read[1], known)
    last = (
        most if read[1] == "*" or (read[3] and not read[2]) else _number(read[2] or read[1], known)
    )
    if what == "weekday":
        last = (
            6 if read[1] == "*" else last + 7 if last < first and names else last
        )  # sat-mon goes over the week's end
    if last < first:
        raise ValueError(f"`{item[:60]}` ends before it begins")
    return {value % 7 if what == "weekday" else value for value in range(first, last + 1, step)}


def _number(text: str, known: tuple[str, int, int, dict[str, int]]) -> int:
    what, least, most, names = known
    number = (
        names.get(text.lower()[:3] if len(text) >= 3 else text.lower())
        if not text.isdecimal()
        else int(text)
    )
    if number is None or not least <= number <= most:
        raise ValueError(
            f"`{text[:60]}` is no {what}: it is {least} to {most}{' or a name' if names else ''}"
        )
    return number
