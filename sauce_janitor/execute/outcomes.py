"""Counts the events of a run by policy, action and outcome, and sums them up as an `Execution`."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import TypeVar

from sauce_janitor.errors import JanitorError
from sauce_janitor.execute.events import (
    ActionSkipped,
    AlreadyGone,
    AssetsDeleted,
    AssetsPurged,
    CopyDamaged,
    CopyRestored,
    Event,
    Halt,
    Halted,
    JobArchived,
    JobDeleted,
    JobIncomplete,
    JobStopped,
    Skip,
)
from sauce_janitor.model.failed_actions import ActionFailed
from sauce_janitor.model.job_retries import FailureKind
from sauce_janitor.model.jobs import Action, JobId


class Outcome(StrEnum):
    """How an action ended. Metrics and reports count by these."""

    DONE = "done"
    ALREADY_GONE = "already_gone"
    FAILED = "failed"
    SKIPPED = "skipped"


_K = TypeVar("_K")
Key = tuple[str, Action, Outcome]
"""(policy, action, outcome)"""


@dataclass(frozen=True, slots=True)
class Execution:
    """The result of carrying out a plan.

    `counts` has one outcome for each action that ended. `failures` lists every failed action, in no
    order. `unconfirmed` counts deletes of jobs that Sauce Labs accepted and that the next full
    listing (or run) confirms. `lost` counts jobs whose assets Sauce Labs purged before everything
    wanted was archived; `missed` counts those of them that an earlier run failed to archive.
    `incomplete` jobs are stored except for files that were unavailable. `damaged_copies` were found
    in the archive; `restored_copies` of them were fetched again from Sauce Labs. `differing` are
    (job, name, archived bytes, bytes in Sauce Labs' answer to the delete).

    `jobs` were started; `left` of them were not finished because the run was cut short. `error` is
    the error that cut it short, if one did. `abandoned` threads still waited for an answer when the
    grace period of a stop ended; the next run recovers their jobs. `waiting` counts, by kind of
    failure, the jobs that failed in earlier runs and were not tried in this one: their pause is not
    over, or their kind has used its share of the requests.
    """

    counts: Mapping[Key, int] = field(default_factory=dict)
    failures: tuple[ActionFailed, ...] = ()
    skips: Mapping[Skip, int] = field(default_factory=dict)
    jobs: int = 0
    left: int = 0
    archived_assets: int = 0
    archived_bytes: int = 0
    reclaimed_bytes: int = 0
    unlisted_files: int = 0
    unconfirmed: int = 0
    lost: int = 0
    damaged_copies: int = 0
    restored_copies: int = 0
    missed: int = 0
    incomplete: int = 0
    differing: tuple[tuple[JobId, str, int, int], ...] = ()
    halted: Halted | None = None
    error: JanitorError | None = None
    abandoned: int = 0
    waiting: Mapping[FailureKind, int] = field(default_factory=dict)

    def count(self, action: Action, outcome: Outcome) -> int:
        """Return how many actions ended with this outcome, over all policies."""
        return sum(
            number
            for (_, of, ended), number in self.counts.items()
            if (of, ended) == (action, outcome)
        )

    @property
    def cut_short(self) -> bool:
        """Whether part of the plan was not started or not finished. A spent budget is a pause and
        does not count.
        """
        return self.halted is not None and self.halted.why is not Halt.BUDGET

    @property
    def complete(self) -> bool:
        """Whether every job that was started reached its wanted state.

        A skipped action counts as complete. A job that failed and waits for its next try does not,
        nor does a job that was purged between tries.
        """
        ends = not self.cut_short and not self.abandoned
        # A job that was skipped on purpose waits, too, and is no failure.
        waits = any(kind.is_failure for kind in self.waiting)
        return ends and not self.failures and not waits and not self.missed


def together(executions: Sequence[Execution]) -> Execution:
    """Return the results of several parts of one plan as one result.

    The reason that ended a part early comes before a spent budget.
    """
    halts = [one.halted for one in executions if one.halted is not None]
    # A spent budget is only a pause: a credential that failed meanwhile is what people must read.
    halts.sort(key=lambda halted: halted.why is Halt.BUDGET)
    halted = None
    if halts:
        # Two credentials may have ended for one reason: it is said once.
        details = "; ".join(dict.fromkeys(each.detail for each in halts))
        halted = Halted(halts[0].why, details)
    return Execution(
        counts=_sum(one.counts for one in executions),
        failures=tuple(chain.from_iterable(one.failures for one in executions)),
        skips=_sum(one.skips for one in executions),
        jobs=sum(one.jobs for one in executions),
        left=sum(one.left for one in executions),
        archived_assets=sum(one.archived_assets for one in executions),
        archived_bytes=sum(one.archived_bytes for one in executions),
        reclaimed_bytes=sum(one.reclaimed_bytes for one in executions),
        unlisted_files=sum(one.unlisted_files for one in executions),
        unconfirmed=sum(one.unconfirmed for one in executions),
        lost=sum(one.lost for one in executions),
        damaged_copies=sum(one.damaged_copies for one in executions),
        restored_copies=sum(one.restored_copies for one in executions),
        missed=sum(one.missed for one in executions),
        incomplete=sum(one.incomplete for one in executions),
        differing=tuple(chain.from_iterable(one.differing for one in executions)),
        halted=halted,
        error=next((one.error for one in executions if one.error is not None), None),
        abandoned=sum(one.abandoned for one in executions),
        waiting=_sum(one.waiting for one in executions),
    )


def _sum(counts: Iterable[Mapping[_K, int]]) -> Mapping[_K, int]:
    total: Counter[_K] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


class Tally:
    """Counts events and passes each one on. Threads share one."""

    def __init__(self, pass_on: Callable[[Event], None]) -> None:
        self._pass_on = pass_on
        self._lock = threading.Lock()
        self._counts: Counter[Key] = Counter()
        self._skips: Counter[Skip] = Counter()
        self._sums: Counter[str] = Counter()
        self._waiting: Counter[FailureKind] = Counter()
        self._failures: list[ActionFailed] = []
        self._differing: list[tuple[JobId, str, int, int]] = []
        self._halted: Halted | None = None

    def tell(self, event: Event) -> None:
        """Count the event and pass it on."""
        with self._lock:
            self._count(event)
            # Under the lock, so that log lines come in the order in which they are counted.
            self._pass_on(event)

    def begun(self) -> None:
        """Count a job that was started."""
        with self._lock:
            self._sums["jobs"] += 1

    def waits(self, kind: FailureKind) -> None:
        """Count a job that failed before and is not tried in this run."""
        with self._lock:
            self._waiting[kind] += 1

    def left(self, jobs: int = 1) -> None:
        """Count jobs that were started and not finished."""
        with self._lock:
            self._sums["left"] += jobs

    def _count(self, event: Event) -> None:
        match event:
            case JobArchived():
                self._counts[event.policy, Action.ARCHIVE, Outcome.DONE] += 1
                self._sums["archived_assets"] += event.assets
                self._sums["archived_bytes"] += event.size_bytes
            # Its actions are counted by their own ActionFailed events.
            case JobIncomplete():
                self._sums["incomplete"] += 1
                self._sums["archived_assets"] += event.assets
                self._sums["archived_bytes"] += event.size_bytes
            case AssetsDeleted():
                self._counts[event.policy, Action.DELETE_ASSETS, Outcome.DONE] += 1
                # The size is unknown (None) when the outcome was settled by a later run.
                self._sums["reclaimed_bytes"] += event.size_bytes or 0
                self._sums["unlisted_files"] += len(event.unlisted)
                self._differing.extend(
                    (event.job_id, *difference) for difference in event.differing
                )
            case AssetsPurged():
                # No action of a policy ended: Sauce Labs did this, so only the losses are counted.
                self._sums["lost"] += event.lost
                self._sums["missed"] += event.missed
            case CopyDamaged() | CopyRestored():
                self._sums["damaged_copies"] += isinstance(event, CopyDamaged)
                self._sums["restored_copies"] += isinstance(event, CopyRestored)
            case JobDeleted():
                self._counts[event.policy, Action.DELETE_JOB, Outcome.DONE] += 1
                # Accepted counts as done here; the next full listing or run confirms it.
                self._sums["unconfirmed"] += not event.confirmed
            case JobStopped():
                self._counts[event.policy, Action.STOP, Outcome.DONE] += 1
            case AlreadyGone():
                self._counts[event.policy, event.action, Outcome.ALREADY_GONE] += 1
            case ActionSkipped():
                self._counts[event.policy, event.action, Outcome.SKIPPED] += 1
                self._skips[event.why] += 1
            case ActionFailed():
                self._counts[event.policy, event.action, Outcome.FAILED] += 1
                self._failures.append(event)
            case Halted():
                self._halted = event

    def execution(self, *, error: JanitorError | None = None, abandoned: int = 0) -> Execution:
        """All of it so far."""
        with self._lock:
            return Execution(
                counts=dict(self._counts),
                failures=tuple(self._failures),
                skips=dict(self._skips),
                jobs=self._sums["jobs"],
                left=self._sums["left"],
                archived_assets=self._sums["archived_assets"],
                archived_bytes=self._sums["archived_bytes"],
                reclaimed_bytes=self._sums["reclaimed_bytes"],
                unlisted_files=self._sums["unlisted_files"],
                unconfirmed=self._sums["unconfirmed"],
                lost=self._sums["lost"],
                damaged_copies=self._sums["damaged_copies"],
                restored_copies=self._sums["restored_copies"],
                missed=self._sums["missed"],
                incomplete=self._sums["incomplete"],
                differing=tuple(self._differing),
                halted=self._halted,
                error=error,
                abandoned=abandoned,
                waiting=dict(self._waiting),
            )
