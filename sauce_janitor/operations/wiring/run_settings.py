"""What a run should do, what it works with, and its result."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sauce_janitor import planfile
from sauce_janitor.config import Account, Config
from sauce_janitor.execute import Execution, Recovery
from sauce_janitor.inventory import CONFIRMED_AFTER_S, SyncReport
from sauce_janitor.model.request_allowance import AllowanceTimetable
from sauce_janitor.operations.wiring.footprint import Footprint
from sauce_janitor.operations.wiring.owners import LeftOut, Owners
from sauce_janitor.operations.wiring.progress import Progress
from sauce_janitor.operations.wiring.vanished import Vanished
from sauce_janitor.retention.plan.planner import Plan
from sauce_janitor.state import Query, State

if TYPE_CHECKING:  # reading the state loads no metrics
    from sauce_janitor.metrics import Metrics

LATER: Final = f"at least {CONFIRMED_AFTER_S // 60} minutes later"
"""When a listing confirms a doubtful first one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOrder:
    """An order that may change something. Without `execute` it is a dry run: only
    `write_access.write_access` asks for it.
    """

    execute: bool = False


@dataclass(frozen=True, slots=True)
class Order(ChangeOrder):
    """What a run should do.

    `as_of` plans for another time (dry runs only). `offline` plans on what is known. `accept_loss`
    believes a listing in which most known jobs are missing. `policies` acts only for these (empty:
    all). `reviewed` are the plans of a plan file, by account: then nothing else is done.
    `retry_now` ends the pauses of jobs that failed before.
    """

    as_of: int | None = None
    offline: bool = False
    accept_loss: bool = False
    policies: frozenset[str] = frozenset()
    reviewed: Mapping[str, Mapping[str, Any]] | None = None
    retry_now: bool = False


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run works with. `stop` ends it early and cleanly; `show` is called with the plan
    before anything is carried out.
    """

    config: Config
    state: State
    metrics: Metrics
    progress: Progress
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.time
    show: Callable[[Result], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Need:
    """What a plan needs of one credential: this many requests, of which its budget has `left` now
    (None: no hourly limit).
    """

    username: str
    requests: int
    left: int | None
    timetable: AllowanceTimetable


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a run: always a plan, and what was carried out, if anything was.

    `timetable`: the requests allowed in each hour. `outlook`: what the plan and new jobs need of
    them (`request_budget.outlook`). `footprint`: what the plan does and its size. `goes_on_at`:
    when a run that paused for the budget can continue, in epoch seconds. `withheld`: this many due
    jobs stay until a second listing confirms their owner's first one.
    """

    account: Account
    head: planfile.PlanHead
    plan: Plan
    query: Query
    listings: tuple[SyncReport, ...]
    budget_left: int | None
    timetable: AllowanceTimetable
    scope: Owners
    needs: tuple[Need, ...]
    outlook: Mapping[str, Any] = field(default_factory=dict)
    footprint: Footprint | None = None
    left_out: tuple[LeftOut, ...] = ()
    withheld: int = 0
    execution: Execution | None = None
    goes_on_at: int | None = None
    recovery: Recovery = field(default_factory=Recovery)
    vanished: Vanished = field(default_factory=Vanished)

    @property
    def complete(self) -> bool:
        """Whether everything was done, for all owners' jobs; True for a complete dry run."""
        done = (self.execution is None or self.execution.complete) and not self.recovery.open
        return done and self.of_all and (self.execution is None or not self.withheld)

    @property
    def of_all(self) -> bool:
        """Whether it covers the jobs of all owners that it should cover."""
        return not self.scope.gaps and all(left.departed for left in self.left_out)
