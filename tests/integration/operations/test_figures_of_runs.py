"""What runs leave for the console's charts: jobs by day and age, sums of days, a forecast."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from sauce_janitor.metrics import Metrics
from sauce_janitor.operations.daily_forecast import FORECAST_DAYS, forecast_daily
from sauce_janitor.operations.records.account_figures import noted_forecast, noted_inventory
from sauce_janitor.operations.wiring.run_settings import Result, RunContext
from tests.support.commands import DAY, Commands, Quiet

POLICIES = """
policies:
  - name: every-job
    match: all
    then: {archive: {after: 1h, assets: [logs], discard: rest}, delete_assets: 10d, delete_job: 20d}
limits: {max_percent: null}
"""
LATE = POLICIES.replace("match: all\n", "match: all\n    unit: build\n").replace(
    "    then", "    keep: [{last: 1}]\n    then"
)


def forecast(desk: Commands, result: Result, *, jobs: int | None = None, later_s: int = 0) -> None:
    config = desk.config
    context = RunContext(
        config, desk.state, Metrics(), Quiet(), clock=lambda: time.time() + later_s
    )
    known = result.plan.inventory if jobs is None else jobs
    forecast_daily(config.account("box"), context, result.query, jobs=known)


def test_a_plan_counts_all_jobs_by_day_and_age(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk(jobs=200)
    desk.configure(POLICIES)
    plan = desk.run().plan
    found = noted_inventory(desk.state.notes, "box")
    assert found is not None
    ages = [sum(counts.values()) for counts in found.by_age.values()]
    assert sum(ages) == plan.inventory == 200
    assert sum(sum(counts.values()) for counts in found.by_day.values()) == 200
    assert set(found.by_age) <= {"under 1 day", "1 to 7 days", "7 to 30 days", "30 to 90 days"}
    assert {"passed", "failed"} <= {status for of in found.by_day.values() for status in of}


def test_an_executing_run_adds_its_deletes_to_its_day(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk(jobs=100)
    desk.configure(POLICIES)
    desk.run()
    assert sum(day.deleted_jobs for day in desk.state.figures.of("box")) == 0
    desk.run(execute=True)
    deleted = {job for method, job in desk.writes() if method == "DELETE"}
    days = desk.state.figures.of("box")
    assert sum(day.deleted_jobs + day.deleted_assets for day in days) == len(deleted) > 0
    assert sum(day.archived_jobs for day in days) > 0
    assert sum(day.freed_bytes for day in days) > 0
    desk.run(execute=True)
    assert desk.state.figures.of("box") == days


def test_a_plan_for_another_time_leaves_nothing(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    desk.run(as_of=int(time.time()) + DAY)
    assert noted_inventory(desk.state.notes, "box") is None


def test_the_forecast_says_what_each_day_would_do(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk(jobs=100)
    desk.configure(POLICIES)
    result = desk.run()
    forecast(desk, result)
    found = noted_forecast(desk.state.notes, "box")
    assert found is not None
    assert len(found.days) == FORECAST_DAYS
    first = found.days[0]
    assert (first.archive, first.delete_job) == (
        result.head.counts["archive"],
        result.head.counts["delete_job"],
    )
    # All of them are older than 20 days at the end; those that never finish stay.
    assert sum(day.delete_job for day in found.days) == first.archive > first.delete_job


def test_it_is_made_once_a_day_or_when_the_policies_change(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    result = desk.run()
    forecast(desk, result)
    first = noted_forecast(desk.state.notes, "box")
    forecast(desk, result)
    assert noted_forecast(desk.state.notes, "box") == first
    desk.configure(POLICIES.replace("20d", "21d"))
    forecast(desk, result)
    changed = noted_forecast(desk.state.notes, "box")
    assert changed is not None
    assert changed != first
    forecast(desk, result, later_s=DAY)
    tomorrow = noted_forecast(desk.state.notes, "box")
    assert tomorrow is not None
    assert tomorrow.at >= changed.at + DAY


def test_rules_that_need_a_pass_a_day_have_no_forecast_with_many_jobs(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(LATE)
    result = desk.run()
    forecast(desk, result, jobs=1_000_000)
    found = noted_forecast(desk.state.notes, "box")
    assert found is not None
    assert found.days == ()
    assert "sauce-janitor simulate" in found.why_none
    desk.configure(LATE.replace("20d", "21d"))
    forecast(desk, desk.run())
    few = noted_forecast(desk.state.notes, "box")
    assert few is not None
    assert len(few.days) == FORECAST_DAYS


def test_who_stops_the_daemon_does_not_wait_for_it(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    result = desk.run()
    stop = threading.Event()
    stop.set()
    context = replace(RunContext(desk.config, desk.state, Metrics(), Quiet()), stop=stop)
    forecast_daily(desk.config.account("box"), context, result.query, jobs=60)
    assert noted_forecast(desk.state.notes, "box") is None
