"""Mutants of rules: each lacks one keep rule, policy, hold or part of a match. Good tests notice
every one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sauce_janitor.model.match_text import phrase
from sauce_janitor.model.policies import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Atom,
    DeleteRule,
    Hold,
    KeepRule,
    Match,
    Policy,
    Rules,
)
from sauce_janitor.retention.matching import compile_match
from sauce_janitor.retention.what_if.policy_tests import PolicyTest, PolicyTestResult, PreparedTest


@dataclass(frozen=True, slots=True)
class Mutant:
    """Rules that lack one thing. `text` says which; `policy` is the index of its policy, None for a
    hold.

    `changed` is what is left of that policy, None when the policy itself, or a hold, was dropped.
    """

    text: str
    rules: Rules
    policy: int | None = None
    changed: Policy | None = None
    hold: str | None = None


def mutants(rules: Rules) -> Iterator[Mutant]:
    """Yield every mutant, in the order of the rules: for each policy the policy itself, its match's
    parts and its keep rules; then the holds.

    Policies that only archive are left out: tests say nothing about archiving.
    """
    for index, policy in enumerate(rules.policies):
        if not _changes_something(policy):
            continue
        rest = rules.policies[:index] + rules.policies[index + 1 :]
        yield Mutant(f"policy {policy.name}", replace(rules, policies=rest), index)
        for text, changed in _lesser(policy):
            policies = (*rules.policies[:index], changed, *rules.policies[index + 1 :])
            yield Mutant(
                f"{policy.name}: {text}", replace(rules, policies=policies), index, changed
            )
    for index, hold in enumerate(rules.holds):
        holds = rules.holds[:index] + rules.holds[index + 1 :]
        yield Mutant(_called(hold), replace(rules, holds=holds), hold=hold.id)


def _called(hold: Hold) -> str:
    return hold.id if hold.id.startswith("hold ") else f"hold {hold.id}"


def _changes_something(policy: Policy) -> bool:
    return bool(policy.deletes) or policy.stop is not None


def _lesser(policy: Policy) -> Iterator[tuple[str, Policy]]:
    for part, match in _without_a_part(policy.match):
        yield f"match part `{part}`", replace(policy, match=match)
    if not policy.deletes:
        # Keep rules protect only from deletes.
        return
    for text, keep in _lesser_keeps(policy.keep):
        yield text, replace(policy, keep=keep)
    for at, (action, claim) in enumerate(policy.deletes):
        for text, keep in _lesser_keeps(claim.keep):
            lesser = (action, DeleteRule(claim.after, keep))
            deletes = (*policy.deletes[:at], lesser, *policy.deletes[at + 1 :])
            yield f"{action.value}: {text}", replace(policy, deletes=deletes)


def _lesser_keeps(rules: tuple[KeepRule, ...]) -> Iterator[tuple[str, tuple[KeepRule, ...]]]:
    for at, rule in enumerate(rules):
        yield f"keep rule {rule.id}", rules[:at] + rules[at + 1 :]
        if rule.where is not None:
            changed = replace(rule, where=None)
            yield f"`where` of keep rule {rule.id}", (*rules[:at], changed, *rules[at + 1 :])


def _without_a_part(match: Match) -> Iterator[tuple[str, Match]]:
    """Yield each part that can be dropped, in words, and what is left: one of a conjunction or of
    alternatives, or all of a single one.
    """
    if match == EVERYTHING:
        return
    if not isinstance(match, AllOf | AnyOf):
        yield phrase(match), EVERYTHING
        return
    for at, part in enumerate(match.parts):
        rest = match.parts[:at] + match.parts[at + 1 :]
        # Without its only part nothing restricts the match: it matches everything.
        if rest:
            yield phrase(part), rest[0] if len(rest) == 1 else replace(match, parts=rest)
        else:
            yield phrase(part), EVERYTHING
        if not isinstance(part, Atom):
            for text, left in _without_a_part(part):
                if left != EVERYTHING:
                    yield (
                        text,
                        replace(match, parts=(*match.parts[:at], left, *match.parts[at + 1 :])),
                    )


@dataclass(frozen=True, slots=True)
class Tried:
    """A test and its result on the rules without a change. `matching` are the policies that have a
    say on its jobs.

    Only these decide on a mutant: many mutants meet many tests.
    """

    maker: PreparedTest
    trial: PolicyTestResult
    matching: frozenset[int]

    @classmethod
    def of(cls, test: PolicyTest, rules: Rules) -> Tried:
        """Try the test."""
        maker = PreparedTest(test, rules)
        trial = maker.trial(rules)
        matching = {
            index
            for index, truths in enumerate(trial.truths)
            if any(truth is not False for truth in truths)
        }
        return cls(maker, trial, frozenset(matching))

    def fails(self, rules: Rules, policies: Iterable[Policy]) -> bool:
        """Return whether the test fails on the rules with these policies."""
        return bool(self.maker.trial(replace(rules, policies=tuple(policies))).failures)


@dataclass(frozen=True, slots=True)
class Noticed:
    """How many mutants there are, and those that no test noticed: what they lack could be
    dropped.
    """

    mutants: int
    unnoticed: tuple[str, ...]


def measure(groups: Iterable[tuple[Rules, Sequence[Tried]]]) -> Noticed:
    """Try every mutant of each set of rules on its tests. A mutant of several sets is noticed if
    any of them notices it.

    Only tests that pass count.
    """
    noticed: dict[str, bool] = {}
    for rules, tests in groups:
        passing = [test for test in tests if not test.trial.failures]
        for mutant in mutants(rules):
            if not noticed.get(mutant.text):
                noticed[mutant.text] = _is_noticed(mutant, rules, passing)
    return Noticed(len(noticed), tuple(text for text, seen in noticed.items() if not seen))


def _is_noticed(mutant: Mutant, rules: Rules, tests: Iterable[Tried]) -> bool:
    index, changed = mutant.policy, mutant.changed
    # A hold can change only the jobs that it held.
    if index is None:
        return any(
            test.fails(mutant.rules, [rules.policies[n] for n in sorted(test.matching)])
            for test in tests
            if mutant.hold in test.trial.held_by
        )
    match = (
        None
        if changed is None or changed.match == rules.policies[index].match
        else compile_match(changed.match)
    )
    for test in tests:
        if match is None:
            is_same = index not in test.matching
        else:
            is_same = all(
                match(r) is truth
                for r, truth in zip(test.maker.ordered, test.trial.truths[index], strict=True)
            )
        if not is_same:
            rest = [rules.policies[n] for n in sorted(test.matching - {index})]
            if test.fails(rules, rest if changed is None else [*rest, changed]):
                return True
    return False


def uncovered(groups: Iterable[tuple[Rules, Sequence[Tried]]]) -> tuple[str, ...]:
    """Return the policies that match no job of any test, the keep rules that keep none and the
    holds that hold none.
    """
    spoke: dict[str, bool] = {}
    for rules, tests in groups:
        trials = [test.trial for test in tests]
        kept = frozenset().union(*(trial.kept_by for trial in trials))
        held = frozenset().union(*(trial.held_by for trial in trials))
        for index, policy in enumerate(rules.policies):
            if not _changes_something(policy):
                continue
            matched = any(True in trial.truths[index] for trial in trials)
            _note(spoke, f"policy {policy.name}", seen=matched)
            # Keep rules of a policy that matches no job are not worth a second message.
            for rule in policy.all_keep_rules if matched else ():
                _note(
                    spoke,
                    f"{policy.name}: keep rule {rule.id}",
                    seen=(policy.name, rule.id) in kept,
                )
        for hold in rules.holds:
            _note(spoke, _called(hold), seen=hold.id in held)
    return tuple(text for text, seen in spoke.items() if not seen)


def _note(spoke: dict[str, bool], text: str, *, seen: bool) -> None:
    spoke[text] = spoke.get(text, False) or seen
