"""`unit: build` from YAML to the last DELETE: a build goes whole or not at all, also when it went in two runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sauce_janitor import fitting
from sauce_janitor.config import load
from sauce_janitor.metrics import Metrics
from sauce_janitor.pipeline import Order, Result, Tools, run
from sauce_janitor.retention.model import Action
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.sandbox.options import Behaviours
from sauce_janitor.state import State

DAY = 86_400
CONFIG = """
version: 1
accounts:
  box: {{base_url: "{base_url}", username: {user}, access_key: {{env: KEY}}, budget: {{per_second: 100, burst: 100}}}}
archive: {{path: ./archive, settle: 1s}}
state: {{path: ./state.db}}
limits: {{max_percent: 100}}
workers: 1
holds: [{{tag: keep}}]
policies:
  - name: releases
    unit: build
    match: {{build: "rc-*", build_status: "*"}}
    keep: [{{id: newest, last: 1}}]
    then: {{archive: none, delete_job: 60d}}
"""


class Silent:
    """Nobody watches."""

    def phase(self, account: str, phase: str, total: int | None = None) -> None: ...
    def step(self, count: int = 1) -> None: ...


class House:
    """A user's folder, configuration and state, and the sandbox it is about."""

    def __init__(self, folder: Path, sandbox: Sandbox, stack: ExitStack) -> None:
        self.sandbox = sandbox
        file = folder / "config.yaml"
        file.write_text(CONFIG.format(base_url=sandbox.base_url, user=sandbox.user))
        self.config = load(file, environ={"KEY": sandbox.access_key})
        self.state = stack.enter_context(State.open(self.config.state))

    def build(self, name: str, *ages_in_days: float, **fields: object) -> list[str]:
        """Jobs of one build, the oldest first; `fields` are those of the last."""
        now = int(time.time())
        made = [self.sandbox.arrive(created_at=now - int(age * DAY), build=name) for age in sorted(ages_in_days)[::-1]]
        self.sandbox.edit(made[-1], **fields)
        return made

    def run(self, *, execute: bool = True) -> Result:
        tools = Tools(self.config, self.state, Metrics(), Silent())
        return run(self.config.accounts[0], tools, Order(execute=execute))

    def left(self, jobs: list[str]) -> int:
        """How many of these are still there."""
        truths = [self.sandbox.truth(job) for job in jobs]
        return sum(truth is not None and truth.exists for truth in truths)


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    with ExitStack() as stack:

        def make(**behaviours: str) -> House:
            options = SandboxOptions(jobs=0, behaviours=Behaviours().changed(behaviours))
            return House(tmp_path, stack.enter_context(Sandbox(options)), stack)

        yield make


@pytest.mark.parametrize("builds_v2", ["on", "off"])
def test_an_old_build_goes_whole_and_one_with_a_held_member_stays_whole(
    open_house: Callable[..., House], builds_v2: str
) -> None:
    house = open_house(builds_v2=builds_v2)
    gone = house.build("rc-1", 90, 90, 90, passed=False)
    held = house.build("rc-2", 80, 80, 80, tags=["keep"])
    running = house.build("rc-3", 75, 75, status="in progress", end_time=None, passed=None)
    young = house.build("rc-4", 70, 59)
    newest = house.build("rc-5", 69.5, 58)
    result = house.run()
    assert [house.left(jobs) for jobs in (gone, held, running, young, newest)] == [0, 3, 2, 2, 2]
    assert result.plan.totals[Action.DELETE_JOB] == 3
    assert house.run().plan.totals[Action.DELETE_JOB] == 0


def test_the_rest_of_a_build_goes_in_the_next_run(open_house: Callable[..., House]) -> None:
    """Its count and its verdict are others by then, for the failed job went first."""
    house = open_house()
    jobs = house.build("rc-1", 90, 90, 90, 90)
    house.sandbox.edit(jobs[0], passed=False)
    house.build("rc-2", 1)
    house.sandbox.inject("status", endpoint="job.delete", status=503, times=2, after=2)
    house.run()
    assert house.left(jobs[:1]) == 0
    assert house.left(jobs) == 2
    house.run()
    assert house.left(jobs) == 0


def test_a_build_goes_on_going_when_it_is_asked_for_again(
    open_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting.Fingerprints, "_YOUNG_S", -1.0)  # no answer serves a second job
    house = open_house()
    jobs = house.build("rc-1", 90, 90, 90, 90)
    house.sandbox.edit(jobs[0], passed=False)
    house.build("rc-2", 1)
    house.run()
    assert house.left(jobs) == 0
