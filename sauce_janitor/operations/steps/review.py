"""Ties a plan to its review: which actions were reviewed, on which inventory. It only ever removes
actions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from sauce_janitor.model.jobs import Record
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.retention.plan.planner import JobPlan

OTHER: Final = "other"
"""Stands in for every status but these."""
_STATUSES: Final = ("passed", "failed", "error")


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The actions of a reviewed plan, as (job id, action) to the job's fingerprint, and the time it
    was made for.

    `of_all` is False when it was made for selected policies: then nobody has reviewed what the
    others do.
    """

    actions: Mapping[tuple[str, str], str]
    as_of: int
    of_all: bool

    @classmethod
    def of(cls, plan: Mapping[str, Any], actions: Mapping[tuple[str, str], str]) -> Reviewed:
        """Return the review of a plan file's object whose seal was checked."""
        as_of = int(datetime.fromisoformat(plan["as_of"]).timestamp())
        return cls(actions, as_of, of_all=not plan["policies"])

    def of_job(self, job: JobPlan) -> JobPlan | None:
        """Return what is due now and was reviewed, if the job is unchanged; None when that is
        nothing.
        """
        actions = tuple(
            decision
            for decision in job.actions
            if self.actions.get((job.job_id, decision.action)) == job.fingerprint
        )
        return replace(job, actions=actions) if actions else None

    def only(self, jobs: Iterable[JobPlan]) -> Iterator[JobPlan]:
        """Yield `of_job` of each job, where that is not None."""
        return (left for job in jobs if (left := self.of_job(job)) is not None)


class InventoryDigest:
    """Passes records through, and hashes and counts the first pass: which jobs there are, and since
    when each is as it is.
    """

    def __init__(self, records: Callable[[], Iterable[Record]]) -> None:
        self._records = records
        self._hash = sha256()
        self._passes = 0
        self._days: dict[object, defaultdict[int | None, int]] = {
            status: defaultdict(int) for status in (*_STATUSES, OTHER)
        }

    def __call__(self) -> Iterator[Record]:
        self._passes += 1
        # Hashed once: a second pass reads the same snapshot again.
        if self._passes > 1:
            yield from self._records()
            return
        # Sauce Labs may send any text as a status, and each would take memory.
        days_of, other = self._days.get, self._days[OTHER]
        for record in self._records():
            job = record.job
            self._hash.update(b"%b %d\n" % (job.id.encode(), record.changed_at))
            at = job.created_at
            days_of(job.status, other)[at // DAY_S if isinstance(at, int) else None] += 1
            yield record

    def digest(self) -> str:
        """Return `sha256:…` of the first pass."""
        return f"sha256:{self._hash.hexdigest()}"

    def counts(self) -> dict[tuple[int | None, str], int]:
        """Return the jobs of the first pass by their day of creation (days since 1970 in UTC, None:
        unknown) and status.
        """
        found: dict[tuple[int | None, str], int] = {}
        for status, days in self._days.items():
            found |= {(day, str(status)): jobs for day, jobs in days.items()}
        return found
