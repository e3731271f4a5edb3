"""Applies the keep rules of one policy: which jobs they count, in which group, and which they
keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from sauce_janitor.model.jobs import UNKNOWN, Reason, Record, Why
from sauce_janitor.model.policies import KeepRule, Policy
from sauce_janitor.retention.keep_rules import (
    Group,
    KeepFold,
    PickOfPeriod,
    Place,
    SinceLast,
    compile_rule,
)
from sauce_janitor.retention.matching import Truth, fields_getter

UNGROUPED: Final = ()

RuleTruths = Sequence[tuple[Truth, Truth]]
"""Per keep rule: what its `where` and its `since` say of a job."""


@dataclass(frozen=True, slots=True, eq=False)
class KeepContext:
    """What a policy's keep rules need to know of all jobs of one case.

    `truths` are the results of the rules' tests. `folds` are the rules whose `where` is true, with
    their bits; `late` are those of them that must observe all jobs first. `anchors` are the
    since_last rules that the job closes. `certain` are the bits that hold at any rank.
    `takes_slots` says whether the job takes slots.
    """

    truths: tuple[tuple[Truth, Truth], ...]
    folds: tuple[tuple[KeepFold, int], ...]
    late: tuple[PickOfPeriod, ...]
    anchors: tuple[SinceLast, ...]
    certain: int
    takes_slots: bool


class Keeper:
    """The keep rules of one policy, over one set of jobs that take slots. Its result for a job is a
    number of bits.

    Bit n: rule n keeps it. Above those: rule n keeps it because its `where` is unknown. Then: a
    null in `group_by`, an unknown in `group_by`.
    """

    def __init__(
        self, policy: Policy, rules: Sequence[KeepRule], *, as_of: int, zone: ZoneInfo
    ) -> None:
        self.policy = policy
        self.rules = tuple(rules)
        self._compiled = tuple(compile_rule(rule, as_of=as_of, zone=zone) for rule in rules)
        self._group_of = _compile_group(policy)
        count = len(self.rules)
        self.null_group, self.unknown_group = 1 << 2 * count, 2 << 2 * count
        self.width = 2 * count + 2
        self.is_late = any(compiled.late is not None for compiled in self._compiled)

    def bits_of(self, rules: Sequence[KeepRule]) -> int:
        """Return all bits by which these rules may keep a job."""
        count = len(self.rules)
        own = sum(1 << n | 1 << n + count for n, rule in enumerate(self.rules) if rule in rules)
        # Without a keep rule there are no groups, so a null in `group_by` protects from nothing.
        return own | self.null_group | self.unknown_group if own else 0

    def context(self, truths: RuleTruths, *, takes_slots: bool) -> KeepContext:
        """Return the context of jobs for which the rules' `where` and `since` say `truths`."""
        folds, anchors, late, certain = [], [], [], 0
        for n, (compiled, (where, since)) in enumerate(zip(self._compiled, truths, strict=True)):
            if where is None:
                certain |= 1 << n + len(self.rules)
            elif where:
                folds.append((compiled.fold, 1 << n))
                if compiled.late is not None and takes_slots:
                    late.append(compiled.late)
                # Only a certain match ends the streak, or newer jobs would lose their protection
                # too early.
                if isinstance(compiled.fold, SinceLast) and since and takes_slots:
                    anchors.append(compiled.fold)
        return KeepContext(
            tuple(truths), tuple(folds), tuple(late), tuple(anchors), certain, takes_slots
        )

    def observe(self, context: KeepContext, record: Record, time: int) -> None:
        """Show the job to the rules whose winners are known only at the end."""
        if context.late:
            group = self._group_of(record)
            if group is not None and group is not UNKNOWN:
                for fold in context.late:
                    fold.observe((group, time, record.job.id, record.job.status))

    def keep_bits(self, context: KeepContext, record: Record, time: int) -> int:
        """Return the bits of a job, which takes its slots. Call it once a job, newest first."""
        return self.rank_in(
            context, (self._group_of(record), time, record.job.id, record.job.status)
        )

    def rank_in(self, context: KeepContext, place: Place) -> int:
        """Return the bits of a job or build whose group is known."""
        group = place[0]
        if group is None:
            return context.certain | self.null_group
        if group is UNKNOWN:
            return context.certain | self.unknown_group
        bits = context.certain
        # A job that only may match must not push one that matches out of its slot.
        if not context.takes_slots:
            return bits | sum(bit for fold, bit in context.folds if fold.might_keep(place))
        # The anchor is not newer than itself: close before its own `take`.
        for since in context.anchors:
            since.close(place[0])
        for fold, bit in context.folds:
            if fold.take(place):
                bits |= bit
        return bits

    def rewind(self) -> None:
        """Forget who took slots, so that all jobs can be ranked again. Winners known only at the
        end stay known.
        """
        for compiled in self._compiled:
            compiled.fold.rewind()

    def group_of(self, record: Record) -> Group:
        """Return the job's group; None for a null in `group_by` (unless nulls are shared), UNKNOWN
        for an unknown field.
        """
        return self._group_of(record)

    def reasons(self, bits: int) -> list[Reason]:
        """Return the reasons for the bits."""
        name, count = self.policy.name, len(self.rules)
        reasons = [
            Reason(Why.KEPT, name, rule.id) for n, rule in enumerate(self.rules) if bits & 1 << n
        ]
        reasons += [
            Reason(Why.KEPT, name, rule.id, "it is unknown whether the rule counts the job")
            for n, rule in enumerate(self.rules)
            if bits & 1 << n + count
        ]
        if bits & self.null_group:
            reasons.append(Reason(Why.KEPT, name, "group_by", "a field of group_by is null"))
        if bits & self.unknown_group:
            reasons.append(Reason(Why.KEPT, name, "group_by", "a field of group_by is unknown"))
        return reasons


def _compile_group(policy: Policy) -> Callable[[Record], Group]:
    shared = policy.null_group == "shared"
    if not policy.group_by:
        return lambda _record: UNGROUPED
    read, by_tags = fields_getter(policy.group_by), "tags" in policy.group_by

    def group_of(record: Record) -> Group:
        key = read(record)
        # The order of tags means nothing. Only tags are tuples.
        if by_tags:
            key = tuple(
                [tuple(sorted(value)) if isinstance(value, tuple) else value for value in key]
            )
        if UNKNOWN in key:
            return UNKNOWN
        # Unknown before null: a job with an unknown field is kept even where nulls are shared.
        return None if None in key and not shared else key

    return group_of
