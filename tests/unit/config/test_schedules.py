"""Schedules and black-outs as they are written, and what they mean."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from sauce_janitor.config import BlackoutPeriod, Config, DailyBlackout
from sauce_janitor.config.loader import from_bytes
from sauce_janitor.config.source.cron import parse_cron
from sauce_janitor.errors import ConfigError

HEAD = (
    "timezone: Europe/Berlin\naccounts: {eu: {region: eu}, us: {region: us, schedule: {cron: '0 3 *"
    " * *'}}}\n"
)


def loaded(text: str) -> Config:
    return from_bytes((HEAD + text).encode(), Path("config.yaml"), environ={})


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp())


def test_an_account_has_its_own_keys_and_the_files_for_the_rest() -> None:
    config = loaded("schedule: {cron: '5 * * * *', jitter: 2min, blackouts: [{days: sun}]}\n")
    eu, us = config.schedule("eu"), config.schedule("us")
    assert (eu.cron.text, us.cron.text) == ("5 * * * *", "0 3 * * *")
    assert eu.jitter_s == us.jitter_s == 120
    assert eu.blackouts == us.blackouts == (DailyBlackout(0, 1440, frozenset({0}), None),)


def test_without_a_schedule_it_is_hourly_with_a_minute_of_jitter() -> None:
    schedule = loaded("").schedule("eu")
    assert (schedule.cron.text, schedule.jitter_s, schedule.blackouts) == ("17 * * * *", 60, ())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (
            '{from: "08:00", to: "18:30", days: mon-fri}',
            DailyBlackout(480, 1110, frozenset({1, 2, 3, 4, 5})),
        ),
        ('{from: "22:00", to: "6:00"}', DailyBlackout(1320, 360, frozenset(range(7)))),
        (
            '{days: "sat,sun", reason: weekend}',
            DailyBlackout(0, 1440, frozenset({0, 6}), "weekend"),
        ),
        (
            "{from: 2026-12-20, to: 2027-01-02}",
            BlackoutPeriod(at("2026-12-19T23:00:00Z"), at("2027-01-02T23:00:00Z")),
        ),
        (
            "{from: 2026-12-24T18:00:00Z, to: 2026-12-27T06:00:00+01:00}",
            BlackoutPeriod(at("2026-12-24T18:00:00Z"), at("2026-12-27T05:00:00Z")),
        ),
    ],
)
def test_a_black_out_is_a_time_of_day_whole_days_or_a_stretch_whose_last_day_counts(
    written: str, meant: DailyBlackout | BlackoutPeriod
) -> None:
    assert loaded(f"schedule: {{blackouts: {written}}}\n").schedule("eu").blackouts == (meant,)


@pytest.mark.parametrize(
    "written",
    [
        "{from: 2026-12-24, to: 2026-12-20}",
        "{from: 2026-12-24T18:00:00Z, to: 2026-12-24T18:00:00Z}",
        "{from: 2026-12-24T18:00:00Z, to: 2026-12-23}",
    ],
)
def test_a_black_out_that_would_end_before_it_begins_is_a_fault(written: str) -> None:
    """It would never be in force, and nobody would know."""
    with pytest.raises(
        ConfigError, match=r"blackouts\[0\]: ends before it begins: exchange from and to"
    ):
        loaded(f"schedule: {{blackouts: [{written}]}}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("60 * * * *", "`60` is not valid for the minute: write 0 to 59"),
        ("* 24 * * *", "`24` is not valid for the hour: write 0 to 23"),
        ("* * 0 * *", "`0` is not valid for the day: write 1 to 31"),
        ("* * * 13 *", "`13` is not valid for the month: write 1 to 12 or a name"),
        ("* * * * 8", "`8` is not valid for the weekday: write 0 to 7 or a name"),
        ("*/0 * * * *", "`*/0` steps by 0: a step of the minute is 1 to 59"),
        ("5-1 * * * *", "`5-1` ends before it begins"),
        ("a * * * *", "`a` is not valid for the minute: write 0 to 59"),
        (
            "@daily",
            "`@daily` is not a schedule: write minute hour day month weekday, such as 17 * * * *",
        ),
        ("* * 31 feb,apr *", "`* * 31 feb,apr *` never happens: none of its months has a day 31"),
        ("0 3 30 feb */2", "`0 3 30 feb */2` never happens: none of its months has a day 30"),
        (
            "1,,2 * * * *",
            "`` is not valid for the minute: write a number, a range such as 1-5, a step such as */2, or *",
        ),
    ],
)
def test_what_is_no_schedule_is_told_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ValueError) as wrong:
        parse_cron(text)
    assert str(wrong.value) == said


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("0 3 */2 * 1", True),
        ("0 3 1 * */2", True),
        ("0 3 1-31/2 * 1", False),
        ("0 3 */2 * *", False),
        ("0 3 * * 1", False),
    ],
)
def test_a_step_in_a_day_field_beside_the_other_day_field_is_warned_of(
    text: str, warned: bool
) -> None:
    """Cron reads it as both, Kubernetes as either."""
    said = [
        str(each)
        for each in loaded(f"schedule: {{cron: '{text}'}}\n").warnings
        if "Kubernetes" in str(each)
    ]
    expected = f"cron: `{text}` means days that fit both the day and the weekday"
    assert [expected in each for each in said] == [True] * warned


def test_the_warning_of_an_accounts_own_schedule_names_the_account() -> None:
    config = from_bytes(
        b"accounts: {us: {region: us, schedule: {cron: '0 3 */2 * 1'}}}", Path("c.yaml"), environ={}
    )
    assert any("accounts.us.schedule.cron: " in str(each) for each in config.warnings)
