"""`tests` checked against the rest of the file, and turned into values."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from sauce_janitor.config.grammar.document import ConfigFile
from sauce_janitor.config.grammar.matches import CUSTOM_DATA
from sauce_janitor.config.grammar.policies import DeleteTerm, PolicyTerm
from sauce_janitor.config.grammar.policy_tests import (
    LARGEST_TEST,
    Ago,
    ExpectTerm,
    MadeJobTerm,
    PolicyTestTerm,
)
from sauce_janitor.config.source.problems import ConfigProblems, did_you_mean, shown
from sauce_janitor.config.source.yaml import Document
from sauce_janitor.config.translate import hold_name, keep_names
from sauce_janitor.model.durations import due_at
from sauce_janitor.model.globs import compile_glob
from sauce_janitor.model.jobs import Action
from sauce_janitor.model.policies import FIELDS, Duration
from sauce_janitor.retention.what_if.policy_tests import CHANGES, Expectation, MadeJob, PolicyTest

_TIMES = ("end_time", "start_time", "creation_time", "modification_time")
_LISTED = 10


def check_tests(file: ConfigFile, faults: ConfigProblems) -> None:
    """Note what a test names that is not there."""
    rules = {name for policy in file.policies for name in _keep_names(policy)}
    rules |= {name for hold in file.holds if (name := hold_name(hold)) is not None}
    policies = {policy.name: _changes(policy) for policy in file.policies}
    for index, test in enumerate(file.tests):
        labels = _check_labels(test, index, faults)
        for pattern, expected in test.expect.items():
            path = ("tests", index, "expect", pattern)
            if not any(map(compile_glob(pattern), labels)):
                near = did_you_mean(pattern, sorted(labels)[:1000])
                faults.add(path, f"{shown(pattern)} is no job of this test{near}")
            for at, rule in enumerate(expected.keep or ()):
                if rule not in rules:
                    message = f"{shown(rule)} is no keep rule or hold{did_you_mean(rule, rules)}"
                    faults.add((*path, "keep", at), message)
            for action, name in _acts(expected):
                if name not in policies:
                    faults.add(
                        (*path, action.value),
                        f"{shown(name)} is no policy{did_you_mean(name, policies)}",
                    )
                elif action not in policies[name]:
                    faults.add(
                        (*path, action.value),
                        f"policy {shown(name)} says nothing of {action.value}, or `never`",
                    )


def _check_labels(test: PolicyTestTerm, index: int, faults: ConfigProblems) -> set[str]:
    """The ids of a test's jobs."""
    if sum(job.repeat or 1 for job in test.jobs) > LARGEST_TEST:
        faults.add(("tests", index, "jobs"), f"makes more than {LARGEST_TEST} jobs")
        return {name for job in test.jobs for name in job.labels()[:_LISTED]}
    seen: set[str] = set()
    for number, job in enumerate(test.jobs):
        labels = job.labels()
        twice = next((name for name in labels if name in seen), None)
        if twice is not None:
            faults.add(
                ("tests", index, "jobs", number, "id"),
                f"{shown(twice)} is the id of another job of this test",
            )
        seen.update(labels)
    return seen


def _keep_names(policy: PolicyTerm) -> Iterator[str]:
    yield from keep_names(policy.keep)
    for term in (policy.then.delete_assets, policy.then.delete_job):
        if isinstance(term, DeleteTerm):
            yield from keep_names(term.keep)


def _changes(policy: PolicyTerm) -> set[Action]:
    """What the policy can permit."""
    found = set()
    for action in CHANGES:
        term = getattr(policy.then, action.value)
        after = term.after if isinstance(term, DeleteTerm) else term
        if isinstance(after, Duration):
            found.add(action)
    return found


def tests_for(file: ConfigFile, account: str, document: Document) -> tuple[PolicyTest, ...]:
    """The tests that are about the account."""
    zone = ZoneInfo(file.timezone)
    return tuple(
        PolicyTest(
            name=term.name,
            as_of=term.decided_at,
            jobs=tuple(made for job in term.jobs for made in _made(job, term.decided_at, zone)),
            expected=tuple(
                _expectation(pattern, expected) for pattern, expected in term.expect.items()
            ),
            place=str(document.faults.problem(("tests", index), "")),
        )
        for index, term in enumerate(file.tests)
        if term.accounts is None or account in term.accounts
    )


def _expectation(pattern: str, term: ExpectTerm) -> Expectation:
    return Expectation(pattern, tuple(term.keep or ()), tuple(_acts(term)))


def _acts(term: ExpectTerm) -> Iterator[tuple[Action, str]]:
    for action in CHANGES:
        name = getattr(term, action.value)
        if name is not None:
            yield action, name


def _made(term: MadeJobTerm, as_of: int, zone: ZoneInfo) -> Iterator[MadeJob]:
    given = {
        name: getattr(term, name) for name in (*FIELDS, *_TIMES) if name in term.model_fields_set
    }
    given |= {
        name: value
        for name, value in (term.model_extra or {}).items()
        if name.startswith(CUSTOM_DATA)
    }
    for number, label in enumerate(term.labels()):
        fields = {}
        for name, value in given.items():
            said = value
            if isinstance(value, Duration):
                said = value.seconds
            elif isinstance(value, Ago):
                said = _before(value.duration, as_of, zone)
            elif isinstance(value, list):
                said = tuple(_numbered(each, term, number) for each in value)
            elif isinstance(value, str):
                said = _numbered(
                    "error" if (name, value) == ("status", "errored") else value, term, number
                )
            if name in _TIMES and isinstance(said, int) and term.every is not None:
                every = Duration("", term.every.seconds * number, term.every.months * number)
                said = _before(every, said, zone)
            fields[name] = said
        yield MadeJob(label, fields)


def _numbered(text: str, term: MadeJobTerm, number: int) -> str:
    return text if term.repeat is None else text.replace("{n}", str(number + 1))


def _before(duration: Duration, time: int, zone: ZoneInfo) -> int:
    return due_at(time, Duration(duration.text, -duration.seconds, -duration.months), zone)
