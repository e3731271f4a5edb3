"""Permits: the typed right to one write at Sauce Labs. Leases: the right to work on an account at
all; each permit has the number of one.

The executor makes permits and the gate takes them. Nothing else can write.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import ClassVar, Final, Literal, Self, TypeAlias

from sauce_janitor.model.jobs import Action, JobId, Owner

DeleteAddress: TypeAlias = Literal["v1", "v1.1"]
"""One of the two addresses by which Sauce Labs may delete a job: with its owner's name, or with its
id alone.
"""
# Sauce Labs documents the second one. Its own Java client says that it does not work, and uses the
# first.
DELETE_ADDRESSES: Final[tuple[DeleteAddress, ...]] = ("v1", "v1.1")
"""Both addresses, in the order in which they are tried."""


class HeldLease(ABC):
    """A lease, held while the `with` block runs: the right to work on an account, or on its
    archive. One holder has it at a time. `check` is cheap, and any thread may call it.
    """

    @property
    @abstractmethod
    def fence(self) -> int:
        """The number of this lease, in every permit: larger than that of every earlier one."""

    @property
    def idle_s(self) -> float | None:
        """For how many seconds no earlier holder can have started a write, by a clock that all
        holders share. None where all are on one machine, whose clock they share.
        """
        return None

    @property
    def doubt(self) -> str:
        """Why the newest lines of the journal may be missing, as a sentence; "" where they are
        not.
        """
        return ""

    @abstractmethod
    def check(self) -> None:
        """Raise LeaseError unless this run still holds it."""

    @abstractmethod
    def acquire(self) -> None:
        """Take the lease, without waiting. Raise LeaseError when another run holds it."""

    @abstractmethod
    def release(self) -> None:
        """Release the lease; do nothing when it is lost or was never taken."""

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof that everything wanted of a job is stored and verified: the SHA-256 of its newest
    receipt file.
    """

    sha256: str


@dataclass(frozen=True, slots=True)
class NothingWanted:
    """The reason why a delete needs no copy: no matching policy wants any file, and `policy` says
    `archive: none` explicitly.
    """

    policy: str


@dataclass(frozen=True, slots=True)
class DeletePermit:
    """What a delete needs: a proof, a decision that a fresh answer of Sauce Labs confirms, and the
    lease.

    `asked_at` is when that answer was requested, in seconds of the monotonic clock; the gate
    refuses one older than 10 s. `fence` is the lease's fencing number. `listed_at` is when the
    asset list was requested on which the proof rests, None where it rests on none; the gate refuses
    one older than 60 s. A permit is good for one request.
    """

    job_id: JobId
    owner: Owner
    proof: Receipt | NothingWanted
    fingerprint: str
    asked_at: float
    fence: int
    listed_at: float | None = None
    action: ClassVar[Action]


@dataclass(frozen=True, slots=True)
class DeleteAssetsPermit(DeletePermit):
    """The permit for DELETE …/jobs/{id}/assets."""

    action: ClassVar[Action] = Action.DELETE_ASSETS


@dataclass(frozen=True, slots=True)
class DeleteJobPermit(DeletePermit):
    """The permit for DELETE …/jobs/{id}, by one of its addresses.

    `address` is None where one call deletes many jobs; the gate refuses that permit for a single
    job.
    """

    action: ClassVar[Action] = Action.DELETE_JOB
    address: DeleteAddress | None = None


@dataclass(frozen=True, slots=True)
class StopPermit:
    """The permit for PUT …/jobs/{id}/stop: a job that was running in an answer requested at
    `asked_at`, for a run that holds the lease.
    """

    job_id: JobId
    owner: Owner
    fingerprint: str
    asked_at: float
    fence: int
    action: ClassVar[Action] = Action.STOP


@dataclass(frozen=True, slots=True)
class PrunePermit:
    """The permit to remove stored files of one job from the archive: their `keep_for` is over, and
    nothing holds the job.

    `files` are paths beside the job's receipts. `why` is the reason for the record that stays.
    `fence` is the lease's fencing number.
    """

    job_id: JobId
    owner: Owner
    files: frozenset[str]
    why: str
    fence: int


# --- what people do by hand --------------------------------------------------------------------


class ManualAction(StrEnum):
    """Actions that only people take; the journal has them beside the actions of policies."""

    UPDATE = "update"


Deed: TypeAlias = Action | ManualAction
"""Every action that the journal can have an intent for."""


@dataclass(frozen=True, slots=True)
class UpdatePermit:
    """The permit for PUT …/jobs/{id} with `body`: a JSON object of `FIELDS`, merged into the job's
    document.

    `asked_at` is when that document was requested, in seconds of the monotonic clock; the gate
    refuses one older than 10 s. A permit is good for one request.
    """

    job_id: JobId
    owner: Owner
    body: str
    asked_at: float
    action: ClassVar[ManualAction] = ManualAction.UPDATE


@dataclass(frozen=True, slots=True)
class ManualStopPermit:
    """The permit for PUT …/jobs/{id}/stop on behalf of a person.

    An answer that was requested at `asked_at` showed the job unfinished; the gate's limit is that
    of an update.
    """

    job_id: JobId
    owner: Owner
    asked_at: float
    action: ClassVar[Action] = Action.STOP


@dataclass(frozen=True, slots=True)
class DeleteAllPermit:
    """The permit for the one call that deletes all jobs of a user. `typed` is the name as the
    operator typed it.

    None of `jobs` was held, running or unproven in the listing that began at `asked_at`. `fence` is
    the lease's fencing number.
    """

    owner: Owner
    typed: str
    jobs: frozenset[JobId]
    asked_at: float
    fence: int


ManualPermit: TypeAlias = UpdatePermit | ManualStopPermit
