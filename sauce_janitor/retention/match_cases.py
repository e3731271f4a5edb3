"""Cases: all jobs that match alike are one case, and the rules are applied to a case only once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sauce_janitor.model.durations import AgeTest, at_least, due_at
from sauce_janitor.model.jobs import Action, Reason, Why
from sauce_janitor.model.policies import ArchiveRule, Duration, Hold, KeepRule, Policy, Rules
from sauce_janitor.retention import holds
from sauce_janitor.retention.builds import BuildKeeper
from sauce_janitor.retention.field_tests import FieldTests
from sauce_janitor.retention.keep_groups import KeepContext, Keeper
from sauce_janitor.retention.matching import Truth
from sauce_janitor.retention.precedence import Precedences


@dataclass(frozen=True, slots=True, eq=False)
class KeepSlot:
    """One keeper's context for a case; `shift` is the place of its bits among a job's flags."""

    keeper: Keeper
    context: KeepContext
    shift: int


@dataclass(frozen=True, slots=True, eq=False)
class AgeBit:
    """A bit that says whether something is due by age: by the job's, or by that of the build in
    `slot`.
    """

    old_enough: AgeTest
    bit: int
    slot: KeepSlot | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AppliedRule:
    """What one policy says about one action of a case.

    `undecided` is set where the policy may match: then it can only veto. `after` None is never.
    `due` and `announced` are the bits of its time and of its time minus grace. `kept` are the bits
    of `slot` by which its keep rules forbid the action.
    """

    policy: Policy
    undecided: tuple[Reason, ...] = ()
    after: Duration | None = None
    due: int = 0
    announced: int = 0
    slot: KeepSlot | None = None
    kept: int = 0
    archive_rule: ArchiveRule | None = None


@dataclass(slots=True, eq=False)
class MatchCase:
    """What the rules say of all jobs with one number of facts. `verdicts` remembers the verdicts by
    the jobs' flags.
    """

    number: int
    truths: tuple[Truth, ...]
    holds: tuple[Reason, ...]
    archived_by_hold: bool
    forbid: frozenset[str]
    forbid_unknown: bool
    slots: tuple[KeepSlot, ...] = ()
    age_bits: tuple[AgeBit, ...] = ()
    stop_bits: tuple[AgeBit, ...] = ()
    claims: dict[Action, tuple[AppliedRule, ...]] = field(default_factory=dict)
    verdicts: dict[object, Any] = field(default_factory=dict)


FLAGS = 8
"""The lowest bits of a job's flags are those of `verdicts`; age bits and keep slots come above."""


class MatchCases:
    """Makes the cases of one set of rules at one instant, and owns the keepers that all cases
    share.
    """

    def __init__(self, rules: Rules, *, as_of: int) -> None:
        self.rules, self.as_of = rules, as_of
        self.facts = FieldTests()
        self.precedences = Precedences(rules.policies)
        self._matches = [self.facts.compile(policy.match) for policy in rules.policies]
        self._holds = [
            (hold, test)
            for hold in rules.holds
            if (test := holds.compile_hold(hold, self.facts, as_of=as_of, zone=rules.timezone))
            is not None
        ]
        self._forbids = [(forbid, self.facts.compile(forbid.match)) for forbid in rules.forbid]
        self._rule_truths = {}
        for index, policy in enumerate(rules.policies):
            for rule in policy.all_keep_rules:
                self._rule_truths[index, rule] = self._compile_rule(rule)
        self._keepers: dict[tuple[int, Action | None], Keeper] = {}
        self.grace_until = due_at(as_of, rules.grace, rules.timezone)
        self.has_grace = self.grace_until > as_of
        self._make_keepers()

    @property
    def keepers(self) -> tuple[Keeper, ...]:
        """All keepers."""
        return tuple(self._keepers.values())

    def holding(self, number: int) -> tuple[Hold, ...]:
        """Return the holds on jobs with this number of facts."""
        return tuple(hold for hold, test in self._holds if test(number) is not False)

    def open(self, number: int, *, lifted: frozenset[str] = frozenset()) -> MatchCase:
        """Return a fresh case for jobs with this number of facts, as it will be when the holds with
        the ids `lifted` are over.
        """
        truths = tuple(match(number) for match in self._matches)
        held = [hold for hold in self.holding(number) if hold.id not in lifted]
        case = MatchCase(
            number,
            truths,
            tuple(holds.reason(hold) for hold in held),
            any(hold.archive for hold in held),
            frozenset().union(*(forbid.assets for forbid, test in self._forbids if test(number))),
            any(test(number) is None for _, test in self._forbids),
        )
        _CaseMaker(self, case).fill()
        return case

    def keeper(self, index: int, action: Action) -> Keeper | None:
        """Return the keeper that ranks a policy's jobs for an action."""
        return self._keepers.get((index, action), self._keepers.get((index, None)))

    def truths_of_rules(self, index: int, keeper: Keeper, number: int) -> list[tuple[Truth, Truth]]:
        """Return what each keep rule's `where` and `since` say of a number of facts."""
        tests = [self._rule_truths[index, rule] for rule in keeper.rules]
        return [(where(number), since(number)) for where, since in tests]

    def _compile_rule(
        self, rule: KeepRule
    ) -> tuple[Callable[[int], Truth], Callable[[int], Truth]]:
        where = self.facts.compile(rule.where) if rule.where is not None else _always
        return where, self.facts.compile(rule.since) if rule.since is not None else _always

    def _make_keepers(self) -> None:
        for index, policy in enumerate(self.rules.policies):
            whole = policy.unit == "build"
            rules = policy.all_keep_rules
            # Nothing to rank. A build policy without keep rules still needs its builds' ages.
            if not rules and not whole:
                continue
            # Which jobs take slots can differ by action; then each action counts for itself.
            by_action = self.precedences.ranks_by_action(index)
            for action in sorted(self.precedences.stated[index]) if by_action else (None,):
                make = BuildKeeper if whole else Keeper
                self._keepers[index, action] = make(
                    policy, rules, as_of=self.as_of, zone=self.rules.timezone
                )


