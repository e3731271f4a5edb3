"""Ages and holds, sentence by sentence of docs/reference/policies.md."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from sauce_janitor.model.job_age import age_time, newest_first
from sauce_janitor.model.jobs import UNKNOWN, Action, Why
from sauce_janitor.model.policies import Hold
from sauce_janitor.retention.decide import decide
from tests.support.decisions import decisions, going, ids, reasons, whys
from tests.support.jobs import (
    BERLIN,
    DAY,
    HOUR,
    NOW,
    UTC,
    id_of,
    job,
    policy,
    record,
    rules,
    running,
    where,
)

OLD = policy("old", job="1d")
BY_END = ("end_time", "modification_time")


def test_an_age_is_the_first_that_is_not_null() -> None:
    assert age_time(job("j", 5), BY_END) == NOW - 5
    assert age_time(job("j", 5, ended_at=None), BY_END) == NOW
    assert age_time(job("j", 5), ("start_time",)) == NOW - 65
    assert age_time(job("j", 5), ("creation_time",)) == NOW - 75
    assert age_time(job("j", ended_at=None, modified_at=None), BY_END) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"ended_at": UNKNOWN},
        {"ended_at": NOW + 1},
        {"ended_at": 1_199_145_599, "started_at": 1_199_145_000},
        {"ended_at": NOW // 1000, "started_at": NOW // 1000},
        {"started_at": NOW - 5 * DAY + 1},
        {"started_at": UNKNOWN},
        {"ended_at": 0, "started_at": None},
        {"ended_at": -1, "started_at": None},
    ],
)
def test_an_implausible_time_is_no_age_so_the_job_is_kept(fields: dict[str, object]) -> None:
    made = record("j", 5 * DAY, **fields)
    assert age_time(made.job, BY_END, as_of=NOW) is None
    assert going(rules(OLD), [made]) == set()
    assert whys(rules(OLD), [made], "j") <= {Why.NO_AGE, Why.UNFINISHED}


def test_an_unreadable_end_does_not_fall_through_to_the_modification() -> None:
    assert age_time(job("j", 5 * DAY, ended_at=UNKNOWN), BY_END) is None


def test_a_start_that_is_null_gives_no_doubt() -> None:
    assert going(rules(OLD), [record("j", 5 * DAY, started_at=None)]) == ids("j")


def test_an_after_is_due_at_exactly_that_age() -> None:
    jobs = [record("at", DAY), record("before", DAY - 1)]
    assert going(rules(OLD), jobs) == ids("at")
    assert decisions(rules(OLD), jobs)[id_of("at")][Action.DELETE_JOB].due_since == NOW


def test_jobs_out_of_order_or_twice_are_refused() -> None:
    older, newer = record("a", 2 * DAY), record("b", DAY)
    for wrong in ([older, newer], [newer, newer]):
        with pytest.raises(AssertionError, match="newest first"):
            list(decide(rules(OLD), wrong.copy, as_of=NOW))


def test_ageless_jobs_may_stand_anywhere() -> None:
    aged = newest_first([record("a", 2 * DAY), record("b", DAY)], BY_END)
    for at in range(3):
        order = [*aged[:at], running("r", modified_at=None), *aged[at:]]
        assert len(list(decide(rules(OLD), order.copy, as_of=NOW))) == 3


# --- holds ----------------------------------------------------------------------------------------


def held(hold: Hold, *, as_of: int = NOW, zone: ZoneInfo = UTC, **fields: object) -> bool:
    made = record("j", 5 * DAY, **fields)
    held_rules = rules(OLD, holds=(hold,), timezone=zone)
    is_held = Why.HELD in whys(held_rules, [made], "j", as_of=as_of)
    assert is_held == (going(held_rules, [made], as_of=as_of) == set())
    return is_held


def test_nothing_overrides_a_hold() -> None:
    assert held(Hold("h", tag="keep"), tags=("x", "keep"))
    assert not held(Hold("h", tag="keep"), tags=("keepsake",))
    assert held(Hold("h", tag="keep*"), tags=("keep*",))
    assert not held(Hold("h", tag="keep*"), tags=("keeper",))


def test_a_hold_says_who_and_why() -> None:
    hold = Hold("audit", match=where(owner="jane"), reason="audit FY26", by="qa-lead")
    (reason,) = reasons(rules(OLD, holds=(hold,)), [record("j", 5 * DAY)], "j")
    assert reason.text == "held by audit (audit FY26, by qa-lead)"


def test_a_hold_whose_match_is_unknown_holds() -> None:
    assert held(Hold("h", match=where(name="x")), name=UNKNOWN)
    assert held(Hold("h", tag="keep"), tags=UNKNOWN)
    assert held(Hold("h", tag_prefix="keep-until="), tags=UNKNOWN)


def test_a_hold_ends_with_until() -> None:
    hold = Hold("h", match=where(owner="jane"), until=NOW + HOUR)
    assert held(hold, as_of=NOW + HOUR - 1)
    assert not held(hold, as_of=NOW + HOUR)


@pytest.mark.parametrize("zone", [UTC, BERLIN, ZoneInfo("Pacific/Auckland")])
def test_keep_until_a_date_holds_through_that_day_in_the_configured_zone(zone: ZoneInfo) -> None:
    midnight = int(datetime(2026, 7, 1, tzinfo=zone).timestamp())
    hold = Hold("h", tag_prefix="keep-until=")
    assert held(hold, as_of=midnight - 1, zone=zone, tags=("keep-until=2026-06-30",))
    assert not held(hold, as_of=midnight, zone=zone, tags=("keep-until=2026-06-30",))


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "soon",
        "2026-02-30",
        "2026-13-01",
        "20260630",
        " 2020-01-01",
        "2020-1-1",
        "9999-12-31",
        "2020-01-01x",
        "٢٠٢٠-01-01",
    ],
)
def test_whatever_follows_a_tag_prefix_that_is_no_date_holds(rest: str) -> None:
    assert held(Hold("h", tag_prefix="keep-until="), tags=(f"keep-until={rest}",))


def test_of_several_dates_one_that_holds_is_enough() -> None:
    hold = Hold("h", tag_prefix="keep-until=")
    assert held(hold, tags=("keep-until=2020-01-01", "keep-until=2030-01-01"))
    assert not held(hold, tags=("keep-until=2020-01-01", "keep-until=2021-01-01"))


def test_a_local_hold_protects() -> None:
    assert whys(rules(OLD), [record("j", 5 * DAY, held=True)], "j") == {Why.HELD}


def test_a_held_job_is_archived_whole_at_once_and_says_so() -> None:
    only_logs = rules(policy("p", job="1d", archive="20d"), holds=(Hold("h", tag="keep"),))
    decided = decisions(only_logs, [record("j", HOUR, tags=("keep",))])[id_of("j")][Action.ARCHIVE]
    assert decided.policy is None
    assert [reason.why for reason in decided.reasons] == [Why.HELD]
    assert decided.due_since == NOW - HOUR


def test_archive_none_on_the_hold_opts_out() -> None:
    quiet = rules(
        policy("p", job="1d", archive="20d"), holds=(Hold("h", tag="keep", archive=False),)
    )
    jobs = [record("young", HOUR, tags=("keep",)), record("old", 21 * DAY, tags=("keep",))]
    assert whys(quiet, jobs, "young", Action.ARCHIVE) == {Why.NOT_YET}
    assert going(quiet, jobs, Action.ARCHIVE) == ids("old")


def test_a_held_job_that_runs_is_not_archived_yet() -> None:
    holding = rules(policy("p", job="1d"), holds=(Hold("h", tag="keep"),))
    assert whys(holding, [running("j", HOUR, tags=("keep",))], "j", Action.ARCHIVE) == {
        Why.UNFINISHED
    }
