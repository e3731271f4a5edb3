"""What the pages of changes show, and the protocol that carries changes out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from sauce_janitor.model.jobs import JobId


@dataclass(frozen=True, slots=True)
class ShownPause:
    """The pause in force: who, why, and since when (epoch seconds)."""

    by: str
    reason: str
    at: int

    @property
    def key(self) -> str:
        """What a form names it by: another pause has another one."""
        return hashlib.sha256(f"{self.at} {self.by}\n{self.reason}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ShownHold:
    """A hold in force. `until` is the first second after it, None for no end."""

    account: str
    job_id: JobId
    by: str
    reason: str
    at: int
    until: int | None


@dataclass(frozen=True, slots=True)
class ShownApproval:
    """An approval in force, for plans of at most `max_jobs` jobs; None: of any size."""

    account: str
    by: str
    reason: str
    lifts: tuple[str, ...]
    max_jobs: int | None
    until: int


@dataclass(frozen=True, slots=True)
class WaitingPlan:
    """The newest plan of an account, which breaks limits. `number` identifies it.

    `acting` of its jobs would be deleted, lose assets or be stopped; `unstored` of them lose
    something without a copy. An approval allows plans of at most `allows` jobs. With `outdated` the
    policies have changed since; with `approved` an approval for it is in force.
    """

    account: str
    number: int
    policy_digest: str
    as_of: int
    acting: int
    unstored: int
    allows: int
    limits_broken: tuple[str, ...]
    outdated: bool
    approved: bool


@dataclass(frozen=True, slots=True)
class ChangeOverview:
    """All that can be changed. There may be more holds than those that are shown, the newest."""

    paused: ShownPause | None
    accounts: tuple[str, ...]
    waiting: tuple[WaitingPlan, ...]
    approvals: tuple[ShownApproval, ...]
    holds: tuple[ShownHold, ...]
    holds_in_force: int


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes something, and why."""

    by: str
    reason: str


class ChangeSource(Protocol):
    """Shows what can be changed, and changes it. Every method may raise a JanitorError.

    Each change returns a word of `change_pages.NOTICES`, which says what was done.
    """

    def overview(self) -> ChangeOverview:
        """Return all that can be changed."""

    def holds_on(self, account: str, job_id: JobId, /) -> tuple[ShownHold, ...]:
        """Return the holds in force on a job."""

    def pause(self, change: Change, /) -> str:
        """Stop every change, by every process on the state or its archive."""

    def resume(self, change: Change, /, *, seen: str) -> str:
        """Lift the pause, if it is still the one with that key."""

    def hold(self, change: Change, account: str, job_id: JobId, /, *, days: int | None) -> str:
        """Hold a job, for so many days or until it is released."""

    def release(self, change: Change, account: str, job_id: JobId, /) -> str:
        """Release every local hold on a job."""

    def approve(self, change: Change, account: str, /, *, number: int) -> str:
        """Approve the newest plan for a day, if it is still the one with that number."""
