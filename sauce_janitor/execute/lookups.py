"""Asks Sauce Labs about jobs: details (of several jobs in one request where that is offered) and
asset lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sauce_janitor.errors import BudgetSpentError, CredentialsError, SourceError
from sauce_janitor.execute.brake import Brake, WatchedBody
from sauce_janitor.execute.ports import AssetStream, ExecutionPorts
from sauce_janitor.model.jobs import JobDocument, JobId, Owner

BATCH = 20
"""The most jobs that one look-up before a delete may be about: its answer must still be fresh when
the last of them is deleted.
"""


@dataclass(frozen=True, slots=True)
class DetailsLookup:
    """One answer about one job: its document, None when Sauce Labs says twice that there is no such
    job.

    `at` is the time of the question on the monotonic clock: the answer may lack what changed after
    that, however slowly it came or was read.
    """

    document: JobDocument | None
    at: float


@dataclass(frozen=True, slots=True)
class AssetLookup:
    """One answer to List Job Assets; `names` is None for a 404. `at` as in DetailsLookup."""

    names: tuple[str, ...] | None
    at: float

    @property
    def empty(self) -> bool:
        """Whether nothing is listed: a 404 or an empty list."""
        return not self.names


class Lookups:
    """Asks about jobs, and checks the brake before each request. Threads share one."""

    def __init__(self, ports: ExecutionPorts, brake: Brake) -> None:
        self._source = ports.source
        self._clock = ports.clock
        self._brake = brake
        self._batches = True

    def many(self, jobs: Sequence[tuple[Owner, JobId]]) -> dict[JobId, DetailsLookup]:
        """Return what one request says about up to 20 jobs. A job missing in it must be asked about
        alone.
        """
        assert len(jobs) <= BATCH
        if len(jobs) < 2 or not self._batches:
            return {}
        self._brake.look()
        at = self._clock.monotonic()
        try:
            found = self._source.jobs([job_id for _, job_id in jobs])
        except (CredentialsError, BudgetSpentError):
            raise
        except SourceError:
            # One job among them may be the cause. Asked about alone, each shows its own error.
            return {}
        # This deployment has no look-up of several jobs: do not ask for one again.
        if found is None:
            self._batches = False
            return {}
        return {
            job_id: DetailsLookup(found[job_id], at)
            for owner, job_id in jobs
            if job_id in found and is_that_one(found[job_id], owner, job_id)
        }

    def one(self, owner: Owner, job_id: JobId) -> DetailsLookup:
        """Return one job's details; a 404 counts when it comes twice. Raise SourceError for an
        answer about another job.
        """
        document = None
        # A single 404 may come from a failing server.
        for _ in range(2):
            self._brake.look()
            at = self._clock.monotonic()
            document = self._source.job(owner, job_id)
            if document is not None:
                break
        if document is not None and not is_that_one(document, owner, job_id):
            job = document.job
            raise SourceError(
                f"job {job_id} of {owner}: Sauce Labs answered with job {job.id} of {job.owner}"
            )
        return DetailsLookup(document, at)

    def assets(self, owner: Owner, job_id: JobId) -> AssetLookup:
        """Return the job's asset list."""
        self._brake.look()
        at = self._clock.monotonic()
        listing = self._source.assets(owner, job_id)
        return AssetLookup(None if listing is None else listing.names, at)

    @contextmanager
    def asset(self, owner: Owner, job_id: JobId, name: str) -> Iterator[AssetStream]:
        """Open one asset's body."""
        self._brake.look()
        with self._source.open_asset(owner, job_id, name) as body:
            yield WatchedBody(body, self._brake)


def is_that_one(document: JobDocument, owner: Owner, job_id: JobId) -> bool:
    """Return whether the answer is about the job that was asked for."""
    return (document.job.owner, document.job.id) == (owner, job_id)
