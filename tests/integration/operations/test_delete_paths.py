"""The addresses of Delete Job, end to end: which one is used, what a 404 means, and what a run says
where none is served.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from sauce_janitor.execute import Outcome
from sauce_janitor.execute.events import Halt
from sauce_janitor.model.jobs import Action, JobId
from sauce_janitor.sandbox import Behaviours
from tests.support.commands import Commands

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: none, delete_assets: 10d, delete_job: 20d}}
"""
STORED = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: {after: 1h, assets: [logs], discard: rest}, delete_job: 20d}}
"""
LINES = {"v1": r"/rest/v1/demo/jobs/[0-9a-f]{32}", "v1.1": r"/rest/v1\.1/jobs/[0-9a-f]{32}"}


def serving(open_desk: Callable[..., Commands], path: str, **behaviours: str) -> Commands:
    """An account at a vendor that serves these addresses of Delete Job."""
    return open_desk(30, behaviours=Behaviours().changed({"delete_path": path, **behaviours}))


def deletes(desk: Commands) -> list[str]:
    """By which address each delete of a job went."""
    paths = [entry.path for entry in desk.sandbox.log if entry.endpoint == "job.delete"]
    return [
        next(name for name, line in LINES.items() if re.fullmatch(line, path)) for path in paths
    ]


def due(desk: Commands) -> list[str]:
    return [
        job.job_id for job in desk.run().plan.jobs() if job.actions[-1].action is Action.DELETE_JOB
    ]


@pytest.mark.parametrize(
    ("path", "body"), [("v1.1", "document"), ("v1", "document"), ("v1", "empty")]
)
def test_the_configured_address_alone_is_used_and_whatever_it_answers_is_looked_up(
    open_desk: Callable[..., Commands], path: str, body: str
) -> None:
    desk = serving(open_desk, "both", delete_v1_body=body)
    desk.configure(POLICIES, budget=f", delete_job_path: {path}")
    execution = desk.run(execute=True).execution
    assert execution is not None
    assert set(deletes(desk)) == {path}
    gone = sum(entry.jobs_deleted for entry in desk.sandbox.log)
    assert execution.count(Action.DELETE_JOB, Outcome.DONE) == len(deletes(desk)) == gone
    assert execution.complete


@pytest.mark.parametrize("path", ["auto", "v1.1", "v1"])
def test_a_404_of_a_job_that_lives_has_failed_and_of_one_that_is_gone_was_gone(
    open_desk: Callable[..., Commands], path: str
) -> None:
    desk = open_desk()
    desk.configure(POLICIES, budget=f", delete_job_path: {path}")
    jobs = due(desk)
    desk.sandbox.inject("status", endpoint="job.delete", job=jobs[0], status=404)
    desk.sandbox.inject("done_but_status", endpoint="job.delete", job=jobs[1], status=404)
    execution = desk.run(execute=True).execution
    assert execution is not None
    assert [failure.job_id for failure in execution.failures] == [jobs[0]]
    assert execution.count(Action.DELETE_JOB, Outcome.ALREADY_GONE) == 1
    assert set(desk.sandbox.job_ids()) & set(jobs) == {jobs[0]}, (
        "one odd job keeps no other from its delete"
    )
    outcomes = {
        job: [line.outcome for line in desk.state.journal.of(JobId(job)) if line.outcome]
        for job in jobs[:2]
    }
    assert set(outcomes[jobs[0]]) == {"failed"}
    assert outcomes[jobs[1]] == ["already_gone"]


def test_whichever_address_alone_is_served_every_due_job_goes_in_the_first_run_and_it_is_remembered(
    open_desk: Callable[..., Commands],
) -> None:
    requests: dict[str, int] = {}
    for path in ("both", "v1", "v1.1"):
        desk = serving(open_desk, path)
        desk.folder = desk.folder / path.replace(".", "-")
        desk.folder.mkdir()
        desk.configure("workers: 1\n" + POLICIES)
        jobs = due(desk)
        before = len(desk.sandbox.log)
        result = desk.run(execute=True)
        assert result.execution is not None
        assert result.execution.complete
        assert not set(desk.sandbox.job_ids()) & set(jobs)
        # without the listing, which asks once more when a second has passed
        requests[path] = sum(
            entry.endpoint != "jobs.list" for entry in list(desk.sandbox.log)[before:]
        )
        [told] = json.loads(desk.say("status", "--format", "json").stdout)
        worked = "v1.1" if path == "v1.1" else "v1"
        assert told["delete_job_path"]["worked"]["address"] == worked
        assert f"last job deleted by address {worked}, " in desk.say("status").stdout
    assert requests["v1"] == requests["both"]
    assert requests["v1.1"] - requests["v1"] == 2, (
        "the delete that was refused, and the look at the job"
    )
    # the last one, at the vendor that serves v1.1 alone: the next run begins there
    desk.later_s = 30 * 86_400
    before = len(deletes(desk))
    desk.run(execute=True)
    assert set(deletes(desk)[before:]) == {"v1.1"}


def test_the_second_delete_of_a_job_has_its_own_lines_after_the_first_ones_outcome(
    open_desk: Callable[..., Commands],
) -> None:
    desk = serving(open_desk, "v1.1")
    desk.configure(POLICIES)
    desk.run(execute=True)
    first = next(line for line in desk.state.journal.lines() if line.outcome == "failed")
    assert first.job_id is not None
    lines = [
        line for line in desk.state.journal.of(first.job_id) if line.action is Action.DELETE_JOB
    ]
    assert [(line.kind, line.outcome) for line in lines] == [
        ("intent", None),
        ("outcome", "failed"),
        ("intent", None),
        ("outcome", "confirmed"),
    ]
    assert [line.detail["address"] for line in lines if line.kind == "intent"] == ["v1", "v1.1"]
    assert desk.state.journal.verify() > 0


@pytest.mark.parametrize(
    ("path", "served", "remedy"),
    [("auto", "none", "both addresses"), ("v1.1", "v1", "set it to auto")],
)
def test_where_no_address_deletes_the_run_says_so_once_and_archives_no_more_of_what_is_due_to_go(
    open_desk: Callable[..., Commands], path: str, served: str, remedy: str
) -> None:
    desk = serving(open_desk, served)
    desk.configure(STORED, budget=f", delete_job_path: {path}")
    jobs = due(desk)
    assert len(jobs) > 8
    result = desk.run(execute=True)
    execution = result.execution
    assert execution is not None
    assert execution.halted is not None
    assert execution.halted.why is Halt.ADDRESS
    assert "delete_job_path" in execution.halted.detail
    assert remedy in execution.halted.detail
    assert len(execution.failures) == 2
    workers = desk.config.workers
    archived = {line.job_id for line in desk.state.journal.lines() if line.kind == "archived"}
    assert len(archived & set(jobs)) <= 2 + workers
    assert archived - set(jobs), "what is archived for its own sake goes on"
    assert set(jobs) <= set(desk.sandbox.job_ids())
    assert len(deletes(desk)) == (4 if path == "auto" else 2)
    assert execution.left == len(jobs) - 2
