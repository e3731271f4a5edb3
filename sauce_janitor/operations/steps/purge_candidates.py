"""Checks once a day, after a plan was carried out, whether Sauce Labs has purged the assets for
which alone some jobs are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from sauce_janitor.execute import ExecutionPorts
from sauce_janitor.execute.events import AssetsPurged, Event
from sauce_janitor.execute.purge_detection import look_for_purged
from sauce_janitor.model.jobs import Owner
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.retention.plan.planner import Plan
from sauce_janitor.state import Notes

OwnerGroup = tuple[Callable[[Owner], bool], ExecutionPorts]
"""Whose jobs, and the ports that may ask about them."""


def look_daily(
    plan: Plan,
    groups: Iterable[OwnerGroup],
    notes: Notes,
    account: str,
    *,
    stop: threading.Event,
    tell: Callable[[Event], None],
) -> int:
    """Look at the plan's candidates, unless that was done today. The next plan shows what changes.

    Return how many were found purged that an earlier run had tried to archive. Raise what the lease
    and the state raise.
    """
    key, day = f"looked for purged {account}", str(plan.as_of // DAY_S)
    # Each look costs requests, and a purge is not urgent: once a day is enough.
    if not plan.purge_candidates or notes.read(key) == day:
        return 0
    missed = 0

    def count(event: Event) -> None:
        nonlocal missed
        missed += isinstance(event, AssetsPurged) and event.missed
        tell(event)

    for is_mine, ports in groups:
        mine = (suspect for suspect in plan.purge_candidates if is_mine(suspect.owner))
        look_for_purged(mine, ports, stop=stop, tell=count)
    notes.write(key, day)
    return missed
