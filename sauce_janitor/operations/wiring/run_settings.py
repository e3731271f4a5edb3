"""What a run is asked to do, what it works with, and what comes of it."""

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
from sauce_janitor.retention.plan.planner import Plan
from sauce_janitor.state import Query, State

if TYPE_CHECKING:  # reading the state loads no metrics
    from sauce_janitor.metrics import Metrics

FEW_VANISHED: Final = 5
"""So many jobs a run people may have deleted by hand; more are told of."""
LATER: Final = f"at least {CONFIRMED_AFTER_S // 60} minutes later"
"""When a listing confirms a doubtful first one."""
HOLD: Final = "(hold)"
"""What stands for a policy's name where a hold wants something; no policy can be called that."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is to do. Without `execute` it is a dry run: the one place where that is decided
    is `run`.

    `as_of` looks at another time (dry runs only); `offline` plans on what is known; `accept_loss`
    believes a listing in which most known jobs are missing; `policies` acts only for these (empty:
    all); `reviewed` are the plans of a plan file, by account: then nothing else is done;
    `retry_now` ends the pauses of jobs that failed before.
    """

    execute: bool = False
    as_of: int | None = None
    offline: bool = False
    accept_loss: bool = False
    policies: frozenset[str] = frozenset()
    reviewed: Mapping[str, Mapping[str, Any]] | None = None
    retry_now: bool = False


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run works with. `stop` ends it early and cleanly; `show` is given the plan before
    anything is carried out.
    """

    config: Config
    state: State
    metrics: Metrics
    progress: Progress
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.time
    show: Callable[[Result], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Vanished:
    """How many jobs, and assets of how many, went at Sauce Labs in one run without our doing, and
    no purge explains it.
    """

    jobs: int = 0
    assets: int = 0

    @property
    def are_many(self) -> bool:
        """Whether it is more than people delete by hand."""
        return self.jobs + self.assets > FEW_VANISHED

    def words(self) -> str:
        """What it means, for people."""
        return (
            f"{self.jobs:,} jobs, and the assets of {self.assets:,}, went at Sauce Labs without our"
            " doing: does another janitor or a script delete on this account? It does not see the"
            " holds here: stop one of the two (docs/explanation/safety.md)"
        )


@dataclass(frozen=True, slots=True)
class Need:
    """What a plan asks of one credential: so many requests, of which its budget has `left` now
    (None: no hourly limit).
    """

    username: str
    requests: int
    left: int | None
    timetable: AllowanceTimetable


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run: always a plan; what was carried out, if anything was to be.

    `timetable`: requests that may leave; `outlook`: what the plan and new jobs take of them
    (`affording.outlook`); `footprint`: what it does and weighs; `goes_on_at`: when the budget has
    room again for what is left, where the run paused for it, epoch seconds. `withheld`: so many
    jobs are due and stay, because their owner's first listing has to be confirmed by a second.
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
        """Whether all that was to be done is done, of everybody's jobs; nothing was to be in a dry
        run.
        """
        done = (self.execution is None or self.execution.complete) and not self.recovery.open
        return done and self.of_all and (self.execution is None or not self.withheld)

    @property
    def of_all(self) -> bool:
        """Whether it is about the jobs of all owners that it should be about."""
        return not self.scope.gaps and all(left.departed for left in self.left_out)
