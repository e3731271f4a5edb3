"""Mutants of rules: each has one keep rule, policy, hold or match part less. A good set of tests notices every one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sauce_janitor.retention.matching import Truth, compile_match
from sauce_janitor.retention.phrasing import phrase
from sauce_janitor.retention.rules import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Atom,
    DeleteClaim,
    Hold,
    KeepRule,
    Match,
    Policy,
    Rules,
)
from sauce_janitor.retention.trying import Bench, PolicyTest, Trial


@dataclass(frozen=True, slots=True)
class Mutant:
    """Rules with one thing less. `text` says which; `policy` is the index of the policy it was of, None for a hold.

    `changed` is what became of that policy, None when the policy itself, or a hold, is what was dropped.
    """

    text: str
    rules: Rules
    policy: int | None = None
    changed: Policy | None = None
    hold: str | None = None


def mutants(rules: Rules) -> Iterator[Mutant]:
    """Every mutant, in the order of the rules: of each policy the policy itself, its match's parts, its keep rules; the holds.

    Policies that only archive are left out: tests say nothing of archiving.
    """
    for index, policy in enumerate(rules.policies):
        if not _changes_something(policy):
            continue
        rest = rules.policies[:index] + rules.policies[index + 1 :]
        yield Mutant(f"policy {policy.name}", replace(rules, policies=rest), index)
        for text, changed in _lesser(policy):
            policies = (*rules.policies[:index], changed, *rules.policies[index + 1 :])
            yield Mutant(f"{policy.name}: {text}", replace(rules, policies=policies), index, changed)
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
        return  # keep rules protect from deletes alone
    for text, keep in _lesser_keeps(policy.keep):
        yield text, replace(policy, keep=keep)
    for at, (action, claim) in enumerate(policy.deletes):
        for text, keep in _lesser_keeps(claim.keep):
            lesser = (action, DeleteClaim(claim.after, keep))
            deletes = (*policy.deletes[:at], lesser, *policy.deletes[at + 1 :])
            yield f"{action.value}: {text}", replace(policy, deletes=deletes)


def _lesser_keeps(rules: tuple[KeepRule, ...]) -> Iterator[tuple[str, tuple[KeepRule, ...]]]:
    for at, rule in enumerate(rules):
        yield f"keep rule {rule.id}", rules[:at] + rules[at + 1 :]
        if rule.where is not None:
            changed = replace(rule, where=None)
            yield f"`where` of keep rule {rule.id}", (*rules[:at], changed, *rules[at + 1 :])


def _without_a_part(match: Match) -> Iterator[tuple[str, Match]]:
    """Each part that can be dropped, in words, and what is left: of a conjunction or alternatives one, of a single one all."""
    if match == EVERYTHING:
        return
    if not isinstance(match, AllOf | AnyOf):
        yield phrase(match), EVERYTHING
        return
    for at, part in enumerate(match.parts):
        rest = match.parts[:at] + match.parts[at + 1 :]
        if rest:
            yield phrase(part), rest[0] if len(rest) == 1 else replace(match, parts=rest)
        else:
            yield phrase(part), EVERYTHING
        if not isinstance(part, Atom):
            for text, left in _without_a_part(part):
                if left != EVERYTHING:
                    yield text, replace(match, parts=(*match.parts[:at], left, *match.parts[at + 1 :]))


@dataclass(frozen=True, slots=True)
class Noticed:
    """How many mutants there are, and those that no test noticed: what they lack could be dropped."""

    mutants: int
    unnoticed: tuple[str, ...]


def measure(groups: Iterable[tuple[Rules, Sequence[PolicyTest]]]) -> Noticed:
    """Try every mutant of each set of rules on the tests that are about it; one that is of several is noticed in any.

    Only tests that pass count.
    """
    noticed: dict[str, bool] = {}
    for rules, tests in groups:
        trials = [
            (bench, trial) for test in tests if not (trial := (bench := Bench(test, rules)).trial(rules)).failures
        ]
        for mutant in mutants(rules):
            noticed[mutant.text] = noticed.get(mutant.text, False) or any(
                _notices(bench, trial, mutant, rules) for bench, trial in trials
            )
    return Noticed(len(noticed), tuple(text for text, seen in noticed.items() if not seen))


def _notices(bench: Bench, trial: Trial, mutant: Mutant, rules: Rules) -> bool:
    """Whether the test fails on the mutant. Only policies with a say on its jobs are judged: many mutants meet many tests."""
    matching = {index for index, truths in enumerate(trial.truths) if any(truth is not False for truth in truths)}
    if mutant.hold is not None:
        if mutant.hold not in trial.held_by:
            return False
        return bool(bench.trial(_only(mutant.rules, [rules.policies[n] for n in matching])).failures)
    index, changed = mutant.policy, mutant.changed
    assert index is not None
    if changed is None or changed.match == rules.policies[index].match:
        if index not in matching:
            return False
    elif _truths(bench, changed.match) == trial.truths[index]:
        return False
    policies = [rules.policies[n] for n in sorted(matching - {index})]
    return bool(bench.trial(_only(rules, policies if changed is None else [*policies, changed])).failures)


def _truths(bench: Bench, match: Match) -> tuple[Truth, ...]:
    test = compile_match(match)
    return tuple(test(record) for record in bench.ordered)


def _only(rules: Rules, policies: list[Policy]) -> Rules:
    return replace(rules, policies=tuple(policies))


def uncovered(groups: Iterable[tuple[Rules, Sequence[PolicyTest]]]) -> tuple[str, ...]:
    """The policies that match no job of any test, the keep rules that keep none and the holds that hold none."""
    spoke: dict[str, bool] = {}
    for rules, tests in groups:
        trials = [Bench(test, rules).trial(rules) for test in tests]
        kept = frozenset().union(*(trial.kept_by for trial in trials))
        held = frozenset().union(*(trial.held_by for trial in trials))
        for index, policy in enumerate(rules.policies):
            if not _changes_something(policy):
                continue
            matched = any(True in trial.truths[index] for trial in trials)
            _note(spoke, f"policy {policy.name}", seen=matched)
            keeps = [*policy.keep, *(rule for _, claim in policy.deletes for rule in claim.keep)]
            for rule in keeps if matched else ():
                _note(spoke, f"{policy.name}: keep rule {rule.id}", seen=(policy.name, rule.id) in kept)
        for hold in rules.holds:
            _note(spoke, _called(hold), seen=hold.id in held)
    return tuple(text for text, seen in spoke.items() if not seen)


def _note(spoke: dict[str, bool], text: str, *, seen: bool) -> None:
    spoke[text] = spoke.get(text, False) or seen
