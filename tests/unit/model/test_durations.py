"""Durations are read strictly, and calendar ones are exact at their border."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.model.durations import at_least, at_most, due_at, parse_duration
from sauce_janitor.model.policies import Duration

BERLIN = ZoneInfo("Europe/Berlin")
UTC = ZoneInfo("UTC")


def at(text: str, zone: ZoneInfo = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


@pytest.mark.parametrize(
    ("text", "seconds", "months"),
    [
        ("0s", 0, 0),
        ("90s", 90, 0),
        ("90min", 5400, 0),
        ("2h", 7200, 0),
        ("3d", 259_200, 0),
        ("1w", 604_800, 0),
        ("6mo", 0, 6),
        ("2y", 0, 24),
    ],
)
def test_durations_are_s_min_h_d_w_elapsed_and_mo_y_calendar(
    text: str, seconds: int, months: int
) -> None:
    assert parse_duration(text) == Duration(text, seconds, months)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("30m", "30min for minutes or 30mo for months"),
        (30, "30 has no unit: write 30d"),
        ("30", "has no unit"),
        (1.5, "not a duration"),
        ("1 month", "not a duration"),
        ("-30d", "not a duration"),
        ("P30D", "not a duration"),
        ("1e9d", "not a duration"),
        (".inf", "not a duration"),
        ("", "not a duration"),
        (None, "not a duration"),
        (True, "not a duration"),
        ("3 d", "not a duration"),
        ("3D", "unknown unit"),
        ("3days", "unknown unit"),
        ("101y", "longer than 100 years"),
        ("9" * 5000 + "d", "longer than 100 years"),
        ("٣d", "not a duration"),
        ("3d\n", "not a duration"),
        ([], "not a duration"),
    ],
)
def test_anything_else_is_refused_with_how_to_mend_it(text: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_duration(text)


@pytest.mark.parametrize(
    ("start", "duration", "due"),
    [
        ("2026-01-31T12:00", "1mo", "2026-02-28T12:00"),
        ("2024-01-31T12:00", "1mo", "2024-02-29T12:00"),
        ("2024-02-29T12:00", "1y", "2025-02-28T12:00"),
        ("2025-12-15T12:00", "1mo", "2026-01-15T12:00"),
        ("2025-12-31T00:00", "2mo", "2026-02-28T00:00"),
        ("2026-02-28T02:30", "1mo", "2026-03-28T02:30"),
    ],
)
def test_months_and_years_are_clamped_to_the_months_end(
    start: str, duration: str, due: str
) -> None:
    assert due_at(at(start), parse_duration(duration), BERLIN) == at(due)


def test_a_month_keeps_the_hour_of_the_day_across_summer_time() -> None:
    due = due_at(at("2026-03-10T12:00"), parse_duration("1mo"), BERLIN)
    assert due == at("2026-04-10T12:00")
    assert due - at("2026-03-10T12:00") == 31 * 86_400 - 3600


def test_an_hour_that_summer_time_skips_is_the_one_after() -> None:
    assert (
        due_at(at("2026-02-28T02:30"), parse_duration("29d"), BERLIN)
        == at("2026-02-28T02:30") + 29 * 86_400
    )
    assert due_at(at("2025-03-29T02:30"), parse_duration("1y"), BERLIN) == at("2026-03-29T03:30")


zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "Pacific/Apia", "America/St_Johns", "Asia/Kathmandu"]
).map(ZoneInfo)
times = st.integers(1_200_000_000, 1_900_000_000)
durations = st.sampled_from(["0s", "1h", "10d", "1mo", "2mo", "11mo", "1y", "10y", "100y"]).map(
    parse_duration
)


@given(times, durations, zones, st.integers(-6 * 86_400, 6 * 86_400))
def test_the_fast_tests_say_what_due_at_says(
    time: int, duration: Duration, zone: ZoneInfo, off: int
) -> None:
    due = due_at(time, duration, zone)
    for as_of in (due + off, due - 1, due, due + 1):
        assert at_least(duration, as_of=as_of, zone=zone)(time) == (due <= as_of)
        assert at_most(duration, as_of=as_of, zone=zone)(time) == (as_of <= due)
