"""Jobs that fail again and again: the others go first, and everybody can see what waits and until
when.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from sauce_janitor.metrics import Metrics
from sauce_janitor.model.job_retries import Failing, FailureKind
from sauce_janitor.model.jobs import JobId
from sauce_janitor.operations.records.last_runs import recall
from tests.support.commands import Commands

HOUR = 3600
ARCHIVING = """
limits: {max_percent: null}
policies:
  - {name: whole, match: all, then: {archive: {after: 1h, assets: [logs], discard: rest}}}
"""
SIXTY = ", budget: {per_second: 100, per_hour: 60, burst: 60}, retries: {max_wait: 1s}"


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    """Twenty jobs whose asset list can never be read, the nearest to their purge, among sixty."""
    desk = open_desk(jobs=60)
    desk.metrics = Metrics()
    desk.configure(ARCHIVING, budget=SIXTY)
    return desk


def _break(desk: Commands, count: int = 20) -> list[JobId]:
    bad = [job.job_id for job in desk.run().plan.jobs()][:count]
    for job in bad:
        desk.sandbox.inject("not_a_list", endpoint="assets.list", job=job)
    return bad


def _next_run(desk: Commands, bad: list[JobId], *, hours: float = 1) -> int:
    """A run later on; how many requests were about the jobs that cannot be archived."""
    desk.later_s += int(hours * HOUR)
    desk.an_hour_passes()
    before = len(desk.sandbox.log)
    desk.run(execute=True)
    return sum(any(job in entry.path for job in bad) for entry in list(desk.sandbox.log)[before:])


def test_twenty_jobs_that_can_never_be_archived_do_not_hold_up_the_others(desk: Commands) -> None:
    bad = _break(desk)
    good = {job.job_id for job in desk.run().plan.jobs()} - set(bad)
    took = [_next_run(desk, bad) for _ in range(7)]
    assert took[0] >= 10, "nobody knows yet, and their purge is the nearest"
    assert max(took[1:]) <= 60 // 5
    archived = {line.job_id for line in desk.state.journal.lines() if line.kind == "archived"}
    assert good <= archived


def test_status_and_explain_say_what_is_tried_again_and_when(desk: Commands) -> None:
    bad = _break(desk, 4)
    for _ in range(2):
        _next_run(desk, bad)
    [told] = json.loads(desk.say("status", "--format", "json").stdout)
    (group,) = told["retries"]
    assert (group["kind"], group["jobs"], len(group["examples"])) == ("answer", 4, 3)
    first = group["examples"][0]
    assert group["next_at"] == first["due_at"] > first["last_failed_at"] > first["first_failed_at"]
    text = desk.say("status").stdout
    assert "4 jobs: an answer that cannot be trusted; the next try is due" in text
    said = desk.say("explain", bad[0]).stdout
    assert "Failed 2 times since" in said
    [explained] = json.loads(desk.say("explain", bad[0], "--format", "json").stdout)
    assert (explained["retry"]["tries"], explained["retry"]["kind"]) == (2, "answer")
    assert desk.metrics is not None
    recalled = Metrics()
    recall(desk.config, desk.state, recalled)  # as the next process shows it before its first run
    for metrics in (desk.metrics, recalled):
        assert (
            'sauce_janitor_retrying_jobs{account="box",kind="answer"} 4.0'
            in metrics.page().decode()
        )


def test_a_run_that_only_waits_for_the_next_try_says_so_and_ends_with_4(desk: Commands) -> None:
    bad = _break(desk, 2)
    for job in bad:  # as a run of six hours ago left it
        desk.state.retries.failed(
            "box", job, Failing(FailureKind.ANSWER, "no list"), at=int(time.time()) - 6 * HOUR
        )
    _next_run(desk, bad, hours=0)
    desk.an_hour_passes()
    said = desk.say("run", "--execute", code=4).stdout
    assert "Waiting for their next try: 2 (an answer that cannot be trusted)" in said
    assert "2 waiting for their next try" in desk.say("status").stdout
    desk.an_hour_passes()
    [told] = json.loads(desk.say("run", "--execute", "--format", "json", code=4).stdout)
    assert (told["waiting"], told["complete"]) == ({"answer": 2}, False)
    desk.an_hour_passes()
    desk.sandbox.faults.disarm()
    assert json.loads(desk.say("run", "--execute", "--retry-now", "--format", "json").stdout)[0][
        "complete"
    ]
    assert desk.state.retries.of("box") == {}


def test_a_job_of_which_nothing_is_wanted_any_more_is_not_tried_again(desk: Commands) -> None:
    bad = _break(desk, 2)
    _next_run(desk, bad)
    assert {retry.kind for retry in desk.state.retries.of("box").values()} == {FailureKind.ANSWER}
    desk.configure(
        ARCHIVING.replace("match: all", "match: {name: nothing-like-this}"), budget=SIXTY
    )
    desk.an_hour_passes()
    assert desk.run(execute=True).complete
    assert desk.state.retries.of("box") == {}


def test_a_deadline_names_failure_as_the_blocker_of_a_job_that_waits(desk: Commands) -> None:
    deadline = "\ndeadlines: [{name: privacy, match: all, assets_gone_by: 6d}]\n"
    policy = ARCHIVING.replace("discard: rest}", "discard: rest}, delete_assets: 2d")
    desk.configure(policy + deadline, budget=SIXTY.replace("60", "1000"))
    job = next(job.job_id for job in desk.run().plan.jobs() if len(job.actions) == 2)
    desk.sandbox.inject("not_a_list", endpoint="assets.list", job=job)
    desk.state.retries.failed(
        "box", job, Failing(FailureKind.ANSWER, "no list"), at=int(time.time()) - 6 * HOUR
    )
    desk.state.retries.failed(
        "box", job, Failing(FailureKind.ANSWER, "no list"), at=int(time.time())
    )
    result = desk.run(execute=True)
    assert result.execution is not None
    assert dict(result.execution.waiting) == {FailureKind.ANSWER: 1}
    late = result.plan.late["privacy"]
    assert {blocker.value: jobs for blocker, jobs in late.jobs.items() if jobs}.get("failed") == 1
