"""Whole runs over jobs of which a listed file cannot be had: the rest is stored, deletes wait,
nothing is silent.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sauce_janitor.execute import asset_lists, purge_detection
from sauce_janitor.metrics import Metrics
from sauce_janitor.model.job_retries import FailureKind
from tests.support.commands import DAY, Commands

POLICY = """
limits: {max_percent: null}
policies:
  - {name: copied, match: all, then: {archive: {after: 1h WAIT}, delete_assets: 3d, delete_job: 3d}}
deadlines: [{name: privacy, match: all, assets_gone_by: 4d}]
"""
QUICK = ", retries: {attempts: 1, max_wait: 1s}"


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    """One old job of which `ghost.log` is listed and is never there, and a sound one."""
    desk = open_desk(jobs=0)
    desk.metrics = Metrics()
    configure(desk)
    return desk


def configure(desk: Commands, wait: str = "") -> None:
    desk.configure(POLICY.replace(" WAIT", wait), budget=QUICK)


def lacking(desk: Commands) -> str:
    """The job that lacks a file; another one is beside it."""
    ended = int(time.time()) - 10 * DAY
    jobs = [
        desk.sandbox.arrive(created_at=ended + n, name="checkout", build="nightly-1", tags=[])
        for n in range(2)
    ]
    desk.sandbox.inject("ghost_file", endpoint="assets.list", job=jobs[0])
    return jobs[0]


def receipts(desk: Commands, job: str) -> list[dict[str, object]]:
    [folder] = (desk.folder / "archive").rglob(job)
    found = [json.loads(path.read_text()) for path in Path(folder).glob("receipt*.json")]
    return sorted(found, key=lambda receipt: int(receipt["number"]))


def explained(desk: Commands, job: str) -> dict[str, object]:
    [told] = json.loads(desk.say("explain", job, "--format", "json").stdout)
    return dict(told)


def test_what_can_be_had_is_stored_at_once_and_only_the_deletes_wait(desk: Commands) -> None:
    job = lacking(desk)
    said = desk.say("run", "--execute", code=4).stdout
    assert "Incomplete: 1 job archived except for files that could not be fetched" in said
    [receipt] = receipts(desk, job)
    assert receipt["version"] == 2
    missing = [(each["name"], "404" in each["why"]) for each in receipt["missing"]]  # type: ignore[attr-defined]
    assert missing == [("ghost.log", True)]
    assert len(receipt["assets"]) > 2  # type: ignore[arg-type]
    assert len(desk.deleted() - {job}) == len(desk.deleted()) == 1, "the sound one"

    plan = desk.run().plan
    assert (plan.incomplete, plan.giving_up) == (1, 0)
    assert (
        "Files of 1 job could not be fetched: deletes of 1 wait for them" in desk.say("plan").stdout
    )
    assert {blocker.value: jobs for blocker, jobs in plan.late["privacy"].jobs.items()} == {
        "missing_files": 1
    }
    page = desk.metrics.page().decode()  # type: ignore[union-attr]
    assert 'sauce_janitor_incomplete_jobs{account="box"} 1.0' in page
    told = explained(desk, job)
    assert [each["name"] for each in told["missing_files"]] == ["ghost.log"]  # type: ignore[attr-defined]
    text = desk.say("explain", job).stdout
    assert "ghost.log" in text
    assert "files could not be fetched" in text
    assert desk.state.retries.one("box", job).kind is FailureKind.MISSING_FILES  # type: ignore[union-attr, arg-type]


def test_a_later_pass_completes_the_receipt_and_the_job_goes(desk: Commands) -> None:
    job = lacking(desk)
    desk.run(execute=True)
    desk.run(execute=True)
    assert len(receipts(desk, job)) == 1, "a try that brings nothing writes nothing"
    desk.sandbox.faults.disarm()
    desk.sandbox.upload(job, "ghost.log", b"late\n")
    assert desk.run(execute=True, retry_now=True).complete
    assert [len(each.get("missing", [])) for each in receipts(desk, job)] == [1, 0]  # type: ignore[arg-type]
    assert desk.run(execute=True).complete
    assert job in desk.deleted()
    assert desk.say("prove").exit_code == 0


def test_the_policy_says_when_to_go_on_without_a_file(desk: Commands) -> None:
    configure(desk, ", if_unavailable: {proceed: 2d}")
    job = lacking(desk)
    desk.run(execute=True)
    decisions = explained(desk, job)["decisions"]
    fate = next(each for each in decisions if each["action"] == "delete_job")  # type: ignore[attr-defined]
    assert fate["at"] is not None, "it says when the delete comes"
    assert job not in desk.deleted()
    desk.later_s = 2 * DAY + 60
    plan = desk.run().plan
    assert [each.job_id for each in plan.jobs()] == [job]
    assert (plan.incomplete, plan.giving_up) == (1, 1)
    done = desk.run(execute=True, retry_now=True).execution
    assert done is not None
    assert job in desk.deleted()
    asked = [entry for entry in desk.sandbox.log if entry.path.endswith("ghost.log")]
    assert len(asked) >= 2, "it is asked for once more right before"
    assert "Given up: 1 of the deletions" in desk.say("prove").stdout


def test_a_job_that_is_purged_while_files_are_missing_is_a_loss_and_never_exit_0(
    desk: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = lacking(desk)
    desk.run(execute=True)
    desk.sandbox.faults.disarm()
    desk.sandbox.inject("empty_list", endpoint="assets.list", job=job)
    for module in (purge_detection, asset_lists):
        monkeypatch.setattr(module, "PURGED_AFTER_S", 9 * DAY)  # as if its 30 days were over
    said = desk.say("run", "--execute", "--retry-now", code=4).stdout
    assert (
        "Lost: Sauce Labs had purged the assets of 1 job before they were archived (1 of them"
        " although" in said
    )
    assert [
        line.detail["lost"] for line in desk.state.journal.lines("box") if line.kind == "purged"
    ] == [True]
    assert desk.run(execute=True).complete, "it is told once"
    assert job in desk.deleted(), "if_purged: proceed"


def test_partial_copies_are_never_told_as_complete(desk: Commands) -> None:
    job = lacking(desk)
    desk.run(execute=True)
    rows = json.loads(desk.say("archive", "list", "--format", "json").stdout)
    assert {row["job_id"]: row["missing"] for row in rows}[job] == 1
    assert "incomplete: 1 file could not be downloaded" in desk.say("archive", "show", job).stdout
    assert "; 1 job incomplete" in desk.say("archive", "verify").stdout
    exported = desk.say("archive", "export", job, "-o", str(desk.folder / "out"))
    assert "Incomplete: 1 job. Files could not be downloaded" in exported.stderr


def test_a_state_made_anew_knows_what_is_missing(desk: Commands) -> None:
    job = lacking(desk)
    desk.run(execute=True)
    before = desk.state.jobs.record("box", job, as_of=0)  # type: ignore[arg-type]
    assert before is not None
    with desk.state.jobs._database.writing() as connection:
        connection.exec_driver_sql("UPDATE jobs SET missing = NULL, archived = NULL")
    desk.say("archive", "reindex")
    after = desk.state.jobs.record("box", job, as_of=0)  # type: ignore[arg-type]
    assert after is not None
    assert (after.missing, after.archived) == (before.missing, before.archived)


def test_a_missing_file_stays_missing_while_the_list_is_empty(desk: Commands) -> None:
    job = lacking(desk)
    desk.run(execute=True)
    desk.sandbox.faults.disarm()
    desk.sandbox.inject("empty_list", endpoint="assets.list", job=job)
    assert not desk.run(execute=True, retry_now=True).complete
    assert job not in desk.deleted(), (
        "an empty list proves nothing of a file that was listed and never stored"
    )
    desk.sandbox.faults.disarm()  # now the rest is listed: the name was an error of the list
    assert desk.run(execute=True, retry_now=True).complete
    assert job in desk.deleted()


def test_a_delete_does_not_rest_on_a_receipt_that_lacks_a_file_and_a_list_that_forgot_it(
    desk: Commands,
) -> None:
    job = lacking(desk)
    desk.run(execute=True)
    believe_complete(desk)
    desk.sandbox.faults.disarm()
    desk.sandbox.inject("empty_list", endpoint="assets.list", job=job)
    assert not desk.run(execute=True, retry_now=True).complete
    assert job not in desk.deleted()


def believe_complete(desk: Commands) -> None:
    """As a state put back from a backup may have it: the receipts are newer."""
    with desk.state.jobs._database.writing() as connection:
        connection.exec_driver_sql("UPDATE jobs SET missing = NULL, archived = '[\"all\"]'")


def test_files_that_are_given_up_are_not_asked_for_in_each_run_and_hold_no_delete_up(
    desk: Commands,
) -> None:
    policy = POLICY.replace(" WAIT", ", if_unavailable: {proceed: 1h}").replace(
        "_job: 3d", "_job: 12d"
    )
    desk.configure(
        policy.replace("delete_assets: 3d, ", "").replace("assets_gone_by", "job_gone_by"),
        budget=QUICK,
    )
    job = lacking(desk)
    desk.run(execute=True)
    asked = []
    for hour in range(2, 10):
        desk.later_s = hour * 3600
        assert desk.run(execute=True).complete, "given up, says the policy"
        asked.append(sum(entry.path.endswith("ghost.log") for entry in desk.sandbox.log))
    assert asked[-1] - asked[0] <= 3, "with growing pauses"
    assert desk.state.retries.one("box", job).kind is FailureKind.GIVEN_UP  # type: ignore[union-attr, arg-type]
    assert "files that if_unavailable has given up" in desk.say("status").stdout
    desk.later_s = 2 * DAY + 600
    assert desk.run(execute=True).complete
    assert job in desk.deleted(), "its pause does not hold the delete up"
    assert sum(entry.path.endswith("ghost.log") for entry in desk.sandbox.log) == asked[-1] + 1
    assert desk.state.retries.one("box", job) is None  # type: ignore[arg-type]
