"""A job list that keeps state: what a listing sees of a vendor whose ordering, filter and faults can be chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sauce_janitor.errors import AnswerError
from sauce_janitor.retention.model import UNKNOWN, Build, Job, JobDocument, JobId, Owner, State

OWNER = Owner("demo")
NOW = 1_780_000_000
TimeName = Literal["created_at", "started_at", "ended_at", "modified_at"]


def an_id(number: int) -> JobId:
    return JobId(f"{number:032x}")


def a_job(number: int, *, created_at: int | None = None, lasts_s: int | None = None, **fields: object) -> Job:
    """A finished job; the higher the number, the older, a minute each. Waits and durations vary."""
    created = NOW - 60 * (number + 12) if created_at is None else created_at
    lasts = 100 + number * number * 37 % 389 if lasts_s is None else lasts_s
    made = Job(
        an_id(number),
        OWNER,
        State.FINISHED,
        name=f"suite {number % 7}",
        status="passed",
        created_at=created,
        started_at=created + 2 + number * number * number * 31 % 97,
        ended_at=created + lasts,
        modified_at=created + lasts + number * 13 % 50,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class FakePage:
    jobs: tuple[Job, ...]
    ids: tuple[str, ...]
    rejected: tuple[str, ...] = ()


@dataclass
class JobList:
    """Jobs of one owner as a server lists them. `requests` counts by kind; `before_list` runs before each list answer.

    Jobs that `doubles` picks have two rows, and `skip` and `limit` count both unless told otherwise.
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

    def list_jobs(self, owner: Owner, /, *, limit: int, skip: int, since: int | None, until: int | None) -> FakePage:
        self.requests.append(("list", {"limit": limit, "skip": skip, "since": since, "until": until}))
        self.before_list()
        rows = sorted(self.jobs.values(), key=lambda job: (-self._time(job, self.orders_by), job.id))
        if self.compares is not None:
            low, high = since or 0, until if until is not None else 2**60
            rows = [job for job in rows if low <= self._time(job, self.compares) <= high]
        start = 0 if self.ignores_skip else skip
        if self.counts_doubles:
            rows = self._doubled(rows)
        rows = rows[start : start + min(limit, self.most_rows)]
        if not self.counts_doubles:
            rows = self._doubled(rows)
        readable = [_without(job, self.left_out) for job in rows if job.id not in self.unreadable]
        ids = [*(job.id for job in rows), *([""] * self.nameless)]
        odd = len(rows) - len(readable) + self.nameless
        return FakePage(tuple(readable), tuple(ids), tuple(f"row: odd {number}" for number in range(odd)))

    def job(self, owner: Owner, job_id: JobId, /) -> JobDocument | None:
        self.requests.append(("job", {"id": job_id}))
        if job_id in self.untrusted:
            raise AnswerError(f"the details of job {job_id} cannot be used")
        found = self.jobs.get(job_id)
        return None if found is None else JobDocument(found, {})

    def jobs_by_id(self, job_ids: Sequence[JobId]) -> dict[JobId, JobDocument] | None:
        self.requests.append(("batch", {"ids": tuple(job_ids)}))
        if not self.offers_batch:
            return None
        if not self.untrusted.isdisjoint(job_ids):
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
    """The list as `inventory.JobSource` wants it: there `jobs` is the look-up, here it is what there is."""

    def __init__(self, jobs: JobList) -> None:
        self.list_jobs = jobs.list_jobs
        self.job = jobs.job
        self.jobs = jobs.jobs_by_id
        self.builds = jobs.builds
