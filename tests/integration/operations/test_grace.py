"""`grace`: announced by executing runs, kept in the state, begun anew when something else than time
stood between.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from sauce_janitor.model.jobs import Action
from tests.support.commands import DAY, Commands

POLICY = """
limits: {max_percent: null}
defaults: {grace: 3d}
holds: [{tag: HOLD}]
policies:
  - {name: old, match: all, then: {archive: none, delete_assets: 5d}}
"""


def announced(desk: Commands) -> dict[str, int]:
    """Since when each job is announced."""
    records = desk.state.jobs.records("box", as_of=0)
    return {
        record.job.id: record.announced[Action.DELETE_ASSETS]
        for record in records
        if record.announced
    }


def test_a_dry_run_announces_nothing_and_an_executing_run_announces_and_waits(
    open_desk: Callable[..., Commands],
) -> None:
    """When something is deleted: Only executing runs whose plan is not refused announce deletes."""
    desk = open_desk()
    desk.configure(POLICY)
    dry = desk.run()
    waiting = dry.plan.waiting[Action.DELETE_ASSETS]
    assert waiting.jobs == waiting.fresh > 20
    assert dry.plan.totals[Action.DELETE_ASSETS] == 0
    assert announced(desk) == {}
    assert waiting.first_at == dry.plan.as_of + 3 * DAY
    desk.run(execute=True)
    assert desk.writes() == []
    assert len(announced(desk)) == waiting.jobs


def test_what_was_announced_long_enough_goes_and_nothing_else(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(POLICY)
    desk.run(execute=True)
    first = announced(desk)
    desk.later_s = 2 * DAY
    desk.run(execute=True)
    assert desk.deleted() == set()
    later = announced(desk)
    assert first.items() <= later.items(), "what is announced stays so, since when it was"
    desk.later_s = 3 * DAY
    plan = desk.run(execute=True).plan
    assert plan.waiting[Action.DELETE_ASSETS].fresh <= plan.waiting[Action.DELETE_ASSETS].jobs
    assert desk.deleted()
    assert desk.deleted() <= first.keys()


def test_what_stopped_being_due_but_for_time_is_announced_anew(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(POLICY)
    desk.run(execute=True)
    job = min(announced(desk))
    desk.say("hold", "add", job, "--reason", "a look", "--yes")
    desk.later_s = DAY
    desk.run(execute=True)
    assert job not in announced(desk)
    desk.say("hold", "release", job, "--yes")
    desk.later_s = 3 * DAY
    desk.run(execute=True)
    assert announced(desk)[job] >= int(time.time()) + 3 * DAY - 60
    assert desk.deleted()
    assert job not in desk.deleted()


def test_a_plan_says_how_many_are_announced_and_when_they_go(
    open_desk: Callable[..., Commands],
) -> None:
    """When something is deleted: `plan` shows how many deletes are announced, and when they are
    due."""
    desk = open_desk()
    desk.configure(POLICY)
    said = desk.say("plan").output
    assert re.search(r"Announced: assets of \d+ jobs? to delete, from ", said)
    assert "of them only from the next executing run on" in said
    desk.run(execute=True)
    assert "of them only from" not in desk.say("plan").output
