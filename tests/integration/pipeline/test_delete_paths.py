"""Both addresses of Delete Job, end to end, and what a 404 to it means: ask again before it is believed."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from sauce_janitor.execute import Outcome
from sauce_janitor.retention.model import Action, JobId
from sauce_janitor.sandbox import Behaviours
from tests.integration.pipeline.conftest import Desk

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: none, delete_assets: 10d, delete_job: 20d}}
"""


@pytest.mark.parametrize(
    ("path", "line", "body"),
    [
        ("v1.1", r"/rest/v1\.1/jobs/[0-9a-f]{32}", "document"),
        ("v1", r"/rest/v1/demo/jobs/[0-9a-f]{32}", "document"),
        ("v1", r"/rest/v1/demo/jobs/[0-9a-f]{32}", "empty"),
    ],
)
def test_the_configured_address_is_used_and_whatever_it_answers_is_looked_up(
    open_desk: Callable[..., Desk], path: str, line: str, body: str
) -> None:
    desk = open_desk(behaviours=Behaviours().changed({"delete_v1_body": body}))
    desk.configure(POLICIES, budget=f", delete_job_path: {path}")
    execution = desk.run(execute=True).execution
    assert execution is not None
    deletes = [entry for entry in desk.sandbox.log if entry.endpoint == "job.delete"]
    assert deletes
    assert all(re.fullmatch(line, entry.path) for entry in deletes)
    assert execution.count(Action.DELETE_JOB, Outcome.DONE) == len(deletes) == sum(e.jobs_deleted for e in deletes)
    assert execution.complete


@pytest.mark.parametrize("path", ["v1.1", "v1"])
def test_a_404_of_a_job_that_lives_has_failed_and_of_one_that_is_gone_was_gone(
    open_desk: Callable[..., Desk], path: str
) -> None:
    desk = open_desk()
    desk.configure(POLICIES, budget=f", delete_job_path: {path}")
    due = [job.job_id for job in desk.run().plan.jobs() if job.actions[-1].action is Action.DELETE_JOB]
    desk.sandbox.inject("status", endpoint="job.delete", job=due[0], status=404)
    desk.sandbox.inject("done_but_status", endpoint="job.delete", job=due[1], status=404)
    execution = desk.run(execute=True).execution
    assert execution is not None
    assert [failure.job_id for failure in execution.failures] == [due[0]]
    assert execution.count(Action.DELETE_JOB, Outcome.ALREADY_GONE) == 1
    assert due[0] in desk.sandbox.job_ids()
    outcomes = {job: [line.outcome for line in desk.state.journal.of(JobId(job)) if line.outcome] for job in due[:2]}
    assert outcomes == {due[0]: ["failed"], due[1]: ["already_gone"]}
