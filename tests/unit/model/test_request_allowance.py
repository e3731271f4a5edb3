"""The budget by the hour of the day: what holds when, when it changes, and when work is done."""

from __future__ import annotations

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.model.request_allowance import (
    AllowanceTimetable,
    AllowanceWindow,
    RequestAllowance,
    allowance,
)

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT, OFFICE, NONE = RequestAllowance(2, 1500), RequestAllowance(2, 500), RequestAllowance(2, 0)
WEEKDAYS, WEEKEND, EVERY_DAY = frozenset(range(5)), frozenset({5, 6}), frozenset(range(7))
BY_DAY = AllowanceTimetable(NIGHT, (AllowanceWindow(WEEKDAYS, 8 * 60, 18 * 60, OFFICE),), BERLIN)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("2026-11-23T07:59:59", NIGHT),
        ("2026-11-23T08:00:00", OFFICE),
        ("2026-11-23T17:59:59", OFFICE),
        ("2026-11-23T18:00:00", NIGHT),
        ("2026-11-22T12:00:00", NIGHT),  # a Sunday
    ],
)
def test_a_window_holds_from_its_first_minute_up_to_its_end_on_its_days(
    moment: str, allowed: RequestAllowance
) -> None:
    assert BY_DAY.at(at(moment)) == allowed


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("2026-11-27T22:00:00", OFFICE),  # Friday night
        ("2026-11-28T05:59:00", OFFICE),
        ("2026-11-28T06:00:00", NIGHT),
        ("2026-11-27T05:00:00", NIGHT),  # Thursday's night has no window
        ("2026-11-28T23:00:00", NIGHT),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins(
    moment: str, allowed: RequestAllowance
) -> None:
    table = AllowanceTimetable(
        NIGHT, (AllowanceWindow(frozenset({4}), 22 * 60, 6 * 60, OFFICE),), BERLIN
    )
    assert table.at(at(moment)) == allowed


def test_hours_are_of_the_clock_on_the_wall_also_when_it_is_set() -> None:
    window = AllowanceTimetable(
        NIGHT, (AllowanceWindow(EVERY_DAY, 2 * 60, 4 * 60, OFFICE),), BERLIN
    )
    spring, autumn = at("2026-03-29T00:00"), at("2026-10-25T00:00")
    minutes_of = [
        sum(window.at(day + 60 * n) == OFFICE for n in range(8 * 60)) for day in (spring, autumn)
    ]
    assert minutes_of == [60, 180], (
        "2 to 4 lasts an hour when one is skipped, and three when one comes twice"
    )


@pytest.mark.parametrize(
    ("moment", "changes"),
    [
        ("2026-11-23T07:00", "2026-11-23T08:00"),
        ("2026-11-23T08:00", "2026-11-23T18:00"),
        ("2026-11-27T18:00", "2026-11-30T08:00"),
    ],
)
def test_the_next_change_is_told(moment: str, changes: str) -> None:
    assert BY_DAY.changes_at(at(moment)) == at(changes)


def test_what_never_changes_says_so() -> None:
    assert AllowanceTimetable(NIGHT).changes_at(at("2026-11-23T07:00")) == math.inf
    same = AllowanceTimetable(NIGHT, (AllowanceWindow(WEEKDAYS, 0, 60, NIGHT),))
    assert same.changes_at(at("2026-11-23T07:00")) == math.inf


@given(
    start=st.integers(0, 1439),
    length=st.integers(1, 1440),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    hour=st.integers(0, 24 * 400),
)
def test_between_two_changes_nothing_changes(
    start: int, length: int, days: frozenset[int], hour: int
) -> None:
    table = AllowanceTimetable(
        NIGHT, (AllowanceWindow(days, start, (start + length) % 1440 or 1440, OFFICE),), BERLIN
    )
    moment = at("2026-01-01T00:00") + hour * 3600
    until = min(table.changes_at(moment), moment + 9 * 86_400)
    assert {table.at(moment + (until - moment) * part / 100) for part in range(100)} == {
        table.at(moment)
    }
    if until < moment + 9 * 86_400:
        assert table.at(until) != table.at(moment)


