"""What became of a plan: every event counted once, by policy, action and outcome, and what a script
needs to go on.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from sauce_janitor.errors import JanitorError
from sauce_janitor.execute.events import (
    ActionFailed,
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
from sauce_janitor.model.jobs import Action, JobId
from sauce_janitor.model.retries import FailureKind


class Outcome(StrEnum):
    """The closed set that metrics and reports count by."""

    DONE = "done"
    ALREADY_GONE = "already_gone"
    FAILED = "failed"
    SKIPPED = "skipped"


_K = TypeVar("_K")
Key = tuple[str, Action, Outcome]
"""Policy, action, outcome."""


@dataclass(frozen=True, slots=True)
class Execution:
    """The end of a plan's carrying out.

    `counts` has one outcome per action ended. `failures` lists every failed action, in no order.
    `unconfirmed` are deletes of jobs that Sauce accepted and the next full listing (or run) has to
    confirm. `lost` jobs' assets were purged by Sauce before all that was wanted of them was
    archived, `missed` of them although earlier runs tried; `incomplete` jobs are stored but for
    files that could not be had. `damaged_copies` were found in the archive, `restored_copies` of
    them fetched again from Sauce Labs. `differing` are (job, name, archived bytes, bytes by Sauce's
    answer to the delete). `jobs` were begun, `left` of them not finished because the run was cut
    short. `error` is what cut it short, where an error did. `abandoned` threads still waited for an
    answer when a stop's grace was over; what they had in hand is recovered by the next run.
    `waiting` are the jobs that failed in earlier runs and were not tried in this one, by the kind
    of failure: their pause is not over, or their kind's share of the requests is spent.
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
        """How many actions ended so, over all policies."""
        return sum(
            number
            for (_, of, ended), number in self.counts.items()
            if (of, ended) == (action, outcome)
        )

    @property
    def cut_short(self) -> bool:
        """Whether part of the plan was not begun or not finished; a spent budget is a pause, not a
        cut.
        """
        return self.halted is not None and self.halted.why is not Halt.BUDGET

    @property
    def complete(self) -> bool:
        """Whether all that was begun reached its wanted end (what drift took out of the plan counts
        as such).

        A job that failed and waits for its next try has not reached it, nor one that was purged
        between tries.
        """
        ends = not self.cut_short and not self.abandoned
        waits = any(kind.is_failure for kind in self.waiting)
        return ends and not self.failures and not waits and not self.missed


def together(executions: Sequence[Execution]) -> Execution:
    """Several parts of one plan, carried out by themselves, as one; what ended a part early comes
    before a spent budget.
    """
    halts = [one.halted for one in executions if one.halted is not None]
    halts.sort(key=lambda halted: halted.why is Halt.BUDGET)
    return Execution(
        counts=_sum(one.counts for one in executions),
        failures=tuple(failure for one in executions for failure in one.failures),
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
        differing=tuple(difference for one in executions for difference in one.differing),
        halted=Halted(halts[0].why, "; ".join(dict.fromkeys(each.detail for each in halts)))
        if halts
        else None,
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
    """Counts events as they are told and passes each on; any thread may tell."""

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
        """Count it and pass it on."""
        with self._lock:
            self._count(event)
            self._pass_on(event)

    def begun(self) -> None:
        """A job was taken in hand."""
        with self._lock:
            self._sums["jobs"] += 1

    def waits(self, kind: FailureKind) -> None:
        """A job that failed before is not tried in this run."""
        with self._lock:
            self._waiting[kind] += 1

    def left(self, jobs: int = 1) -> None:
        """Jobs taken in hand were put down again."""
        with self._lock:
            self._sums["left"] += jobs

    def _count(self, event: Event) -> None:
        match event:
            case JobArchived():
                self._counts[event.policy, Action.ARCHIVE, Outcome.DONE] += 1
                self._sums["archived_assets"] += event.assets
                self._sums["archived_bytes"] += event.size_bytes
            case JobIncomplete():  # its actions fail, each by itself
                self._sums["incomplete"] += 1
                self._sums["archived_assets"] += event.assets
                self._sums["archived_bytes"] += event.size_bytes
            case AssetsDeleted():
                self._counts[event.policy, Action.DELETE_ASSETS, Outcome.DONE] += 1
                self._sums["reclaimed_bytes"] += event.size_bytes or 0
                self._sums["unlisted_files"] += len(event.unlisted)
                self._differing.extend(
                    (event.job_id, *difference) for difference in event.differing
                )
            case AssetsPurged():
                self._sums["lost"] += event.lost
                self._sums["missed"] += event.missed
            case CopyDamaged() | CopyRestored():
                self._sums["damaged_copies"] += isinstance(event, CopyDamaged)
                self._sums["restored_copies"] += isinstance(event, CopyRestored)
            case JobDeleted():
                self._counts[event.policy, Action.DELETE_JOB, Outcome.DONE] += 1
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
