"""Whole plans with all their reasons, as text: whatever changes a decision on one of these jobs
shows as a line that differs.

`SAUCE_JANITOR_REGENERATE=1` writes the plans anew; read the difference before you commit it.
"""

from __future__ import annotations

import csv
import os
import textwrap
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from sauce_janitor.config.loader import from_bytes
from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import (
    UNKNOWN,
    Action,
    AssetsStanding,
    BuildCounters,
    Decision,
    JobState,
    Reason,
    Record,
    Verdict,
    Why,
)
from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.decide import decide
from sauce_janitor.retention.plan.planner import Plan, make_plan
from tests.support.jobs import NOW, id_of, record

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
CASES: dict[str, Any] = yaml.safe_load((GOLDEN / "policies.yaml").read_text())
FRAME = {
    "version": 1,
    "timezone": "Europe/Berlin",
    "accounts": {
        name: {"base_url": "http://127.0.0.1:1", "username": user, "access_key": {"env": "KEY"}}
        for name, user in (("eu", "demo"), ("us", "other"))
    },
    "archive": {"path": "./archive"},
    "state": {"path": "./state.db"},
    "holds": [{"tag": "keep"}, {"tag_prefix": "keep-until="}],
    "limits": {"max_percent": 100},
}


def rules_of(name: str) -> Rules:
    """The rules of a case, through all of the configuration."""
    case = CASES[name]
    text = yaml.safe_dump(FRAME | (case if isinstance(case, dict) else {"policies": case}))
    return from_bytes(text.encode(), GOLDEN / name, environ={}).rules("eu")


# --- the jobs of jobs.csv -------------------------------------------------------------------------


def inventory() -> list[Record]:
    with (GOLDEN / "jobs.csv").open(newline="") as file:
        return [_record(row) for row in csv.DictReader(file)]


def _record(row: dict[str, str]) -> Record:
    said = {name: {"null": None, "?": UNKNOWN}.get(value, value) for name, value in row.items()}
    fields: dict[str, Any] = {
        key: said[key] for key in ("status", "name", "os", "browser", "build", "build_status")
    }
    fields["state"] = JobState(row["state"])
    fields["tags"] = UNKNOWN if row["tags"] == "?" else tuple(filter(None, row["tags"].split(";")))
    fields["build_id"] = fields["build"]
    if row["build_jobs"]:
        fields["build_counters"] = BuildCounters(int(row["build_jobs"]), 0)
    made = parse_duration(row["age"]).seconds
    if fields["state"] is not JobState.FINISHED:
        fields |= {"ended_at": None, "modified_at": None, "started_at": NOW - made}
    for word in filter(None, row["standing"].split("; ")):
        fields |= _standing(word)
    return record(row["job"], made, **fields)


def _standing(text: str) -> dict[str, Any]:
    """What else there is to say of a job, in the words of jobs.csv."""
    match text.split():
        case ["held"]:
            return {"held": True}
        case ["no", "start"]:
            return {"started_at": UNKNOWN}
        case ["no", "end"]:
            return {"ended_at": UNKNOWN}
        case ["archived", keys]:
            return {"archived": frozenset({keys})}
        case ["assets", standing]:
            return {"assets": AssetsStanding(standing)}
        case ["announced", ago]:
            return {"announced": {Action.DELETE_JOB: NOW - parse_duration(ago).seconds}}
    raise AssertionError(f"jobs.csv: no such standing: {text}")


# --- plans as text --------------------------------------------------------------------------------


_IN = "    "
_UNCOVERED = (Verdict.KEEP, (Reason(Why.NO_POLICY),))


