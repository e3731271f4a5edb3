"""Whole builds: a policy with `unit: build` ranks and ages builds, and deletes a build whole or not
at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Final
from zoneinfo import ZoneInfo

from sauce_janitor.model.jobs import (
    UNKNOWN,
    Action,
    Build,
    BuildCounters,
    Reason,
    Record,
    Text,
    Why,
)
from sauce_janitor.model.policies import KeepRule, Policy
from sauce_janitor.retention.keep_groups import KeepContext, Keeper
from sauce_janitor.retention.keep_rules import Group, Place

_MILD_TO_SEVERE: Final = ("success", "complete", "failed", "error")
_VERDICTS: Final = {"success": "passed", "successful": "passed", "errored": "error"}


def has_only_lost_jobs(before: Build, now: Build) -> bool:
    """Return whether a finished build is the same, except for jobs that have gone since.

    The verdict of a build is the worst of its jobs', so it can only have become milder. Source:
    "Builds API Methods".
    """
    both = (before, now)
    if not all(build.open_jobs == 0 and build.status in _MILD_TO_SEVERE for build in both):
        return False
    severity, severity_now = (_MILD_TO_SEVERE.index(str(build.status)) for build in both)
    if before.jobs is UNKNOWN or now.jobs is UNKNOWN:
        return False
    return now.jobs < before.jobs and severity_now <= severity


class BuildProblem(IntFlag):
    """Why a build stays whole at any rank."""

    NONE = 0
    UNDECIDED = 1
    UNFINISHED = 2
    HELD = 4
    AGELESS = 8
    NO_BUILD = 16
    ASSETS_BLOCKED = 32
    JOB_BLOCKED = 64


_TEXTS: Final = {
    BuildProblem.UNFINISHED: "it is not over",
    BuildProblem.HELD: "a job of it is held",
    BuildProblem.AGELESS: "a job of it has no age",
    BuildProblem.ASSETS_BLOCKED: "another job of it keeps its assets",
    BuildProblem.JOB_BLOCKED: "another job of it is kept",
}
_BLOCKED: Final = {
    Action.DELETE_ASSETS: BuildProblem.ASSETS_BLOCKED,
    Action.DELETE_JOB: BuildProblem.JOB_BLOCKED,
}
_WIDTH: Final = 7
_OF_THE_BUILD: Final = int(
    BuildProblem.UNDECIDED
    | BuildProblem.UNFINISHED
    | BuildProblem.HELD
    | BuildProblem.AGELESS
    | BuildProblem.NO_BUILD
)


@dataclass(slots=True, eq=False)
class BuildUnit:
    """One build as a policy sees it: how many of its jobs were seen, its newest age time, and the
    result.
    """

    id: str
    status: Text
    group: Group
    context: KeepContext
    counters: BuildCounters | None
    seen: int = 0
    time: int = 0
    problem: BuildProblem = BuildProblem.NONE
    bits: int = 0

    @property
    def place(self) -> Place:
        """Its place among the builds that the keep rules count."""
        return self.group, self.time, self.id, self.status


class BuildKeeper(Keeper):
    """The keep rules of a policy with `unit: build`, over builds. Above a keeper's bits are those
    of a `BuildProblem`.

    First `join` every job, then `settle` ranks the builds. After that, `keep_bits` works in any
    order, and `block` notes that a job forbids an action for its whole build.
    """

    def __init__(
        self, policy: Policy, rules: Sequence[KeepRule], *, as_of: int, zone: ZoneInfo
    ) -> None:
        super().__init__(policy, rules, as_of=as_of, zone=zone)
        self._shift = self.width
        self.width += _WIDTH
        self.is_late = True
        self._units: dict[str, BuildUnit] = {}

    def bits_of(self, rules: Sequence[KeepRule]) -> int:
        """Return all bits by which these rules, or a problem with the build, forbid an action; but
        not the bits of its other jobs.
        """
        own = super().bits_of(rules)
        return own | _OF_THE_BUILD << self._shift

    def blocked_bit(self, action: Action) -> int:
        """Return the bit by which another job of the build forbids the action."""
        return _BLOCKED[action] << self._shift

    def join(
        self, context: KeepContext, record: Record, time: int | None, problem: BuildProblem
    ) -> None:
        """Count a job of a build. `time` gives its age, and `problem` is what it means for the
        whole build.
        """
        identity = record.build_id
        if not isinstance(identity, str):
            return
        unit = self._units.get(identity)
        if unit is None:
            status = record.build_status
            # Keep rules (`pick`) have the words of jobs, the Builds API has its own.
            word = _VERDICTS.get(status, status) if isinstance(status, str) else status
            unit = BuildUnit(identity, word, self.group_of(record), context, record.build_counters)
            self._units[identity] = unit
        elif (
            context.truths != unit.context.truths
            or record.build_counters != unit.counters
            or self.group_of(record) != unit.group
        ):
            problem |= BuildProblem.UNDECIDED
        # One job of which it is unclear whether the policy counts it makes the whole build unclear.
        if not context.takes_slots:
            problem |= BuildProblem.UNDECIDED
        unit.seen += 1
        unit.problem |= problem if time is not None else problem | BuildProblem.AGELESS
        unit.time = max(unit.time, time or 0)

    def settle(self) -> None:
        """Rank the builds that are complete and over; the others are kept and take no slot."""
        for unit in self._units.values():
            unit.problem |= _problem_of_counters(unit)
        whole = sorted(
            (u for u in self._units.values() if not u.problem),
            key=lambda unit: (-unit.time, unit.id),
        )
        for unit in whole:
            # A pass of its own: the winners of `pick` must be known before the first build takes a
            # slot.
            for fold in unit.context.late:
                fold.observe(unit.place)
        for unit in whole:
            unit.bits = self.rank_in(unit.context, unit.place)

    # The context and the time are those of the build, not of the job.
    def keep_bits(self, context: KeepContext, record: Record, time: int) -> int:  # noqa: ARG002
        """Return the bits of the job's build."""
        unit = self._unit(record)
        if unit is None:
            return BuildProblem.NO_BUILD << self._shift
        return unit.bits | unit.problem << self._shift

    def time_of(self, record: Record) -> int | None:
        """Return the time from which the age of the job's build counts, None when it has none."""
        unit = self._unit(record)
        return None if unit is None or unit.problem & BuildProblem.AGELESS else unit.time

    def place_of(self, record: Record) -> tuple[int | None, int]:
        """Return the rank of the job's build among those of its group that take slots, 1 for the
        newest, and their number.
        """
        own = self._unit(record)
        if own is None:
            return None, 0
        # A build that another job blocks took its slot before that was known.
        lasting = ~(BuildProblem.ASSETS_BLOCKED | BuildProblem.JOB_BLOCKED)
        peers = [
            u for u in self._units.values() if u.group == own.group and not u.problem & lasting
        ]
        newer = sum((-u.time, u.id) < (-own.time, own.id) for u in peers)
        return (newer + 1 if own in peers else None), len(peers)

    def block(self, record: Record, action: Action) -> None:
        """Note that this job forbids the action: its whole build stays."""
        unit = self._unit(record)
        if unit is not None:
            unit.problem |= _BLOCKED[action]

    def reasons(self, bits: int) -> list[Reason]:
        """Return the reasons for the bits."""
        name, problem = self.policy.name, BuildProblem(bits >> self._shift)
        reasons = super().reasons(bits & (1 << self._shift) - 1)
        reasons += [
            Reason(Why.BUILD, name, "build", text)
            for flag, text in _TEXTS.items()
            if problem & flag
        ]
        if problem & BuildProblem.UNDECIDED:
            unlisted = "its build's jobs are not all listed or cannot be counted"
            reasons.append(Reason(Why.UNDECIDED, name, "build", unlisted))
        if problem & BuildProblem.NO_BUILD:
            reasons.append(
                Reason(Why.UNDECIDED, name, "build", "it has no build, or its build is unknown")
            )
        return reasons

    def _unit(self, record: Record) -> BuildUnit | None:
        return self._units.get(record.build_id) if isinstance(record.build_id, str) else None


def _problem_of_counters(unit: BuildUnit) -> BuildProblem:
    counters = unit.counters
    # Nothing proves that all its jobs are known: one that was not listed could be held.
    if counters is None or counters.jobs is UNKNOWN or counters.open_jobs is UNKNOWN:
        return BuildProblem.UNDECIDED
    problem = BuildProblem.NONE
    # A job that was not listed could be held, or newer than all the others.
    if counters.jobs != unit.seen + counters.deleted:
        problem |= BuildProblem.UNDECIDED
    if counters.open_jobs != 0:
        problem |= BuildProblem.UNFINISHED
    return problem
