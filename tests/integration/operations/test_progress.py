"""While a run goes on, `status` elsewhere shows how far it is; every job of the plan counts once,
whatever becomes of it.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sauce_janitor.metrics import Metrics
from sauce_janitor.operations.policy_run import run
from sauce_janitor.operations.wiring import progress
from sauce_janitor.operations.wiring.run_settings import Order, RunContext
from sauce_janitor.sandbox import LoggedRequest
from tests.support.commands import Commands

POLICIES = """
workers: 1
limits: {max_percent: null}
policies: [{name: old, match: all, then: {archive: 1h, delete_assets: 5d, delete_job: 10d}}]
"""


class Counted:
    """Every step that was told, by phase, and the totals that were announced."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int | None]] = []
        self.steps: Counter[str] = Counter()

    def phase(self, account: str, phase: str, total: int | None = None) -> None:
        assert account == "box"
        self.phases.append((phase, total))

    def step(self, count: int = 1) -> None:
        self.steps[self.phases[-1][0]] += count


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    made = open_desk(jobs=20)
    made.configure(POLICIES)
    return made


def execute(desk: Commands, *, stop_at: int | None = None) -> tuple[Counted, Any]:
    counted = Counted()
    tools = RunContext(
        desk.config, desk.state, Metrics(), counted, clock=lambda: time.time() + desk.later_s
    )
    if stop_at is not None:
        add = desk.sandbox.log.add

        def heard(entry: LoggedRequest) -> None:
            add(entry)
            if len([each for each in desk.sandbox.log if each.method == "DELETE"]) >= stop_at:
                tools.stop.set()

        desk.sandbox.log.add = heard  # type: ignore[method-assign]
    return counted, run(desk.config.account("box"), tools, Order(execute=True))


def test_a_whole_run_takes_as_many_steps_as_it_has_jobs(desk: Commands) -> None:
    counted, result = execute(desk)
    assert dict(counted.phases)["execute"] == counted.steps["execute"] == result.plan.job_count > 10
    assert dict(counted.phases)["list"] is None
    assert counted.steps["list"] >= result.plan.inventory, "each page counts as it comes"


def test_jobs_that_fail_or_wait_for_their_next_try_count_once_too(desk: Commands) -> None:
    broken = [job.job_id for job in desk.run().plan.jobs()][:4]
    for job in broken:
        desk.sandbox.inject("status", endpoint="asset.get", job=job, status=404)
    waited = 0
    for _ in range(4):  # they fail, then wait
        desk.later_s += 60
        counted, result = execute(desk)
        assert dict(counted.phases)["execute"] == counted.steps["execute"] == result.plan.job_count
        waited += sum(result.execution.waiting.values())
    assert waited


def test_a_run_that_is_stopped_takes_fewer_steps_and_never_more(desk: Commands) -> None:
    counted, result = execute(desk, stop_at=1)
    assert counted.steps["execute"] < result.plan.job_count


def test_status_shows_a_run_that_goes_on_and_not_one_that_has_ended(
    desk: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_FIRST_S", 0.01)
    monkeypatch.setattr(progress, "_EVERY_S", 0.01)
    seen: list[tuple[str, dict[str, Any]]] = []
    add = desk.sandbox.log.add

    def heard(entry: LoggedRequest) -> None:
        add(entry)
        deletes = sum(each.method == "DELETE" for each in desk.sandbox.log)
        if not seen and deletes > 5:
            time.sleep(0.1)  # a few notes' time
            [told] = json.loads(desk.say("status", "--format", "json").stdout)
            seen.append((desk.say("status").stdout, told))

    monkeypatch.setattr(desk.sandbox.log, "add", heard)
    result = desk.run(execute=True)
    [(said, told)] = seen
    [running] = told["under_way"]
    assert (running["mode"], running["phase"], running["total"]) == (
        "execute",
        "execute",
        result.plan.job_count,
    )
    assert 0 < running["done"] <= running["total"]
    assert 0 < running["percent"] <= 100
    line = (
        rf"  under way: execute, carrying out: \d+ of {running['total']} \(\d+ %\)(, \d+/s, \d+ s"
        r" left)?, \d+ s ago"
    )
    assert re.search(line, said), said
    assert "execute, running\n" in said
    after = desk.say("status").stdout
    assert "under way" not in after
    assert json.loads(desk.say("status", "--format", "json").stdout)[0]["under_way"] == []
    assert desk.state.notes.starting("progress ") == ()
