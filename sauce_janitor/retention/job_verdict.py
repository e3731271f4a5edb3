"""The verdict on all jobs that match alike and have the same flags, and its decision on one job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from sauce_janitor.model.assets import Selection
from sauce_janitor.model.durations import due_at
from sauce_janitor.model.jobs import (
    Action,
    AssetsStanding,
    Decision,
    Reason,
    Record,
    Why,
)
from sauce_janitor.retention.builds import BuildKeeper
from sauce_janitor.retention.interactions import Postponement
from sauce_janitor.retention.match_cases import AppliedRule, MatchCase

# The flags of a job: these, and above them the age bits and keep slots of its case.
HELD: Final = 1
UNFINISHED: Final = 2
AGELESS: Final = 4
ASSETS_DELETED: Final = 8
ASSETS_PURGED: Final = 16
RUNNING: Final = 32
ASSETS_ANNOUNCED: Final = 64
JOB_ANNOUNCED: Final = 128
SET_ASIDE: Final = HELD | UNFINISHED | AGELESS
GONE: Final = ASSETS_DELETED | ASSETS_PURGED


@dataclass(frozen=True, slots=True, eq=False)
class DueAction:
    """A decision that is due, and the rules that permit it. `index` is the place of its action.

    `fixed` is the policy that permits it, and the seconds from the job's time to that policy's
    time: the same for every job with this verdict. It is None if these rules include a calendar
    month or the time of a whole build. `with_another`: deleting the job does it, too.
    """

    index: int
    decision: Decision
    claims: tuple[AppliedRule, ...]
    fixed: tuple[str, int] | None
    with_another: bool

    @classmethod
    def of(cls, index: int, decision: Decision, claims: tuple[AppliedRule, ...]) -> DueAction:
        """Return the due action; made once a verdict."""
        with_another = any(reason.why is Why.WITH_THE_JOB for reason in decision.reasons)
        return cls(index, decision, claims, _fixed(decision.action, claims), with_another)

    def decided(self, record: Record, time: int | None, zone: ZoneInfo) -> Decision:
        """Return the decision on one job."""
        decision = self.decision
        action = decision.action
        base = record.job.started_at if action is Action.STOP else time
        if self.fixed is None or not isinstance(base, int):
            policy, since = _who_and_when(action, self.claims, record, time, zone)
        else:
            policy, seconds = self.fixed
            since = base + seconds
        return Decision(action, decision.verdict, decision.reasons, policy, since)


@dataclass(frozen=True, slots=True, eq=False)
class JobVerdict:
    """The decisions that all jobs of one case with equal flags share; `due_actions` are those that
    are due.

    `selection` is what must be stored of the job, None for nothing, according to the policy
    `nothing_wanted_by`. `unarchived` says that a wanted archive is missing. `announce` are the
    deletes that are, or stay, announced. `kept` are the keep rules that keep the job from any
    action. `lacks`: wanted files are missing; `gives_up_at` is when the policies stop waiting for
    them (epoch seconds), None for never. `has_assets`: as far as is known, Sauce Labs still has the
    assets. `stored` are the selections that receipts cover. `postponed` are the times of policies
    that other policies make longer.
    """

    case: MatchCase
    decisions: tuple[Decision, ...]
    due_actions: tuple[DueAction, ...]
    held: bool
    selection: Selection | None
    nothing_wanted_by: str | None
    unarchived: bool
    announce: tuple[Action, ...]
    kept: tuple[Reason, ...] = ()
    lacks: bool = False
    gives_up_at: int | None = None
    has_assets: bool = True
    stored: frozenset[str] = frozenset()
    postponed: tuple[Postponement, ...] = ()

    def decided(self, record: Record, time: int | None, zone: ZoneInfo) -> tuple[Decision, ...]:
        """Return the decisions on one job, with the policy and the time of those that are due."""
        # Most jobs of most plans: they share the tuple, and nothing is made for each.
        if not self.due_actions:
            return self.decisions
        decisions = list(self.decisions)
        for due in self.due_actions:
            decisions[due.index] = due.decided(record, time, zone)
        return tuple(decisions)

    def acts(self, record: Record, time: int | None, zone: ZoneInfo) -> tuple[Decision, ...]:
        """Return the decisions on one job to carry out: those that are due and are not done by
        another one.
        """
        return tuple(
            [due.decided(record, time, zone) for due in self.due_actions if not due.with_another]
        )

    def goes_at(self, action: Action, record: Record, time: int, zone: ZoneInfo) -> int:
        """Return when all rules for an announced delete will be due. Deleting a job deletes its
        assets while it has any.
        """
        claims = self.case.claims[action]
        if action is Action.DELETE_JOB and record.assets is AssetsStanding.PRESENT:
            claims += self.case.claims[Action.DELETE_ASSETS]
        return max(due_since(claim, action, record, time, zone) for claim in claims)


def _fixed(action: Action, claims: tuple[AppliedRule, ...]) -> tuple[str, int] | None:
    """Return what `_who_and_when` says of every job, with the time in seconds after the job's; None
    where that varies.
    """
    times = []
    for claim in claims:
        assert claim.after is not None
        of_builds = claim.slot is not None and isinstance(claim.slot.keeper, BuildKeeper)
        # Months have no fixed length, and a build's age is that of its newest job.
        if claim.after.months or (of_builds and action is not Action.ARCHIVE):
            return None
        times.append((claim.after.seconds, claim.policy.name))
    return _first_or_last(action, times) if times else None


def _first_or_last(action: Action, times: list[tuple[int, str]]) -> tuple[str, int]:
    """Return the earliest for archiving, else the latest; of equals the first by name."""
    # Of several policies the earliest archives, and the longest time deletes.
    since = (min if action is Action.ARCHIVE else max)(time for time, _ in times)
    return min(name for time, name in times if time == since), since


def due_since(
    claim: AppliedRule, action: Action, record: Record, time: int | None, zone: ZoneInfo
) -> int:
    """Return when the rule is, or was, due for a job."""
    base = record.job.started_at if action is Action.STOP else time
    if (
        action is not Action.ARCHIVE
        and claim.slot is not None
        and isinstance(claim.slot.keeper, BuildKeeper)
    ):
        base = claim.slot.keeper.time_of(record)
    assert isinstance(base, int)
    assert claim.after is not None
    return due_at(base, claim.after, zone)


def _who_and_when(
    action: Action,
    claims: tuple[AppliedRule, ...],
    record: Record,
    time: int | None,
    zone: ZoneInfo,
) -> tuple[str | None, int | None]:
    """Return the policy and the time of the rule that is due first for archiving, else last; of
    equals the first by name.
    """
    if not claims:
        return None, record.job.ended_at if isinstance(record.job.ended_at, int) else time
    return _first_or_last(
        action,
        [(due_since(claim, action, record, time, zone), claim.policy.name) for claim in claims],
    )
