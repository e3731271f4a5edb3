"""Tests of policies: made-up jobs, what is expected of them, and what a failure says."""

from __future__ import annotations

from typing import Any

import pytest

from sauce_janitor.model.jobs import UNKNOWN, Action, JobState
from sauce_janitor.model.policies import DeleteRule, Duration, Hold, KeepRule, Rules
from sauce_janitor.retention.what_if.policy_tests import (
    Expectation,
    MadeJob,
    PolicyTest,
    made_records,
    try_out,
)
from tests.support.jobs import DAY, NOW, keep, policy, rules, where

DELETE_JOB, DELETE_ASSETS, STOP = Action.DELETE_JOB, Action.DELETE_ASSETS, Action.STOP
GREEN = where(status="passed")


def made(label: str, age_d: int = 0, **given: Any) -> MadeJob:
    return MadeJob(label, {"end_time": NOW - age_d * DAY} | given)


def a_test(*jobs: MadeJob, **expected: Expectation) -> PolicyTest:
    return PolicyTest("t", NOW, jobs, tuple(expected.values()), "config.yaml:9: tests[0]")


def failures(test: PolicyTest, these: Rules) -> list[str]:
    return [failure.text for failure in try_out(test, these).failures]


NOISE = policy("noise", where(build="PR-*"), assets="3d", job="14d")


def test_a_job_that_is_not_named_must_be_kept() -> None:
    assert failures(a_test(made("a", 2, build="PR-1")), rules(NOISE)) == []
    assert failures(a_test(made("a", 3, build="PR-1")), rules(NOISE)) == [
        "t: a: expected kept; decided delete_assets by noise (noise: due; due since 2026-06-01 12:00 UTC)"
    ]


def test_a_change_is_expected_of_the_policy_that_permits_it() -> None:
    job = made("a", 20, build="PR-1")
    assert (
        failures(a_test(job, a=Expectation("a", acts=((DELETE_JOB, "noise"),))), rules(NOISE)) == []
    )
    assert failures(
        a_test(job, a=Expectation("a", acts=((DELETE_JOB, "other"),))), rules(NOISE)
    ) == [
        "t: a: expected delete_job by other; decided delete_job by noise (noise: due; due since 2026-05-26 12:00 UTC)"
    ]


def test_a_job_takes_its_assets_along_and_assets_alone_are_another_thing() -> None:
    job = made("a", 20, build="PR-1")
    both = Expectation("a", acts=((DELETE_ASSETS, "noise"), (DELETE_JOB, "noise")))
    assert failures(a_test(job, a=both), rules(NOISE)) == []
    alone = Expectation("a", acts=((DELETE_ASSETS, "noise"),))
    assert [text.split(";")[0] for text in failures(a_test(job, a=alone), rules(NOISE))] == [
        "t: a: expected delete_assets by noise"
    ]


def test_a_change_that_does_not_come_says_why_not() -> None:
    expected = Expectation("a", acts=((DELETE_JOB, "noise"),))
    (said,) = failures(
        a_test(made("a", 13, build="PR-1", tags=("keep",)), a=expected), rules(NOISE)
    )
    assert (
        said == "t: a: expected delete_job by noise; decided delete_assets by noise (delete_assets:"
        " noise: due; delete_job: noise: not yet due (after 14d); due since 2026-05-22 12:00"
        " UTC)"
    )
    held = rules(NOISE, holds=(Hold("tag keep", tag="keep", reason="audit"),))
    assert failures(a_test(made("a", 30, build="PR-1", tags=("keep",)), a=expected), held) == [
        "t: a: expected delete_job by noise; decided kept (held by tag keep (audit))"
    ]


def test_each_rule_that_is_expected_to_keep_a_job_must_be_among_the_reasons() -> None:
    these = rules(
        policy(
            "p",
            job="1d",
            keep=(keep("green", "last", count=1, where=GREEN), keep("two", "last", count=2)),
        )
    )
    jobs = (made("a", 5, status="passed"), made("b", 6), made("c", 7))
    expected = {
        "a": Expectation("a", ("green", "two")),
        "b": Expectation("b", ("two",)),
        "c": Expectation("c", acts=((DELETE_JOB, "p"),)),
    }
    assert failures(a_test(*jobs, **expected), these) == []
    expected["b"] = Expectation("b", ("green",))
    assert failures(a_test(*jobs, **expected), these) == [
        "t: b: expected kept by green; decided kept (p: kept by two)"
    ]


def test_a_kept_record_may_lose_its_assets() -> None:
    claim = DeleteRule(Duration("5d", 5 * DAY), (keep("newest", "last", count=1),))
    these = rules(policy("p", assets="1d", job=claim))
    expected = Expectation("a", ("newest",), ((DELETE_ASSETS, "p"),))
    assert failures(a_test(made("a", 9), a=expected), these) == []


