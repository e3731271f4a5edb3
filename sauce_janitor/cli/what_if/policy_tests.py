"""The tests of a configuration, as `check` runs and reports them."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from sauce_janitor import terminal
from sauce_janitor.console.policies.test_results import tested_rules
from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.what_if.mutants import Tried, measure, uncovered

if TYPE_CHECKING:
    from sauce_janitor.config import Config

TESTS_FAILED = 6


def run_tests(config: Config, *, name_mutants: bool) -> int:
    """Run the configuration's tests; print the failures and the gaps, and return the exit code."""
    groups = tested_rules(config)
    names: set[str] = set()
    for _, _, tests in groups:
        names.update(test.name for test in tests)
    if not names:
        # Tests are optional, so none is no failure. But whoever asks for gaps must get an answer.
        if name_mutants:
            terminal.echo("tests: none, so no mistake would be noticed")
        return 0
    tried = [
        (account, rules, [Tried.of(test, rules) for test in tests])
        for account, rules, tests in groups
    ]
    failed = set()
    for account, _, outcomes in tried:
        for failure in chain.from_iterable(outcome.trial.failures for outcome in outcomes):
            failed.add(failure.test.name)
            # With other rules in each account, a test may pass in one and fail in another.
            prefix = f"account {account}: " if len(groups) > 1 else ""
            terminal.echo(f"{failure.test.place}: {prefix}{failure.text}")
    # What failing tests cover is unknown.
    if failed:
        terminal.echo(f"tests: {len(failed)} of {len(names)} failed")
        return TESTS_FAILED
    measured = [(rules, outcomes) for _, rules, outcomes in tried]
    terminal.echo(f"tests: {len(names)} passed; {_mutants(measured, name_them=name_mutants)}")
    for rule in uncovered(measured):
        terminal.echo(f"warning: {rule}: no test covers it")
    return 0


def _mutants(measured: list[tuple[Rules, list[Tried]]], *, name_them: bool) -> str:
    noticed = measure(measured)
    if not noticed.unnoticed:
        return (
            f"each of the {noticed.mutants} rules and match parts is covered: without it, a test "
            "fails"
        )
    could = (
        f"{len(noticed.unnoticed)} of {noticed.mutants} rules and match parts could be removed "
        "without failing a test"
    )
    if not name_them:
        return f"{could} (--mutants names them)"
    return "\n".join([f"{could}:", *(f"  {text}" for text in noticed.unnoticed)])
