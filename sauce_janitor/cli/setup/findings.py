"""`check --format json|junit`: errors, warnings and test results for pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from sauce_janitor.errors import Problem

if TYPE_CHECKING:
    from sauce_janitor.config import Config

# XML 1.0 has no way to write these characters, not even as references.
_NOT_IN_XML = {code: "\ufffd" for code in range(32) if code not in (9, 10, 13)} | {
    0xFFFE: "\ufffd",
    0xFFFF: "\ufffd",
}


@dataclass(frozen=True, slots=True)
class TestFinding:
    """One test of the configuration: its place in the file, and failures as (account, text)."""

    name: str
    place: str
    failures: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Findings:
    """All that `check` found. With `faults` the configuration is invalid, and the rest is empty."""

    file: Path
    faults: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    tests: tuple[TestFinding, ...] = ()
    accounts: list[dict[str, Any]] = field(default_factory=list)
    deadlines: list[dict[str, Any]] = field(default_factory=list)
    interactions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def code(self) -> int:
        """Return the exit code: 2 for faults, 6 if a test fails, else 0."""
        if self.faults:
            return 2
        return 6 if any(test.failures for test in self.tests) else 0

    def as_json(self) -> dict[str, Any]:
        """Return one document. A new key does not change `version`."""
        failed = [test for test in self.tests if test.failures]
        failures: list[dict[str, str]] = []
        for test in failed:
            failures += [
                {"test": test.name, "place": test.place, "account": account, "message": message}
                for account, message in test.failures
            ]
        return {
            "version": 1,
            "file": str(self.file),
            "valid": not self.faults,
            "faults": [_problem(each) for each in self.faults],
            "warnings": [_problem(each) for each in self.warnings],
            "accounts": self.accounts,
            "deadlines": self.deadlines,
            "interactions": self.interactions,
            "tests": {
                "total": len(self.tests),
                "failed": len(failed),
                "failures": failures,
            },
        }

    def junit(self) -> Iterator[str]:
        """Yield the lines of JUnit XML: a test case for the configuration, and for each test."""
        cases = len(self.tests) + 1
        # An invalid configuration is a failed test case: a pipeline shows nothing else of JUnit.
        failed = sum(1 for test in self.tests if test.failures) + bool(self.faults)
        yield '<?xml version="1.0" encoding="UTF-8"?>\n'
        yield "<testsuites>\n"
        name = quoteattr(f"sauce-janitor check {_xml(str(self.file))}")
        yield (
            f'<testsuite name={name} tests="{cases}" failures="{failed}" errors="0" skipped="0">\n'
        )
        yield from _case("configuration", str(self.file), [str(fault) for fault in self.faults])
        for test in self.tests:
            yield from _case(
                test.name,
                test.place,
                [f"account {account}: {text}" for account, text in test.failures],
            )
        # A warning is no failure, and JUnit knows nothing in between.
        if self.warnings:
            lines = "\n".join(f"warning: {warning}" for warning in self.warnings)
            yield f"<system-out>{_escaped(lines)}</system-out>\n"
        yield "</testsuite>\n</testsuites>\n"


def _case(name: str, place: str, failures: Iterable[str]) -> Iterator[str]:
    head = f"<testcase name={quoteattr(_xml(name))} classname={quoteattr(_xml(place))}"
    lines = list(failures)
    if not lines:
        yield f"{head}/>\n"
        return
    yield f"{head}>\n"
    # One element for all failures: JUnit's readers do not agree on several in one test case.
    text = _escaped("\n".join(lines))
    yield f"<failure message={quoteattr(_xml(lines[0]))}>{text}</failure>\n"
    yield "</testcase>\n"


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "path": problem.path,
        "message": problem.message,
    }


def _xml(text: str) -> str:
    return text.translate(_NOT_IN_XML)


def _escaped(text: str) -> str:
    return escape(_xml(text))


def findings_of(config: Config) -> Findings:
    """Return the findings about a valid configuration."""
    from sauce_janitor.cli.what_if.policy_tests import tested
    from sauce_janitor.retention.interactions import foreseen
    from sauce_janitor.retention.plan.blockers import blocking_rules, terms_of

    found = Findings(config.file, warnings=_warnings(config), tests=tested(config))
    for account in config.accounts:
        rules = config.rules(account.name)
        found.accounts.append(
            {
                "account": account.name,
                "identity": account.identity(),
                "users": [*account.users, *({"team": team} for team in account.teams)],
                "policies": [policy.name for policy in rules.policies],
                "policy_digest": config.policy_digest(account.name),
            }
        )
        found.deadlines += [
            {
                "account": account.name,
                "name": deadline.name,
                "terms": terms_of(deadline),
                "blocked_by": list(blocking_rules(deadline, rules)),
            }
            for deadline in rules.deadlines
        ]
        found.interactions += [
            {"account": account.name, **each.as_row()} for each in foreseen(rules)
        ]
    return found


def _warnings(config: Config) -> tuple[Problem, ...]:
    missing = chain.from_iterable(account.missing() for account in config.accounts)
    return (*config.warnings, *missing)
