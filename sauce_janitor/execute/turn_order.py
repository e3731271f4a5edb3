"""Whose turn it is: what failed in earlier runs goes behind what was not tried, and each kind of
failure within its share.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sauce_janitor.execute.events import (
    ActionFailed,
    ActionSkipped,
    AlreadyGone,
    AssetsDeleted,
    Event,
    JobArchived,
    JobDeleted,
    JobStopped,
    Skip,
)
from sauce_janitor.execute.ports import ExecutionPorts
from sauce_janitor.model.jobs import JobId
from sauce_janitor.model.retries import Failing, FailureKind, Retry

SHARE: Final = 5
"""No kind of failure takes more than this part of the requests that a run has at its start."""
SILENCE: Final = 5
"""So many retries of one kind in a row without an answer: the others of the kind wait for a later
run.
"""

_SKIPPED: Final = {Skip.CHANGED: FailureKind.CHANGED, Skip.NOT_READY: FailureKind.NOT_READY}
"""Skips that cost a run requests again and again, and so are tried again with pauses, too."""


class TurnOrder:
    """Says which retries begin, counts what they spend, and puts on record how every try ends.
    Threads share one.
    """

    def __init__(self, parts: ExecutionPorts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._budget = parts.source.budget_left
        self._spent: Counter[FailureKind] = Counter()
        self._in_front: dict[JobId, int] = {}
        self._silent: Counter[FailureKind] = Counter()
        self._kinds: dict[JobId, FailureKind] = {}
        self._took: dict[JobId, int] = {}
        self._under_way = 0
        self._recovered: set[FailureKind] = set()
        self._noted: set[JobId] = set()
        self._trying = threading.local()

    def of(self, job_id: JobId) -> Retry | None:
        """Return what is on record of a job's failures, None for a job that was not tried."""
        return self._parts.retries.of(job_id)

    def is_due(self, retry: Retry) -> bool:
        """Return whether its pause is over."""
        return retry.due_at <= self._parts.clock.now()

    @property
    def is_trying(self) -> bool:
        """Whether a retry is under way, whose success would end the pauses of its kind."""
        return self._under_way > 0

    def has_recovered(self, kind: FailureKind) -> bool:
        """Return whether a retry of this kind succeeded in this run: what made the others fail may
        be over, too.
        """
        return kind in self._recovered

    def begins(self, retry: Retry, *, in_front: bool) -> bool:
        """Return whether the retry begins, and take what it spent last time out of its kind's
        share. Success gives it back.

        `in_front`: jobs that were not tried come after it. All retries in front of those share one
        fifth. Behind them the first of each kind always begins: one that takes more than a fifth by
        itself would never have a turn otherwise.
        """
        with self._lock:
            if self._silent[retry.kind] >= SILENCE:
                return False
            if self._budget is not None:
                share, takes = self._budget // SHARE, _estimate(retry)
                fits = self._spent[retry.kind] + takes <= share
                if in_front:
                    fits = fits and sum(self._in_front.values()) + takes <= share
                elif not self._spent[retry.kind]:
                    fits = True
                if not fits:
                    return False
                self._take(retry, takes)
                if in_front:
                    self._in_front[retry.job_id] = takes
            self._kinds[retry.job_id] = retry.kind
            self._under_way += 1
            return True

    def _take(self, retry: Retry, requests: int) -> None:
        """What a retry takes out of its kind's share, in place of what it took before."""
        self._spent[retry.kind] += requests - self._took.get(retry.job_id, 0)
        self._took[retry.job_id] = requests

    @contextmanager
    def trying(self, retries: Sequence[Retry | None]) -> Iterator[None]:
        """Inside, this thread tries these jobs; what a retry then spends replaces what was taken
        for it.
        """
        began = self._parts.source.requests_here
        self._trying.began, self._trying.jobs = began, len(retries)
        try:
            yield
        finally:
            self._trying.jobs = 0
            spent = self._parts.source.requests_here - began
            with self._lock:
                for retry in retries:
                    if retry is None:
                        continue
                    self._under_way -= 1
                    if retry.job_id in self._took:
                        self._take(retry, max(1, spent))
                    if retry.job_id in self._in_front:
                        self._in_front[retry.job_id] = max(1, spent)

    def unanswered(self, retry: Retry) -> None:
        """A retry had no answer: that says nothing about other jobs, but ends the tries of its kind
        after five in a row.
        """
        with self._lock:
            self._silent[retry.kind] += 1

    def answered(self, retry: Retry) -> None:
        """It had one."""
        with self._lock:
            self._silent[retry.kind] = 0

    def told(self, event: Event) -> None:
        """Put on record what an event means for the job's next try. A job fails once a run,
        whatever fails of it.
        """
        match event:
            case ActionFailed() if event.kind is not None:
                self.failed(event.job_id, event.kind, event.detail)
            case ActionSkipped() if event.why in _SKIPPED:
                self.failed(event.job_id, _SKIPPED[event.why], event.detail)
            case JobArchived() if event.given_up:
                self._put_off(event)
            case JobArchived() | AssetsDeleted() | JobDeleted() | JobStopped() | AlreadyGone():
                if event.job_id not in self._noted:
                    self._parts.retries.done(event.job_id)
                    self._succeeded(event.job_id)

    def _put_off(self, event: JobArchived) -> None:
        """The job is archived without its files that were given up: they are asked for again, but
        not in each run.
        """
        if event.job_id not in self._noted:
            self._succeeded(event.job_id)
            name, why = event.given_up[0]
            failing = Failing(FailureKind.GIVEN_UP, f"{name!r:.120}: {why}", self._spent_here())
            self._parts.retries.failed(event.job_id, failing)

    def _succeeded(self, job_id: JobId) -> None:
        with self._lock:
            kind = self._kinds.get(job_id)
            if kind is not None:
                self._recovered.add(kind)
                self._spent[kind] -= self._took.pop(job_id, 0)
                self._in_front.pop(job_id, None)

    def failed(self, job_id: JobId, kind: FailureKind, reason: str) -> None:
        """Put a failed try on record, once a run."""
        if job_id not in self._noted:
            self._noted.add(job_id)
            self._parts.retries.failed(job_id, Failing(kind, reason, self._spent_here()))

    def put_down(self, job_id: JobId) -> None:
        """The budget ended this try. A job that took more than half of a run's requests by itself
        goes behind the others.
        """
        spent = self._spent_here()
        if self._budget is not None and 2 * spent > self._budget:
            self.failed(
                job_id,
                FailureKind.TOO_LARGE,
                f"one try takes more than the {spent} requests that were left",
            )

    def _spent_here(self) -> int:
        """Requests that this thread spent on each of the jobs that it tries."""
        jobs: int = getattr(self._trying, "jobs", 0)
        return (self._parts.source.requests_here - self._trying.began) // jobs if jobs else 0


def _estimate(retry: Retry) -> int:
    """What the next try takes: as much as the last one, and a look-up of its own, which the first
    try shared with others.
    """
    return retry.requests + 1
