"""What a plan weighs is told by this account's own deletes and receipts, and by nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sauce_janitor.daemon.accounts import view_of
from sauce_janitor.operations.wiring.footprint import weights_of
from tests.support.commands import Commands

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: stored, match: {not: {build: "PR-*"}}, then: {archive: 1h, delete_assets: 10d}}
  - {name: noise, match: {build: "PR-*"}, then: {archive: none, delete_assets: 10d, delete_job: 20d}}
"""
NOW = 1_780_000_000


def effects(desk: Commands, *given: str) -> Any:
    return json.loads(desk.say("plan", "--format", "json", *given).stdout)["effects"]


def test_a_first_plan_knows_no_size_and_a_later_one_knows_those_of_deletes_and_receipts(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=80, days=25)
    desk.configure(POLICIES)
    first = effects(desk)
    assert first["unstored"]["jobs"] > 0
    assert [first[key]["bytes"] for key in ("unstored", "frees", "stores")] == [None, None, None]

    (carried,) = json.loads(desk.say("run", "--execute", "--format", "json").stdout)
    assert carried["effects"] == first
    freed = carried["reclaimed_bytes"]
    deletes, told = desk.state.journal.reclaimed("box", most=500)
    assert told == freed > 0
    weights = weights_of(desk.folder / "archive", desk.state, "box", now=NOW)
    assert (weights.deletes, weights.whole) == (deletes, freed / deletes)
    assert desk.state.journal.reclaimed("box", most=3)[0] == 3
    assert desk.state.journal.reclaimed("other", most=500) == (0, 0)

    later = effects(desk, "--as-of", "2030-01-01T00:00:00Z")
    assert later["estimated_by"]["deletes"] > 0
    assert later["estimated_by"]["receipts"] > 0
    assert sum(later["jobs"].values()) == 80 - first["jobs"]["deleted"]


def test_status_the_page_and_the_run_on_record_tell_of_what_is_destroyed(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=80, days=25)
    desk.configure(POLICIES)
    planned = effects(desk)
    said = desk.say("status").stdout
    assert f"destroyed without a copy: {planned['unstored']['jobs']} jobs, size unknown" in said
    facts = view_of(desk.config.account("box"), desk.state, None, None, now=NOW).facts
    assert [fact.bad for fact in facts if fact.name == "Destroyed without a copy by the plan"] == [
        True
    ]
    (account,) = json.loads(desk.say("status", "--format", "json").stdout)
    recorded = account["last_plan"]["effects"]
    assert recorded["disk"]["free_bytes"] > 0
    assert {key: recorded[key] for key in planned} == planned
