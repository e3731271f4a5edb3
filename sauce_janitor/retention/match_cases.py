"""Cases: all jobs of which every match says the same are one case, and what the rules say of it is
worked out once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sauce_janitor.model.durations import AgeTest, at_least, due_at
from sauce_janitor.model.jobs import Action, Reason, Why
from sauce_janitor.model.policies import ArchiveRule, Duration, Hold, KeepRule, Policy, Rules
from sauce_janitor.retention import holds
from sauce_janitor.retention.builds import BuildKeeper
from sauce_janitor.retention.keep_groups import KeepContext, Keeper
from sauce_janitor.retention.matching import FieldTests, Truth
from sauce_janitor.retention.precedence import Precedences


@dataclass(frozen=True, slots=True, eq=False)
class KeepSlot:
    """One keeper's panel for a case; `shift` is where its bits stand among the bits of a moment."""

    keeper: Keeper
    panel: KeepContext
    shift: int


@dataclass(frozen=True, slots=True, eq=False)
class AgeBit:
    """A bit that says whether something of a job's age is due; `base` is whose age: the job's, its
    start's, or a build's.
    """

    old_enough: AgeTest
    bit: int
    seat: KeepSlot | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AppliedRule:
    """What one policy says of one action of a case.

    `undecided` is set where the policy may match: then it only vetoes. `after` None is never. `due`
    and `announced` are the bits of its time and of its time less grace. `kept` are the bits of
    `seat` by which its keep rules forbid the action.
    """

    policy: Policy
    undecided: tuple[Reason, ...] = ()
    after: Duration | None = None
    due: int = 0
    announced: int = 0
    seat: KeepSlot | None = None
    kept: int = 0
    wish: ArchiveRule | None = None


@dataclass(slots=True, eq=False)
class MatchCase:
    """What the rules say of all jobs with one number of facts. `rulings` remembers what became of
    them by their moment.
    """

    number: int
    truths: tuple[Truth, ...]
    holds: tuple[Reason, ...]
    archived_by_hold: bool
    forbid: frozenset[str]
    forbid_unknown: bool
    seats: tuple[KeepSlot, ...] = ()
    clocks: tuple[AgeBit, ...] = ()
    stop_clocks: tuple[AgeBit, ...] = ()
    claims: dict[Action, tuple[AppliedRule, ...]] = field(default_factory=dict)
    rulings: dict[object, Any] = field(default_factory=dict)


FLAGS = 8
"""The lowest bits of a moment are flags (see `rulings`); clocks and seats come above."""


class MatchCases:
    """Makes the cases of one set of rules at one instant, and owns the keepers that all cases
    share.
    """

    def __init__(self, rules: Rules, *, as_of: int) -> None:
        self.rules, self.as_of = rules, as_of
        self.facts = FieldTests()
        self.standings = Precedences(rules.policies)
        self._matches = [self.facts.compile(policy.match) for policy in rules.policies]
        self._holds = [
            (hold, test)
            for hold in rules.holds
            if (test := holds.compile_hold(hold, self.facts, as_of=as_of, zone=rules.timezone))
            is not None
        ]
        self._forbids = [(forbid, self.facts.compile(forbid.match)) for forbid in rules.forbid]
        self._rule_truths = {
            (index, rule): self._compile_rule(rule)
            for index, policy in enumerate(rules.policies)
            for rule in _all_rules(policy)
        }
        self._keepers: dict[tuple[int, Action | None], Keeper] = {}
        self.grace_until = due_at(as_of, rules.grace, rules.timezone)
        self.has_grace = self.grace_until > as_of
        self._make_keepers()

    @property
    def keepers(self) -> tuple[Keeper, ...]:
        """All keepers."""
        return tuple(self._keepers.values())

    def holding(self, number: int) -> tuple[Hold, ...]:
        """The holds on jobs with this number of facts."""
        return tuple(hold for hold, test in self._holds if test(number) is not False)

    def open(self, number: int, *, lifted: frozenset[str] = frozenset()) -> MatchCase:
        """A fresh case for jobs with this number of facts, as it will be once the holds with the
        ids `lifted` are over.
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
        """The keeper that ranks a policy's jobs for an action."""
        return self._keepers.get((index, action), self._keepers.get((index, None)))

    def truths_of_rules(self, index: int, keeper: Keeper, number: int) -> list[tuple[Truth, Truth]]:
        """What each keep rule's `where` and `since` say of a number of facts."""
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
            rules = _all_rules(policy)
            if not rules and not whole:
                continue
            by_action = self.standings.ranks_by_action(index)
            for action in sorted(self.standings.stated[index]) if by_action else (None,):
                make = BuildKeeper if whole else Keeper
                self._keepers[index, action] = make(
                    policy, rules, as_of=self.as_of, zone=self.rules.timezone
                )


