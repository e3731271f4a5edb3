"""The results of a configuration's tests, for `check` and for pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.what_if.policy_tests import PolicyTest, try_out

if TYPE_CHECKING:
    from sauce_janitor.config import Config


_MOST_JOBS: Final = 5_000
_MOST_TESTS: Final = 500


@dataclass(frozen=True, slots=True)
class TestFinding:
    """One test of the configuration: its place in the file, and failures as (account, text)."""

    name: str
    place: str
    failures: tuple[tuple[str, str], ...] = ()


def tested(config: Config) -> tuple[TestFinding, ...]:
    """Run the configuration's tests, and return each with its failures for all accounts."""
    failures: dict[str, list[tuple[str, str]]] = {}
    places: dict[str, str] = {}
    for account, rules, tests in tested_rules(config):
        for test in tests:
            places.setdefault(test.name, str(test.place))
            failed = [(account, failure.text) for failure in try_out(test, rules).failures]
            failures.setdefault(test.name, []).extend(failed)
    return tuple(TestFinding(name, place, tuple(failures[name])) for name, place in places.items())


def tested_rules(config: Config) -> list[tuple[str, Rules, tuple[PolicyTest, ...]]]:
    """Return the distinct sets of rules and tests, each with its first account."""
    found: list[tuple[str, Rules, tuple[PolicyTest, ...]]] = []
    for account in config.accounts:
        rules, tests = config.rules(account.name), config.tests(account.name)
        # Accounts often share policies and tests: each set is run once.
        if not any(rules == known and tests == run for _, known, run in found):
            found.append((account.name, rules, tests))
    return found


def are_long(config: Config) -> bool:
    """Return whether the tests take seconds: they are many, or make many jobs."""
    groups = [tests for _, _, tests in tested_rules(config)]
    jobs = sum(sum(len(test.jobs) for test in tests) for tests in groups)
    return jobs > _MOST_JOBS or sum(map(len, groups)) > _MOST_TESTS
