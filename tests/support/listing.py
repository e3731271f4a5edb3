"""Listings of a vendor's jobs into a store."""

from __future__ import annotations

from dataclasses import replace

from sauce_janitor.inventory import SyncReport, SyncRequest, sync
from tests.fakes.job_list import NOW, OWNER, JobList, ListedBy, a_job
from tests.fakes.job_store import MemoryStore

DAY = 86_400


def listed(jobs: JobList, store: MemoryStore, now: int = NOW, **wanted: object) -> SyncReport:
    demand = replace(SyncRequest(now, full_every_s=DAY), **wanted)  # type: ignore[arg-type]
    return sync(OWNER, ListedBy(jobs), store, demand)


def some(count: int, **settings: object) -> JobList:
    jobs = JobList(**settings)  # type: ignore[arg-type]
    jobs.add(*(a_job(number) for number in range(count)))
    return jobs


def there(store: MemoryStore) -> set[str]:
    return {one for one, known in store.known.items() if not known.gone}
