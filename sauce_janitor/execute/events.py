"""The events of a run: one frozen value for each fact. Logs, metrics and reports are made from them
elsewhere.

Names and details come partly from Sauce Labs. Whoever renders them escapes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from sauce_janitor.model.failed_actions import ActionFailed
from sauce_janitor.model.jobs import Action, JobId, Owner


class Skip(StrEnum):
    """Why an action of the plan was skipped on purpose. The next run decides again."""

    CHANGED = "changed"  # not as it was when the plan was made
    HELD = "held"  # a local hold was set after the plan was made
    NOT_READY = "not_ready"  # Sauce Labs says that it has not finished running
    UNSETTLED = "unsettled"  # ended too recently
    PURGED = "purged"  # assets gone before they were archived; the policy keeps the job
    # An empty asset list may be a fault of Sauce Labs: the job waits for a day.
    NOTHING_LISTED = "nothing_listed"


class Halt(StrEnum):
    """Why a run ended before its plan was finished."""

    STOPPED = "stopped"  # SIGINT, SIGTERM
    PAUSED = "paused"  # the kill switch
    DEADLINE = "deadline"
    BUDGET = "budget"  # the request budget is spent: a pause, not a failure
    LEASE = "lease"
    CREDENTIALS = "credentials"
    SOURCE = "source"  # Sauce Labs does not answer
    ARCHIVE = "archive"
    STATE = "state"
    CLOCK = "clock"
    ADDRESS = "address"  # no delete address works for this account
    REFUSED = "refused"  # the planned action is no longer safe
    BUG = "bug"


@dataclass(frozen=True, slots=True)
class JobArchived:
    """A job's copy is complete, verified and journaled.

    `assets` and `size_bytes` are what this run added to the copy. `odd` lists (name, reason) of
    assets that do not look like what their names say. `given_up` lists (name, reason) of files that
    were unavailable for so long that the policies no longer wait for them.
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
    """What was available of a job is stored and journaled. `missing` lists (name, reason) of the
    files that were not, and the job's deletes wait for them.

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
    """Sauce Labs deleted a job's assets. `size_bytes` comes from its answer; None when the answer
    had none.

    `unlisted` are names in the answer that no list had. `differing` are (name, archived bytes,
    bytes in the answer).
    """

    job_id: JobId
    owner: Owner
    policy: str
    size_bytes: int | None
    unlisted: tuple[str, ...] = ()
    differing: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class CopyDamaged:
    """The stored copy of a job is not what its receipt says. `files` names each damaged file and
    its damage.
    """

    job_id: JobId
    owner: Owner
    policy: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CopyRestored:
    """The damaged files of a copy were fetched again and have a new receipt."""

    job_id: JobId
    owner: Owner
    policy: str
    assets: int
    size_bytes: int
    receipt: str


@dataclass(frozen=True, slots=True)
class JobDeleted:
    """A job is gone. `confirmed` is False while only Sauce Labs' answer says so; the next full
    listing confirms it.
    """

    job_id: JobId
    owner: Owner
    policy: str
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class AssetsPurged:
    """Sauce Labs has purged a job's assets. Reported once for each job.

    `lost`: the policies wanted at least one of these assets, and it had not been archived.
    `missed`: it is lost, and an earlier run failed to archive it while Sauce Labs still had it.
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
    """The job or the assets that an action was for no longer exist."""

    job_id: JobId
    owner: Owner
    policy: str
    action: Action
    detail: str


@dataclass(frozen=True, slots=True)
class ActionSkipped:
    """The plan wanted this action, but the last check before it did not allow it: the job stays."""

    job_id: JobId
    owner: Owner
    policy: str
    action: Action
    why: Skip
    detail: str


@dataclass(frozen=True, slots=True)
class Halted:
    """The run starts no further job."""

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
