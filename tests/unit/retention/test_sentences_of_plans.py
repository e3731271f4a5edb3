"""The sections of docs/policies.md on terms, limits and configuration, a test a sentence: each docstring quotes it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sauce_janitor.retention.ages import newest_first
from sauce_janitor.retention.model import Action, Owner, Record, Verdict, Why
from sauce_janitor.retention.planning import Plan, make_plan
from sauce_janitor.retention.rules import Rules
from sauce_janitor.sauce.parse import parse_assets, parse_builds, parse_rows
from tests.fakes.records import DAY, HOUR, NOW, id_of, record, running
from tests.unit.retention.deciding_with import decisions
from tests.unit.retention.sentences import told

ARCHIVE, ASSETS, JOB, STOP = Action.ARCHIVE, Action.DELETE_ASSETS, Action.DELETE_JOB, Action.STOP
SIMPLE = "[{name: p, match: all, then: {archive: none, delete_job: 1d}}]"


def planned(rules: Rules, *jobs: Record, **given: Any) -> Plan:
    ordered = newest_first(jobs, rules.age_from)
    return make_plan(rules, lambda: ordered, as_of=NOW, **({"accepted_at": None} | given))


def old(count: int, label: str = "j", **fields: Any) -> list[Record]:
    return [record(f"{label}{n}", 2 * DAY + n, **fields) for n in range(count)]


# --- Terms -----------------------------------------------------------------------------------------------------------


def test_words_of_sauce_labs() -> None:
    """Terms: `job`, `build`, `asset` are Sauce Labs' own."""
    (job,) = parse_rows([{"id": id_of("j"), "owner": "jane", "status": "complete", "tags": []}], Owner("jane")).jobs
    assert job.id == id_of("j")
    (build,) = parse_builds({"builds": [{"id": "b" * 32, "name": "nightly-1", "status": "failed"}]})
    assert (build.id, build.name, build.status) == ("b" * 32, "nightly-1", "failed")
    assert parse_assets({"video": "video.mp4", "screenshots": ["0.png"]}, job.id).names == ("video.mp4", "0.png")


MIXED = (
    record("due", 2 * DAY), record("young", HOUR), record("held", 2 * DAY, held=True), running("running", DAY),
    record("foreign", 2 * DAY, name="other"),
)  # fmt: skip
NARROW = "[{name: p, match: {name: checkout}, then: {archive: 1h, delete_assets: 1d, delete_job: 1d, stop: 1h}}]"


def test_decisions() -> None:
    """Terms: A **decision** is made for every job and every action, kept ones too, with its reasons."""
    found = decisions(told(NARROW), MIXED)
    assert set(found) == {item.job.id for item in MIXED}
    for decided in found.values():
        assert set(decided) == set(Action)
        assert all(decision.reasons for decision in decided.values())


def test_plans() -> None:
    """Terms: A **plan** is all decisions of a run."""
    plan, found = planned(told(NARROW), *MIXED), decisions(told(NARROW), MIXED)
    each = [(job, decision) for job, decided in found.items() for decision in decided.values()]
    assert plan.inventory == len(MIXED)
    assert plan.kept == Counter(
        (decision.action, reason)
        for _, decision in each
        if decision.verdict is Verdict.KEEP
        for reason in decision.reasons
    )
    assert {(job.job_id, decision) for job in plan.jobs() for decision in job.actions} == {
        (job, decision)
        for job, decision in each
        if decision.verdict is Verdict.DUE and Why.WITH_THE_JOB not in {reason.why for reason in decision.reasons}
    }
