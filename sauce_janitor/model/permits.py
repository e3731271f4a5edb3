"""Permits: the typed right to one write at Sauce Labs.

The executor makes them and the gate takes them. Nothing else can write.
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
"""Both addresses, in the order in which they are tried."""


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
