"""What Prometheus sees is on the disk, only ever grows, and has labels from closed sets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sauce_janitor.errors import StateError
from sauce_janitor.metrics import Metrics
from sauce_janitor.metrics.registry import Amounts

TOP = Path(__file__).parents[2]
LABELS = (("account", "eu"), ("mode", "execute"), ("result", "done"))
DONE = 'sauce_janitor_runs_total{account="eu",mode="execute",result="done"}'


class Kept:
    """A store of counters, as the state is one; `broken` while it cannot be written."""

    def __init__(self, amounts: Amounts | None = None) -> None:
        self.amounts = dict(amounts or {})
        self.broken = False

    def add(self, amounts: Amounts, /) -> None:
        if self.broken:
            raise StateError("the disk is full")
        for key, amount in amounts.items():
            self.amounts[key] = self.amounts.get(key, 0) + amount

    def all(self) -> Amounts:
        return dict(self.amounts)


def shown(metrics: Metrics, series: str) -> float | None:
    found = re.search(rf"^{re.escape(series)} (\S+)$", metrics.page().decode(), re.MULTILINE)
    return float(found[1]) if found else None


def count(metrics: Metrics) -> None:
    metrics.add("runs", account="eu", mode="execute", result="done")


def test_counters_go_on_where_earlier_runs_left_them() -> None:
    store, metrics = Kept({("runs", LABELS): 41.0}), Metrics()
    metrics.settle(store)
    assert shown(metrics, DONE) == 41
    count(metrics)
    metrics.settle(store)
    assert shown(metrics, DONE) == store.amounts["runs", LABELS] == 42


def test_a_number_is_shown_once_it_is_kept_so_that_no_restart_makes_it_smaller() -> None:
    store, metrics = Kept({("runs", LABELS): 41.0}), Metrics()
    metrics.settle(store)
    count(metrics)
    assert shown(metrics, DONE) == 41


def test_what_other_processes_on_the_state_count_is_shown_too() -> None:
    store, daemon, by_hand = Kept(), Metrics(), Metrics()
    for metrics in (daemon, by_hand):
        count(metrics)
        metrics.settle(store)
    daemon.settle(store)
    assert shown(daemon, DONE) == 2


def test_what_cannot_be_kept_is_shown_all_the_same_and_kept_later_once() -> None:
    store, metrics = Kept({("runs", LABELS): 41.0}), Metrics()
    metrics.settle(store)
    store.broken = True
    for expected in (42, 43):
        count(metrics)
        with pytest.raises(StateError):
            metrics.settle(store)
        assert shown(metrics, DONE) == expected
    store.broken = False
    metrics.settle(store)
    assert shown(metrics, DONE) == store.amounts["runs", LABELS] == 43


def test_a_persisted_counter_that_is_unknown_today_is_passed_over() -> None:
    metrics = Metrics()
    metrics.settle(Kept({("gone", LABELS): 1.0, ("runs", (("account", "eu"),)): 1.0}))
    assert shown(metrics, DONE) is None


def test_a_gauge_of_a_policy_that_is_gone_leaves_no_stale_number() -> None:
    metrics = Metrics()
    metrics.set("planned_actions", 3, account="eu", policy="old", action="stop")
    metrics.set("planned_actions", 4, account="us", policy="old", action="stop")
    metrics.forget("planned_actions", "eu")
    page = metrics.page().decode()
    assert 'planned_actions{account="eu"' not in page
    assert (
        shown(metrics, 'sauce_janitor_planned_actions{account="us",action="stop",policy="old"}')
        == 4
    )


def test_phases_are_a_histogram_that_goes_on_as_counters_do() -> None:
    store = Kept()
    for seconds in (0.2, 7.0):
        metrics = Metrics()
        metrics.took("eu", "list", seconds)
        metrics.settle(store)
    series = "sauce_janitor_run_duration_seconds"
    for le, jobs in (("0.1", 0), ("0.5", 1), ("5.0", 1), ("15.0", 2), ("+Inf", 2)):
        assert shown(metrics, f'{series}_bucket{{account="eu",le="{le}",phase="list"}}') == jobs
    assert shown(metrics, f'{series}_count{{account="eu",phase="list"}}') == 2
    assert shown(metrics, f'{series}_sum{{account="eu",phase="list"}}') == pytest.approx(7.2)


def test_two_runs_that_carry_out_plans_are_counted_and_none_is_zero() -> None:
    metrics = Metrics()
    for change, executing in ((1, 1), (1, 2), (-1, 1), (-1, 0)):
        metrics.executes(change)
        assert shown(metrics, "sauce_janitor_executing") == executing


def test_a_gauge_that_this_process_never_set_is_not_shown_as_0() -> None:
    """`run` never looks whether the configuration can be reloaded: a 0 in its textfile would be an
    alert.
    """
    metrics = Metrics()
    assert shown(metrics, "sauce_janitor_config_reload_success") is None
    assert "config_reload_success" not in metrics.page_of(None).decode()
    for value in (0, 1):
        metrics.set("config_reload_success", value)
        assert shown(metrics, "sauce_janitor_config_reload_success") == value
    assert shown(metrics, "sauce_janitor_executing") == 0


def test_the_version_is_told() -> None:
    assert "sauce_janitor_build_info{version=" in Metrics().page().decode()