def test_an_id_counts_before_globs_and_every_glob_that_matches_counts() -> None:
    job = made("red-1", 20, build="PR-1")
    goes, stays = Expectation("red-1", acts=((DELETE_JOB, "noise"),)), Expectation("red-*")
    assert failures(a_test(job, a=goes, b=stays), rules(NOISE)) == []
    assert len(failures(a_test(job, b=stays, c=Expectation("*-1")), rules(NOISE))) == 2


def test_archiving_counts_as_done_and_grace_as_over() -> None:
    these = rules(policy("p", assets="3d", archive="2h"), grace=Duration("2d", 2 * DAY))
    assert (
        failures(a_test(made("a", 3), a=Expectation("a", acts=((DELETE_ASSETS, "p"),))), these)
        == []
    )
    assert failures(a_test(made("a", 2)), these) == []


def test_a_runaway_job_is_stopped() -> None:
    these = rules(policy("runaways", stop="6h"))
    job = MadeJob("a", {"state": "running", "start_time": NOW - DAY})
    assert failures(a_test(job, a=Expectation("a", acts=((STOP, "runaways"),))), these) == []
    assert failures(a_test(job), these) == [
        "t: a: expected kept; decided stop by runaways (runaways: due; due since 2026-05-31 18:00 UTC)"
    ]


def test_what_is_not_given_is_no_tags_and_else_a_fixed_value_that_is_not_null() -> None:
    (record,) = made_records(
        PolicyTest("t", NOW, (MadeJob("a", {}),)), ["custom_data.team", "name"]
    )
    job = record.job
    assert job.tags == ()
    assert job.custom_data == {"team": "(custom_data.team)"}
    values = [getattr(job, name) for name in type(job).__dataclass_fields__] + [
        record.build_id,
        record.build_status,
    ]
    assert None not in values
    assert UNKNOWN not in values
    assert (job.state, job.status, job.ended_at, job.started_at) == (
        JobState.FINISHED,
        "complete",
        NOW,
        NOW,
    )


def test_a_job_that_has_not_ended_runs_and_has_no_verdict() -> None:
    test = PolicyTest(
        "t", NOW, (MadeJob("a", {"end_time": None}), MadeJob("b", {"state": "queued"}))
    )
    first, second = made_records(test, ())
    assert (first.job.state, first.job.status, first.job.ended_at) == (JobState.RUNNING, None, None)
    assert (second.job.state, second.job.ended_at) == (JobState.QUEUED, None)


def test_null_is_null_and_blank_is_null_where_it_is_so_at_sauce_labs() -> None:
    test = PolicyTest(
        "t",
        NOW,
        (MadeJob("a", {"build": None, "name": None}), MadeJob("b", {"build": " ", "error": ""})),
    )
    first, second = made_records(test, ())
    assert (first.job.build, first.job.name, first.build_id) == (None, None, None)
    assert (second.job.build, second.job.error, second.build_id) == (None, None, None)


def test_the_jobs_of_a_build_are_the_whole_build() -> None:
    newest = KeepRule("newest", "last", count=1)
    these = rules(policy("rc", where(build="rc-*"), job="2d", unit="build", keep=(newest,)))
    jobs = [made("a1", 9, build="rc-1"), made("a2", 8, build="rc-1"), made("b", 7, build="rc-2")]
    goes = Expectation("a[12]", acts=((DELETE_JOB, "rc"),))
    assert failures(a_test(*jobs, a=goes), these) == []
    jobs.append(MadeJob("a3", {"build": "rc-1", "state": "running"}))
    assert [text.split(";")[0] for text in failures(a_test(*jobs, a=goes), these)] == [
        "t: a1: expected delete_job by rc",
        "t: a2: expected delete_job by rc",
    ]


def test_of_jobs_of_one_time_the_first_written_is_the_newest() -> None:
    these = rules(policy("p", job="1d", keep=(keep("one", "last", count=1),)))
    expected = {"a": Expectation("a", ("one",)), "b": Expectation("b", acts=((DELETE_JOB, "p"),))}
    assert failures(a_test(made("a", 5), made("b", 5), **expected), these) == []


@pytest.mark.parametrize(("expectation", "text"), [
    (Expectation("a"), "kept"),
    (Expectation("a", ("x", "y")), "kept by x and y"),
    (Expectation("a", ("x",), ((DELETE_ASSETS, "p"),)), "delete_assets by p, kept by x"),
])  # fmt: skip
def test_an_expectation_in_words(expectation: Expectation, text: str) -> None:
    assert expectation.text == text
