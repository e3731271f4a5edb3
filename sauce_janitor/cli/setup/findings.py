"""`check --format json|junit`: errors, warnings and test results for pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from sauce_janitor.errors import Problem
from sauce_janitor.json_output import Shape, key

if TYPE_CHECKING:
    from sauce_janitor.config import Config
    from sauce_janitor.console.policies.test_results import TestFinding

# XML 1.0 has no way to write these characters, not even as references.
_NOT_IN_XML = {code: "\ufffd" for code in range(32) if code not in (9, 10, 13)} | {
    0xFFFE: "\ufffd",
    0xFFFF: "\ufffd",
}


@dataclass(frozen=True, slots=True)
class AccountFinding:
    """One account: its users, by name or as `{"team": …}`, and its policies."""

    account: str
    identity: str
    users: tuple[object, ...]
    policies: tuple[str, ...]
    policy_digest: str


@dataclass(frozen=True, slots=True)
class DeadlineFinding:
    """One deadline of an account, in words, and the rules that may prevent it."""

    account: str
    name: str
    terms: str
    blocked_by: tuple[str, ...]


@dataclass(slots=True)
class Findings:
    """All that `check` found. With `faults` the configuration is invalid, and the rest is empty."""

    file: Path
    faults: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    tests: tuple[TestFinding, ...] = ()
    accounts: list[AccountFinding] = field(default_factory=list)
    deadlines: list[DeadlineFinding] = field(default_factory=list)
    interactions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def code(self) -> int:
        """Return the exit code: 2 for faults, 6 if a test fails, else 0."""
        if self.faults:
            return 2
        return 6 if any(test.failures for test in self.tests) else 0

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


def _xml(text: str) -> str:
    return text.translate(_NOT_IN_XML)


def _escaped(text: str) -> str:
    return escape(_xml(text))


def _failures(found: Findings) -> Iterator[dict[str, str]]:
    for test in found.tests:
        for account, message in test.failures:
            yield {
                "test": test.name,
                "place": test.place,
                "account": account,
                "message": message,
            }


_PROBLEM = Shape("file", "line", "path", "message")
_TESTS = Shape(
    key("total", lambda found: len(found.tests)),
    key("failed", lambda found: sum(bool(test.failures) for test in found.tests)),
    key("failures", _failures),
)
FINDINGS = Shape(
    key("version", lambda _: 1),
    key("file", lambda found: str(found.file)),
    key("valid", lambda found: not found.faults),
    key("faults", shape=_PROBLEM),
    key("warnings", shape=_PROBLEM),
    "accounts",
    "deadlines",
    "interactions",
    key("tests", lambda found: found, _TESTS),
)
"""The document of `check`. A new key does not change `version`."""


def findings_of(config: Config) -> Findings:
    """Return the findings about a valid configuration."""
    from sauce_janitor.console.policies.test_results import tested
    from sauce_janitor.retention.interactions import foreseen
    from sauce_janitor.retention.plan.blockers import blocking_rules, terms_of

    found = Findings(config.file, warnings=_warnings(config), tests=tested(config))
    for account in config.accounts:
        rules = config.rules(account.name)
        found.accounts.append(
            AccountFinding(
                account.name,
                account.identity(),
                users=(*account.users, *({"team": team} for team in account.teams)),
                policies=tuple(policy.name for policy in rules.policies),
                policy_digest=config.policy_digest(account.name),
            )
        )
        found.deadlines += [
            DeadlineFinding(
                account.name,
                deadline.name,
                terms_of(deadline),
                tuple(blocking_rules(deadline, rules)),
            )
            for deadline in rules.deadlines
        ]
        found.interactions += [
            {"account": account.name, **each.as_row()} for each in foreseen(rules)
        ]
    return found


def _warnings(config: Config) -> tuple[Problem, ...]:
    missing = chain.from_iterable(account.missing() for account in config.accounts)
    return (*config.warnings, *missing)
