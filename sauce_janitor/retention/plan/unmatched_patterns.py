"""Which patterns of the rules match no job at all: such a pattern is often misspelt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sauce_janitor.model.jobs import UNKNOWN
from sauce_janitor.model.match_text import pattern_text
from sauce_janitor.model.policies import Atom, Glob, Match, Regex, Rules
from sauce_janitor.retention.matching import Test, atoms, value_test
from sauce_janitor.retention.plan.plan import Plan

_CLOSED: Final = frozenset({"status", "state", "build_status"})
"""Fields with a few known values: a value that no job has today is not a mistake."""
_MUCH_UNDECIDED: Final = 0.01


class UnmatchedPatterns:
    """The patterns that no value has matched yet. It sees each distinct value of a field, and
    forgets the patterns that match it.
    """

    def __init__(self, rules: Rules) -> None:
        self._pending: dict[str, dict[tuple[str, str], Test]] = {}
        for owner, match in _matches(rules):
            for atom in atoms(match):
                if atom.field in _CLOSED:
                    continue
                for pattern in atom.patterns:
                    if isinstance(pattern, Glob | Regex):
                        text = f"{atom.field}: {pattern_text(pattern)}"
                        test = value_test(Atom(atom.field, (pattern,)))
                        self._pending.setdefault(atom.field, {})[owner, text] = test

    def see(self, field: str, value: object) -> None:
        """Forget the patterns that match the value of a job's field."""
        pending = self._pending.get(field)
        # Neither null nor an unknown value can match a pattern.
        if pending and value is not None and value is not UNKNOWN:
            for key in [key for key, test in pending.items() if test(value)]:
                del pending[key]

    def remaining(self) -> Iterator[tuple[str, str]]:
        """Yield the patterns that matched nothing: the rule, and the pattern."""
        for pending in self._pending.values():
            yield from pending


def _matches(rules: Rules) -> Iterator[tuple[str, Match]]:
    for policy in rules.policies:
        yield f"policy {policy.name}", policy.match
        for rule in policy.all_keep_rules:
            for match in (rule.where, rule.since):
                if match is not None:
                    yield f"{policy.name}: keep rule {rule.id}", match
    for hold in rules.holds:
        if hold.match is not None:
            yield hold.id if hold.id.startswith("hold ") else f"hold {hold.id}", hold.match
    for forbid in rules.forbid:
        yield "archive.forbid", forbid.match


def inventory_lints(rules: Rules, plan: Plan, unmatched: UnmatchedPatterns) -> tuple[str, ...]:
    """Return what is probably wrong according to the inventory: patterns that matched nothing, and
    policies that left many jobs undecided.
    """
    # Without jobs every pattern matches nothing.
    if not plan.inventory:
        return ()
    found = [
        f"{owner}: `{text}` matched nothing in the inventory"
        for owner, text in unmatched.remaining()
    ]
    for policy in rules.policies:
        jobs = max((n for (name, _), n in plan.undecided.items() if name == policy.name), default=0)
        if jobs > _MUCH_UNDECIDED * plan.inventory:
            found.append(
                f"policy {policy.name} leaves {jobs:,} of {plan.inventory:,} jobs undecided "
                f"({100 * jobs / plan.inventory:.1f} %): what is undecided is kept"
            )
    return tuple(found)
