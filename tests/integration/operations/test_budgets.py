"""What is told of the request budget: before, while and after it is spent; and in which order it is
spent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from sauce_janitor.errors import BudgetSpentError
from sauce_janitor.metrics import Metrics
from sauce_janitor.model.jobs import Action
from tests.support.commands import Commands

DELETING = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: none, delete_assets: 20d}}
"""
ARCHIVING = """
limits: {max_percent: null}
policies:
  - {name: whole, match: all, then: {archive: {after: 1h, assets: [logs], discard: rest}, delete_assets: 10d}}
"""


def budget(text: str) -> str:
    return f", budget: {{{text}}}, retries: {{max_wait: 1s}}"


def status(desk: Commands) -> dict[str, Any]:
    [told] = json.loads(desk.say("status", "--format", "json").stdout)
    found = told["budget"]
    assert isinstance(found, dict)
    return found


def test_a_plan_says_what_it_needs_what_is_left_and_when_it_is_done(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(ARCHIVING, budget=budget("per_second: 50, per_hour: 60"))
    said = desk.say("plan").stdout
    line = next(line for line in said.splitlines() if line.startswith("Needs about"))
    found = re.fullmatch(
        r"Needs about ([\d,]+) API requests, about \d+ h( \d+ min)? at 50/s, 60/h: "
        r"done by 20\d\d-\d\d-\d\d \d\d:\d\d UTC; (\d+) left of this hour",
        line,
    )
    assert found, line
    assert int(found[3]) < 60


def test_a_plan_says_aloud_when_new_jobs_need_more_than_the_budget_gives(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=800)
    desk.configure(
        ARCHIVING.replace("logs", "all").replace(", discard: rest", ""),
        budget=budget("per_second: 50, per_hour: 5"),
    )
    said = desk.say("plan").stdout
    assert re.search(
        r"New jobs need more than the budget gives: about \d+ a day need about \d+ requests a day,"
        r" it gives 120\. "
        r"Sauce Labs will purge the assets of about \d+ jobs a day before they are archived: raise"
        r" per_hour",
        said,
    ), said
    assert "Warning: New jobs need more" in desk.say("status").stdout


def test_status_says_how_the_budget_stands_now_and_what_the_last_plan_needs(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(DELETING, budget=budget("per_second: 50, per_hour: 1000"))
    assert status(desk)["left_this_hour"] == 1000, "no run, nothing spent"
    desk.run()
    told = status(desk)
    assert told["left_this_hour"] == 1000 - len(desk.sandbox.log)
    assert (told["now"], told["slowed"], told["goes_on_in_s"]) == ("50/s, 1,000/h", False, 0)
    lines = desk.say("status").stdout
    assert f"budget: 50/s, 1,000/h, {told['left_this_hour']:,} left of this hour" in lines
    assert "Needs about" in lines
    desk.an_hour_passes()
    assert status(desk)["left_this_hour"] == 1000


def test_status_says_that_a_429_halved_the_rate(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    desk.configure(DELETING, budget=", budget: {per_second: 50, per_hour: 1000}")
    desk.sandbox.inject("status", status=429, times=1)
    desk.run()
    assert status(desk)["slowed"] is True
    assert "halved for an hour since a 429" in desk.say("status").stdout


def test_a_spent_budget_is_a_pause_that_says_when_it_goes_on(
    open_desk: Callable[..., Commands],
) -> None:
    """And the exit code is 0: an accepted plan that pauses for its own budget has not failed."""
    desk = open_desk(jobs=160)
    desk.configure(DELETING, budget=budget("per_second: 50, per_hour: 60"))
    said = desk.say("run", "--execute", code=0).stdout
    paused = re.search(
        r"Paused: the request budget is spent: .*\. Left for the next runs: (\d+) jobs, from"
        r" 20\d\d-.* UTC on",
        said,
    )
    assert paused, said
    run, *_ = desk.state.runs.last()
    due = run.summary["plan"]["counts"]["delete_assets"]
    assert int(paused[1]) == run.summary["left"] == due - sum(run.summary["outcomes"].values())


def test_a_spent_budget_lets_no_listing_begin_and_says_so(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(DELETING, budget=budget("per_hour: 1"))
    with pytest.raises(
        BudgetSpentError,
        match=r"the request budget is spent: the next request may leave in 6\d min, at 20",
    ):
        desk.run()
    assert len(desk.sandbox.log) == 1


def test_deletes_have_a_fifth_of_a_budget_that_archiving_could_spend_whole(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=300)
    desk.configure(ARCHIVING, budget=budget("per_second: 100, per_hour: 150, burst: 100"))
    result = desk.run(execute=True)
    assert result.execution is not None
    assert result.execution.left
    spent_on_deletes = sum(entry.method == "DELETE" for entry in desk.sandbox.log) * 3
    assert spent_on_deletes >= 0.2 * 140, "a delete takes a list, a look and itself"
    assert sum("/assets/" in entry.path for entry in desk.sandbox.log) > 20, (
        "and archiving has its part"
    )


def test_metrics_say_what_is_left_and_what_was_waited(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    desk.configure(DELETING, budget=", budget: {per_second: 10, per_hour: 1000, burst: 1}")
    metrics = desk.metrics = Metrics()
    result = desk.run(execute=True)
    metrics.settle(desk.state.counters)
    page = metrics.page().decode()
    left = re.search(
        r'sauce_janitor_api_budget_remaining\{account="box",window="hour"\} (\d+)', page
    )
    assert left, page
    assert int(left[1]) == 1000 - len(desk.sandbox.log)
    assert 'window="second"' in page
    waited = re.search(r'sauce_janitor_api_throttled_seconds_total\{account="box"\} ([\d.]+)', page)
    assert waited, "with one request every 100 ms most of the time is waiting"
    assert result.plan.totals[Action.DELETE_ASSETS] >= 1
    assert float(waited[1]) > len(desk.sandbox.log) / 10 / 3


def test_check_says_what_a_day_comes_to(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    window = '{from: "08:00", to: "18:00", days: mon-fri, per_hour: 100}'
    desk.configure(DELETING, budget=budget(f"per_second: 2, per_hour: 1000, windows: [{window}]"))
    assert (
        "budget of box: 2/s, 1,000/h, at some hours another number: 17,571 requests a day, "
        "enough for about 8,571 jobs of old (2 requests each)" in desk.say("check").stdout
    )
    desk.configure(DELETING)
    assert "budget of box: no limit\n" in desk.say("check").stdout
