"""`unit: build` from YAML to the last DELETE: a build goes whole or not at all, also when it went
in two runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from sauce_janitor.model.jobs import Action
from sauce_janitor.sandbox.core.options import Behaviours
from tests.support.commands import DAY, Commands

POLICY = """
limits: {max_percent: 100}
workers: 1
holds: [{tag: keep}]
policies:
  - name: releases
    unit: build
    match: {build: "rc-*", build_status: "*"}
    keep: [{id: newest, last: 1}]
    then: {archive: none, delete_job: 60d}
"""


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    made = open_desk(jobs=0)
    made.configure(POLICY)
    return made


def build(desk: Commands, name: str, *ages_in_days: float, **fields: object) -> list[str]:
    """Jobs of one build, the oldest first; `fields` are those of the newest."""
    now = int(time.time())
    ages = sorted(ages_in_days, reverse=True)
    made = [desk.sandbox.arrive(created_at=now - int(age * DAY), build=name) for age in ages]
    desk.sandbox.edit(made[-1], **fields)
    return made


def left(desk: Commands, jobs: list[str]) -> int:
    """How many of these are still there."""
    return sum(job in set(desk.sandbox.job_ids()) for job in jobs)


@pytest.mark.parametrize("builds_v2", ["on", "off"])
def test_an_old_build_goes_whole_and_one_with_a_held_member_stays_whole(
    open_desk: Callable[..., Commands], builds_v2: str
) -> None:
    desk = open_desk(jobs=0, behaviours=Behaviours().changed({"builds_v2": builds_v2}))
    desk.configure(POLICY)
    gone = build(desk, "rc-1", 90, 90, 90, passed=False)
    held = build(desk, "rc-2", 80, 80, 80, tags=["keep"])
    running = build(desk, "rc-3", 75, 75, status="in progress", end_time=None, passed=None)
    young = build(desk, "rc-4", 70, 59)
    newest = build(desk, "rc-5", 69.5, 58)
    result = desk.run(execute=True)
    assert [left(desk, jobs) for jobs in (gone, held, running, young, newest)] == [0, 3, 2, 2, 2]
    assert result.plan.totals[Action.DELETE_JOB] == 3
    assert desk.run().plan.totals[Action.DELETE_JOB] == 0


@pytest.mark.parametrize("builds", ["v2", "v1", "not offered"])
def test_where_builds_are_asked_for(open_desk: Callable[..., Commands], builds: str) -> None:
    """Builds: from API v2, else from v1, else they are unknown."""
    desk = open_desk(
        jobs=0, behaviours=Behaviours().changed({"builds_v2": "on" if builds == "v2" else "off"})
    )
    desk.configure(POLICY)
    jobs = [*build(desk, "rc-1", 90, 90), *build(desk, "rc-2", 1)]
    if builds == "not offered":
        desk.sandbox.inject("status", endpoint="build*", status=404)
    plan = desk.run().plan
    asked = [entry.path.split("?")[0] for entry in desk.sandbox.log if "build" in entry.path]
    assert asked == ["/v2/builds/vdc/", "/rest/v1/demo/builds"][: 1 if builds == "v2" else 2]
    assert plan.undecided.get(("releases", "build_status"), 0) == (
        len(jobs) if builds == "not offered" else 0
    )
    assert plan.totals[Action.DELETE_JOB] == (0 if builds == "not offered" else 2)


def test_the_rest_of_a_build_goes_in_the_next_run(desk: Commands) -> None:
    """Builds: If the API forgets deleted jobs, its earlier count and status are used."""
    # The failed job, the oldest, goes first: then the build is said to be one of fewer jobs, all of
    # them passed.
    jobs = build(desk, "rc-1", 90, 90, 90, 90)
    desk.sandbox.edit(jobs[0], passed=False)
    build(desk, "rc-2", 1)
    desk.sandbox.inject("status", endpoint="job.delete", status=503, times=2, after=2)
    desk.run(execute=True)
    assert left(desk, jobs[:1]) == 0
    assert left(desk, jobs) == 2
    desk.run(execute=True)
    assert left(desk, jobs) == 0


def test_a_builds_answer_serves_no_job_that_was_asked_about_later(desk: Commands) -> None:
    """And a build that only lost jobs goes on going when it is asked for again."""
    jobs = build(desk, "rc-1", 90, 90, 90, 90)
    desk.sandbox.edit(jobs[0], passed=False)
    build(desk, "rc-2", 1)
    desk.sandbox.inject(
        "status", endpoint="jobs.lookup", status=404
    )  # each job is asked about alone
    before = len(desk.sandbox.log)
    desk.run(execute=True)
    assert left(desk, jobs) == 0
    asked = [entry.endpoint for entry in list(desk.sandbox.log)[before:]]
    assert asked.count("builds.get") == len(jobs)
