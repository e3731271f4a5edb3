"""A run counts each metric, or a test that is named here makes happen what it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sauce_janitor.metrics import ALL, PREFIX, Metrics
from tests.support.commands import Commands

TESTS = Path(__file__).parents[2]
POLICIES = """
limits: {max_percent: null}
deadlines: [{name: privacy, job_gone_by: 20d, match: all}]
holds: [{tag: keep}]
policies:
  - name: old
    match: all
    then: {archive: {after: 1d, assets: [logs], discard: rest}, delete_assets: 5d, delete_job: 9d}
"""
ELSEWHERE = {
    "api_throttled_seconds": "integration/operations/test_budgets.py",
    "archive_available": "integration/daemon/test_work_queue.py",
    "archive_findings": "integration/archive/test_verify_all.py",
    "config_reload_success": "integration/daemon/test_standing.py",
    "damaged_copies": "integration/operations/test_damaged_copies.py",
    "last_verification_timestamp_seconds": "integration/archive/test_verify_all.py",
    "lease_fence": "integration/daemon/test_work_queue.py",
    "overdue_jobs": "integration/operations/test_deadlines.py",
    "paused": "integration/daemon/test_standing.py",
    "queue_jobs": "integration/daemon/test_work_queue.py",
    "queue_wait_seconds": "integration/daemon/test_work_queue.py",
    "restored_copies": "integration/operations/test_damaged_copies.py",
    "retrying_jobs": "integration/operations/test_retries.py",
    "stalled_runs": "integration/daemon/test_work_queue.py",
    "state_available": "integration/daemon/test_work_queue.py",
    "vanished": "integration/operations/test_traces.py",
    "workers": "integration/daemon/test_work_queue.py",
}
"""Metrics of what no ordinary run meets, and the test that makes it happen."""


def test_a_dry_run_and_a_run_count_each_metric(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk(20)
    desk.configure(POLICIES, budget=", budget: {per_second: 100, per_hour: 5000}")
    desk.metrics = Metrics()
    desk.sandbox.inject("cut_at_source", endpoint="asset.get")
    desk.run()
    desk.run(execute=True)
    desk.metrics.settle(desk.state.counters)
    shown = {found.name for found in desk.metrics.registry.collect() if found.samples}
    missing = {each.name for each in ALL if f"{PREFIX}_{each.name}" not in shown}
    assert missing <= ELSEWHERE.keys(), "count it in a run, or name the test that does"


def test_what_no_ordinary_run_counts_is_counted_in_the_test_that_is_named() -> None:
    for metric, test in ELSEWHERE.items():
        assert metric in (TESTS / test).read_text(encoding="utf-8"), metric
