"""No run is lost or doubled when clocks change: the timetable against a plain reading of every
minute.

The reading knows nothing of the timetable: it looks at each minute in turn, at what the clocks show
then, and at the five fields. It is made for every zone that changes its clocks from 2026 to 2028,
around each change.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import pytest

from sauce_janitor.config import Schedule
from sauce_janitor.config.source.cron import parse_cron
from sauce_janitor.daemon.schedule import RunTimes

HOUR_S, DAY_S = 3600, 86_400
FIRST, LAST = (int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) for year in (2026, 2029))
OF_CERTAIN_HOURS = (
    "0 0 * * *",
    "30 0 * * 0,1",
    "30 2 * * *",
    "*/20 1-3 * * *",
    "0 */2 * * *",
    "59 23 */2 * 0",
    "15 0,1 28-31 3,10 6",
)
OF_EVERY_HOUR = ("17 * * * *", "*/45 * * * 6")


def offset(zone: zoneinfo.ZoneInfo, instant: int) -> int:
    found = dt.datetime.fromtimestamp(instant, zone).utcoffset()
    assert found is not None
    return int(found.total_seconds())


def changes(zone: zoneinfo.ZoneInfo) -> Iterator[int]:
    # No zone changes its clocks twice within a week.
    for week in range(FIRST, LAST, 7 * DAY_S):
        if offset(zone, week) != (before := offset(zone, week - 7 * DAY_S)):
            low, high = week - 7 * DAY_S, week
            while high - low > 60:
                middle = (low + high) // 120 * 60
                low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
            yield high


@cache
def zones() -> dict[str, tuple[int, ...]]:
    """One name for each set of changes, and the changes."""
    found: dict[tuple[tuple[int, int], ...], str] = {}
    for name in sorted(zoneinfo.available_timezones()):
        zone = zoneinfo.ZoneInfo(name)
        found.setdefault(tuple((at, offset(zone, at)) for at in changes(zone)), name)
    return {name: tuple(at for at, _ in key) for key, name in found.items() if key}


@dataclass(frozen=True)
class Fields:
    """The five fields as crontab(5) has them."""

    minutes: set[int]
    hours: set[int]
    days: set[int]
    months: set[int]
    weekdays: set[int]
    both: bool

    def name(self, wall: int) -> bool:
        if wall // 60 % 60 not in self.minutes or wall // HOUR_S % 24 not in self.hours:
            return False
        at = dt.datetime.fromtimestamp(wall, dt.UTC)
        if at.month not in self.months:
            return False
        day, weekday = at.day in self.days, at.isoweekday() % 7 in self.weekdays
        return day and weekday if self.both else day or weekday


def plainly(cron: str) -> Fields:
    def values(text: str, least: int, most: int) -> set[int]:
        found: set[int] = set()
        for item in text.split(","):
            read = re.fullmatch(r"(\*|\d+)(?:-(\d+))?(?:/(\d+))?", item)
            assert read is not None
            first, last = (
                (least, most) if read[1] == "*" else (int(read[1]), int(read[2] or read[1]))
            )
            found |= set(range(first, last + 1, int(read[3] or 1)))
        return found

    fields = cron.split()
    ranges = zip(fields, ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6)), strict=True)
    minutes, hours, days, months, weekdays = (values(text, *bounds) for text, bounds in ranges)
    return Fields(minutes, hours, days, months, weekdays, "*" in (fields[2][0], fields[4][0]))


def walls(zone: zoneinfo.ZoneInfo, start: int, end: int, step: int) -> list[tuple[int, int]]:
    """Each instant of the window, and what the clocks show then."""
    return [(instant, instant + offset(zone, instant)) for instant in range(start, end, step)]


def due(fields: Fields, shown: Iterable[tuple[int, int]], step: int) -> list[int]:
    """When it is due by the plain reading: at each first sight of a time, and for what is left out
    as late as it is late.
    """
    certain = len(fields.hours) < 24
    found: set[int] = set()
    latest = 0
    for instant, wall in shown:
        if latest and certain:
            left_out = range(latest + step, wall, step)
            found |= {
                instant + late * step for late, each in enumerate(left_out) if fields.name(each)
            }
        if (wall > latest or not certain) and fields.name(wall):
            found.add(instant)
        latest = max(latest, wall)
    return sorted(found)


def by_timetable(cron: str, zone: str, start: int, end: int) -> list[int]:
    timetable = RunTimes(Schedule(parse_cron(cron), 0, ()), zone)
    found = []
    at = timetable.due_after(start - 1)
    while at < end:
        found.append(at)
        at = timetable.due_after(at)
    return found


def test_every_zone_that_changes_its_clocks_is_looked_at() -> None:
    assert len(zones()) >= 25
    assert sum(map(len, zones().values())) >= 150


@pytest.mark.parametrize(("turn", "cron"), [*enumerate((*OF_CERTAIN_HOURS, *OF_EVERY_HOUR))])
def test_around_a_change_of_clocks_each_run_is_due_once_at_its_minute(turn: int, cron: str) -> None:
    """Every schedule in every zone, at a third of its changes; each change has three schedules."""
    check_around_changes(cron, slice(turn % 3, None, 3))


@pytest.mark.thorough
@pytest.mark.parametrize("cron", [*OF_CERTAIN_HOURS, *OF_EVERY_HOUR])
def test_around_every_change_of_clocks_each_run_is_due_once_at_its_minute(cron: str) -> None:
    check_around_changes(cron, slice(None))


def check_around_changes(cron: str, some: slice) -> None:
    fields = plainly(cron)
    for name, instants in zones().items():
        for at in instants[some]:
            start, end = at - DAY_S // 4, at + DAY_S
            shown = _around(name, at)
            assert by_timetable(cron, name, start, end) == due(fields, shown, 60), (name, at)


@cache
def _around(name: str, at: int) -> list[tuple[int, int]]:
    return walls(zoneinfo.ZoneInfo(name), at - DAY_S // 4, at + DAY_S, 60)


@pytest.mark.parametrize("cron", ["0 0 1 * *", "30 0 * * 1", "45 23 */9 * *"])
def test_a_change_of_clocks_loses_no_week_and_no_month(cron: str) -> None:
    fields = plainly(cron)
    for name, instants in zones().items():
        for at in instants[:1]:
            start, end = at // DAY_S * DAY_S - 33 * DAY_S, at // DAY_S * DAY_S + 33 * DAY_S
            assert by_timetable(cron, name, start, end) == due(
                fields, _far(name, start, end), 900
            ), (name, at)


@cache
def _far(name: str, start: int, end: int) -> list[tuple[int, int]]:
    return walls(zoneinfo.ZoneInfo(name), start, end, 900)


@pytest.mark.parametrize("cron", ["*/15 * * * *", "7 * * * *"])
def test_a_schedule_of_every_hour_goes_on_in_real_time(cron: str) -> None:
    for name, instants in zones().items():
        apart = {
            b - a
            for a, b in pairwise(
                by_timetable(cron, name, instants[0] - HOUR_S * 3, instants[0] + HOUR_S * 3)
            )
        }
        assert max(apart) <= 90 * 60, name  # Lord Howe's clocks change by half an hour


@pytest.mark.parametrize(
    ("after", "zone", "cron", "expected"),
    [
        ("2026-03-28T23:05", "Europe/Berlin", "0 0 * * *", "2026-03-29T22:00"),
        ("2026-03-25T12:00", "Europe/Berlin", "0 0 * * 1", "2026-03-29T22:00"),
        ("2026-03-02T12:00", "Europe/Berlin", "0 0 1 * *", "2026-03-31T22:00"),
        ("2026-03-08T05:35", "America/New_York", "30 0 * * *", "2026-03-09T04:30"),
        ("2026-04-23T12:00", "Africa/Cairo", "0 0 * * *", "2026-04-23T22:00"),
        ("2026-03-28T12:00", "Europe/Berlin", "30 2 * * *", "2026-03-29T01:30"),
        ("2026-10-24T20:00", "Europe/Berlin", "0 0 * * *", "2026-10-24T22:00"),
        ("2011-12-29T20:00", "Pacific/Apia", "0 12 * * *", "2011-12-29T22:00"),
        ("2011-12-29T22:00", "Pacific/Apia", "0 12 * * *", "2011-12-30T22:00"),
        ("2096-02-28T12:00", "UTC", "0 0 29 2 *", "2096-02-29T00:00"),
        ("2096-03-01T00:00", "UTC", "0 0 29 2 *", "2104-02-29T00:00"),
        ("2026-01-01T00:00", "Europe/Berlin", "0 0 29 2 */7", "2032-02-28T23:00"),
    ],
)
def test_the_next_run_is_the_one_that_people_expect(
    after: str, zone: str, cron: str, expected: str
) -> None:
    found = RunTimes(Schedule(parse_cron(cron), 0, ()), zone).due_after(_utc(after))
    assert dt.datetime.fromtimestamp(found, dt.UTC).isoformat(timespec="minutes")[:16] == expected


def _utc(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp())
