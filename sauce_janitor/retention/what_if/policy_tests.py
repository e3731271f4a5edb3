"""Runs a configuration's `tests`: tries the rules on made-up jobs, and reports decisions that the
tests do not expect. It is one module: the made-up jobs exist only for these tests.

Archiving counts as done, and deletes as announced in time. Limits are not measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sauce_janitor.model.globs import compile_glob
from sauce_janitor.model.job_age import is_finished, newest_first
from sauce_janitor.model.jobs import (
    Action,
    BuildCounters,
    Decision,
    Job,
    JobId,
    JobState,
    Owner,
    Reason,
    Record,
    Verdict,
    Why,
)
from sauce_janitor.model.policies import Duration, Rules
from sauce_janitor.retention.decide import Decider
from sauce_janitor.retention.fingerprint import decision_fields
from sauce_janitor.retention.matching import Truth

CHANGES: Final = (Action.DELETE_ASSETS, Action.DELETE_JOB, Action.STOP)
"""What a test can expect, besides that a job is kept."""

_TEXTS: Final = (
    "name",
    "build",
    "os",
    "browser",
    "browser_version",
    "automation_backend",
    "public",
    "error",
    "team_id",
)
_CUSTOM: Final = "custom_data."
_ARCHIVED: Final = frozenset({"all"})
_NO_POLICY: Final = (Reason(Why.NO_POLICY),)
_NAMES: Final = {
    Action.DELETE_ASSETS: "delete_assets",
    Action.DELETE_JOB: "delete_job",
    Action.STOP: "stop",
}


@dataclass(frozen=True, slots=True)
class MadeJob:
    """A made-up job: its label in the test, and its fields by their names in the language.

    Times (`end_time` and the like) are epoch seconds, `duration` seconds, `tags` a tuple; None is
    null.
    """

    label: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of the jobs that `jobs` names, an id or a glob of ids.

    Exactly the changes in `acts` happen, each permitted by that policy. Each rule in `keep` is
    among the reasons why the others do not.
    """

    jobs: str
    keep: tuple[str, ...] = ()
    acts: tuple[tuple[Action, str], ...] = ()

    @property
    def text(self) -> str:
        """The expectation in words."""
        parts = [f"{_NAMES[action]} by {policy}" for action, policy in self.acts]
        keeping = " and ".join(self.keep)
        if self.keep or not parts:
            parts.append(f"kept by {keeping}" if self.keep else "kept")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """One test: jobs, the time at which they are decided (epoch seconds), and what is expected.
    `place` is where it is written.
    """

    name: str
    as_of: int
    jobs: tuple[MadeJob, ...]
    expected: tuple[Expectation, ...] = ()
    place: str = ""

    def expected_of(self, label: str) -> tuple[Expectation, ...]:
        """Return what is expected of a job: by its id, else by every glob that matches it, else
        that it is kept.
        """
        exact = tuple(each for each in self.expected if each.jobs == label)
        matching = exact or tuple(each for each in self.expected if compile_glob(each.jobs)(label))
        return matching or (Expectation(label),)


@dataclass(frozen=True, slots=True)
class FailedExpectation:
    """One job for which a test expects another decision, and why that decision was made."""

    test: PolicyTest
    job: str
    expected: str
    decided: str
    reasons: tuple[str, ...]

    @property
    def text(self) -> str:
        """The failure in one line."""
        why = "; ".join(self.reasons)
        return (
            f"{self.test.name}: {self.job}: expected {self.expected}; decided {self.decided} "
            f"({why})"
        )


@dataclass(frozen=True, slots=True)
class PolicyTestResult:
    """The result of a test. `truths` are what each policy's match says of each job, in the order of
    the rules' policies, newest job first. `kept_by` are the (policy, keep rule) that kept a job,
    `held_by` the holds that held one.
    """

    failures: tuple[FailedExpectation, ...]
    truths: tuple[tuple[Truth, ...], ...]
    kept_by: frozenset[tuple[str, str]]
    held_by: frozenset[str]


