"""What is known of one owner's jobs, in memory: the same contract as the database's
(tests/fakes/store_contract.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sauce_janitor.model.job_lists import ListingProgress
from sauce_janitor.model.jobs import UNKNOWN, Build, Job, JobId, JobState
from sauce_janitor.state.rows import FIELDS
from tests.fakes.job_list import OWNER

READ_BY_RULES = [name for name in FIELDS if name not in {"created_at", "started_at", "ended_at"}]


@dataclass
class Known:
    job: Job
    first_seen: int
    changed_at: int
    listed_at: int
    detailed: bool = False
    gone: bool = False


class MemoryStore:
    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self.builds: list[Build] | None = None
        self._listed = ListingProgress()
        self.kept_memo: str | None = None

    def listed(self) -> ListingProgress:
        return self._listed

    def put(
        self,
        new: Sequence[Job],
        *,
        unreadable: Collection[str],
        mark: int,
        now: int,
        bookmark: str | None,
    ) -> None:
        self._listed = replace(self._listed, mark=mark, bookmark=bookmark)
        for job in new:
            old = self.known.get(job.id)
            if old is None:
                self.known[job.id] = Known(job, max(now, mark), now, mark)
            elif self._differs(old, job):
                old.job, old.changed_at, old.detailed = job, now, False
        for one in {*(job.id for job in new), *unreadable} & self.known.keys():
            self.known[one].listed_at = max(mark, self.known[one].listed_at)
            self.known[one].gone = False

    def set_aside(
        self, job_ids: Collection[JobId], *, mark: int, now: int, known_only: bool
    ) -> None:
        for one in job_ids:
            known = self.known.get(one)
            if known is None and not known_only:
                blank: dict[str, Any] = dict.fromkeys(FIELDS, UNKNOWN)
                job = Job(one, OWNER, JobState.UNKNOWN, **blank)
                self.known[one] = Known(job, max(now, mark), now, mark, detailed=True)
            elif known is not None and not _is_aside(known):
                unknown: dict[str, Any] = dict.fromkeys(READ_BY_RULES, UNKNOWN)
                known.job = replace(known.job, state=JobState.UNKNOWN, **unknown)
                known.changed_at, known.detailed = now, True

    def count_set_aside(self) -> int:
        return len(self._some(_is_aside))

    def put_off(self, job_ids: Collection[JobId], *, now: int) -> None:
        for one in job_ids:
            known = self.known.get(one)
            if known is not None and not known.gone:
                known.listed_at = max(known.listed_at, now)

    def memo(self) -> str | None:
        return self.kept_memo

    def keep_memo(self, text: str) -> None:
        self.kept_memo = text

    def put_details(self, new: Sequence[Job], *, asked: Collection[JobId], now: int) -> None:
        for job in new:
            old = self.known[job.id]
            left_out = {
                field: getattr(old.job, field) for field in FIELDS if getattr(job, field) is UNKNOWN
            }
            whole = replace(job, **left_out)
            if self._differs(old, whole):
                old.job, old.changed_at = whole, now
            old.gone, old.listed_at = False, max(now, old.listed_at)
        for one in asked:
            self.known[one].detailed = True

    def put_builds(self, new: Iterable[Build] | None, *, now: int) -> int:
        self.builds = None if new is None else list(new)
        return len(self.builds or ())

    def conclude(
        self, *, mark: int, watermark: int | None, full_at: int | None, longest_page: int
    ) -> int:
        told: dict[str, Any] = {"watermark": watermark, "full_at": full_at}
        self._listed = replace(
            self._listed,
            mark=mark,
            longest_page=longest_page,
            **{k: v for k, v in told.items() if v is not None},
        )
        if full_at is None:
            return 0
        self._listed = replace(self._listed, bookmark=None)
        lost = self._some(lambda known: known.listed_at < mark)
        for known in lost:
            known.gone = True
        return len(lost)

    def forget_bookmark(self) -> None:
        self._listed = replace(self._listed, bookmark=None)

    def mark_gone(self, job_ids: Collection[JobId]) -> None:
        for one in job_ids:
            self.known[one].gone = True

    def times(self, job_ids: Collection[JobId]) -> Mapping[JobId, tuple[int, int] | None]:
        def span(job: Job) -> tuple[int, int] | None:
            told = (job.created_at, job.started_at, job.ended_at, job.modified_at)
            times = [time for time in told if isinstance(time, int)]
            return (min(times), max(times)) if times else None

        return {one: span(self.known[one].job) if one in self.known else None for one in job_ids}

    def known_within(self, since: int, until: int, limit: int) -> tuple[JobId, ...]:
        def inside(known: Known) -> bool:
            return isinstance(known.job.created_at, int) and since <= known.job.created_at <= until

        return self._ids(inside, limit)

    def count(self) -> int:
        return len(self._some(lambda known: True))

    def count_created_since(self, since: int) -> int:
        return len(
            self._some(
                lambda known: (
                    isinstance(known.job.created_at, int) and known.job.created_at >= since
                )
            )
        )

    def missing(self, mark: int) -> tuple[int, int]:
        before = self._some(lambda known: known.first_seen < mark)
        return len(before), sum(known.listed_at < mark for known in before)

    def missing_within(self, since: int, until: int, mark: int) -> tuple[int, int]:
        def inside(known: Known) -> bool:
            job = known.job
            times = (job.created_at, job.started_at, job.ended_at)
            modified = job.modified_at if isinstance(job.modified_at, int) else since
            return known.first_seen < mark and all(
                isinstance(time, int) and since <= time <= until for time in (*times, modified)
            )

        found = self._some(inside)
        return len(found), sum(known.listed_at < mark for known in found)

    def missing_ids(self, mark: int, limit: int) -> tuple[JobId, ...]:
        return self._ids(lambda known: known.listed_at < mark, limit)

    def unfinished(self, mark: int, limit: int) -> tuple[JobId, ...]:
        return self._ids(
            lambda known: known.job.state is not JobState.FINISHED and known.listed_at < mark, limit
        )

    def oldest_ended_since(self, since: int) -> int | None:
        return self._oldest(
            lambda known: isinstance(known.job.ended_at, int) and known.job.ended_at >= since
        )

    def oldest_unfinished(self) -> int | None:
        return self._oldest(lambda known: known.job.state is not JobState.FINISHED)

    def lacking(self, fields: Collection[str], limit: int) -> tuple[JobId, ...]:
        def lacks(known: Known) -> bool:
            return any(
                getattr(known.job, field) is UNKNOWN for field in fields if field in FIELDS
            ) or ("state" in fields and known.job.state is JobState.UNKNOWN)

        return self._ids(lambda known: not known.detailed and lacks(known), limit)

    @staticmethod
    def _differs(old: Known, new: Job) -> bool:
        def same(field: str) -> bool:
            was, now = getattr(old.job, field), getattr(new, field)
            return bool(was == now or (now is UNKNOWN and old.detailed))

        return not all(map(same, ("owner", "state", *FIELDS)))

    def _some(self, condition: Callable[[Known], bool]) -> list[Known]:
        return [known for known in self.known.values() if not known.gone and condition(known)]

    def _ids(self, condition: Callable[[Known], bool], limit: int) -> tuple[JobId, ...]:
        found = sorted(self._some(condition), key=lambda known: known.listed_at)
        return tuple(known.job.id for known in found[:limit])

    def _oldest(self, condition: Callable[[Known], bool]) -> int | None:
        times = [known.job.created_at for known in self._some(condition)]
        return min((time for time in times if isinstance(time, int)), default=None)


def _is_aside(known: Known) -> bool:
    return known.detailed and all(getattr(known.job, field) is UNKNOWN for field in READ_BY_RULES)