class Written:
    """One plan, written out."""

    def __init__(self, rules: Rules, records: list[Record], names: dict[str, str]) -> None:
        self._names = names
        ordered = newest_first(records, rules.age_from)
        self.decided = list(decide(rules, lambda: ordered, as_of=NOW))
        self.plan: Plan = make_plan(rules, lambda: ordered, as_of=NOW, accepted_at=None)

    def lines(self) -> Iterator[str]:
        yield from self._counted()
        for action in Action:
            yield ""
            yield f"## {action}"
            yield from self._decisions(action)
        yield ""
        yield "## in the order of execution"
        yield from self._order()

    def _counted(self) -> Iterator[str]:
        plan = self.plan
        totals = ", ".join(f"{action} {number}" for action, number in plan.totals.items())
        yield f"{plan.inventory} jobs, {plan.held} held: {totals}"
        yield "matched: " + ", ".join(
            f"{name} {number}" for name, number in sorted(plan.matched.items())
        )
        for (policy, field), jobs in sorted(plan.undecided.items()):
            yield f"undecided: {jobs} by {policy} for {field}"
        yield (
            f"not archived, purged within 24 h: {plan.expiring_24h_jobs}, within 72 h:"
            f" {plan.expiring_72h_jobs}"
        )
        for broken in plan.broken:
            yield f"broken: {broken.text}"
        for job_id, actions in sorted(
            plan.announced(), key=lambda announced: self._names[announced[0]]
        ):
            yield f"announced: {self._names[job_id]}: {', '.join(actions)}"

    def _decisions(self, action: Action) -> Iterator[str]:
        """Jobs with the same decision and reasons together, the newest first."""
        groups: dict[tuple[Verdict, tuple[Reason, ...]], list[str]] = {}
        for item, decisions in self.decided:
            (decision,) = (each for each in decisions if each.action is action)
            groups.setdefault((decision.verdict, decision.reasons), []).append(
                self._names[item.job.id]
            )
        others = groups.pop(_UNCOVERED, [])
        for (verdict, reasons), jobs in groups.items():
            yield f"{verdict}: {'; '.join(reason.text for reason in reasons)}"
            yield from textwrap.wrap(
                " ".join(jobs),
                120,
                initial_indent=_IN,
                subsequent_indent=_IN,
                break_on_hyphens=False,
            )
        if others:
            yield f"{_UNCOVERED[0]}: {_UNCOVERED[1][0].text}"
            yield f"{_IN}the {'other ' if groups else ''}{len(others)} jobs"

    def _order(self) -> Iterator[str]:
        for job in self.plan.jobs():
            steps = ", ".join(map(_step, job.actions))
            stored = (
                job.selection.key if job.selection else f"nothing, says {job.nothing_wanted_by}"
            )
            yield f"{self._names[job.job_id]}: {steps}; to store: {stored}"


def _step(decision: Decision) -> str:
    since = datetime.fromtimestamp(decision.due_since or 0, UTC).strftime("%Y-%m-%dT%H:%MZ")
    return f"{decision.action} due since {since} by {decision.policy or 'a hold'}"


# --- the tests ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def jobs() -> list[Record]:
    return inventory()


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    with (GOLDEN / "jobs.csv").open(newline="") as file:
        return {id_of(row["job"]): row["job"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("name", CASES)
def test_a_plan_is_the_one_on_record(name: str, jobs: list[Record], names: dict[str, str]) -> None:
    written = Written(rules_of(name), jobs, names)
    assert_invariants(written, jobs)
    text = f"# {name}, as of 2026-06-01T12:00Z\n" + "\n".join(written.lines()) + "\n"
    file = GOLDEN / "plans" / f"{name}.txt"
    if os.environ.get("SAUCE_JANITOR_REGENERATE"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text.splitlines() == file.read_text().splitlines()
    assert text == file.read_text()


def assert_invariants(written: Written, jobs: Iterable[Record]) -> None:
    """Every job has one decision an action; what is kept and what is due are all; the counts are of
    these decisions.
    """
    everything = {item.job.id for item in jobs}
    found: dict[tuple[Action, Verdict], set[str]] = {
        (action, verdict): set() for action in Action for verdict in Verdict
    }
    with_the_job = 0
    assert sorted(item.job.id for item, _ in written.decided) == sorted(everything)
    for item, decisions in written.decided:
        assert [decision.action for decision in decisions] == list(Action)
        for decision in decisions:
            assert decision.reasons
            found[decision.action, decision.verdict].add(item.job.id)
            with_the_job += Why.WITH_THE_JOB in {reason.why for reason in decision.reasons}
    plan = written.plan
    assert plan.inventory == len(everything)
    for action in Action:
        kept, due = found[action, Verdict.KEEP], found[action, Verdict.DUE]
        assert kept | due == everything
        assert not kept & due
        own = len(due) - (with_the_job if action is Action.DELETE_ASSETS else 0)
        assert plan.totals[action] == own
        assert sum(number for (_, of), number in plan.counts.items() if of is action) == own
    assert {job.job_id for job in plan.jobs()} == set().union(
        *(found[action, Verdict.DUE] for action in Action)
    )


def test_there_is_no_plan_on_record_that_nothing_makes() -> None:
    assert {file.stem for file in (GOLDEN / "plans").iterdir()} == set(CASES)
    assert len(CASES) >= 40