class _CaseMaker:
    """Fills one case. Rules that need the same slot or age bit share it."""

    def __init__(self, match_cases: MatchCases, case: MatchCase) -> None:
        self._match_cases, self._case = match_cases, case
        self._slots: dict[int, KeepSlot] = {}
        self._age_bits: dict[tuple[str, int, int], AgeBit] = {}
        self._next_bit = FLAGS

    def fill(self) -> None:
        """Apply every policy that counts to the case."""
        case = self._case
        for action in Action:
            case.claims[action] = tuple(
                self._claim(
                    action,
                    precedence.index,
                    sure=precedence.sure,
                    takes_slots=precedence.takes_slots,
                )
                for precedence in self._match_cases.precedences.of(action, case.truths)
            )
        case.slots = tuple(self._slots.values())
        age_bits = self._age_bits.items()
        case.age_bits = tuple(age_bit for (kind, _, _), age_bit in age_bits if kind != "start")
        case.stop_bits = tuple(age_bit for (kind, _, _), age_bit in age_bits if kind == "start")

    def _claim(self, action: Action, index: int, *, sure: bool, takes_slots: bool) -> AppliedRule:
        policy = self._match_cases.rules.policies[index]
        # A policy that may match cannot permit anything: it only forbids.
        if not sure:
            fields = self._match_cases.facts.unknown_fields(policy.match, self._case.number)
            reasons = tuple(
                Reason(Why.UNDECIDED, policy.name, name, f"{name} is unknown") for name in fields
            )
            return AppliedRule(policy, undecided=reasons, archive_rule=policy.archive)
        slot = self._slot(index, action, takes_slots=takes_slots)
        # A whole build is as old as its newest job.
        whole = slot if policy.unit == "build" else None
        if action is Action.ARCHIVE:
            assert policy.archive is not None
            due = 0 if policy.archive.none else self._age_bit("age", policy.archive.after, None)
            kept = slot.keeper.bits_of(slot.keeper.rules) << slot.shift if slot else 0
            return AppliedRule(
                policy,
                after=policy.archive.after,
                due=due,
                slot=slot,
                kept=kept,
                archive_rule=policy.archive,
            )
        if action is Action.STOP:
            assert policy.stop is not None
            return AppliedRule(
                policy, after=policy.stop, due=self._age_bit("start", policy.stop, None)
            )
        claim = dict(policy.deletes)[action]
        due, announced = 0, 0
        if claim.after is not None:
            due = self._age_bit("age", claim.after, whole)
            announced = (
                self._age_bit("grace", claim.after, whole) if self._match_cases.has_grace else 0
            )
        kept = _forbidding_bits(slot, (*policy.keep, *claim.keep), action) if slot else 0
        return AppliedRule(
            policy, after=claim.after, due=due, announced=announced, slot=slot, kept=kept
        )

    def _slot(self, index: int, action: Action, *, takes_slots: bool) -> KeepSlot | None:
        keeper = self._match_cases.keeper(index, action)
        # Keep rules do not protect a running job from being stopped.
        if keeper is None or action is Action.STOP:
            return None
        slot = self._slots.get(id(keeper))
        if slot is None:
            truths = self._match_cases.truths_of_rules(index, keeper, self._case.number)
            slot = KeepSlot(keeper, keeper.context(truths, takes_slots=takes_slots), self._next_bit)
            self._slots[id(keeper)] = slot
            self._next_bit += keeper.width
        return slot

    def _age_bit(self, kind: str, duration: Duration, whole: KeepSlot | None) -> int:
        key = (kind, (duration.seconds << 12) + duration.months, id(whole) if whole else 0)
        age_bit = self._age_bits.get(key)
        if age_bit is None:
            # A delete is announced so early that it is due when the grace period is over.
            as_of = self._match_cases.grace_until if kind == "grace" else self._match_cases.as_of
            test = at_least(duration, as_of=as_of, zone=self._match_cases.rules.timezone)
            age_bit = self._age_bits[key] = AgeBit(test, 1 << self._next_bit, whole)
            self._next_bit += 1
        return age_bit.bit


def _forbidding_bits(slot: KeepSlot, rules: tuple[KeepRule, ...], action: Action) -> int:
    bits = slot.keeper.bits_of(rules)
    if isinstance(slot.keeper, BuildKeeper):
        bits |= slot.keeper.blocked_bit(action)
    return bits << slot.shift


def _always(_number: int) -> Truth:
    return True
