"""The protocols through which execution reaches the other packages. Whoever starts a run passes in
the real ones.

Several threads call all of them at once. Which account, which run and where files are stored is
known to the implementations only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from sauce_janitor.clock import Clock
from sauce_janitor.execute.delete_addresses import DeleteAddresses
from sauce_janitor.execute.events import Event
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.job_retries import Failing, Retry
from sauce_janitor.model.jobs import (
    Action,
    AssetListing,
    Job,
    JobDocument,
    JobId,
    MissingFile,
    Owner,
)
from sauce_janitor.model.open_intents import OpenIntent
from sauce_janitor.model.permits import (
    DeleteAssetsPermit,
    DeleteJobPermit,
    DeletePermit,
    StopPermit,
)
from sauce_janitor.model.stored_jobs import ReadBack, StoredJob, StoreReason
from sauce_janitor.model.write_answers import WriteAnswer


class AssetStream(Protocol):
    """One asset being downloaded: its bytes in chunks, whether its framing proves it complete, and
    the answer's content type.
    """

    def __iter__(self) -> Iterator[bytes]: ...
    @property
    def framed(self) -> bool: ...
    @property
    def content_type(self) -> str | None: ...


class SourcePort(Protocol):
    """Reads from Sauce Labs. Every method may raise a SourceError; retries happen inside.

    NotReadyError stands for the 400 of an unfinished job, ForbiddenError for a 403,
    BudgetSpentError for an empty request budget.
    """

    def job(self, owner: Owner, job_id: JobId, /) -> JobDocument | None:
        """Return the job's details, None for a 404."""

    def jobs(self, job_ids: Sequence[JobId], /) -> Mapping[JobId, JobDocument] | None:
        """Return the details of those of these jobs that exist, from one request; None where Sauce
        Labs does not offer that.
        """

    def assets(self, owner: Owner, job_id: JobId, /) -> AssetListing | None:
        """Return the names of the job's assets, None for a 404."""

    def open_asset(
        self, owner: Owner, job_id: JobId, name: str, /
    ) -> AbstractContextManager[AssetStream]:
        """Open one asset as a stream."""

    def reserved(self, requests: int, /) -> AbstractContextManager[object]:
        """Wait until the budget has room for this many requests. Inside, this thread's next
        requests do not wait.
        """

    @property
    def clock_skew_s(self) -> float | None:
        """The Date of the newest answer minus the local clock, in seconds; None before the first
        answer.
        """

    @property
    def budget_left(self) -> int | None:
        """Requests left in the longest window; None without a limit."""

    @property
    def requests_here(self) -> int:
        """Requests that the calling thread has made so far, including retries."""


class GatePort(Protocol):
    """The only way to change anything at Sauce Labs. Each permit allows one request, which is never
    repeated.

    Raises CredentialsError for a 401 to a request that was sent. Raises PermitError,
    BudgetSpentError or StoppedError when nothing was sent.
    """

    def delete_assets(self, permit: DeleteAssetsPermit, /) -> WriteAnswer: ...
    def delete_job(self, permit: DeleteJobPermit, /) -> WriteAnswer: ...
    def stop(self, permit: StopPermit, /) -> WriteAnswer: ...


Fetch: TypeAlias = Callable[[str], AbstractContextManager[AssetStream]]


class ArchivePort(Protocol):
    """Stores the copies. ArchiveError is about one job; ArchiveUnusableError ends the run."""

    def archived(self, job: Job, /) -> StoredJob | None:
        """Return what is stored of the job, None for nothing. Raise ArchiveError when a receipt
        cannot be trusted.
        """

    def read_back(self, owner: Owner, job_id: JobId, /) -> ReadBack:
        """Read every stored byte of the job from the disk. Raise ArchiveError when a receipt cannot
        be trusted.
        """

    def store(
        self,
        document: JobDocument,
        listing: AssetListing,
        selection: Selection,
        fetch: Fetch,
        /,
        *,
        why: StoreReason,
    ) -> StoredJob:
        """Fetch and verify what is wanted and not yet stored. Return when all of it is durable
        under its receipt.
        """

    def check(self) -> None:
        """Raise ArchiveUnusableError unless this is the same archive as before and it has room
        above the minimum.
        """


Proven: TypeAlias = Literal["confirmed", "already_gone", "failed", "unknown"]


