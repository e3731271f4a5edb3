"""The requests that a plan and the following days need, and what the budget provides: for `plan`,
`status` and a run's record.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from sauce_janitor.errors import StateError
from sauce_janitor.execute import Execution
from sauce_janitor.execute.events import Halt
from sauce_janitor.operations.wiring.run_settings import Need
from sauce_janitor.retention.what_if.inflow import Inflow
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.http.request_events import RequestEvent

_TELL_S = 10.0


class BudgetReport(Protocol):
    """Receives requests and what is left of the budget (`records.telemetry.Telemetry`)."""

    def request(self, event: RequestEvent, /) -> None: ...
    def budget_left(self, remaining: Mapping[str, int], /) -> None: ...
    def budget_spent(self, *, left: int, goes_on_at: int) -> None: ...


class BudgetTelemetry:
    """Reports what is left of an account's budgets, over all credentials, while they are spent. Any
    thread may call it.
    """

    def __init__(
        self,
        tell: BudgetReport,
        budgets: Callable[[], Sequence[RequestBudget]],
        clock: Callable[[], float],
    ) -> None:
        self._tell, self._budgets, self._clock = tell, budgets, clock
        self._told_at = math.inf

    def asked(self, request: RequestEvent) -> None:
        """Count a request."""
        self._tell.request(request)
        # Counting reads a file that all processes share, so not after every request.
        if time.monotonic() - self._told_at > _TELL_S:
            self.tell_left()

    def tell_left(self) -> None:
        """Report what is left now. Never fails: where counting fails, making requests reports
        it.
        """
        self._told_at = time.monotonic()
        left: Counter[str] = Counter()
        with suppress(StateError):
            for budget in self._budgets():
                left.update(budget.remaining())
        self._tell.budget_left(left)

    def goes_on_at(self, done: Execution) -> int | None:
        """Return and report when a run that paused on a spent budget can continue, in epoch
        seconds; None for other runs.
        """
        if done.halted is None or done.halted.why is not Halt.BUDGET:
            return None
        waits = [budget.goes_on_in(some=True) for budget in self._budgets()]
        # The first credential that has requests again lets its part of the plan continue.
        at = int(self._clock() + min((wait for wait in waits if wait > 0), default=0.0))
        self._tell.budget_spent(left=done.left, goes_on_at=at)
        return at


def outlook(needs: Sequence[Need], inflow: Inflow | None, *, now: float) -> dict[str, Any]:
    """Return, as in JSON, the requests needed and left in the hour over all credentials, in how
    many seconds the last of them is finished, what a day provides, and what a day's new jobs need
    and lose.

    None stands for no limit, or for too few jobs to know.
    """
    takes = [need.timetable.seconds_for(need.requests, now=now, left=need.left) for need in needs]
    left = [need.left for need in needs if need.left is not None]
    daily = [need.timetable.per_day() for need in needs]
    per_day = (
        # One credential without a limit makes the sum unlimited.
        None if None in daily or not daily else sum(each for each in daily if each is not None)
    )
    return {
        "requests_needed": sum(need.requests for need in needs),
        "left_this_hour": sum(left) if left else None,
        "done_in_s": max((seconds for seconds in takes if seconds is not None), default=None),
        "requests_a_day": per_day,
        "inflow": None
        if inflow is None
        else {
            "jobs_a_day": round(inflow.jobs, 1),
            "requests_a_day": round(inflow.requests, 1),
            "purged_a_day": round(inflow.purged(per_day), 1),
        },
    }
