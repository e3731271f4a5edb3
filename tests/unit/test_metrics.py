"""Counters go on where earlier runs left them, and labels stay in closed sets."""

from __future__ import annotations

from sauce_janitor.metrics import Metrics

LABELS = (("account", "eu"), ("mode", "execute"), ("result", "done"))


def test_counters_go_on_where_earlier_runs_left_them() -> None:
    metrics = Metrics()
    metrics.restore([("runs", LABELS, 41.0)])
    assert metrics.added() == []
    metrics.add("runs", account="eu", mode="execute", result="done")
    assert metrics.added() == [("runs", LABELS, 1.0)]
    assert metrics.added() == []
    assert b'sauce_janitor_runs_total{account="eu",mode="execute",result="done"} 42.0' in metrics.page()


def test_a_persisted_counter_that_is_unknown_today_is_passed_over() -> None:
    metrics = Metrics()
    metrics.restore([("gone", LABELS, 1.0), ("runs", (("account", "eu"),), 1.0)])
    assert metrics.added() == []


def test_a_gauge_of_a_policy_that_is_gone_leaves_no_stale_number() -> None:
    metrics = Metrics()
    metrics.set("planned_actions", 3, account="eu", policy="old", action="stop")
    metrics.set("planned_actions", 4, account="us", policy="old", action="stop")
    metrics.forget("planned_actions", "eu")
    page = metrics.page().decode()
    assert 'planned_actions{account="eu"' not in page
    assert 'planned_actions{account="us",action="stop",policy="old"} 4.0' in page


def test_phases_are_a_histogram_and_the_version_is_told() -> None:
    metrics = Metrics()
    metrics.took("eu", "sync", 0.2)
    page = metrics.page().decode()
    assert 'sauce_janitor_run_duration_seconds_bucket{account="eu",le="0.5",phase="sync"} 1.0' in page
    assert "sauce_janitor_build_info{version=" in page
