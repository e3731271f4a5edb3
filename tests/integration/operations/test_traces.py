"""A second janitor on the same account, with a state and an archive of its own, is noticed by what
it deletes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
import structlog

from sauce_janitor.cli.run.plan_view import gaps
from sauce_janitor.execute.events import AlreadyGone
from sauce_janitor.metrics import Metrics
from sauce_janitor.model.jobs import DELETES, Action, Job
from sauce_janitor.model.permits import DeleteJobPermit, NothingWanted
from sauce_janitor.operations.records.telemetry import Telemetry
from sauce_janitor.operations.steps.foreign_deletes import ForeignDeletes
from sauce_janitor.operations.wiring.vanished import Vanished
from sauce_janitor.state import Query
from tests.support.commands import DAY, Commands

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: none, delete_job: 45d}}
"""
EACH_TIME = ", listing: {full_every: 1s}"


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    made = open_desk(jobs=60, days=60)
    made.configure(POLICIES, budget=EACH_TIME)
    made.metrics = Metrics()
    return made


@pytest.fixture
def other(desk: Commands, tmp_path: Path) -> Iterator[Commands]:
    """Another machine."""
    folder = tmp_path / "other"
    folder.mkdir()
    with ExitStack() as stack:
        made = Commands(folder, desk.sandbox, stack)
        made.configure(POLICIES)
        yield made


def counted(desk: Commands, what: str) -> float:
    assert desk.metrics is not None
    desk.metrics.settle(desk.state.counters)
    return desk.metrics.shown().get(("vanished", (("account", "box"), ("what", what))), 0)


def told(desk: Commands) -> dict[str, int] | None:
    [status] = json.loads(desk.say("status", "--format", "json").stdout)
    found: dict[str, int] | None = status["vanished"]
    return found


def test_what_another_janitor_deletes_is_told_everywhere(desk: Commands, other: Commands) -> None:
    planned = desk.run().plan.totals[Action.DELETE_JOB]
    assert 5 < planned < 30
    assert told(desk) is None
    other.run(execute=True)
    desk.later_s = 2
    with structlog.testing.capture_logs() as logs:
        result = desk.run()
    assert (result.vanished.jobs, result.vanished.are_many) == (planned, True)
    assert "does another janitor or a script delete on this account?" in gaps(result)[-1]
    [event] = [each for each in logs if each["event"] == "account.others_delete"]
    assert event["log_level"] == "warning"
    assert event["jobs"] == planned
    assert counted(desk, "jobs") == planned
    status = told(desk)
    assert status is not None
    assert status["jobs"] == planned
    assert "does another janitor" in desk.say("status").stdout
    assert told(other) is None, "what it deletes itself is no trace"


def test_what_is_gone_when_its_turn_comes_is_a_trace_unless_we_or_the_purge_explain_it(
    desk: Commands,
) -> None:
    now = int(time.time())
    desk.run()
    with desk.state.jobs.snapshot(Query("box", as_of=now)) as snapshot:
        jobs = [each.job for each in snapshot.records()]
    young = [
        job for job in jobs if isinstance(job.ended_at, int) and now - job.ended_at < 20 * DAY
    ][:3]
    old = [job for job in jobs if isinstance(job.ended_at, int) and now - job.ended_at > 40 * DAY][
        :3
    ]
    assert len(young) == len(old) == 3
    traces = ForeignDeletes("box", desk.state, Telemetry("box", "a run", Metrics()), now=now)
    for job in (*young, *old):
        traces.event(AlreadyGone(job.id, job.owner, "old", Action.DELETE_ASSETS, "x"))
    assert (traces.found.jobs, traces.found.assets) == (0, 3)
    for job in (*young, *old):
        traces.event(AlreadyGone(job.id, job.owner, "old", Action.DELETE_JOB, "x"))
    assert (traces.found.jobs, traces.found.assets) == (6, 3)

    journal, doubted = desk.state.journal.during("box", "a run", lambda: now), old[0]
    with desk.state.lease("box", "a run", now=now) as lease:
        permit = DeleteJobPermit(
            doubted.id, doubted.owner, NothingWanted("old"), "x", 0.0, lease.fence
        )
        journal.outcome(journal.intent(permit, policy="old"), "unknown", detail="no answer")
    traces.event(AlreadyGone(doubted.id, doubted.owner, "old", Action.DELETE_JOB, "x"))
    assert traces.found.jobs == 6


def leave_open(desk: Commands, outcome: str | None) -> list[Job]:
    """Begin the delete of eight old jobs as a run does that is killed, or that learns no more than
    `outcome`.
    """
    now = int(time.time())
    desk.run()
    with desk.state.jobs.snapshot(Query("box", as_of=now)) as snapshot:
        jobs = [each.job for each in snapshot.records()]
    old = [
        job
        for job in jobs
        if isinstance(job.ended_at, int) and 45 * DAY < now - job.ended_at < 80 * DAY
    ][:8]
    journal = desk.state.journal.during("box", "a run", lambda: now)
    with desk.state.lease("box", "a run", now=now) as lease:
        for job in old:
            permit = DeleteJobPermit(job.id, job.owner, NothingWanted("old"), "x", 0.0, lease.fence)
            intent = journal.intent(permit, policy="old")
            if outcome is not None:
                journal.outcome(intent, outcome, detail="no answer")
    assert len(old) == 8
    return old


@pytest.mark.parametrize("outcome", [None, "unknown", "failed"])
def test_deletes_of_ours_that_come_true_unseen_are_no_trace(
    desk: Commands, outcome: str | None
) -> None:
    for job in leave_open(desk, outcome):
        desk.sandbox.remove(job.id)
    desk.later_s = 2
    assert desk.run().vanished.jobs == 0, "missing from a list"
    assert told(desk) is None


@pytest.mark.parametrize("outcome", [None, "unknown", "failed"])
def test_a_delete_of_ours_explains_what_is_gone_when_its_turn_comes(
    desk: Commands, outcome: str | None
) -> None:
    traces = ForeignDeletes(
        "box", desk.state, Telemetry("box", "a run", Metrics()), now=int(time.time())
    )
    for job in leave_open(desk, outcome):
        for action in DELETES:
            traces.event(AlreadyGone(job.id, job.owner, "old", action, "x"))
    assert traces.found == Vanished(0, 0)


def test_deletes_that_nobody_could_look_up_are_no_trace_in_the_next_plan(desk: Commands) -> None:
    desk.sandbox.inject("status", endpoint="jobs.lookup", status=503)
    result = desk.run(execute=True)
    assert result.execution is not None
    assert result.execution.unconfirmed > 5
    desk.sandbox.faults.disarm()
    desk.later_s = 2
    assert desk.run().vanished.jobs == 0
    assert told(desk) is None


def test_a_run_s_own_deletes_and_a_few_by_hand_are_no_alarm(desk: Commands) -> None:
    [first, *_] = [each.job_id for each in desk.run().plan.jobs()]
    url = f"{desk.sandbox.base_url}/rest/v1.1/demo/jobs/{first}"
    assert requests.delete(url, auth=("demo", desk.sandbox.access_key), timeout=10).ok
    desk.later_s = 2
    assert desk.run(execute=True).vanished.jobs == 1
    desk.later_s = 4
    assert desk.run(execute=True).vanished.jobs == 0, "our own deletes are no trace"
    assert told(desk) is None
