"""What happens to a copy on the disk between the run that made it and the run that deletes is found
before the delete.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sauce_janitor.archive import Archive, Proof
from sauce_janitor.execute import Outcome
from sauce_janitor.metrics import Metrics
from sauce_janitor.model.jobs import Action, JobId, Owner
from sauce_janitor.operations.wiring.run_settings import Result
from tests.support.commands import DAY, Commands

ARCHIVE = (
    "limits: {max_percent: null}\npolicies: [{name: old, match: all, then: {archive: {after: 1h,"
    " assets: [all]}ALSO}}]\n"
)
DELETES = {Action.DELETE_JOB: ", delete_job: 3d", Action.DELETE_ASSETS: ", delete_assets: 3d"}


def configure(desk: Commands, deletes: str = "", archive: str = "") -> None:
    """Archive all; and delete, as said."""
    desk.configure(ARCHIVE.replace("ALSO", deletes))
    text = (desk.folder / "config.yaml").read_text()
    (desk.folder / "config.yaml").write_text(
        text.replace("{path: ./archive}", "{path: ./archive" + archive + "}")
    )


def archived(desk: Commands, jobs: int = 3, archive: str = "") -> list[str]:
    """Jobs that an earlier run archived."""
    now = int(time.time())
    made = [
        desk.sandbox.arrive(created_at=now - 10 * DAY + n * 60, name="due") for n in range(jobs)
    ]
    configure(desk, archive=archive)
    desk.run(execute=True)
    return made


def folder(desk: Commands, job: str) -> Path:
    """The job's folder in the archive."""
    [path] = (desk.folder / "archive").rglob(f"{job}/receipt.json")
    return path.parent


def largest(place: Path) -> Path:
    return max(place.glob("assets/*"), key=lambda file: file.stat().st_size)


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def write_zeros(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a bit of an asset": lambda place: flip_a_bit(largest(place)),
    "an asset of zeros": lambda place: write_zeros(largest(place)),
    "a shorter asset": lambda place: os.truncate(largest(place), 9),
    "no asset": lambda place: largest(place).unlink(),
    "a bit of job.json": lambda place: flip_a_bit(place / "job.json"),
}


def deletes(desk: Commands, action: Action, archive: str = "") -> Result:
    configure(desk, DELETES[action], archive)
    return desk.run(execute=True)


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    return open_desk(jobs=0)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_copy_is_fetched_again_under_a_new_receipt_and_then_the_job_goes(
    desk: Commands, damage: str
) -> None:
    jobs = archived(desk)
    before = {file.name: file.read_bytes() for file in folder(desk, jobs[1]).glob("assets/*")}
    DAMAGES[damage](folder(desk, jobs[1]))
    desk.metrics = Metrics()
    result = deletes(desk, Action.DELETE_JOB)
    execution = result.execution
    assert execution is not None
    assert (execution.damaged_copies, execution.restored_copies) == (1, 1)
    assert execution.complete
    assert desk.deleted() == set(jobs)
    place = folder(desk, jobs[1])
    document = json.loads((place / "receipt-2.json").read_text())
    assert {
        file["name"]: (place / file["file"]).read_bytes() for file in document["assets"]
    } == before
    assert json.loads(desk.say("prove", "--format", "json").stdout)["findings"] == []
    desk.say("archive", "verify")
    [summary] = [run.summary for run in desk.state.runs.last("box", limit=1)]
    assert (summary["damaged_copies"], summary["restored_copies"]) == (1, 1)
    shown = {name: value for (name, _), value in desk.metrics._grown.items() if "copies" in name}
    assert shown == {"damaged_copies": 1, "restored_copies": 1}


@pytest.mark.parametrize("compress", ["", ", compress: true"], ids=["plain", "compressed"])
@pytest.mark.parametrize("action", DELETES)
def test_what_sauce_labs_has_no_more_keeps_its_job_and_says_how_to_go_on(
    desk: Commands, action: Action, compress: str
) -> None:
    jobs = archived(desk, archive=compress)
    [log] = folder(desk, jobs[1]).glob("assets/log.json*")
    flip_a_bit(log)
    desk.sandbox.inject("lie", endpoint="assets.list", job=jobs[1], drop=["sauce-log"])
    result = deletes(desk, action, compress)
    execution = result.execution
    assert execution is not None
    assert desk.deleted() == {jobs[0], jobs[2]}
    [failure] = execution.failures
    assert "restored from a backup of the archive" in failure.detail
    assert execution.count(action, Outcome.FAILED) == 1


