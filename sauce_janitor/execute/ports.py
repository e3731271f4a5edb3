"""What carrying out a plan needs of the other parts, as small protocols: whoever starts a run fits
the real ones in.

All of it is called by several threads at once. The account, the run and where things are stored are
the parts' own business.
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
from sauce_janitor.model.jobs import (
    Action,
    AssetListing,
    Job,
    JobDocument,
    JobId,
    MissingFile,
    Owner,
)
from sauce_janitor.model.permits import (
    DeleteAssetsPermit,
    DeleteJobPermit,
    DeletePermit,
    StopPermit,
)
from sauce_janitor.model.retries import Failing, Retry


class AssetStream(Protocol):
    """One asset on its way: its bytes in chunks, whether its framing proves it complete, and the
    answer's content type.
    """

    def __iter__(self) -> Iterator[bytes]: ...
    @property
    def framed(self) -> bool: ...
    @property
    def content_type(self) -> str | None: ...


class SourcePort(Protocol):
    """The reading half of Sauce Labs. Every method may raise a SourceError; retries are behind it.

    NotReadyError is the 400 of an unfinished job, ForbiddenError a 403, BudgetSpentError an empty
    request budget.
    """

    def job(self, owner: Owner, job_id: JobId, /) -> JobDocument | None:
        """The job's details; None is a 404."""

    def jobs(self, job_ids: Sequence[JobId], /) -> Mapping[JobId, JobDocument] | None:
        """The details of those of these jobs that there are, in one request; None where that is not
        offered.
        """

    def assets(self, owner: Owner, job_id: JobId, /) -> AssetListing | None:
        """The names of the job's assets; None is a 404."""

    def open_asset(
        self, owner: Owner, job_id: JobId, name: str, /
    ) -> AbstractContextManager[AssetStream]:
        """One asset, streamed."""

    def reserved(self, requests: int, /) -> AbstractContextManager[object]:
        """Wait for the budget of so many requests; inside, this thread's next ones wait for
        nothing.
        """

    @property
    def clock_skew_s(self) -> float | None:
        """The Date of the newest answer minus our clock; None before the first answer."""

    @property
    def budget_left(self) -> int | None:
        """Requests left in the longest window; None without a limit."""

    @property
    def requests_here(self) -> int:
        """Requests that the calling thread made so far, repeated ones too."""


class WriteResult(Protocol):
    """What came of one write. `status` is None when no answer came; `doubtful`: it may or may not
    have been done.
    """

    @property
    def status(self) -> int | None: ...
    @property
    def deleted(self) -> tuple[tuple[str, int], ...] | None: ...
    @property
    def doubtful(self) -> bool: ...
    @property
    def detail(self) -> str: ...


class GatePort(Protocol):
    """The only way to change anything at Sauce Labs: one request a permit, never repeated.

    CredentialsError for a 401 to what was sent. PermitError, BudgetSpentError and StoppedError when
    nothing was.
    """

    def delete_assets(self, permit: DeleteAssetsPermit, /) -> WriteResult: ...
    def delete_job(self, permit: DeleteJobPermit, /) -> WriteResult: ...
    def stop(self, permit: StopPermit, /) -> WriteResult: ...


