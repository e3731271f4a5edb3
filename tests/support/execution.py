"""Words that the tests of carrying out share."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from sauce_janitor.execute import Execution, ExecutionSettings, carry_out
from sauce_janitor.model.assets import EVERYTHING, Selection
from sauce_janitor.model.jobs import Action
from sauce_janitor.retention.plan.planner import JobPlan
from tests.fakes.execution import House

ARCHIVE, DELETE_ASSETS, DELETE_JOB, STOP = (
    Action.ARCHIVE,
    Action.DELETE_ASSETS,
    Action.DELETE_JOB,
    Action.STOP,
)
ALL = EVERYTHING
LOGS = Selection(frozenset({"logs"}), discard_rest=True)


def run(
    house: House,
    plan: Iterable[JobPlan],
    *,
    workers: int = 1,
    options: ExecutionSettings | None = None,
    stop: bool = False,
) -> Execution:
    """Carry it out; one worker, so that the order is one."""
    event = threading.Event()
    if stop:
        event.set()
    return carry_out(plan, house.parts(), workers=workers, stop=event, options=options)