def try_out(test: PolicyTest, rules: Rules) -> PolicyTestResult:
    """Decide about the test's jobs by the rules, and compare."""
    return PreparedTest(test, rules).trial(rules)


class PreparedTest:
    """A test with its jobs made, so that many variants of one set of rules can be tried on them."""

    def __init__(self, test: PolicyTest, rules: Rules) -> None:
        self.test = test
        made = made_records(test, decision_fields(rules).names)
        self.ordered = newest_first(made, rules.age_from)
        self._labels = {_id(number): made.label for number, made in enumerate(test.jobs)}

    def trial(self, rules: Rules) -> PolicyTestResult:
        """Decide and compare."""
        # Grace would need runs before this one, and deadlines decide nothing.
        rules = replace(rules, grace=Duration("0s"), deadlines=())
        failures: list[FailedExpectation] = []
        cases: list[tuple[Truth, ...]] = []
        reasons: set[Reason] = set()
        for record, time, verdict in Decider(rules, as_of=self.test.as_of).verdicts(
            lambda: self.ordered
        ):
            decisions = [
                d for d in verdict.decided(record, time, rules.timezone) if d.action in CHANGES
            ]
            cases.append(verdict.case.truths)
            for decision in decisions:
                reasons.update(decision.reasons)
            failures += self._compared(self._labels[record.job.id], decisions)
        written = {made.label: number for number, made in enumerate(self.test.jobs)}
        # The decisions come newest job first; a reader looks for the order of the file.
        failures.sort(key=lambda failure: written[failure.job])
        return PolicyTestResult(
            tuple(failures),
            tuple(zip(*cases, strict=True)),
            frozenset((r.policy or "", r.rule or "") for r in reasons if r.why is Why.KEPT),
            frozenset(r.rule or "" for r in reasons if r.why is Why.HELD),
        )

    def _compared(self, label: str, decisions: list[Decision]) -> Iterator[FailedExpectation]:
        for expectation in self.test.expected_of(label):
            if not _is_met(expectation, decisions):
                yield FailedExpectation(
                    self.test, label, expectation.text, *_decided(expectation, decisions)
                )


def _is_met(expectation: Expectation, decisions: list[Decision]) -> bool:
    due = {d.action: d.policy for d in decisions if d.verdict is Verdict.DUE}
    wanted = dict(expectation.acts)
    if Action.DELETE_JOB in wanted and Action.DELETE_ASSETS not in wanted:
        # Deleting the job deletes its assets.
        due.pop(Action.DELETE_ASSETS, None)
    keeping: set[str | None] = set()
    for decision in decisions:
        if decision.verdict is Verdict.KEEP:
            keeping |= {reason.rule for reason in decision.reasons}
    return due == wanted and keeping >= set(expectation.keep)


def _decided(expectation: Expectation, decisions: list[Decision]) -> tuple[str, tuple[str, ...]]:
    """Return what was decided, and why: the reasons of the changes that the failure is about."""
    due = [
        d
        for d in decisions
        if d.verdict is Verdict.DUE and Reason(Why.WITH_THE_JOB) not in d.reasons
    ]
    decided = ", ".join(f"{_NAMES[d.action]} by {d.policy}" for d in due) or "kept"
    wanted = dict(expectation.acts)
    about = due if due and not wanted else [d for d in decisions if d in due or d.action in wanted]
    # "no policy covers it" explains nothing where another action has a real reason.
    about = about or [d for d in decisions if d.action is not Action.STOP]
    about = [d for d in about if d.reasons != _NO_POLICY] or about[:1]
    reasons: dict[str, None] = {}
    for decision in about:
        head = f"{_NAMES[decision.action]}: " if len(about) > 1 else ""
        reasons |= dict.fromkeys(f"{head}{reason.text}" for reason in decision.reasons)
    dates = [
        f"due since {datetime.fromtimestamp(d.due_since, UTC):%Y-%m-%d %H:%M} UTC"
        for d in due
        if d.due_since
    ]
    return decided, (*reasons, *dict.fromkeys(dates))


