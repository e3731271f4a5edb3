"""Parses the five fields of a cron schedule as cron(8) does.

Weekdays count from Sunday as 0 (7 is Sunday too). If both days of the month and weekdays are
restricted, a day that fits either counts, unless one of the two fields begins with `*`, such as
`*/2`: then a day must fit both. Source: crontab(5) and entry.c of Vixie cron.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ITEM = re.compile(r"(\*|[0-9a-zA-Z]+)(?:-([0-9a-zA-Z]+))?(?:/([0-9]+))?")
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
    """The times of a schedule. `text` is as written; weekdays count from Sunday as 0.

    `days` or `weekdays` is None if it restricts nothing. If both are set, a day that fits either
    counts; with `needs_both_days` it must fit both.
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
        """Whether only the minutes matter: then the schedule goes on in real time when clocks
        change.
        """
        return len(self.hours) == 24


def parse_cron(text: str) -> Cron:
    """Return the times of five fields: minute hour day month weekday.

    Raise ValueError, with a sentence, for an invalid schedule and for one that never happens.
    """
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(
            f"`{text[:60]}` is not a schedule: write minute hour day month weekday, such as"
            " 17 * * * *"
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
    # With weekdays as an alternative it happens anyway, such as `0 0 31 2 1`.
    only_days = cron.weekdays is None or cron.needs_both_days
    if (
        only_days
        and cron.days is not None
        and min(cron.days) > max(_LONGEST[month] for month in months)
    ):
        raise ValueError(
            f"`{cron.text}` never happens: none of its months has a day {min(cron.days)}"
        )
    return cron


def weekdays_of(text: str) -> frozenset[int]:
    """Return the weekdays of a text such as mon-fri or sat,sun; Sunday is 0.

    Raise ValueError, with a sentence, for any other text.
    """
    if not re.fullmatch(r"[a-zA-Z]+(-[a-zA-Z]+)?(,[a-zA-Z]+(-[a-zA-Z]+)?)*", text.replace(" ", "")):
        raise ValueError(f"`{text[:60]}` is not a list of days: write mon-fri or sat,sun")
    return frozenset(day % 7 for day in _values(text.replace(" ", ""), _FIELDS[4]))


def _values(field: str, known: tuple[str, int, int, dict[str, int]]) -> frozenset[int]:
    values: set[int] = set()
    for item in field.split(","):
        values |= _of_item(item, known)
    return frozenset(values)


def _of_item(item: str, known: tuple[str, int, int, dict[str, int]]) -> set[int]:
    what, least, most, _ = known
    found = _ITEM.fullmatch(item)
    if found is None or (found[1] == "*" and found[2]):
        raise ValueError(
            f"`{item[:60]}` is not valid for the {what}: write a number, a range such as 1-5, a"
            " step such as */2, or *"
        )
    start, end, every = found.groups()
    step = int(every) if every else 1
    if not 1 <= step <= most:
        raise ValueError(f"`{item[:60]}` steps by {step}: a step of the {what} is 1 to {most}")
    first = least if start == "*" else _number(start, known)
    # `5/15` has no end: it goes on to the greatest value, as `5-59/15`.
    last = most if start == "*" or (every and not end) else _number(end or start, known)
    if what == "weekday" and start == "*":
        # Not 7: Sunday is 0 already.
        last = 6
    elif what == "weekday" and last < first:
        # `sat-mon` goes over the end of the week.
        last += 7
    if last < first:
        raise ValueError(f"`{item[:60]}` ends before it begins")
    return {value % 7 if what == "weekday" else value for value in range(first, last + 1, step)}


def _number(text: str, known: tuple[str, int, int, dict[str, int]]) -> int:
    what, least, most, names = known
    if text.isdecimal():
        number: int | None = int(text)
    else:
        # Names may be longer than three letters: `monday` means `mon`.
        number = names.get(text.lower()[:3] if len(text) >= 3 else text.lower())
    or_name = " or a name" if names else ""
    if number is None or not least <= number <= most:
        raise ValueError(
            f"`{text[:60]}` is not valid for the {what}: write {least} to {most}{or_name}"
        )
    return number
