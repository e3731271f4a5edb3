"""A run stores its plan for the pages that show it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.errors import RefusedError
from sauce_janitor.model.console.stored_plans import PlanFilter, PlannedRow, StoredPlan
from tests.support.commands import Commands, Heard

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: stored, match: {not: {build: "PR-*"}}, then: {archive: 1h, delete_assets: 10d}}
  - {name: noise, match: {build: "PR-*"}, then: {archive: none, delete_assets: 10d, delete_job: 20d}}
"""


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    desk = open_desk(jobs=80, days=25)
    desk.configure(POLICIES)
    return desk


def plan_of(desk: Commands) -> StoredPlan:
    plan = desk.state.plans.newest("box")
    assert plan is not None
    return plan


def rows_of(desk: Commands, **wanted: Any) -> list[PlannedRow]:
    pages = desk.state.plans.pages(plan_of(desk), PlanFilter(**wanted))
    return [row for page in pages for row in page.rows]


def test_the_stored_plan_is_the_one_that_is_shown(desk: Commands) -> None:
    shown = json.loads(desk.say("plan", "--format", "json").stdout)
    plan = plan_of(desk)
    stored = {
        (row.job_id, row.owner, action.action.value, action.policy, since, action.reasons)
        for row in rows_of(desk)
        for action, since in zip(row.kind.actions, row.due_since, strict=True)
    }
    assert stored == {
        (
            row["job_id"],
            row["owner"],
            row["action"],
            row["policy"],
            when(row),
            tuple(row["reasons"]),
        )
        for row in shown["actions"]
    }
    assert (plan.facts.mode, plan.facts.policy_digest) == ("dry_run", shown["policy_digest"])
    assert plan.facts.requests == shown["requests_needed"]
    assert plan.facts.unstored == shown["effects"]["unstored"]["jobs"] > 0
    lost = rows_of(desk, unstored=True)
    assert [row.position for row in lost] == list(range(plan.facts.unstored))
    assert {row.kind.loss for row in lost} == {"nothing is archived"}
    assert {total.policy: total.jobs for total in plan.facts.totals if total.unstored}.keys() == {
        "noise"
    }
    counts = dict.fromkeys(("archive", "delete_assets", "delete_job", "stop"), 0)
    for total in plan.facts.totals:
        counts[total.action.value] += total.jobs
    assert counts == shown["counts"]
    # Nobody knows a size before the first delete.
    assert {total.unknown != () for total in plan.facts.totals} == {True}
    # Every job is in the inventory.
    assert all(row.job is not None and not row.gone for row in rows_of(desk))


def when(row: dict[str, Any]) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(row["due_since"]).timestamp())


def test_the_plan_after_an_executed_one_says_what_left_it(desk: Commands) -> None:
    desk.run(execute=True)
    carried = plan_of(desk)
    assert (carried.facts.mode, carried.difference) == ("execute", None)
    # Its jobs are still shown, as they are now.
    gone = [row for row in rows_of(desk) if row.gone]
    assert 0 < len(gone) < carried.facts.jobs
    desk.run()
    plan = plan_of(desk)
    assert plan.difference is not None
    assert plan.difference.left == carried.facts.jobs - plan.facts.jobs + plan.difference.added


@pytest.mark.parametrize(
    "given",
    [
        ("--policy", "noise"),
        ("--as-of", "2030-01-01T00:00:00Z"),
        ("--offline",),
    ],
)
def test_a_part_of_a_plan_and_a_what_if_replace_no_plan(
    desk: Commands, given: tuple[str, ...]
) -> None:
    desk.say("plan")
    before = plan_of(desk)
    desk.say("plan", *given)
    assert plan_of(desk) == before


def test_a_reviewed_plan_replaces_no_plan(desk: Commands, tmp_path: Path) -> None:
    desk.say("plan", "--out", str(tmp_path / "plan.json"))
    before = plan_of(desk)
    desk.say("apply", str(tmp_path / "plan.json"))
    assert plan_of(desk) == before
    assert any(row.gone for row in rows_of(desk))


def test_a_refused_plan_is_stored_with_the_limit_that_it_breaks(desk: Commands) -> None:
    desk.configure(POLICIES.replace("{max_percent: null}", "{max_percent: 1}"))
    with pytest.raises(RefusedError):
        desk.run(execute=True)
    (limit,) = plan_of(desk).facts.limits_broken
    assert "max_percent is 1 %" in limit


def test_a_plan_that_cannot_be_stored_stops_no_run(
    desk: Commands, heard: Callable[..., Heard]
) -> None:
    """As where the disk has room for a line of the journal and for no plan."""
    desk.say("plan")
    before = plan_of(desk)
    with closing(sqlite3.connect(desk.folder / "state.db")) as connection, connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON plan_parts"
            " BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    said = heard(desk, "run", "--execute")
    assert (said.code, "plan.not_stored" in said.stderr) == (0, True), said.stderr
    assert "database or disk is full" in said.stderr
    assert desk.deleted()
    assert plan_of(desk) == before