class Archived(Protocol):
    """What the verified receipts of one job hold together.

    `sha256` is the newest receipt's, made at `made_at` (epoch seconds). `stored` has the bytes of
    each stored asset by name, `pruned` those of them whose bytes left the archive since,
    `discarded` the names that a receipt says are not stored on purpose, `missing` the files that
    are wanted and could not be had. `fetched_assets` and `fetched_bytes` are what the newest pass
    added, `odd` those of them that do not look like what their names promise, with the reason.
    `read_back`: the pass that returned it read every byte from the disk; `restored` are the damaged
    files that it fetched anew.
    """

    @property
    def sha256(self) -> str: ...
    @property
    def stored(self) -> Mapping[str, int]: ...
    @property
    def pruned(self) -> frozenset[str]: ...
    @property
    def discarded(self) -> frozenset[str]: ...
    @property
    def made_at(self) -> int: ...
    @property
    def fetched_assets(self) -> int: ...
    @property
    def fetched_bytes(self) -> int: ...
    @property
    def missing(self) -> tuple[MissingFile, ...]: ...
    @property
    def odd(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def read_back(self) -> bool: ...
    @property
    def restored(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What reading a job's copy from the disk showed.

    `receipt` is the SHA-256 of its newest receipt, None when there is no copy; `damaged` names each
    file that is missing or not as it was stored, and how. No copy and a damage: there was one.
    """

    receipt: str | None
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreReason:
    """What a receipt says of its making: the policy that wanted it, and whether Sauce had purged
    the assets before.

    `deletes`: a delete is to follow, so nothing that is listed may rest on a copy that was pruned.
    `emptied`: a delete of ours took the assets.
    """

    policy: str
    purged: bool = False
    deletes: bool = False
    emptied: bool = False


Fetch: TypeAlias = Callable[[str], AbstractContextManager[AssetStream]]


class ArchivePort(Protocol):
    """Where copies go. ArchiveError is about one job; ArchiveUnusableError ends the run."""

    def archived(self, job: Job, /) -> Archived | None:
        """What is stored of the job, None for nothing; ArchiveError when a receipt cannot be
        trusted.
        """

    def read_back(self, owner: Owner, job_id: JobId, /) -> ReadBack:
        """Read every stored byte of the job from the disk; ArchiveError when a receipt cannot be
        trusted.
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
    ) -> Archived:
        """Fetch what is wanted and not yet stored, prove it, and return when all of it is durable
        under its receipt.
        """

    def check(self) -> None:
        """ArchiveUnusableError unless it is the archive it was, and there is room above the
        floor.
        """


Proven: TypeAlias = Literal["confirmed", "already_gone", "failed", "unknown"]


class Unresolved(Protocol):
    """A journaled intent without a final outcome; `detail` is what its `unknown` outcome said, None
    when there was none.
    """

    @property
    def intent(self) -> int: ...
    @property
    def action(self) -> Action: ...
    @property
    def job_id(self) -> JobId: ...
    @property
    def owner(self) -> Owner: ...
    @property
    def policy(self) -> str: ...
    @property
    def sent_at(self) -> int: ...
    @property
    def detail(self) -> str | None: ...


class JournalPort(Protocol):
    """The line before and the line after every change. Durable when a method returns; StateError
    when it cannot be.
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
        """The SHA-256 of a job's newest receipt, and the key of the selection that it satisfies but
        for what is missing.
        """

    def intent(self, permit: DeletePermit | StopPermit, /, *, policy: str) -> int:
        """Before the write. The number of the line.

        LeaseError when the permit's fence is not the lease's any more, RefusedError while paused,
        PermitError for an action that is on record as done or was begun and never settled.
        """

    def outcome(
        self, intent: int, outcome: Proven, /, *, detail: str, bytes_reclaimed: int | None = None
    ) -> None:
        """After it; `unknown` may be followed by one final outcome, a final one by nothing."""

    def found_gone(
        self, action: Action, owner: Owner, job_id: JobId, /, *, policy: str, detail: str
    ) -> bool:
        """Put on record that what was to be deleted is not there any more, though this run sent
        nothing.

        Returns whether a delete of ours explains it: an intent that still waited for its outcome is
        `confirmed` then.
        """

    def assets_deleted(self, job_id: JobId, /) -> bool:
        """Whether a confirmed or already gone delete of the job's assets is on record."""

    def purged(self, job_id: JobId, owner: Owner, /, *, policy: str, lost: bool) -> bool:
        """Two reads proved that Sauce purged the job's assets; whether that is news. `lost`: before
        all wanted was archived.
        """

    def assets_purged(self, job_id: JobId, /) -> bool:
        """Whether that is on record, and nothing since that contradicts it."""

    def listed_again(self, job_id: JobId, owner: Owner, /) -> None:
        """Sauce lists assets of a job that it had purged."""

    def unresolved(self) -> Sequence[Unresolved]:
        """Every intent that recovery has to ask about, oldest first."""


class LeasePort(Protocol):
    """The right to change things, one holder at a time."""

    @property
    def fence(self) -> int: ...
    def check(self) -> None:
        """LeaseError unless this run still holds it."""


class SwitchPort(Protocol):
    """The kill switch."""

    def is_paused(self) -> bool: ...


class HoldsPort(Protocol):
    """The holds kept on our side."""

    def protects(self, job: Job, /) -> bool: ...


class RetryBook(Protocol):
    """The jobs that failed in earlier runs, and what is on record of this one's. StateError when
    that cannot be kept.
    """

    def of(self, job_id: JobId, /) -> Retry | None:
        """Return the retry of a job, None for one that did not fail: it goes first."""

    def failed(self, job_id: JobId, failing: Failing, /) -> None:
        """Put a failed try on record. The job is tried again later, with growing pauses."""

    def done(self, job_id: JobId, /) -> None:
        """Forget that the job failed: it reached its wanted state."""

    def unlisted_since(self, job_id: JobId, answer: str, /, *, note: bool) -> int | None:
        """Since when the job's asset list is answered with just this (epoch seconds); `note` puts a
        first one on record.

        None where it is not on record, or another answer is.
        """

    def listed(self, job_id: JobId, /) -> None:
        """Forget that: the job has an asset list."""


class Listings(Protocol):
    """The job lists, asked again."""

    def contradicted(self, owner: Owner, job_ids: Collection[JobId], /) -> Mapping[JobId, str]:
        """Those of these jobs that a fresh listing does not prove to be gone, and why. SourceError
        where it cannot be had.
        """


@dataclass(frozen=True, slots=True)
class ExecutionPorts:
    """Everything at once.

    `fingerprint(job, asked_at)` is of a job as just answered, comparable with the plan's; it may
    ask for the build (SourceError), and uses no answer about it that is older than `asked_at`.
    `events` is called by one thread at a time. `passed` is told of every job whose turn is over,
    whatever became of it; any thread may call it.
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
