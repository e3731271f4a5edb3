"""What a reviewed plan lets happen, and what it does not."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from sauce_janitor.errors import RefusedError
from sauce_janitor.metrics import Metrics
from sauce_janitor.operations.policy_run import run
from sauce_janitor.operations.wiring.run_settings import Order, RunContext
from tests.support.commands import DAY, Commands, Quiet

POLICIES = """
limits: {max_percent: 10}
policies:
  - {name: noise, match: {build: "PR-*"}, then: {archive: none, delete_assets: 3d}}
  - {name: rest, match: {not: {build: "PR-*"}}, then: {archive: none, delete_job: 5d}}
"""


def test_a_plan_reviewed_for_one_policy_makes_nothing_of_the_others_expected(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(120)
    desk.configure(POLICIES)
    file = str(desk.folder / "plan.json")
    desk.say("plan", "--policy", "noise", "--out", file)
    desk.say("apply", file)
    touched = desk.writes()
    assert touched
    with pytest.raises(RefusedError, match="max_percent"):
        desk.run(execute=True)
    assert desk.writes() == touched


def test_a_plan_reviewed_whole_makes_what_it_left_expected(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(120)
    desk.configure(POLICIES)
    file = str(desk.folder / "plan.json")
    reviewed = desk.say("plan", "--out", file).stdout
    applied = desk.say("apply", file).stdout
    for read_before in ("Why jobs stay", "For example"):
        assert (read_before in reviewed, read_before in applied) == (True, False)
    assert "By policy" in applied
    desk.later_s = 60
    assert desk.run(execute=True).complete


def test_a_time_that_no_answer_confirmed_is_not_remembered(
    open_desk: Callable[..., Commands],
) -> None:
    """A second run in the same second lists nothing anew: then the vendor has said nothing of the
    time.
    """
    desk = open_desk()
    desk.configure(POLICIES.replace("10", "null"))
    desk.sandbox.inject("clock_skew", seconds=-30 * DAY)
    now = int(time.time())
    tools = RunContext(desk.config, desk.state, Metrics(), Quiet(), clock=lambda: now)
    account = desk.config.account("box")
    for execute in (False, True):
        run(account, tools, Order(execute=execute))
    assert desk.state.clock.newest() is None
    assert desk.writes() == []
