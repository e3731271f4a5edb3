"""Permits: the typed right to one write at Sauce Labs. Who executes makes them, the gate takes
them, nothing else can write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, TypeAlias

from sauce_janitor.model.jobs import Action, JobId, Owner

DeleteAddress: TypeAlias = Literal["v1", "v1.1"]
"""One of the two addresses by which Sauce Labs may delete a job: with its owner's name, or with its
id alone.
"""
DELETE_ADDRESSES: Final[tuple[DeleteAddress, ...]] = ("v1", "v1.1")
"""All of them, in the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof that what is wanted of a job is stored and verified: the SHA-256 of its newest
    receipt file.
    """

    sha256: str


@dataclass(frozen=True, slots=True)
class NothingWanted:
    """No matching policy wants anything stored, and `policy` says `archive: none` aloud."""

    policy: str


@dataclass(frozen=True, slots=True)
class DeletePermit:
    """What a delete needs: a proof, a decision confirmed by an answer of Sauce's, and the lease.

    `asked_at` is the monotonic clock (seconds) when that answer was asked for; the gate refuses one
    older than 10 s. `fence` is the lease's fencing number. `listed_at` is when the asset list was
    asked for that the proof rests on, None where it rests on none; the gate refuses one older than
    60 s. A permit is good for one request.
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
    """For DELETE …/jobs/{id}/assets."""

    action: ClassVar[Action] = Action.DELETE_ASSETS


@dataclass(frozen=True, slots=True)
class DeleteJobPermit(DeletePermit):
    """For DELETE …/jobs/{id}, by one of its addresses; None where one call deletes many jobs: then
    the gate refuses it.
    """

    action: ClassVar[Action] = Action.DELETE_JOB
    address: DeleteAddress | None = None


@dataclass(frozen=True, slots=True)
class StopPermit:
    """For PUT …/jobs/{id}/stop: a job seen running, as asked at `asked_at`, by a run that holds the
    lease.
    """

    job_id: JobId
    owner: Owner
    fingerprint: str
    asked_at: float
    fence: int
    action: ClassVar[Action] = Action.STOP


@dataclass(frozen=True, slots=True)
class PrunePermit:
    """For removing stored files of one job from our own archive: their time there is over, and
    nothing holds the job.

    `files` are paths beside the job's receipts, `why` says by whose word, for the record that
    stays. `fence` is the lease's.
    """

    job_id: JobId
    owner: Owner
    files: frozenset[str]
    why: str
    fence: int
