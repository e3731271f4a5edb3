"""Whole runs against the 30-day purge: what is archived before it, what is lost to it, and what may
go once it has passed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from sauce_janitor.metrics import Metrics
from sauce_janitor.model.jobs import Action, AssetsStanding
from sauce_janitor.report import counted
from tests.support.commands import DAY, Commands

PROTECTED = """
limits: {max_percent: null}
policies: [{name: old, match: all, then: {archive: none, delete_assets: never, delete_job: 20d}}]
"""
EVERYTHING = """
limits: {max_percent: null}
policies: [{name: keepers, match: all, then: {archive: 1h}}]
"""


def purged(desk: Commands) -> set[str]:
    return {line.job_id for line in desk.state.journal.lines("box") if line.kind == "purged"}


def test_a_job_that_stayed_for_its_assets_sake_goes_after_they_were_purged(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(PROTECTED)
    first = desk.run(execute=True)
    assert first.plan.totals[Action.DELETE_JOB] == 0
    found = purged(desk)
    assert found
    assert not any(desk.sandbox.truth(job).assets for job in found)  # type: ignore[union-attr]

    second = desk.run(execute=True)

    assert second.plan.totals[Action.DELETE_JOB] == len(found)
    assert desk.deleted() == found


def test_the_look_is_once_a_day_and_a_dry_run_takes_none(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(PROTECTED)
    desk.run()
    assert asked_for_lists(desk) == 0
    desk.run(execute=True)
    once = asked_for_lists(desk)
    assert once > 0
    desk.configure(PROTECTED.replace("delete_job: 20d", "delete_job: never"))
    desk.run(execute=True)
    assert asked_for_lists(desk) == once


def asked_for_lists(desk: Commands) -> int:
    return sum(
        entry.method == "GET" and entry.path.endswith("/assets") for entry in desk.sandbox.log
    )


def test_what_was_lost_is_told_once_and_counted(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    desk.configure(EVERYTHING)
    done = desk.run(execute=True).execution
    again = desk.run(execute=True).execution
    assert done is not None
    gone = purged(desk)
    assert done.lost == len(gone) > 0
    for job in gone:
        (record,) = [desk.state.jobs.record("box", job, as_of=0)]  # type: ignore[arg-type]
        assert record is not None
        assert record.assets is AssetsStanding.PURGED
    told = [line for line in desk.state.journal.lines("box") if line.kind == "purged"]
    assert sorted(line.job_id for line in told) == sorted(gone)
    assert all(line.detail == {"lost": True} for line in told)
    assert again is not None
    assert again.lost == 0
    assert purged(desk) == gone


def test_what_expires_unarchived_is_in_plan_status_and_metrics(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=200)
    desk.configure(EVERYTHING.replace("archive: 1h", "archive: 29d"))
    metrics = desk.metrics = Metrics()
    plan = desk.run().plan
    assert 0 < plan.expiring_24h_jobs <= plan.expiring_72h_jobs
    page = metrics.page().decode()
    for within, jobs in (("24h", plan.expiring_24h_jobs), ("72h", plan.expiring_72h_jobs)):
        assert (
            f'assets_expiring_unarchived{{account="box",within="{within}"}} {float(jobs)}' in page
        )
    assert f"archived first: of {counted(plan.expiring_24h_jobs, 'job')} within 24 h" in re.sub(
        r"\s+", " ", desk.say("plan").output
    )
    (status,) = json.loads(desk.say("status", "--format", "json").stdout)
    assert [status["last_plan"][f"expiring_{within}"] for within in ("24h", "72h", "7d")] == [
        plan.expiring_24h_jobs,
        plan.expiring_72h_jobs,
        plan.expiring_7d_jobs,
    ]


def test_what_a_run_archived_does_not_count_as_expiring_any_more(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=200)
    desk.configure(EVERYTHING)
    metrics = desk.metrics = Metrics()
    assert desk.run().plan.expiring_24h_jobs > 0
    desk.run(execute=True)
    (status,) = json.loads(desk.say("status", "--format", "json").stdout)
    left = [status["last_plan"][f"expiring_{within}"] for within in ("24h", "72h", "7d")]
    assert left == [0, 0, 0]
    page = metrics.page().decode()
    for within in ("24h", "72h"):
        assert f'assets_expiring_unarchived{{account="box",within="{within}"}} 0.0' in page


def test_kept_and_held_jobs_are_archived_the_nearest_purge_first(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure("""
limits: {max_percent: null}
holds: [{match: {status: failed}, by: qa, reason: audit}]
policies: [{name: keepers, match: all, keep: [{last: 5}], then: {archive: 1h, delete_job: 20d}}]
""")
    plan = desk.run().plan
    archives = [
        job
        for job in plan.jobs()
        if any(decision.action is Action.ARCHIVE for decision in job.actions)
    ]
    held = [job.held for job in archives]
    assert True in held
    assert held == sorted(held, reverse=True), "holds first"
    ends = [desk.state.jobs.ended_at("box", job.job_id) or 0 for job in archives if not job.held]
    young = [end for end in ends if end > plan.as_of - 30 * DAY]
    assert ends[: len(young)] == sorted(young), "the nearest purge first, what is purged last"
    kept = {job.job_id for job in archives} - {
        job.job_id
        for job in plan.jobs()
        if any(decision.action is Action.DELETE_JOB for decision in job.actions)
    }
    assert kept


def test_screenshots_come_as_one_request_a_job(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    desk.configure(EVERYTHING)
    desk.run(execute=True)
    paths = [entry.path for entry in desk.sandbox.log if entry.method == "GET"]
    bundles = sum(path.endswith("/screenshots.zip") for path in paths)
    singles = sum(path.endswith("screenshot.png") for path in paths)
    assert bundles > 5
    assert singles < 2 * bundles, "only jobs with one or two"
    desk.say("archive", "verify")
