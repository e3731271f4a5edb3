"""Keep rules, sentence by sentence of docs/reference/policies.md."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.jobs import UNKNOWN, Action, AssetsStanding, JobState, Record, Why
from sauce_janitor.model.policies import DeleteRule, Hold, KeepRule, Policy
from tests.support.decisions import going, ids, reasons
from tests.support.jobs import (
    BERLIN,
    DAY,
    HOUR,
    NOW,
    UTC,
    keep,
    policy,
    record,
    rules,
    running,
    where,
)


def keeping(*kept: KeepRule, **fields: Any) -> Policy:
    return policy("p", job="1h", keep=kept, **fields)


def stay(policy: Policy, jobs: list[Record], *, as_of: int = NOW, zone: ZoneInfo = UTC) -> set[str]:
    everything: set[str] = {job.job.id for job in jobs}
    return everything - going(rules(policy, timezone=zone), jobs, as_of=as_of)


def at(text: str, label: str, zone: ZoneInfo = BERLIN, **fields: Any) -> Record:
    return record(
        label, NOW - int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()), **fields
    )


def days(count: int, **fields: Any) -> list[Record]:
    """j1 is a day old, j2 two, …"""
    return [record(f"j{n}", n * DAY, **fields) for n in range(1, count + 1)]


def test_last_keeps_the_newest() -> None:
    assert stay(keeping(keep("l", "last", count=2)), days(5)) == ids("j1", "j2")


def test_last_is_evaluated_per_group() -> None:
    jobs = [
        *days(3, browser="chrome"),
        *[record(f"f{n}", n * DAY + 5, browser="firefox") for n in (1, 2)],
    ]
    assert stay(keeping(keep("l", "last", count=1), group_by=("name", "browser")), jobs) == ids(
        "j1", "f1"
    )


def test_keep_rules_are_evaluated_over_young_jobs_too() -> None:
    young = [record(f"y{n}", n) for n in range(3)]
    assert stay(keeping(keep("l", "last", count=3)), [*young, *days(2)]) == ids("y0", "y1", "y2")


def test_of_equal_times_the_lower_id_is_first() -> None:
    jobs = [record(f"j{n}", DAY) for n in range(9)]
    first = sorted(job.job.id for job in jobs)[:2]
    assert stay(keeping(keep("l", "last", count=2)), jobs) == set(first)


def test_where_restricts_what_is_counted() -> None:
    jobs = [record("red", DAY, status="failed"), *[record(f"g{n}", n * DAY) for n in (2, 3)]]
    assert stay(keeping(keep("l", "last", count=1, where=where(status="passed"))), jobs) == ids(
        "g2"
    )


def test_where_unknown_is_kept_and_takes_no_slot() -> None:
    jobs = [record("u", DAY, status=UNKNOWN), *days(3)[1:], record("old", 9 * DAY, status=UNKNOWN)]
    assert stay(keeping(keep("l", "last", count=1, where=where(status="passed"))), jobs) == ids(
        "u", "j2", "old"
    )


def test_held_running_and_ageless_jobs_take_no_slot() -> None:
    aside = [
        record("held", HOUR, held=True),
        running("running", HOUR),
        record("ageless", HOUR, started_at=UNKNOWN),
        record("unknown", HOUR, state=JobState.UNKNOWN),
    ]
    assert stay(keeping(keep("l", "last", count=1)), [*aside, *days(2)]) == ids(
        "held", "running", "ageless", "unknown", "j1"
    )


def test_a_job_held_by_a_tag_takes_no_slot() -> None:
    held = rules(keeping(keep("l", "last", count=1)), holds=(Hold("h", tag="keep"),))
    assert going(held, [record("held", HOUR, tags=("keep",)), *days(2)]) == ids("j2")


def test_since_last_keeps_all_that_is_newer_than_the_last_that_matches() -> None:
    rule = keep("s", "since_last", since=where(status="passed"))
    jobs = [
        *[record(f"r{n}", n * DAY, status="failed") for n in (1, 2)],
        record("g", 3 * DAY),
        record("r", 4 * DAY, status="failed"),
    ]
    assert stay(keeping(rule), jobs) == ids("r1", "r2")


def test_since_last_keeps_all_when_none_matches() -> None:
    rule = keep("s", "since_last", since=where(status="passed"))
    assert stay(keeping(rule), days(3, status="failed")) == ids("j1", "j2", "j3")


@pytest.mark.parametrize(
    "aside",
    [
        {"held": True},
        {"state": JobState.RUNNING},
        {"status": UNKNOWN},
        {"name": None},
        {"started_at": UNKNOWN},
    ],
)
def test_what_is_unsure_is_no_anchor_of_since_last(aside: dict[str, object]) -> None:
    rule = keep("s", "since_last", since=where(status="passed"))
    jobs = [record("maybe", HOUR, **aside), record("red", 2 * DAY, status="failed")]
    assert stay(keeping(rule, group_by=("name",)), jobs) >= ids("red")


def test_within_keeps_at_exactly_that_age() -> None:
    jobs = [record("in", 7 * DAY), record("out", 7 * DAY + 1)]
    assert stay(keeping(keep("w", "within", duration="7d")), jobs) == ids("in")


def test_within_months_is_calendar() -> None:
    jobs = [at("2026-05-01T14:00", "in"), at("2026-05-01T13:59:59", "out")]
    assert stay(keeping(keep("w", "within", duration="1mo")), jobs, zone=BERLIN) == ids("in")


def test_within_of_newest_is_of_the_groups_newest() -> None:
    jobs = [record("newest", 100 * DAY), record("in", 107 * DAY), record("out", 107 * DAY + 1)]
    assert stay(keeping(keep("w", "within_of_newest", duration="7d")), jobs) == ids("newest", "in")


def test_a_running_job_is_no_newest() -> None:
    jobs = [running("r"), record("newest", 100 * DAY), record("in", 101 * DAY)]
    assert stay(keeping(keep("w", "within_of_newest", duration="7d")), jobs) == ids(
        "r", "newest", "in"
    )


# --- calendar periods -----------------------------------------------------------------------------


def test_daily_keeps_one_job_a_day_today_included() -> None:
    jobs = [record(f"h{n}", n * 6 * HOUR + 1) for n in range(1, 12)]  # NOW is noon
    assert stay(keeping(keep("d", "daily", count=3)), jobs) == ids("h1", "h2", "h6")


def test_days_without_jobs_count_unless_nonempty() -> None:
    jobs = [record("a", 2 * DAY), record("b", 5 * DAY), record("c", 9 * DAY)]
    assert stay(keeping(keep("d", "daily", count=3)), jobs) == ids("a")
    assert stay(keeping(keep("d", "daily", count=2, nonempty=True)), jobs) == ids("a", "b")


def test_days_are_of_the_configured_zone() -> None:
    jobs = [at("2026-06-01T00:30", "monday"), at("2026-05-31T23:30", "sunday")]
    assert stay(keeping(keep("d", "daily", count=1)), jobs, zone=BERLIN) == ids("monday")
    assert stay(keeping(keep("d", "daily", count=2)), jobs, zone=UTC) == ids("monday")


def test_weeks_are_iso_weeks() -> None:
    jobs = [
        at("2026-06-01T00:00", "mon"),
        at("2026-05-31T23:59", "sun"),
        at("2026-05-25T00:00", "mon-before"),
    ]
    assert stay(keeping(keep("w", "weekly", count=2)), jobs, zone=BERLIN) == ids("mon", "sun")


def test_an_iso_week_crosses_the_years_end() -> None:
    jobs = [
        at("2027-01-03T12:00", "sunday"),
        at("2026-12-28T12:00", "monday"),
        at("2026-12-27T12:00", "before"),
    ]
    as_of = int(datetime(2027, 1, 3, 20, tzinfo=BERLIN).timestamp())
    assert stay(keeping(keep("w", "weekly", count=2)), jobs, as_of=as_of, zone=BERLIN) == ids(
        "sunday", "before"
    )


def test_months_and_years_are_calendar_ones() -> None:
    jobs = [
        at("2026-06-01T01:00", "june"),
        at("2026-05-31T23:00", "may"),
        at("2025-12-31T23:59", "last-year"),
    ]
    assert stay(keeping(keep("m", "monthly", count=2)), jobs, zone=BERLIN) == ids("june", "may")
    assert stay(keeping(keep("y", "yearly", count=2)), jobs, zone=BERLIN) == ids(
        "june", "last-year"
    )


def test_a_day_of_23_or_25_hours_is_one_day() -> None:
    spring = [
        at("2026-03-29T00:10", "early"),
        at("2026-03-29T23:50", "late"),
        at("2026-03-30T00:10", "next"),
    ]
    as_of = int(datetime(2026, 3, 30, 12, tzinfo=BERLIN).timestamp())
    assert stay(keeping(keep("d", "daily", count=2)), spring, as_of=as_of, zone=BERLIN) == ids(
        "late", "next"
    )
    autumn = [
        at("2026-10-25T00:10", "early"),
        at("2026-10-25T23:50", "late"),
        at("2026-10-26T00:10", "next"),
    ]
    as_of = int(datetime(2026, 10, 26, 12, tzinfo=BERLIN).timestamp())
    assert stay(keeping(keep("d", "daily", count=2)), autumn, as_of=as_of, zone=BERLIN) == ids(
        "late", "next"
    )


@pytest.mark.parametrize(
    ("pick", "kept"),
    [
        (("newest",), "late"),
        (("oldest",), "early"),
        (("failed", "newest"), "red"),
        (("failed", "oldest"), "red"),
        (("error", "oldest"), "early"),
        (("error", "passed"), "late"),
        (("error",), None),
    ],
)
def test_pick_says_which_job_of_the_period(pick: tuple[str, ...], kept: str | None) -> None:
    jobs = [record("early", DAY + 2), record("red", DAY + 1, status="failed"), record("late", DAY)]
    assert stay(keeping(keep("d", "daily", count=5, pick=pick)), jobs) == (
        ids(kept) if kept else set()
    )


def test_a_status_unknown_where_pick_asks_for_it_is_kept_and_takes_no_slot() -> None:
    jobs = [
        record("u", DAY, status=UNKNOWN),
        record("red", DAY + 1, status="failed"),
        record("red2", DAY + 2, status="failed"),
    ]
    assert stay(keeping(keep("d", "daily", count=5, pick=("failed",))), jobs) == ids("u", "red")


def test_nonempty_periods_are_those_with_jobs_whatever_is_picked() -> None:
    jobs = [
        record("g", 2 * DAY),
        record("r", 5 * DAY, status="failed"),
        record("r2", 9 * DAY, status="failed"),
    ]
    assert stay(keeping(keep("d", "daily", count=2, nonempty=True, pick=("failed",))), jobs) == ids(
        "r"
    )


# --- groups ---------------------------------------------------------------------------------------


def test_a_null_in_group_by_is_kept() -> None:
    jobs = [record("n", 9 * DAY, os=None), *days(2)]
    assert stay(keeping(keep("l", "last", count=1), group_by=("os",)), jobs) == ids("n", "j1")


def test_null_group_shared_makes_nulls_one_group() -> None:
    jobs = [record("n1", 8 * DAY, os=None), record("n2", 9 * DAY, os=None), *days(2)]
    shared = keeping(keep("l", "last", count=1), group_by=("os",), null_group="shared")
    assert stay(shared, jobs) == ids("n1", "j1")


@pytest.mark.parametrize("null_group", ["keep", "shared"])
def test_an_unknown_in_group_by_is_kept(null_group: str) -> None:
    jobs = [record("u1", 8 * DAY, os=UNKNOWN), record("u2", 9 * DAY, os=UNKNOWN), *days(2)]
    grouped = keeping(keep("l", "last", count=1), group_by=("os",), null_group=null_group)
    assert stay(grouped, jobs) == ids("u1", "u2", "j1")


def test_tags_group_in_any_order() -> None:
    jobs = [record("a", DAY, tags=("x", "y")), record("b", 2 * DAY, tags=("y", "x"))]
    assert stay(keeping(keep("l", "last", count=1), group_by=("tags",)), jobs) == ids("a")


# --- what a keep protects -------------------------------------------------------------------------


def test_keep_rules_are_or_ed_and_each_is_a_reason() -> None:
    both = keeping(keep("l", "last", count=1), keep("w", "within", duration="3d"))
    assert stay(both, days(5)) == ids("j1", "j2", "j3")
    assert [r.text for r in reasons(rules(both), days(5), "j1")] == ["p: kept by l", "p: kept by w"]


def test_a_keep_protects_record_and_assets() -> None:
    kept = rules(policy("p", assets="1h", job="1h", keep=(keep("l", "last", count=1),)))
    for action in (Action.DELETE_ASSETS, Action.DELETE_JOB):
        assert going(kept, days(2), action) == ids("j2")


def test_a_keep_of_one_action_protects_from_that_action_alone() -> None:
    claim = DeleteRule(parse_duration("1h"), (keep("l", "last", count=1),))
    record_only = rules(policy("p", assets="1h", job=claim))
    assert going(record_only, days(2), Action.DELETE_ASSETS) == ids("j1", "j2")
    assert going(record_only, days(2), Action.DELETE_JOB) == ids("j2")


def test_a_keep_does_not_protect_from_what_its_policy_does_not_state() -> None:
    keeper = policy("assets-only", assets="1h", keep=(keep("l", "last", count=1),))
    jobs = [record("j1", DAY, assets=AssetsStanding.DELETED), record("j2", 2 * DAY)]
    assert going(rules(keeper, policy("q", job="1h")), jobs) == ids("j1", "j2")


def test_jobs_that_may_match_take_no_slot() -> None:
    matched = policy("p", where(os="Windows*"), job="1h", keep=(keep("l", "last", count=1),))
    jobs = [record("maybe", DAY, os=UNKNOWN), record("j2", 2 * DAY), record("j3", 3 * DAY)]
    assert stay(matched, jobs) == ids("maybe", "j2")
    assert Why.UNDECIDED in {r.why for r in reasons(rules(matched), jobs, "maybe")}
