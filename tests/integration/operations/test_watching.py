"""`status` tells how things stand; `prove` holds the journal against the archive, and finds what
was taken away or changed.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.errors import RefusedError
from sauce_janitor.model.jobs import Action, JobId, Owner
from tests.support.commands import Commands

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: noise, match: {build: "PR-*"}, then: {archive: none, delete_assets: 10d}}
  - name: rest
    default: true
    then: {archive: {after: 1d, assets: [logs], discard: rest}, delete_assets: 12d, delete_job: 20d}
"""


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    made = open_desk()
    made.configure(POLICIES)
    return made


def status(desk: Commands, *arguments: str) -> dict[str, Any]:
    [told] = json.loads(desk.say("status", "--format", "json", *arguments).stdout)
    assert isinstance(told, dict)
    return told


def proven(desk: Commands, *arguments: str, code: int = 0) -> dict[str, Any]:
    found = json.loads(desk.say("prove", "--format", "json", *arguments, code=code).stdout)
    assert isinstance(found, dict)
    return found


# --- status ---------------------------------------------------------------------------------------


def test_before_the_first_run_status_says_so_and_asks_nothing(desk: Commands) -> None:
    told = status(desk)
    assert (told["last_runs"], told["last_plan"], told["listing"]["full_at"]) == ([], None, None)
    said = desk.say("status").stdout
    assert "no plan yet" in said
    assert "no full listing yet" in said
    assert len(desk.sandbox.log) == 0


def test_status_tells_runs_plan_listing_budget_holds_and_approvals(desk: Commands) -> None:
    plan = desk.run().plan
    told = status(desk)
    assert told["last_plan"]["left"] is None
    assert "due by the plan made" in desk.say("status").stdout
    assert told["last_plan"]["counts"] == {
        action.value: number for action, number in plan.totals.items()
    }
    assert status(desk, "--policy", "noise")["last_plan"]["by_policy"].keys() == {"noise"}
    assert told["listing"]["jobs"] == plan.inventory
    assert told["listing"]["age_s"] < 600
    desk.later_s = 1
    desk.run(execute=True)
    desk.say("approve", desk.config.policy_digest("box"), "--yes")
    desk.say("hold", "add", "a" * 32, "--reason", "x", "--yes")
    told = status(desk)
    assert [(run["mode"], run["result"]) for run in told["last_runs"]] == [
        ("execute", "done"),
        ("dry_run", "done"),
    ]
    assert told["last_plan"]["left"] == 0
    outcomes = told["last_runs"][0]["outcomes"]
    assert outcomes["delete_job_done"] == plan.totals[Action.DELETE_JOB]
    assert len({policy for policy, action in plan.counts if action is Action.DELETE_ASSETS}) > 1
    gone = outcomes["delete_assets_done"] + outcomes.get("delete_assets_already_gone", 0)
    assert gone == plan.totals[Action.DELETE_ASSETS], "every policy's outcomes are summed"
    assert (told["local_holds"], len(told["approvals"]), told["open_intents"], told["paused"]) == (
        1,
        1,
        [],
        None,
    )
    said = desk.say("status").stdout
    for words in (
        "due: nothing left of the plan carried out",
        "holds: 1 local",
        "approved by",
        "execute, done",
        "dry run, done",
        "budget:",
    ):
        assert words in said


def test_status_tells_refused_and_failed_runs_and_the_pause(desk: Commands) -> None:
    desk.configure(POLICIES.replace("max_percent: null", "max_percent: null, max_jobs: 1"))
    with pytest.raises(RefusedError):
        desk.run(execute=True)
    desk.later_s = 1
    desk.say("pause", "--reason", "incident 42", "--yes")
    with pytest.raises(RefusedError):
        desk.run(execute=True)
    told = status(desk)
    assert [run["result"] for run in told["last_runs"]] == ["refused", "refused"]
    assert "max_jobs is 1" in told["last_runs"][1]["error"]
    assert told["last_plan"]["limits_broken"] == ["max_jobs"]
    assert told["paused"]["reason"] == "incident 42"
    assert "PAUSED by" in desk.say("status").stdout


def test_a_look_at_another_time_is_no_run(desk: Commands) -> None:
    desk.run(as_of=1_900_000_000)
    assert status(desk)["last_runs"] == []


def test_an_unknown_account_is_refused(desk: Commands) -> None:
    desk.say("status", "--account", "nope", code=2)
    desk.say("prove", "--account", "nope", code=2)