class _CaseMaker:
    """Fills one case: seats and clocks are shared by the claims that need the same."""

    def __init__(self, book: MatchCases, case: MatchCase) -> None:
        self._book, self._case = book, case
        self._seats: dict[int, KeepSlot] = {}
        self._clocks: dict[tuple[str, int, int], AgeBit] = {}
        self._next_bit = FLAGS

    def fill(self) -> None:
        case = self._case
        for action in Action:
            case.claims[action] = tuple(
                self._claim(action, standing.index, sure=standing.sure, seated=standing.seated)
                for standing in self._book.standings.of(action, case.truths)
            )
        case.seats = tuple(self._seats.values())
        clocks = self._clocks.items()
        case.clocks = tuple(clock for (kind, _, _), clock in clocks if kind != "start")
        case.stop_clocks = tuple(clock for (kind, _, _), clock in clocks if kind == "start")

    def _claim(self, action: Action, index: int, *, sure: bool, seated: bool) -> AppliedRule:
        policy = self._book.rules.policies[index]
        if not sure:
            fields = self._book.facts.unknown_fields(policy.match, self._case.number)
            reasons = tuple(
                Reason(Why.UNDECIDED, policy.name, name, f"{name} cannot be told")
                for name in fields
            )
            return AppliedRule(policy, undecided=reasons, wish=policy.archive)
        seat = self._seat(index, action, seated=seated)
        whole = seat if policy.unit == "build" else None
        if action is Action.ARCHIVE:
            assert policy.archive is not None
            due = 0 if policy.archive.none else self._clock("age", policy.archive.after, None)
            kept = seat.keeper.bits_of(seat.keeper.rules) << seat.shift if seat else 0
            return AppliedRule(
                policy,
                after=policy.archive.after,
                due=due,
                seat=seat,
                kept=kept,
                wish=policy.archive,
            )
        if action is Action.STOP:
            assert policy.stop is not None
            return AppliedRule(
                policy, after=policy.stop, due=self._clock("start", policy.stop, None)
            )
        claim = dict(policy.deletes)[action]
        due, announced = 0, 0
        if claim.after is not None:
            due = self._clock("age", claim.after, whole)
            announced = self._clock("grace", claim.after, whole) if self._book.has_grace else 0
        kept = _forbidding_bits(seat, (*policy.keep, *claim.keep), action) if seat else 0
        return AppliedRule(
            policy, after=claim.after, due=due, announced=announced, seat=seat, kept=kept
        )

    def _seat(self, index: int, action: Action, *, seated: bool) -> KeepSlot | None:
        keeper = self._book.keeper(index, action)
        if keeper is None or action is Action.STOP:
            return None
        seat = self._seats.get(id(keeper))
        if seat is None:
            truths = self._book.truths_of_rules(index, keeper, self._case.number)
            seat = KeepSlot(keeper, keeper.panel(truths, seated=seated), self._next_bit)
            self._seats[id(keeper)] = seat
            self._next_bit += keeper.width
        return seat

    def _clock(self, kind: str, duration: Duration, whole: KeepSlot | None) -> int:
        key = (kind, (duration.seconds << 12) + duration.months, id(whole) if whole else 0)
        clock = self._clocks.get(key)
        if clock is None:
            as_of = self._book.grace_until if kind == "grace" else self._book.as_of
            test = at_least(duration, as_of=as_of, zone=self._book.rules.timezone)
            clock = self._clocks[key] = AgeBit(test, 1 << self._next_bit, whole)
            self._next_bit += 1
        return clock.bit


def _all_rules(policy: Policy) -> tuple[KeepRule, ...]:
    own: list[KeepRule] = list(policy.keep)
    for _, claim in policy.deletes:
        own += [rule for rule in claim.keep if rule not in own]
    return tuple(own)


def _forbidding_bits(seat: KeepSlot, rules: tuple[KeepRule, ...], action: Action) -> int:
    bits = seat.keeper.bits_of(rules)
    if isinstance(seat.keeper, BuildKeeper):
        bits |= seat.keeper.blocked_bit(action)
    return bits << seat.shift


def _always(_number: int) -> Truth:
    return True