class JournalPort(Protocol):
    """Writes a line before and a line after every change. A line is durable when the method
    returns; StateError when it cannot be.
    """

    def archived(
        self,
        job_id: JobId,
        owner: Owner,
        /,
        *,
        receipt: str,
        selection: str | None,
        policy: str,
        missing: Sequence[MissingFile] = (),
    ) -> None:
        """Record the SHA-256 of a job's newest receipt, and the key of the selection that it
        satisfies except for `missing`.
        """

    def intent(self, permit: DeletePermit | StopPermit, /, *, policy: str) -> int:
        """Write the line before a change and return its number.

        Raise LeaseError when the permit's fence is not the current lease's, RefusedError while
        paused, and PermitError for an action that the journal has as done or as started without an
        outcome.
        """

    def outcome(
        self, intent: int, outcome: Proven, /, *, detail: str, bytes_reclaimed: int | None = None
    ) -> None:
        """Write the line after a change. One final outcome may follow `unknown`; nothing may follow
        a final outcome.
        """

    def found_gone(
        self, action: Action, owner: Owner, job_id: JobId, /, *, policy: str, detail: str
    ) -> bool:
        """Record that what an action was for is gone, though this run sent nothing.

        Return whether an earlier delete by this program explains it. An intent that still waited
        for its outcome becomes `confirmed` then.
        """

    def assets_deleted(self, job_id: JobId, /) -> bool:
        """Return whether a delete of the job's assets is recorded as confirmed or already gone."""

    def purged(self, job_id: JobId, owner: Owner, /, *, policy: str, lost: bool) -> bool:
        """Record that two reads showed that Sauce Labs purged the job's assets. Return whether that
        is new.

        `lost`: not everything wanted had been archived before.
        """

    def assets_purged(self, job_id: JobId, /) -> bool:
        """Return whether a purge of the job's assets is recorded and nothing later
        contradicts it.
        """

    def listed_again(self, job_id: JobId, owner: Owner, /) -> None:
        """Record that Sauce Labs lists assets of a job whose assets it had purged."""

    def unresolved(self) -> Sequence[OpenIntent]:
        """Return every intent that recovery has to ask about, oldest first."""


class LeasePort(Protocol):
    """The lease: only its holder may change anything."""

    @property
    def fence(self) -> int: ...
    @property
    def idle_s(self) -> float | None:
        """For how many seconds no earlier holder can have started a write; None where the clocks
        of all holders agree.
        """

    def check(self) -> None:
        """Raise LeaseError unless this run still holds the lease."""


class SwitchPort(Protocol):
    """The pause switch."""

    def is_paused(self) -> bool: ...


class HoldsPort(Protocol):
    """The local holds."""

    def protects(self, job: Job, /) -> bool: ...


class RetryBook(Protocol):
    """Records which jobs failed in earlier runs and in this one. Raises StateError when it cannot
    write.
    """

    def of(self, job_id: JobId, /) -> Retry | None:
        """Return the retry of a job, None for a job that did not fail."""

    def failed(self, job_id: JobId, failing: Failing, /) -> None:
        """Record a failed try. The job is tried again later, with growing pauses."""

    def done(self, job_id: JobId, /) -> None:
        """Forget the job's failures: it reached its wanted state."""

    def unlisted_since(self, job_id: JobId, answer: str, /, *, note: bool) -> int | None:
        """Return since when Sauce Labs gives exactly this answer for the job's asset list (epoch
        seconds).

        `note` records the first such answer. None where no answer or a different one is recorded.
        """

    def listed(self, job_id: JobId, /) -> None:
        """Forget the recorded answer: the job has an asset list, or one that names files again."""


class Listings(Protocol):
    """Asks for the job lists again."""

    def contradicted(self, owner: Owner, job_ids: Collection[JobId], /) -> Mapping[JobId, str]:
        """Return those of these jobs that a fresh listing does not prove to be gone, and the
        reason. Raise SourceError where there is no listing.
        """


@dataclass(frozen=True, slots=True)
class ExecutionPorts:
    """Everything that execution needs.

    `fingerprint(job, asked_at)` is of a job as Sauce Labs just returned it, comparable with the
    plan's. It may ask for the build (SourceError) and uses no answer about it that is older than
    `asked_at`. `events` is called by one thread at a time. `passed` is called with the number of
    jobs that the run is done with, whatever their result; any thread may call it.
    """

    source: SourcePort
    listings: Listings
    gate: GatePort
    archive: ArchivePort
    journal: JournalPort
    lease: LeasePort
    switch: SwitchPort
    holds: HoldsPort
    retries: RetryBook
    clock: Clock
    fingerprint: Callable[[Job, float], str]
    events: Callable[[Event], None]
    addresses: DeleteAddresses
    passed: Callable[[int], None] = lambda _jobs: None