# --- prove ----------------------------------------------------------------------------------------


def test_every_deletion_is_proven_by_its_receipt_or_was_wanted_without(desk: Commands) -> None:
    desk.run(execute=True)
    before = len(desk.sandbox.log)
    found = proven(desk)
    assert found["findings"] == []
    assert found["deletions"] == found["by_receipt"] + found["nothing_wanted"] > 5
    assert min(found["by_receipt"], found["nothing_wanted"], found["files"]) > 0
    assert found["chain_is_whole"]
    assert len(desk.sandbox.log) == before
    said = desk.say("prove").stdout
    assert "none altered or missing" in said
    assert "Cannot be proven: files that Sauce Labs had but never listed" in said


def stored(desk: Commands) -> list[Path]:
    """The folders of archived jobs that were deleted."""
    folders = sorted(path.parent for path in (desk.folder / "archive").rglob("receipt.json"))
    return [folder for folder in folders if folder.name in desk.deleted()]


@pytest.mark.parametrize("damage", ["changed byte", "lost file", "lost folder", "lost receipt"])
def test_what_is_lost_or_changed_is_found(desk: Commands, damage: str) -> None:
    desk.run(execute=True)
    folder = stored(desk)[0]
    if damage == "changed byte":
        path = folder / "job.json"
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    elif damage == "lost file":
        (folder / "job.json").unlink()
    elif damage == "lost folder":
        shutil.rmtree(folder)
    else:
        (folder / "receipt.json").unlink()
    for arguments in ((), (folder.name,)):
        found = proven(desk, *arguments, code=6)
        assert any(folder.name in finding for finding in found["findings"])
        assert found["by_receipt"] < found["deletions"] - found["nothing_wanted"]
    assert "Found: " in desk.say("prove", code=6).stdout
    assert proven(desk, stored(desk)[1].name)["findings"] == []


def test_a_receipt_put_in_the_place_of_the_one_in_the_journal_is_found(desk: Commands) -> None:
    desk.run(execute=True)
    folder = stored(desk)[0]
    receipt = folder / "receipt.json"
    receipt.write_text(receipt.read_text().replace('"policy"', ' "policy"', 1))
    assert proven(desk, code=6)["findings"]


def test_a_receipt_that_the_archive_does_not_have_is_found(desk: Commands) -> None:
    desk.run(execute=True)
    job = JobId(stored(desk)[0].name)
    journal = desk.state.journal.during("box", "another run", lambda: 5)
    journal.archived(job, Owner("demo"), receipt="f" * 64, selection=None, policy="rest")
    [finding] = proven(desk, job, code=6)["findings"]
    assert f"does not have its receipt {'f' * 64}" in finding


def test_an_archive_that_is_gone_is_no_proof(desk: Commands) -> None:
    desk.run(execute=True)
    shutil.rmtree(desk.folder / "archive")
    desk.say("prove", code=4)


def test_an_edited_journal_is_found(desk: Commands) -> None:
    desk.run(execute=True)
    desk.state.close()
    desk._state.clear()
    with closing(sqlite3.connect(desk.folder / "state.db")) as connection:
        connection.execute("UPDATE journal SET policy = 'another' WHERE seq = 3")
        connection.commit()
    found = proven(desk, code=6)
    assert not found["chain_is_whole"]
    assert "line 3 of the journal" in found["findings"][0]


def test_a_delete_in_doubt_is_said_to_be_unproven(desk: Commands) -> None:
    desk.run(execute=True)
    found = proven(desk)
    assert (found["in_doubt"], found["already_gone"]) == (0, 0)
    with closing(sqlite3.connect(desk.folder / "state.db")) as connection:
        [(last,)] = connection.execute(
            "SELECT max(seq) FROM journal WHERE outcome = 'confirmed'"
        ).fetchall()
        connection.execute("UPDATE journal SET outcome = 'unknown' WHERE seq = ?", [last])
        connection.commit()
    found = proven(desk, code=6)  # the edit is found too
    assert found["in_doubt"] == 1
    assert "outcome is not known yet" in desk.say("prove", code=6).stdout


def test_a_job_that_nobody_knows_is_refused(desk: Commands) -> None:
    desk.run()
    desk.say("prove", "a" * 32, code=2)
    desk.say("prove", "nonsense", code=2)
