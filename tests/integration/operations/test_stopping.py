"""`stop` in a run: what has run for too long is stopped, and only by a run that executes."""

from __future__ import annotations

import time
from collections.abc import Callable

from sauce_janitor.model.jobs import Action
from tests.support.commands import Commands

POLICY = """
limits: {max_percent: 100}
policies: [{name: runaways, match: all, then: {stop: 6h}}]
"""


def test_a_dry_run_stops_nothing_and_an_executing_run_what_runs_too_long(
    open_desk: Callable[..., Commands],
) -> None:
    """Stopping jobs: a dry run stops nothing."""
    desk = open_desk(jobs=0)
    desk.configure(POLICY)
    runs = {"status": "in progress", "end_time": None, "passed": None}
    now = int(time.time())
    long, short = (desk.sandbox.arrive(created_at=now - hours * 3600, **runs) for hours in (7, 5))
    assert desk.run().plan.totals[Action.STOP] == 1
    assert desk.writes() == []
    desk.run(execute=True)
    assert [job for _, job in desk.writes()] == [long]
    assert short in set(desk.sandbox.job_ids())
