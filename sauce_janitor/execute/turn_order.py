"""The order of retries: jobs that failed in earlier runs come after the others, and each kind of
failure has its share of the requests.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sauce_janitor.execute.events import (
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
from sauce_janitor.model.failed_actions import ActionFailed
from sauce_janitor.model.job_retries import Failing, FailureKind, Retry
from sauce_janitor.model.jobs import JobId

SHARE: Final = 5
"""No kind of failure takes more than this fraction (one fifth) of the requests left when the run
starts.
"""
SILENCE: Final = 5
"""After this many retries of one kind in a row without an answer, the others of the kind wait for a
later run.
"""

_SKIPPED: Final = {Skip.CHANGED: FailureKind.CHANGED, Skip.NOT_READY: FailureKind.NOT_READY}
"""Skips that cost requests in every run, and are therefore retried with pauses, too."""


class TurnOrder:
    """Decides which retries start, counts their requests, and records how every try ends. Threads
    share one.
    """

    def __init__(self, ports: ExecutionPorts) -> None:
        self._ports = ports
        self._lock = threading.Lock()
        self._budget = ports.source.budget_left
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
        """Return the recorded failures of a job, None for a job that did not fail."""
        return self._ports.retries.of(job_id)

    def is_due(self, retry: Retry) -> bool:
        """Return whether the retry's pause is over."""
        return retry.due_at <= self._ports.clock.now()

    @property
    def is_trying(self) -> bool:
        """Whether a retry is under way whose success would end the pauses of its kind."""
        return self._under_way > 0

    def has_recovered(self, kind: FailureKind) -> bool:
        """Return whether a retry of this kind succeeded in this run: the cause of the other
        failures may be gone, too.
        """
        return kind in self._recovered

    def begins(self, retry: Retry, *, in_front: bool) -> bool:
        """Return whether the retry starts, and subtract what it spent last time from its kind's
        share. Success gives it back.

        `in_front`: jobs that were not tried yet come after it. All retries in front of those share
        one fifth of the requests. Behind them the first of each kind always starts: one that takes
        more than a fifth by itself would otherwise never get a turn.
        """
        with self._lock:
            # Sauce Labs does not answer about this kind: the others wait for a later run.
            if self._silent[retry.kind] >= SILENCE:
                return False
            # Without an hourly limit nothing is shared out: every retry may start.
            if self._budget is not None:
                share, takes = self._budget // SHARE, _estimate(retry)
                fits = self._spent[retry.kind] + takes <= share
                if in_front:
                    fits = fits and sum(self._in_front.values()) + takes <= share
                # The first of its kind starts even when it takes more than the share, or it never
                # would.
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
        """Charge a retry's requests to its kind's share, in place of what was charged before."""
        self._spent[retry.kind] += requests - self._took.get(retry.job_id, 0)
        self._took[retry.job_id] = requests

    @contextmanager
    def trying(self, retries: Sequence[Retry | None]) -> Iterator[None]:
        """Inside, this thread tries these jobs. What a retry really spends replaces the
        estimate.
        """
        began = self._ports.source.requests_here
        self._trying.began, self._trying.jobs = began, len(retries)
        try:
            yield
        finally:
            self._trying.jobs = 0
            spent = self._ports.source.requests_here - began
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
        """Count a retry without an answer. It says nothing about other jobs, but five in a row end
        the tries of its kind.
        """
        with self._lock:
            self._silent[retry.kind] += 1

    def answered(self, retry: Retry) -> None:
        """Reset that count: the retry had an answer."""
        with self._lock:
            self._silent[retry.kind] = 0

    def record(self, event: Event) -> None:
        """Record what an event means for the job's next try. A job fails at most once a run,
        however many of its actions fail.
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
                    self._ports.retries.done(event.job_id)
                    self._succeeded(event.job_id)

    def _put_off(self, event: JobArchived) -> None:
        """Ask for the given-up files of an archived job again, but not in every run."""
        if event.job_id not in self._noted:
            self._succeeded(event.job_id)
            name, why = event.given_up[0]
            failing = Failing(FailureKind.GIVEN_UP, f"{name!r:.120}: {why}", self._spent_here())
            self._ports.retries.failed(event.job_id, failing)

    def _succeeded(self, job_id: JobId) -> None:
        with self._lock:
            kind = self._kinds.get(job_id)
            if kind is not None:
                self._recovered.add(kind)
                self._spent[kind] -= self._took.pop(job_id, 0)
                self._in_front.pop(job_id, None)

    def failed(self, job_id: JobId, kind: FailureKind, reason: str) -> None:
        """Record a failed try, once a run."""
        if job_id not in self._noted:
            self._noted.add(job_id)
            self._ports.retries.failed(job_id, Failing(kind, reason, self._spent_here()))

    def put_down(self, job_id: JobId) -> None:
        """Handle a try that the budget ended. A job that alone took more than half of a run's
        requests goes behind the others.
        """
        spent = self._spent_here()
        # Otherwise it would start first in every run and end every run's budget.
        if self._budget is not None and 2 * spent > self._budget:
            self.failed(
                job_id,
                FailureKind.TOO_LARGE,
                f"one try takes more than the {spent} requests that were left",
            )

    def _spent_here(self) -> int:
        """Return the requests that this thread spent on each of the jobs that it tries."""
        jobs: int = getattr(self._trying, "jobs", 0)
        return (self._ports.source.requests_here - self._trying.began) // jobs if jobs else 0


def _estimate(retry: Retry) -> int:
    """Return what the next try takes: as much as the last one, and a look-up of its own, which the
    first try shared with others.
    """
    return retry.requests + 1
