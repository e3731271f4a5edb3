"""Compares what two sets of rules decide about the same jobs: what an edit changes, by policy and
action, with reasons.

Both decide side by side over one stream, in constant memory. For each action of a job there is a
forecast: when it happens if nothing but time changes, or that it does not happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from sauce_janitor.model.jobs import Action, Job, Owner
from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.decide import DecidedJob, Decider, Records
from sauce_janitor.retention.job_verdict import JobVerdict
from sauce_janitor.retention.what_if.forecast import Forecast, ForecastMaker

MOST_EXAMPLES: Final = 3

Pair: TypeAlias = tuple[DecidedJob | None, DecidedJob | None]
"""One job as both sides decide it; None for a side that is not about it."""


class ChangeKind(StrEnum):
    """How an action on a job changes: it happens now and did not, or no longer does, or at another
    time, or stores other files.
    """

    NEW = "new"
    DROPPED = "dropped"
    EARLIER = "earlier"
    LATER = "later"
    OTHER_FILES = "other_files"


@dataclass(frozen=True, slots=True)
class DiffSide:
    """One configuration's rules and the jobs of these owners, in the order that `decide.decide`
    needs.
    """

    rules: Rules
    records: Records
    owners: frozenset[Owner]


@dataclass(frozen=True, slots=True)
class ChangedJob:
    """One job of a change, and its forecast before and after."""

    job: Job
    before: Forecast
    after: Forecast


@dataclass(slots=True)
class DecisionChange:
    """The jobs of one kind of change: how many, how many of them are due before or after it, and
    some examples.
    """

    jobs: int = 0
    due_now: int = 0
    examples: list[ChangedJob] = field(default_factory=list)


@dataclass(slots=True)
class DecisionDiff:
    """All changes, by kind, action and policy. That is the old policy of a dropped action, else the
    new one; None is a hold.
    """

    jobs: int = 0
    changed: int = 0
    changes: dict[tuple[ChangeKind, Action, str | None], DecisionChange] = field(
        default_factory=dict
    )


def compare(old: DiffSide, new: DiffSide, *, as_of: int) -> DecisionDiff:
    """Return which forecasts of the old side differ on the new side.

    Memory is constant, unless the two take ages from different times and so order jobs differently:
    then it is some 150 bytes a job.
    """
    comparer = _Comparer(old, new, as_of)
    # With equal `age_from`, both sides see the jobs in one order, so they can be compared as they
    # come.
    in_step = tuple(old.rules.age_from) == tuple(new.rules.age_from)
    for before, after in _in_step(old, new, as_of) if in_step else _by_id(old, new, as_of):
        comparer.meet(before, after)
    return comparer.found


def _decided(side: DiffSide, as_of: int) -> Iterator[DecidedJob]:
    return Decider(side.rules, as_of=as_of).verdicts(side.records)


def _in_step(old: DiffSide, new: DiffSide, as_of: int) -> Iterator[Pair]:
    """Yield the pairs of two streams in one order. Where they differ, one side is not about the
    job's owner.
    """
    lefts, rights = _decided(old, as_of), _decided(new, as_of)
    left, right = next(lefts, None), next(rights, None)
    while left is not None or right is not None:
        if left is not None and right is not None and left[0].job.id == right[0].job.id:
            yield left, right
            left, right = next(lefts, None), next(rights, None)
        elif left is not None and left[0].job.owner not in new.owners:
            yield left, None
            left = next(lefts, None)
        else:
            assert right is not None, "both sides see the jobs of an owner that both are about"
            assert right[0].job.owner not in old.owners, (
                "both sides see the jobs of an owner that both are about"
            )
            yield None, right
            right = next(rights, None)


def _by_id(old: DiffSide, new: DiffSide, as_of: int) -> Iterator[Pair]:
    known: dict[bytes, tuple[int | None, JobVerdict]] = {}
    for record, time, verdict in _decided(old, as_of):
        if record.job.owner in new.owners:
            known[bytes.fromhex(record.job.id)] = time, verdict
        else:
            yield (record, time, verdict), None
    for record, time, verdict in _decided(new, as_of):
        before = known.pop(bytes.fromhex(record.job.id), None)
        yield None if before is None else (record, *before), (record, time, verdict)


class _Comparer:
    def __init__(self, old: DiffSide, new: DiffSide, as_of: int) -> None:
        self.found = DecisionDiff()
        self._old, self._new = ForecastMaker(old.rules, as_of), ForecastMaker(new.rules, as_of)
        self._comparable = (old.rules.timezone, old.rules.grace, tuple(old.rules.age_from)) == (
            new.rules.timezone, new.rules.grace, tuple(new.rules.age_from),
        )  # fmt: skip
        self._as_of = as_of
        self._differing: dict[tuple[JobVerdict | None, JobVerdict | None], tuple[Action, ...]] = {}

    def meet(self, before: DecidedJob | None, after: DecidedJob | None) -> None:
        """Compare both forecasts of one job."""
        self.found.jobs += 1
        verdicts = before[2] if before else None, after[2] if after else None
        actions = self._differing.get(verdicts)
        if actions is None:
            actions = self._differing[verdicts] = tuple(self._may_differ(*verdicts))
        changed = False
        for action in actions:
            changed |= self._compare(action, before, after)
        self.found.changed += changed

    def _may_differ(self, old: JobVerdict | None, new: JobVerdict | None) -> Iterator[Action]:
        """Yield the actions on which the forecasts of jobs with these verdicts can differ."""
        for action in Action:
            before, after = self._old.form(action, old), self._new.form(action, new)
            # Equal forms give equal forecasts only with the same zone, grace and ages.
            if before != after or not (self._comparable or before is None):
                yield action

    def _compare(self, action: Action, before: DecidedJob | None, after: DecidedJob | None) -> bool:
        was, will = self._old.forecast(action, before), self._new.forecast(action, after)
        kind = self._kind(was, will)
        if kind is None:
            return False
        # Only the old policy knows of an action that no longer happens.
        decisive = was if kind is ChangeKind.DROPPED else will
        change = self.found.changes.setdefault((kind, action, decisive.policy), DecisionChange())
        change.jobs += 1
        change.due_now += was.is_due or will.is_due
        if len(change.examples) < MOST_EXAMPLES:
            decided_job = after or before
            assert decided_job is not None
            change.examples.append(
                ChangedJob(
                    decided_job[0].job,
                    self._old.with_reasons(was, before),
                    self._new.with_reasons(will, after),
                )
            )
        return True

    def _kind(self, was: Forecast, will: Forecast) -> ChangeKind | None:
        """Return how a forecast changed. Everything that is due happens now, no matter since when
        it is due.
        """
        if was.at is None or will.at is None:
            if was.at is will.at is None:
                return None
            return ChangeKind.NEW if was.at is None else ChangeKind.DROPPED
        before, after = max(was.at, self._as_of), max(will.at, self._as_of)
        if before != after:
            return ChangeKind.EARLIER if after < before else ChangeKind.LATER
        return ChangeKind.OTHER_FILES if was.files != will.files else None
