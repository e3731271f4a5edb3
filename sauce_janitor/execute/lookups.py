"""What Sauce Labs is asked about jobs in hand: details (many in one request where that is offered)
and asset lists.
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
"""The most jobs one look-up before a delete may be about: its answer must still be young when the
last of them goes.
"""


@dataclass(frozen=True, slots=True)
class DetailsLookup:
    """One answer about one job: its document, None when Sauce says twice that there is no such job.

    `at` is when it was asked for, on the monotonic clock: what changed after that may be missing
    in it, however slowly it came or was read.
    """

    document: JobDocument | None
    at: float


@dataclass(frozen=True, slots=True)
class AssetLookup:
    """One answer to List Job Assets; `names` is None for a 404. `at` as in Details."""

    names: tuple[str, ...] | None
    at: float

    @property
    def empty(self) -> bool:
        """Nothing is listed, in whichever way that was said."""
        return not self.names


class Lookups:
    """Reads about jobs, each after a look at the brake. Threads share one."""

    def __init__(self, parts: ExecutionPorts, brake: Brake) -> None:
        self._source = parts.source
        self._clock = parts.clock
        self._brake = brake
        self._batches = True

    def many(self, jobs: Sequence[tuple[Owner, JobId]]) -> dict[JobId, DetailsLookup]:
        """What one request tells about up to 20 jobs; who is missing there has to be asked for
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
            return {}  # one job among them may be the cause: alone, each shows what it is
        if found is None:
            self._batches = False
            return {}
        return {
            job_id: DetailsLookup(found[job_id], at)
            for owner, job_id in jobs
            if job_id in found and is_that_one(found[job_id], owner, job_id)
        }

    def one(self, owner: Owner, job_id: JobId) -> DetailsLookup:
        """One job's details; a 404 counts when it is said twice. SourceError for an answer about
        another job.
        """
        document = None
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
        """The job's asset list."""
        self._brake.look()
        at = self._clock.monotonic()
        listing = self._source.assets(owner, job_id)
        return AssetLookup(None if listing is None else listing.names, at)

    @contextmanager
    def asset(self, owner: Owner, job_id: JobId, name: str) -> Iterator[AssetStream]:
        """One asset's body."""
        self._brake.look()
        with self._source.open_asset(owner, job_id, name) as body:
            yield WatchedBody(body, self._brake)


def is_that_one(document: JobDocument, owner: Owner, job_id: JobId) -> bool:
    """Return whether the answer is about the job that was asked for."""
    return (document.job.owner, document.job.id) == (owner, job_id)
