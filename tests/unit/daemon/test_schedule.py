"""When runs are due: cron's times as cron means them, whatever the clocks of a time zone do, and
never in a black-out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.config import BlackoutPeriod, DailyBlackout, Schedule
from sauce_janitor.config.source.cron import parse_cron
from sauce_janitor.daemon.schedule import RunTimes

EVERY_DAY = frozenset(range(7))


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp())


def table(cron: str, *blackouts: DailyBlackout | BlackoutPeriod, timezone: str = "UTC") -> RunTimes:
    return RunTimes(Schedule(parse_cron(cron), 0, blackouts), timezone)


def times(timetable: RunTimes, after: str, count: int) -> list[str]:
    def each() -> Iterator[int]:
        last = at(after)
        for _ in range(count):
            yield (last := timetable.due_after(last))

    return [f"{dt.datetime.fromtimestamp(each, dt.UTC):%m-%d %H:%M}" for each in each()]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("17 * * * *", ["11-21 10:17", "11-21 11:17", "11-21 12:17"]),
        ("*/20 10 * * *", ["11-21 10:00", "11-21 10:20", "11-21 10:40"]),
        ("0 3 * * 0", ["11-22 03:00", "11-29 03:00", "12-06 03:00"]),
        ("0 3 * * 7", ["11-22 03:00", "11-29 03:00", "12-06 03:00"]),
        ("0 3 * * mon-fri", ["11-23 03:00", "11-24 03:00", "11-25 03:00"]),
        ("0 3 * * sat-mon", ["11-22 03:00", "11-23 03:00", "11-28 03:00"]),
        ("0 3 1 * 1", ["11-23 03:00", "11-30 03:00", "12-01 03:00"]),
        ("0 3 31 * *", ["12-31 03:00", "01-31 03:00", "03-31 03:00"]),
        ("0 0 29 feb *", ["02-29 00:00", "02-29 00:00", "02-29 00:00"]),
        ("5/30 9 */10 jan,jul *", ["01-01 09:05", "01-01 09:35", "01-11 09:05"]),
    ],
)
def test_cron_means_what_cron_means(cron: str, expected: list[str]) -> None:
    assert times(table(cron), "2026-11-21T09:59:59", 3) == expected


def test_a_repeated_hour_counts_for_each_hour_and_once_for_a_certain_hour() -> None:
    berlin = "Europe/Berlin"
    night = "2026-10-24T23:30:00"
    assert times(table("17 * * * *", timezone=berlin), night, 3) == [
        "10-25 00:17",
        "10-25 01:17",
        "10-25 02:17",
    ]
    assert times(table("30 2 * * *", timezone=berlin), night, 2) == ["10-25 00:30", "10-26 01:30"]


def test_an_hour_that_is_left_out_leaves_out_no_run() -> None:
    berlin = "Europe/Berlin"
    night = "2026-03-28T23:30:00"
    assert times(table("17 * * * *", timezone=berlin), night, 3) == [
        "03-29 00:17",
        "03-29 01:17",
        "03-29 02:17",
    ]
    assert times(table("30 2 * * *", timezone=berlin), night, 2) == ["03-29 01:30", "03-30 00:30"]


def test_what_is_due_in_a_black_out_is_due_once_when_it_ends() -> None:
    work = DailyBlackout(8 * 60, 18 * 60, frozenset({1, 2, 3, 4, 5}))
    friday = "2026-11-20T06:30:00"
    assert times(table("0 * * * *", work), friday, 4) == [
        "11-20 07:00",
        "11-20 18:00",
        "11-20 19:00",
        "11-20 20:00",
    ]
    assert times(table("0 12 * * *", work), friday, 3) == [
        "11-20 18:00",
        "11-21 12:00",
        "11-22 12:00",
    ]


def test_a_black_out_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    night = DailyBlackout(22 * 60, 6 * 60, frozenset({5}))  # Friday
    assert table("0 * * * *", night).dark_at(at("2026-11-21T05:59:59")) is not None
    assert table("0 * * * *", night).dark_at(at("2026-11-22T05:59:59")) is None
    assert times(table("0 0 * * *", night), "2026-11-20T12:00:00", 2) == [
        "11-21 06:00",
        "11-22 00:00",
    ]


def test_a_black_out_lasts_while_clocks_show_its_times_the_second_time_too() -> None:
    night = DailyBlackout(60, 150, EVERY_DAY)  # 01:00 to 02:30
    berlin = table("*/30 * * * *", night, timezone="Europe/Berlin")
    assert times(berlin, "2026-10-24T22:20:00", 3) == ["10-24 22:30", "10-25 01:30", "10-25 02:00"]
    saturday = DailyBlackout(0, 24 * 60, frozenset({6}))
    havana = table("*/30 * * * *", saturday, timezone="America/Havana")
    assert times(havana, "2026-10-31T12:00:00", 3) == ["11-01 04:00", "11-01 04:30", "11-01 05:00"]


def test_black_outs_that_follow_each_other_are_one() -> None:
    freeze = BlackoutPeriod(at("2026-12-20T00:00:00"), at("2026-12-25T00:00:00"), "freeze")
    holidays = BlackoutPeriod(at("2026-12-24T00:00:00"), at("2027-01-03T00:00:00"), "holidays")
    sunday = DailyBlackout(0, 24 * 60, frozenset({0}))
    timetable = table("0 3 * * *", freeze, holidays, sunday)
    assert times(timetable, "2026-12-19T12:00:00", 2) == ["01-04 00:00", "01-04 03:00"]
    dark = timetable.dark_at(at("2026-12-24T12:00:00"))
    assert dark is not None
    assert (dark.ends_at, dark.reason) == (at("2027-01-03T00:00:00"), "holidays")


CRONS = st.sampled_from(
    ["17 * * * *", "30 2 * * *", "*/7 1-3 * * *", "0 0 1 * *", "0 5 13 * 5", "59 23 * * 0"]
)
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
)


@given(
    CRONS, ZONES, st.integers(at("2026-01-01T00:00:00"), at("2027-12-31T00:00:00")), st.booleans()
)
def test_times_only_ever_grow_and_lie_outside_black_outs(
    cron: str, zone: str, start: int, dark: bool
) -> None:
    timetable = table(
        cron, *([DailyBlackout(60, 3 * 60, EVERY_DAY)] if dark else []), timezone=zone
    )
    found = [start]
    for _ in range(5):
        found.append(timetable.due_after(found[-1]))
    assert all(before < after for before, after in pairwise(found))
    assert all(timetable.dark_at(each) is None for each in found[1:])
