"""One frozen value a fact, told while a plan is carried out; how it is logged, counted or shown is
decided elsewhere.

Names and details come from Sauce Labs in part: whoever renders them escapes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from sauce_janitor.model.jobs import Action, JobId, Owner
from sauce_janitor.model.retries import FailureKind


class Skip(StrEnum):
    """Why an action of the plan was left out on purpose. The next run decides anew."""

    CHANGED = "changed"  # not the job that was decided on
    HELD = "held"  # a hold of ours, set since
    NOT_READY = "not_ready"  # Sauce says it has not finished running
    UNSETTLED = "unsettled"  # ended too recently
    PURGED = "purged"  # assets gone before they were archived, and the policy says keep
    NOTHING_LISTED = (
        "nothing_listed"  # nothing to archive, by a list that may be failing: it waits for a day
    )


class Halt(StrEnum):
    """Why a run ended before its plan did."""

    STOPPED = "stopped"  # SIGINT, SIGTERM
    PAUSED = "paused"  # the kill switch
    DEADLINE = "deadline"
    BUDGET = "budget"  # the request budget: the plan pauses, it does not fail
    LEASE = "lease"
    CREDENTIALS = "credentials"
    SOURCE = "source"  # Sauce Labs does not answer
    ARCHIVE = "archive"
    STATE = "state"
    CLOCK = "clock"
    ADDRESS = "address"  # Sauce Labs serves no address that deletes
    REFUSED = "refused"  # what was to be done is not safe any more
    BUG = "bug"


@dataclass(frozen=True, slots=True)
class JobArchived:
    """A job's copy is complete, verified and on record. `assets` and `size_bytes` are what this run
    added to it.

    `odd` are (name, why) of those that do not look like what their names promise, `given_up` those
    that could not be had for so long that the policies wait for them no longer.
    """

    job_id: JobId
    owner: Owner
    policy: str
    assets: int
    size_bytes: int
    receipt: str
    odd: tuple[tuple[str, str], ...] = ()
    given_up: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class JobIncomplete:
    """What could be had of a job is stored and on record; `missing` (name, why) could not, and its
    deletes wait for them.

    The other fields are those of `JobArchived`.
    """

    job_id: JobId
    owner: Owner
    policy: str
    assets: int
    size_bytes: int
    receipt: str
    missing: tuple[tuple[str, str], ...]
    odd: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AssetsDeleted:
    """Sauce Labs deleted a job's assets. `size_bytes` is by its own answer, None when it gave none.

    `unlisted` are names in the answer that no list had; `differing` are (name, archived bytes,
    bytes by the answer).
    """

    job_id: JobId
    owner: Owner
    policy: str
    size_bytes: int | None
    unlisted: tuple[str, ...] = ()
    differing: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class CopyDamaged:
    """The stored copy of a job is not what its receipt says; `files` names each file, and how."""

    job_id: JobId
    owner: Owner
    policy: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CopyRestored:
    """What was damaged of a copy was fetched again, and stands under a new receipt."""

    job_id: JobId
    owner: Owner
    policy: str
    assets: int
    size_bytes: int
    receipt: str


@dataclass(frozen=True, slots=True)
class JobDeleted:
    """A job is gone. `confirmed` is False while only Sauce's answer says so and the next full
    listing has to.
    """

    job_id: JobId
    owner: Owner
    policy: str
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class AssetsPurged:
    """Sauce Labs has purged a job's assets, told once a job; `lost`: something wanted of them had
    not been archived.

    `missed`: it is lost, and an earlier run failed to archive it while its assets were surely
    there.
    """

    job_id: JobId
    owner: Owner
    policy: str
    lost: bool
    missed: bool = False


@dataclass(frozen=True, slots=True)
class JobStopped:
    """A runaway job was stopped."""

    job_id: JobId
    owner: Owner
    policy: str


@dataclass(frozen=True, slots=True)
class AlreadyGone:
    """What an action was to delete or stop was not there any more."""

    job_id: JobId
    owner: Owner
    policy: str
    action: Action
    detail: str


@dataclass(frozen=True, slots=True)
class ActionSkipped:
    """The plan said so, the last look said no: the job stays."""

    job_id: JobId
    owner: Owner
    policy: str
    action: Action
    why: Skip
    detail: str


@dataclass(frozen=True, slots=True)
class ActionFailed:
    """An action did not reach its end; `detail` is one sentence.

    The job is tried again by its `kind`; None: nothing was tried, so that no pause begins.
    """

    job_id: JobId
    owner: Owner
    policy: str
    action: Action
    detail: str
    kind: FailureKind | None = FailureKind.OTHER


@dataclass(frozen=True, slots=True)
class Halted:
    """No further job is begun."""

    why: Halt
    detail: str


Event: TypeAlias = (
    JobArchived
    | JobIncomplete
    | AssetsDeleted
    | AssetsPurged
    | CopyDamaged
    | CopyRestored
    | JobDeleted
    | JobStopped
    | AlreadyGone
    | ActionSkipped
    | ActionFailed
    | Halted
)
