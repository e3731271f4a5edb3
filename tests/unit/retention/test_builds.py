"""Whole builds, sentence by sentence of docs/reference/policies.md."""

from __future__ import annotations

from typing import Any

import pytest

from sauce_janitor.model.jobs import (
    UNKNOWN,
    Action,
    AssetsStanding,
    Build,
    BuildCounters,
    JobState,
    Record,
    Why,
)
from sauce_janitor.model.policies import Hold, Rules
from sauce_janitor.retention.builds import has_only_lost_jobs
from tests.support.decisions import going, ids, reasons, whys
from tests.support.jobs import DAY, HOUR, keep, policy, record, rules, where

WHOLE = policy(
    "rcs", where(build="rc-*"), unit="build", job="10d", keep=(keep("l", "last", count=1),)
)


def build(
    identity: str, *ages: int, counters: BuildCounters | None = None, **fields: Any
) -> list[Record]:
    """The jobs `identity-0`, `identity-1`, … of one build, whose counters add up unless they are
    given.
    """
    made = counters or BuildCounters(len(ages), 0)
    known = {
        "build": f"rc-{identity}",
        "build_id": identity,
        "build_status": "success",
        "build_counters": made,
    }
    return [record(f"{identity}-{n}", age, **(known | fields)) for n, age in enumerate(ages)]


def newest() -> list[Record]:
    """A young build that takes the one slot."""
    return build("new", 1)


def goes(*jobs: Record, by: Rules | None = None, action: Action = Action.DELETE_JOB) -> set[str]:
    return going(by or rules(WHOLE), [*newest(), *jobs], action)


OLD = (20 * DAY, 21 * DAY, 30 * DAY)


def test_a_build_is_ranked_and_aged_by_its_newest_end() -> None:
    assert goes(*build("a", *OLD)) == ids("a-0", "a-1", "a-2")
    assert goes(*build("a", 9 * DAY, *OLD)) == set()
    kept = [*build("b", 11 * DAY, 90 * DAY), *build("a", *OLD)]
    assert going(rules(WHOLE), kept) == ids("a-0", "a-1", "a-2")


@pytest.mark.parametrize(
    "fields",
    [
        {"held": True},
        {"state": JobState.RUNNING},
        {"started_at": UNKNOWN},
        {"build": UNKNOWN},
        {"build_id": UNKNOWN},
    ],
)
def test_one_held_running_ageless_or_unknown_job_keeps_all(fields: dict[str, Any]) -> None:
    first, *others = build("a", *OLD)
    (odd,) = build("a", OLD[0], counters=BuildCounters(3, 0), **fields)
    assert first.job.id == odd.job.id
    assert goes(odd, *others) == set()


@pytest.mark.parametrize(
    "counters",
    [
        BuildCounters(4, 0),
        BuildCounters(2, 0),
        BuildCounters(UNKNOWN, 0),
        BuildCounters(3, UNKNOWN),
        BuildCounters(3, 1),
    ],
)
def test_jobs_that_do_not_add_up_with_the_builds_count_keep_all(counters: BuildCounters) -> None:
    assert goes(*build("a", *OLD, counters=counters)) == set()


def test_jobs_our_journal_deleted_count() -> None:
    assert goes(*build("a", *OLD, counters=BuildCounters(5, 0, deleted=2))) == ids(
        "a-0", "a-1", "a-2"
    )


def test_a_job_without_counters_or_build_is_undecided() -> None:
    made = build("a", *OLD)
    bare = [
        record(f"x{n}", age, build="rc-x", build_id=None, build_status=None)
        for n, age in enumerate(OLD)
    ]
    assert goes(*bare) == set()
    assert whys(rules(WHOLE), bare, "x0") >= {Why.UNDECIDED}
    assert goes(*made) != set()


def test_a_build_that_is_kept_anyway_takes_no_slot() -> None:
    held = build("held", 1, held=True)
    short = build("short", 1, counters=BuildCounters(2, 0))
    jobs = [*held, *short, *build("a", 11 * DAY), *build("b", 12 * DAY)]
    assert going(rules(WHOLE), jobs) == ids("b-0")


def test_a_foreign_vetoed_job_keeps_all() -> None:
    by = rules(WHOLE, policy("pii", where(tags="pii"), job="never"))
    first, *others = build("a", *OLD)
    (vetoed,) = build("a", OLD[0], counters=BuildCounters(3, 0), tags=("pii",))
    assert goes(vetoed, *others, by=by) == set()
    assert goes(first, *others, by=by) == ids("a-0", "a-1", "a-2")
    text = [reason.text for reason in reasons(by, [*newest(), vetoed, *others], "a-1")]
    assert text == ["rcs: its build stays whole (another job of it is kept)"]


