"""A second janitor on the same account, with a state and an archive of its own, is noticed by what it deletes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
import structlog

from sauce_janitor.metrics import Metrics
from sauce_janitor.retention.model import Action
from tests.integration.pipeline.conftest import Desk

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: none, delete_job: 45d}}
"""
EACH_TIME = ", listing: {full_every: 1s}"


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    made = open_desk(jobs=60, days=60)
    made.configure(POLICIES, budget=EACH_TIME)
    made.metrics = Metrics()
    return made


@pytest.fixture
def other(desk: Desk, tmp_path: Path) -> Iterator[Desk]:
    """Another machine."""
    folder = tmp_path / "other"
    folder.mkdir()
    with ExitStack() as stack:
        made = Desk(folder, desk.sandbox, stack)
        made.configure(POLICIES)
        yield made


def counted(desk: Desk, what: str) -> float:
    assert desk.metrics is not None
    desk.metrics.settle(desk.state.counters)
    return desk.metrics.shown().get(("vanished", (("account", "box"), ("what", what))), 0)


def told(desk: Desk) -> dict[str, int] | None:
    [status] = json.loads(desk.say("status", "--format", "json").stdout)
    found: dict[str, int] | None = status["vanished"]
    return found


def test_what_another_janitor_deletes_is_told_everywhere(desk: Desk, other: Desk) -> None:
    planned = desk.run().plan.totals[Action.DELETE_JOB]
    assert 5 < planned < 30
    assert told(desk) is None
    other.run(execute=True)
    desk.later_s = 2
    with structlog.testing.capture_logs() as logs:
        result = desk.run()
    assert (result.vanished.jobs, result.vanished.are_many) == (planned, True)
    [event] = [each for each in logs if each["event"] == "account.others_delete"]
    assert event["log_level"] == "warning"
    assert event["jobs"] == planned
    assert counted(desk, "jobs") == planned
    status = told(desk)
    assert status is not None
    assert status["jobs"] == planned
    assert "does another janitor" in desk.say("status").stdout
    assert told(other) is None, "what it deletes itself is no trace"


def test_jobs_deleted_under_a_plan_are_traces_too(desk: Desk, other: Desk) -> None:
    desk.say("plan", "--out", str(desk.folder / "plan.json"))
    other.run(execute=True)
    said = desk.say("apply", str(desk.folder / "plan.json"), code=0).stdout
    assert "does another janitor or a script delete on this account?" in " ".join(said.split())


def test_a_run_s_own_deletes_and_a_few_by_hand_are_no_alarm(desk: Desk) -> None:
    [first, *_] = [each.job_id for each in desk.run().plan.jobs()]
    url = f"{desk.sandbox.base_url}/rest/v1.1/demo/jobs/{first}"
    assert requests.delete(url, auth=("demo", desk.sandbox.access_key), timeout=10).ok
    desk.later_s = 2
    assert desk.run(execute=True).vanished.jobs == 1
    desk.later_s = 4
    assert desk.run(execute=True).vanished.jobs == 0, "our own deletes are no trace"
    assert told(desk) is None
