"""Deadlines in whole runs: what a plan, its file, the metrics and `check` say of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from sauce_janitor.metrics import Metrics
from sauce_janitor.operations.policy_run import run
from sauce_janitor.operations.wiring.run_settings import Order, RunContext
from tests.support.commands import Commands, Quiet

POLICY = """
limits: {max_percent: null}
holds: [{tag: keep}]
policies:
  - {name: old, match: {status: [passed, failed]}, then: {archive: none, delete_assets: 5d}}
deadlines:
  - {name: privacy, match: all, assets_gone_by: 6d, warn: 1d}
"""


def series(desk: Commands, *, execute: bool) -> tuple[dict[str, float], dict[str, int]]:
    """overdue_jobs by blocked_by after a run, and what its plan says."""
    config, metrics = desk.config, Metrics()
    tools = RunContext(
        config, desk.state, metrics, Quiet(), clock=lambda: time.time() + desk.later_s
    )
    result = run(config.account("box"), tools, Order(execute=execute))
    found = {
        sample.labels["blocked_by"]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "sauce_janitor_overdue_jobs" and sample.labels["deadline"] == "privacy"
    }
    return found, dict(result.head.overdue["privacy"])


def test_late_jobs_are_counted_by_what_blocks_them_in_metrics_and_plan_files(
    open_desk: Callable[..., Commands],
) -> None:
    """Deadlines: Plans, `overdue` in the plan file and the metric `overdue_jobs` count each late
    job once,"""
    desk = open_desk()
    desk.configure(POLICY)
    found, planned = series(desk, execute=False)
    assert found == planned
    assert planned["nothing"] > 20, "the policy deletes them in time from now on"
    assert planned["no_policy"] > 0
    said = json.loads(desk.say("plan", "--offline", "--format", "json").stdout)
    assert said["overdue"] == {"privacy": planned}


def test_a_run_that_carries_its_plan_out_leaves_late_only_what_something_blocks(
    open_desk: Callable[..., Commands],
) -> None:
    """Deadlines: After an executing run the metric counts"""
    desk = open_desk()
    desk.configure(POLICY)
    found, planned = series(desk, execute=True)
    assert found == {blocker: jobs for blocker, jobs in planned.items() if blocker != "nothing"}
    assert "nothing" not in series(desk, execute=False)[1]


def test_a_limit_that_is_broken_blocks_what_would_go(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    desk.configure(POLICY.replace("{max_percent: null}", "{max_percent: null, max_jobs: 1}"))
    assert "nothing" not in series(desk, execute=False)[1]
    assert series(desk, execute=False)[1]["limit"] > 20


def test_plan_says_who_is_late_and_check_what_can_block(open_desk: Callable[..., Commands]) -> None:
    """Deadlines: `check` names what can block a deadline, and jobs that no policy covers."""
    desk = open_desk()
    desk.configure(POLICY)
    said = desk.say("plan").stdout
    (line,) = [line for line in said.splitlines() if line.startswith("Deadline privacy")]
    assert " jobs are past it (" in line
    assert " gone with this plan)" in line
    assert "; " in line, "some will be late within a day"
    assert f"> {line}" in desk.say("plan", "--offline", "--format", "markdown").stdout
    checked = desk.say("check").stdout
    blockers = "hold tag keep; no policy says delete_assets of a job that old does not match"
    assert f"deadline privacy (assets gone by 6d) can be blocked by: {blockers}\n" in checked
    assert "\nany deadline can also be blocked by: an unfinished job; " in checked


def test_a_deadline_is_no_part_of_the_policy_digest(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    desk.configure(POLICY)
    before = desk.config.policy_digest("box")
    desk.configure(POLICY.partition("deadlines:")[0])
    assert desk.config.policy_digest("box") == before