# --- made-up jobs ---------------------------------------------------------------------------------


def _id(number: int) -> JobId:
    """Return an id: of jobs with the same time, the one that is written first is the newest."""
    return JobId(f"{number:032x}")


def made_records(test: PolicyTest, read: Iterable[str]) -> list[Record]:
    """Return the test's jobs as records. A field that is not set is no tags for `tags`, else a
    fixed value that is not null.

    That is `(name)` for the name and the like, `(custom_data.KEY)` for each key that is among
    `read`, `complete` for the status, the owner `owner`, not manual, ended at the test's `as_of`. A
    start, creation or modification that is not set is the end. A build has its owner's jobs with
    its name, and none is missing. A blank build or error is null.
    """
    custom = [name.removeprefix(_CUSTOM) for name in read if name.startswith(_CUSTOM)]
    jobs = [
        (_job(number, made.fields, test.as_of, custom), made)
        for number, made in enumerate(test.jobs)
    ]
    builds = Counter(_build(job) for job, _ in jobs)
    still_open = Counter(_build(job) for job, _ in jobs if not is_finished(job))
    statuses = {
        _build(job): made.fields["build_status"]
        for job, made in jobs
        if "build_status" in made.fields
    }
    return [
        (
            Record(job, archived=_ARCHIVED)
            if job.build is None
            else Record(
                job,
                build_id=_build(job),
                build_status=_text(statuses.get(_build(job), "complete")),
                archived=_ARCHIVED,
                build_counters=BuildCounters(builds[_build(job)], still_open[_build(job)]),
            )
        )
        for job, _ in jobs
    ]


def _build(job: Job) -> str:
    return f"{job.owner}/{job.build}"


def _job(number: int, values: Mapping[str, object], as_of: int, custom: Iterable[str]) -> Job:
    state = _state(values)
    over = state is JobState.FINISHED
    ended = _time(values.get("end_time", as_of if over else None))
    # A job that runs has no end, so its other times count from the decision.
    usual = as_of if ended is None else ended
    duration = _time(values.get("duration"))
    started = _time(values.get("start_time", usual if duration is None else usual - duration))
    fields: dict[str, Any] = {name: _text(values.get(name, f"({name})")) for name in _TEXTS}
    # As for real jobs: a blank name of a build, or a blank error, is null.
    fields |= {name: (fields[name] or "").strip() or None for name in ("build", "error")}
    data: dict[str, object] = {key: f"({_CUSTOM}{key})" for key in custom}
    data |= {
        name.removeprefix(_CUSTOM): value
        for name, value in values.items()
        if name.startswith(_CUSTOM)
    }
    tags, manual = values.get("tags", ()), values.get("manual", False)
    assert isinstance(tags, tuple)
    assert manual is None or isinstance(manual, bool)
    return Job(
        id=_id(number),
        owner=Owner(str(values.get("owner", "owner"))),
        state=state,
        tags=tags,
        status=_text(values.get("status", "complete" if over else None)),
        manual=manual,
        custom_data=data,
        created_at=_time(values.get("creation_time", usual if started is None else started)),
        started_at=started,
        ended_at=ended,
        modified_at=_time(values.get("modification_time", usual)),
        **fields,
    )


def _state(values: Mapping[str, object]) -> JobState:
    ended = "end_time" not in values or values["end_time"] is not None
    state = JobState(str(values.get("state", "finished" if ended else "running")))
    # As for real jobs: finished needs a known end.
    return JobState.UNKNOWN if state is JobState.FINISHED and not ended else state


def _text(value: object) -> str | None:
    assert value is None or isinstance(value, str)
    return value


def _time(value: object) -> int | None:
    assert value is None or isinstance(value, int)
    return value