@given(
    start=st.integers(0, 1439),
    length=st.integers(1, 1440),
    days=st.frozensets(st.integers(0, 6)),
    minute=st.integers(0, 10079),
)
def test_the_minutes_of_a_window_are_those_it_covers(
    start: int, length: int, days: frozenset[int], minute: int
) -> None:
    window = AllowanceWindow(days, start, (start + length) % 1440 or 1440, OFFICE)
    assert (minute in window.minutes()) == window.covers(*divmod(minute, 1440))


# --- how long work takes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requests", "per_second", "per_hour", "left", "seconds"),
    [
        (0, 2, 1500, None, 0),
        (100, None, None, None, None),
        (100, 2, None, None, 50),
        (1500, 2, 1500, None, 750),
        (1501, 2, 1500, None, 3600.5),
        (3001, 2, 1500, None, 7200.5),
        (100, 2, 1500, 40, 3630),
        (100, 2, 1500, 0, 3650),
        (100, None, 1500, None, 0),
        (100, 0.001, None, None, 100_000),
    ],
)
def test_both_windows_of_the_budget_hold_at_once(
    requests: int,
    per_second: float | None,
    per_hour: int | None,
    left: int | None,
    seconds: float | None,
) -> None:
    found = AllowanceTimetable(RequestAllowance(per_second, per_hour)).seconds_for(
        requests, now=0, left=left
    )
    assert found == (None if seconds is None else pytest.approx(seconds, rel=0.01))


def test_work_that_begins_in_a_window_goes_on_at_its_rate() -> None:
    assert BY_DAY.seconds_for(1500, now=at("2026-11-23T08:00")) == pytest.approx(2 * 3600 + 250)
    assert BY_DAY.seconds_for(1500, now=at("2026-11-23T17:30")) == pytest.approx(1800 + 500)


def test_work_waits_for_the_end_of_a_window_of_none() -> None:
    table = AllowanceTimetable(NIGHT, (AllowanceWindow(EVERY_DAY, 8 * 60, 18 * 60, NONE),), BERLIN)
    assert table.seconds_for(10, now=at("2026-11-23T08:00")) == pytest.approx(10 * 3600 + 5)


def test_work_of_years_is_told_by_the_mean_of_a_day() -> None:
    table = AllowanceTimetable(NIGHT)
    assert table.seconds_for(36_000 * 1000, now=0) == pytest.approx(1000 * 86_400, rel=0.001)


@pytest.mark.parametrize(
    ("table", "requests"),
    [
        (AllowanceTimetable(RequestAllowance(2, 1500)), 36_000),
        (AllowanceTimetable(RequestAllowance(0.1, 1500)), 8640),
        (AllowanceTimetable(RequestAllowance(2, None)), 172_800),
        (AllowanceTimetable(RequestAllowance()), None),
        (BY_DAY, (36_000 * 7 - 5 * 10 * 1000) / 7),
        (
            AllowanceTimetable(RequestAllowance(), (AllowanceWindow(EVERY_DAY, 0, 1440, OFFICE),)),
            12_000,
        ),
        (
            AllowanceTimetable(OFFICE, (AllowanceWindow(WEEKEND, 0, 1440, RequestAllowance()),)),
            None,
        ),
    ],
)
def test_a_day_comes_to_so_many_requests(table: AllowanceTimetable, requests: float | None) -> None:
    assert table.per_day() == requests


def test_what_is_not_asked_for_is_polite_and_loopback_has_no_limit() -> None:
    assert allowance(None, None, 5, loopback=False) == RequestAllowance(2, 1500, 5)
    assert allowance(1, None, 5, loopback=False) == RequestAllowance(1, 1500, 5)
    assert allowance(None, None, 5, loopback=True).unlimited
    assert allowance(None, 9, 5, loopback=True) == RequestAllowance(None, 9, 5)


@pytest.mark.parametrize(
    ("allowed", "text"),
    [
        (RequestAllowance(2, 1500), "2/s, 1,500/h"),
        (RequestAllowance(0.5, None), "0.5/s"),
        (RequestAllowance(None, 3500), "3,500/h"),
        (RequestAllowance(), "no limit"),
        (RequestAllowance(2, 0), "none"),
    ],
)
def test_an_allowance_is_told_in_words(allowed: RequestAllowance, text: str) -> None:
    assert str(allowed) == text