def test_a_job_kept_by_another_policys_rule_keeps_all() -> None:
    other = policy("last-red", where(status="failed"), job="1h", keep=(keep("l", "last", count=1),))
    red, *others = build("a", *OLD)
    (red,) = build("a", OLD[0], counters=BuildCounters(3, 0), status="failed")
    assert goes(red, *others, by=rules(WHOLE, other)) == set()


def test_a_job_whose_assets_must_stay_keeps_the_whole_build() -> None:
    by = rules(WHOLE, policy("evidence", where(tags="pii"), assets="never"))
    (kept,) = build("a", OLD[0], counters=BuildCounters(3, 0), tags=("pii",))
    first, second, third = build("a", *OLD)
    assert goes(kept, second, third, by=by) == set()
    (bare,) = build(
        "a", OLD[0], counters=BuildCounters(3, 0), tags=("pii",), assets=AssetsStanding.DELETED
    )
    assert goes(bare, second, third, by=by) == ids("a-0", "a-1", "a-2")
    assert first.job.id == bare.job.id


def test_one_unarchived_job_keeps_all() -> None:
    by = rules(
        WHOLE, policy("wish", where(tags="pii"), archive="25d")
    )  # not yet due for the one that is tagged
    (unarchived,) = build("a", OLD[0], counters=BuildCounters(3, 0), tags=("pii",))
    assert goes(unarchived, *build("a", *OLD)[1:], by=by) == set()


def test_a_kept_job_does_not_keep_its_build_by_default() -> None:
    by_job = rules(policy("p", where(build="rc-*"), job="10d", keep=(keep("l", "last", count=1),)))
    assert going(by_job, build("a", *OLD)) == ids("a-1", "a-2")


def test_a_hold_by_match_on_build_fields_holds_every_job_in_it() -> None:
    by = rules(WHOLE, holds=(Hold("h", match=where(build_status="success")),))
    assert goes(*build("a", *OLD), by=by) == set()


def test_one_name_can_be_several_builds() -> None:
    twins = [
        *build("a", 11 * DAY, build="rc-x"),
        *build("b", 12 * DAY, build="rc-x"),
        *build("c", 13 * DAY, build="rc-x"),
    ]
    assert going(rules(WHOLE), twins) == ids("b-0", "c-0")


def test_keep_rules_of_builds_may_read_the_build_status() -> None:
    red = policy(
        "rcs",
        where(build="rc-*"),
        unit="build",
        job="1d",
        keep=(
            keep("red", "within", duration="90d", where=where(build_status=("failed", "error"))),
        ),
    )
    jobs = [
        *build("a", 20 * DAY, build_status="failed"),
        *build("b", 21 * DAY),
        *build("c", 91 * DAY, build_status="error"),
    ]
    assert going(rules(red), jobs) == ids("b-0", "c-0")


def test_pick_knows_that_a_successful_build_passed() -> None:
    picky = policy(
        "rcs",
        where(build="rc-*"),
        unit="build",
        job="1h",
        keep=(keep("d", "daily", count=9, pick=("passed",)),),
    )
    jobs = [*build("a", DAY, build_status="failed"), *build("b", DAY + HOUR)]
    assert going(rules(picky), jobs) == ids("a-0")


def test_builds_go_in_any_order_of_their_jobs_ids() -> None:
    jobs = [*build("a", 11 * DAY), *build("b", 11 * DAY), *build("c", 11 * DAY)]
    assert going(rules(WHOLE), jobs) == ids("b-0", "c-0")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (("failed", 2, 0), True),
        (("success", 2, 0), True),
        (("complete", 2, 0), True),
        (("error", 2, 0), False),
        (("failed", 3, 0), False),
        (("failed", 4, 0), False),
        (("failed", 2, 1), False),
        (("running", 2, 0), False),
        ((UNKNOWN, 2, 0), False),
        (("failed", UNKNOWN, 0), False),
        (("failed", 2, UNKNOWN), False),
    ],
)
def test_a_build_that_only_lost_jobs_looks_no_worse(
    now: tuple[Any, Any, Any], expected: bool
) -> None:
    before = Build("1", "rc-1", None, "failed", 3, 0)
    assert has_only_lost_jobs(before, Build("1", "rc-1", None, *now)) is expected