def test_a_damaged_file_that_is_listed_and_cannot_be_had_keeps_its_job(desk: Commands) -> None:
    jobs = archived(desk)
    damaged = largest(folder(desk, jobs[1]))
    flip_a_bit(damaged)
    desk.sandbox.inject(
        "status", endpoint="asset.get", job=jobs[1], path=f"*/{damaged.name}", status=404
    )
    for again in range(2):
        desk.later_s = again * DAY
        execution = deletes(desk, Action.DELETE_JOB).execution
        assert execution is not None
        assert desk.deleted() == {jobs[0], jobs[2]}
        assert not execution.complete
        assert execution.restored_copies == 0
    desk.sandbox.faults.disarm()
    desk.later_s = 5 * DAY
    desk.run(execute=True)
    assert desk.deleted() == set(jobs)
    assert json.loads(desk.say("prove", "--format", "json").stdout)["findings"] == []


def flip_a_digit_of_a_hash(file: Path) -> None:
    """It reads as well as before, and says something else of an asset."""
    text = file.read_text()
    at = text.rindex('"sha256": "') + 20
    file.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])


@pytest.mark.parametrize(
    "damage", [flip_a_digit_of_a_hash, lambda file: file.write_bytes(b"{}")], ids=["a digit", "all"]
)
def test_a_damaged_receipt_keeps_the_job_until_somebody_restores_or_moves_its_folder(
    desk: Commands, damage: Callable[[Path], None]
) -> None:
    jobs = archived(desk)
    place = folder(desk, jobs[1])
    damage(place / "receipt.json")
    execution = deletes(desk, Action.DELETE_JOB).execution
    assert execution is not None
    assert desk.deleted() == {jobs[0], jobs[2]}
    [failure] = execution.failures
    assert "move it out of the archive" in failure.detail
    assert not (place / "receipt-2.json").exists()
    place.rename(desk.folder / "aside")
    execution = desk.run(execute=True).execution
    assert execution is not None
    assert execution.complete
    assert (execution.damaged_copies, execution.restored_copies) == (1, 1)
    assert desk.deleted() == set(jobs)


def test_a_copy_that_is_gone_is_not_replaced_by_an_empty_one(desk: Commands) -> None:
    """Its assets were deleted at Sauce Labs when the archive had them: the archive was the only
    place.
    """
    [job] = archived(desk, 1)
    deletes(desk, Action.DELETE_ASSETS)
    folder(desk, job).rename(desk.folder / "aside")
    execution = deletes(desk, Action.DELETE_JOB).execution
    assert execution is not None
    assert [entry.endpoint for entry in desk.sandbox.log.writes()] == ["assets.delete"]
    [failure] = execution.failures
    assert "its copy is gone from the archive" in failure.detail


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs whose copies were read back before a delete, in turn."""
    jobs: list[str] = []
    real = Archive.read_back

    def noted(
        archive: Archive, owner: Owner, job_id: JobId, *, ended_at: int | None
    ) -> Proof | None:
        jobs.append(job_id)
        return real(archive, owner, job_id, ended_at=ended_at)

    monkeypatch.setattr(Archive, "read_back", noted)
    return jobs


def test_a_read_back_is_trusted_for_as_long_as_the_configuration_says(
    desk: Commands, read: list[str]
) -> None:
    trusted = ", verify_before_delete: 7d"
    first, second = archived(desk, 2, trusted)
    desk.later_s = 6 * DAY
    desk.sandbox.inject("status", endpoint="job.delete", job=second, status=400)
    deletes(desk, Action.DELETE_JOB, trusted)
    assert desk.deleted() == {first, second}
    assert read == [], "its making is not a week ago"
    desk.later_s = 8 * DAY
    desk.run(execute=True)
    assert read == [second]
    desk.later_s = 14 * DAY
    desk.run(execute=True)
    assert read == [second], "that was not a week ago"
    desk.later_s = 20 * DAY
    deletes(desk, Action.DELETE_JOB)
    assert read == [second] * 2, "always is the default"


@pytest.mark.parametrize("damaged", [False, True])
def test_a_verification_counts_as_a_read_back_and_its_findings_end_the_trust(
    desk: Commands, read: list[str], damaged: bool
) -> None:
    trusted = ", verify_before_delete: 7d"
    [job] = archived(desk, 1, trusted)
    if damaged:
        flip_a_bit(largest(folder(desk, job)))
    else:
        desk.state.read_backs.forget("box", JobId(job))
    desk.say("archive", "verify", code=6 if damaged else 0)
    execution = deletes(desk, Action.DELETE_JOB, trusted).execution
    assert execution is not None
    assert (read, execution.restored_copies) == (([job], 1) if damaged else ([], 0))
    assert desk.deleted() == {job}


def test_a_copy_that_was_only_hashed_on_the_way_is_read_before_the_delete_of_the_same_run(
    desk: Commands, read: list[str]
) -> None:
    job = desk.sandbox.arrive(created_at=int(time.time()) - 10 * DAY, name="due")
    deletes(desk, Action.DELETE_JOB, ", verify: inline")
    assert (desk.deleted(), read) == ({job}, [job])
