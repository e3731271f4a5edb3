"""The `tests` of the file: checked against its policies and holds, and turned into values."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from sauce_janitor.config.grammar.actions import DeleteTerm
from sauce_janitor.config.grammar.document import ConfigFile
from sauce_janitor.config.grammar.patterns import CUSTOM_DATA
from sauce_janitor.config.grammar.policies import PolicyTerm
from sauce_janitor.config.grammar.policy_tests import (
    LARGEST_TEST,
    Ago,
    ExpectTerm,
    MadeJobTerm,
    PolicyTestTerm,
)
from sauce_janitor.config.rule_names import hold_name, keep_names
from sauce_janitor.config.source.problems import ConfigProblems, did_you_mean, shown
from sauce_janitor.config.source.yaml import Document
from sauce_janitor.model.durations import due_at
from sauce_janitor.model.globs import compile_glob
from sauce_janitor.model.jobs import Action
from sauce_janitor.model.policies import FIELDS, Duration
from sauce_janitor.retention.what_if.policy_tests import CHANGES, Expectation, MadeJob, PolicyTest

_TIMES = ("end_time", "start_time", "creation_time", "modification_time")
_LISTED = 10


def check_tests(file: ConfigFile, problems: ConfigProblems) -> None:
    """Add a problem for each job, rule or policy that a test names and that does not exist."""
    rules: set[str] = set()
    for policy in file.policies:
        rules.update(_keep_names(policy))
    rules |= {name for hold in file.holds if (name := hold_name(hold)) is not None}
    policies = {policy.name: _changes(policy) for policy in file.policies}
    for index, test in enumerate(file.tests):
        labels = _check_labels(test, index, problems)
        for pattern, expected in test.expect.items():
            path = ("tests", index, "expect", pattern)
            if not any(map(compile_glob(pattern), labels)):
                # Comparing one word with ten thousand ids would make `check` slow.
                near = did_you_mean(pattern, sorted(labels)[:1000])
                problems.add(path, f"{shown(pattern)} is not a job of this test{near}")
            for at, rule in enumerate(expected.keep or ()):
                if rule not in rules:
                    message = f"{shown(rule)} is not a keep rule or hold{did_you_mean(rule, rules)}"
                    problems.add((*path, "keep", at), message)
            for action, name in _changes_expected(expected):
                if name not in policies:
                    problems.add(
                        (*path, action.value),
                        f"{shown(name)} is not a policy{did_you_mean(name, policies)}",
                    )
                # The policy never permits this action, so the expectation can never be met.
                elif action not in policies[name]:
                    problems.add(
                        (*path, action.value),
                        f"policy {shown(name)} has no {action.value}, or `never`",
                    )


def _check_labels(test: PolicyTestTerm, index: int, problems: ConfigProblems) -> set[str]:
    """Return the ids of a test's jobs, and add a problem if two jobs have the same id."""
    if sum(job.repeat or 1 for job in test.jobs) > LARGEST_TEST:
        problems.add(("tests", index, "jobs"), f"has more than {LARGEST_TEST} jobs")
        # A few of them are enough for the messages about `expect`.
        some: set[str] = set()
        for job in test.jobs:
            some.update(job.labels()[:_LISTED])
        return some
    seen: set[str] = set()
    for number, job in enumerate(test.jobs):
        labels = job.labels()
        # Ids made by `repeat` can meet ids that were written out.
        twice = next((name for name in labels if name in seen), None)
        if twice is not None:
            problems.add(
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
    """Return the deletes and stops that the policy permits."""
    found = set()
    for action in CHANGES:
        term = getattr(policy.then, action.value)
        after = term.after if isinstance(term, DeleteTerm) else term
        # Not `never`: it permits nothing.
        if isinstance(after, Duration):
            found.add(action)
    return found


def tests_for(file: ConfigFile, account: str, document: Document) -> tuple[PolicyTest, ...]:
    """Return the tests for the account."""
    zone = ZoneInfo(file.timezone)
    tests = []
    for index, term in enumerate(file.tests):
        if term.accounts is not None and account not in term.accounts:
            continue
        jobs: list[MadeJob] = []
        for job in term.jobs:
            jobs += _made(job, term.decided_at, zone)
        expected = [_expectation(pattern, each) for pattern, each in term.expect.items()]
        place = str(document.problems.problem(("tests", index), ""))
        tests.append(PolicyTest(term.name, term.decided_at, tuple(jobs), tuple(expected), place))
    return tuple(tests)


def _expectation(pattern: str, term: ExpectTerm) -> Expectation:
    return Expectation(pattern, tuple(term.keep or ()), tuple(_changes_expected(term)))


def _changes_expected(term: ExpectTerm) -> Iterator[tuple[Action, str]]:
    for action in CHANGES:
        name = getattr(term, action.value)
        if name is not None:
            yield action, name


def _made(term: MadeJobTerm, as_of: int, zone: ZoneInfo) -> Iterator[MadeJob]:
    """Yield the jobs that one entry makes; several with `repeat`."""
    written = {
        # Only what is written: the default of a field depends on other fields, such as the end of a
        # running job.
        name: getattr(term, name)
        for name in (*FIELDS, *_TIMES)
        if name in term.model_fields_set
    }
    written |= {
        name: value
        for name, value in (term.model_extra or {}).items()
        if name.startswith(CUSTOM_DATA)
    }
    for number, label in enumerate(term.labels()):
        fields = {}
        for name, value in written.items():
            field = value
            if isinstance(value, Duration):
                field = value.seconds
            elif isinstance(value, Ago):
                field = _before(value.duration, as_of, zone)
            elif isinstance(value, list):
                field = tuple(_numbered(each, term, number) for each in value)
            elif (name, value) == ("status", "errored"):
                # Sauce Labs uses both spellings; the program only knows `error`.
                field = "error"
            elif isinstance(value, str):
                field = _numbered(value, term, number)
            # Every later job is older by the same amount, in calendar months where the file says
            # months.
            if name in _TIMES and isinstance(field, int) and term.every is not None:
                every = Duration("", term.every.seconds * number, term.every.months * number)
                field = _before(every, field, zone)
            fields[name] = field
        yield MadeJob(label, fields)


def _numbered(text: str, term: MadeJobTerm, number: int) -> str:
    return text if term.repeat is None else text.replace("{n}", str(number + 1))


def _before(duration: Duration, time: int, zone: ZoneInfo) -> int:
    return due_at(time, Duration(duration.text, -duration.seconds, -duration.months), zone)
