"""A job list that keeps state: what a listing sees of a vendor whose ordering, filter and faults
can be chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sauce_janitor.errors import AnswerError, OversizedAnswerError, StrainedError
from sauce_janitor.model.job_lists import JobPage
from sauce_janitor.model.jobs import (
    UNKNOWN,
    Build,
    Job,
    JobDocument,
    JobId,
    JobState,
    Oddness,
    OddRow,
    Owner,
)

OWNER = Owner("demo")
NOW = 1_780_000_000
TimeName = Literal["created_at", "started_at", "ended_at", "modified_at"]


def an_id(number: int) -> JobId:
    return JobId(f"{number:032x}")


def a_job(
    number: int, *, created_at: int | None = None, lasts_s: int | None = None, **fields: object
) -> Job:
    """A finished job; the higher the number, the older, a minute each. Waits and durations vary."""
    created = NOW - 60 * (number + 12) if created_at is None else created_at
    lasts = 100 + number * number * 37 % 389 if lasts_s is None else lasts_s
    made = Job(
        an_id(number),
        OWNER,
        JobState.FINISHED,
        name=f"suite {number % 7}",
        status="passed",
        created_at=created,
        started_at=created + 2 + number * number * number * 31 % 97,
        ended_at=created + lasts,
        modified_at=created + lasts + number * 13 % 50,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


@dataclass
class JobList:
    """Jobs of one owner as a server lists them. `requests` counts by kind; `before_list` runs
    before each list answer.

    Jobs that `doubles` picks have two rows, and `skip` and `limit` count both unless told
    otherwise. `odd` rows are of that kind, in the list and in their details. An answer of more than
    `most_weight` is too large (a row weighs 1, or what `weights` says), one that asks for more than
    `strained_above` rows is a 504.
    """

    jobs: dict[JobId, Job] = field(default_factory=dict)
    compares: TimeName | None = "created_at"
    orders_by: TimeName = "created_at"
    most_rows: int = 500
    ignores_skip: bool = False
    doubles: Callable[[JobId], bool] = lambda _: False
    counts_doubles: bool = True
    unreadable: set[str] = field(default_factory=set)
    nameless: int = 0
    without_id: set[str] = field(default_factory=set)
    odd: dict[str, Oddness] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    most_weight: int | None = None
    strained_above: int | None = None
    spelling: Owner | None = None
    left_out: frozenset[str] = frozenset()
    offers_batch: bool = True
    offered_builds: list[Build] | None = None
    untrusted: set[str] = field(default_factory=set)
    before_list: Callable[[], None] = lambda: None
    requests: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    def add(self, *jobs: Job) -> None:
        self.jobs |= {job.id: job for job in jobs}

    def drop(self, *ids: JobId) -> None:
        for one in ids:
            del self.jobs[one]

    def count(self, kind: str) -> int:
        return sum(asked == kind for asked, _ in self.requests)

    def list_jobs(
        self, owner: Owner, /, *, limit: int, skip: int, since: int | None, until: int | None
    ) -> JobPage:
        self.requests.append(
            ("list", {"limit": limit, "skip": skip, "since": since, "until": until})
        )
        self.before_list()
        if self.strained_above is not None and limit > self.strained_above:
            raise StrainedError("the gateway answers 504")
        rows = self._rows(limit, skip, since, until)
        if (
            self.most_weight is not None
            and sum(self.weights.get(job.id, 1) for job in rows) > self.most_weight
        ):
            raise OversizedAnswerError("the answer is too large")
        return self._page(rows)

    def list_ids(
        self, owner: Owner, /, *, limit: int, skip: int, since: int | None, until: int | None
    ) -> tuple[str, ...]:
        self.requests.append(
            ("ids", {"limit": limit, "skip": skip, "since": since, "until": until})
        )
        return tuple(job.id for job in self._rows(limit, skip, since, until))

    def _rows(self, limit: int, skip: int, since: int | None, until: int | None) -> list[Job]:
        rows = sorted(
            self.jobs.values(), key=lambda job: (-self._time(job, self.orders_by), job.id)
        )
        if self.compares is not None:
            low, high = since or 0, until if until is not None else 2**60
            rows = [job for job in rows if low <= self._time(job, self.compares) <= high]
        start = 0 if self.ignores_skip else skip
        if self.counts_doubles:
            rows = self._doubled(rows)
        rows = rows[start : start + min(limit, self.most_rows)]
        if not self.counts_doubles:
            rows = self._doubled(rows)
        return rows

    def _page(self, rows: list[Job]) -> JobPage:
        kinds = dict.fromkeys(self.unreadable | self.without_id, Oddness.UNREADABLE) | self.odd
        readable = [_without(job, self.left_out) for job in rows if job.id not in kinds]
        ids = ["" if job.id in self.without_id else job.id for job in rows] + [""] * self.nameless
        odd = [
            OddRow(place, one, kinds.get(one, Oddness.UNREADABLE), "it is odd")
            for place, one in enumerate(ids)
            if one in kinds or not one
        ]
        return JobPage(tuple(readable), tuple(ids), tuple(odd), self.spelling)

    def job(self, owner: Owner, job_id: JobId, /) -> JobDocument | None:
        self.requests.append(("job", {"id": job_id}))
        if job_id in self.untrusted or job_id in self.odd:
            raise AnswerError(f"the details of job {job_id} cannot be used")
        if self.most_weight is not None and self.weights.get(job_id, 1) > self.most_weight:
            raise OversizedAnswerError("the answer is too large")
        found = self.jobs.get(job_id)
        return None if found is None else JobDocument(found, {})

    def jobs_by_id(self, job_ids: Sequence[JobId]) -> dict[JobId, JobDocument] | None:
        self.requests.append(("batch", {"ids": tuple(job_ids)}))
        if not self.offers_batch:
            return None
        if not (self.untrusted | self.odd.keys()).isdisjoint(job_ids):
            raise AnswerError("the look-up cannot be used")
        return {one: JobDocument(self.jobs[one], {}) for one in job_ids if one in self.jobs}

    def builds(self, owner: Owner, /) -> Iterable[Build] | None:
        self.requests.append(("builds", {}))
        return self.offered_builds

    def _doubled(self, rows: list[Job]) -> list[Job]:
        return [job for job in rows for _ in range(1 + self.doubles(job.id))]

    @staticmethod
    def _time(job: Job, name: TimeName) -> int:
        time = getattr(job, name)
        return time if isinstance(time, int) else 0


def _without(job: Job, fields: Iterable[str]) -> Job:
    left_out: dict[str, Any] = dict.fromkeys(fields, UNKNOWN)
    return replace(job, **left_out)


class ListedBy:
    """The list as `inventory.JobSource` wants it: there `jobs` is the look-up, here it is what
    there is.
    """

    def __init__(self, jobs: JobList) -> None:
        self.list_jobs = jobs.list_jobs
        self.list_ids = jobs.list_ids
        self.job = jobs.job
        self.jobs = jobs.jobs_by_id
        self.builds = jobs.builds
