"""Local holds: placed by a command, mirrored in the archive, seen by plans, and asked again right
before each delete.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.errors import ArchiveUnusableError
from sauce_janitor.model.jobs import Action, Job, JobId
from sauce_janitor.operations.holds import AccountHolds
from tests.support.commands import Commands

POLICIES = """
timezone: Pacific/Auckland
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: none, delete_assets: 10d}}
"""


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    made = open_desk()
    made.configure(POLICIES)
    return made


def due(desk: Commands, action: Action = Action.DELETE_ASSETS) -> list[str]:
    jobs = desk.run().plan.jobs()
    return [
        job.job_id for job in jobs if any(decision.action is action for decision in job.actions)
    ]


def listed(desk: Commands) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(desk.say("hold", "list", "--format", "json").stdout)
    return found


def mirror(desk: Commands) -> Path:
    [path] = (desk.folder / "archive").glob(".sauce-janitor-holds.*.json")
    return path


def lose_the_state(desk: Commands) -> None:
    desk.state.close()
    for path in desk.folder.glob("state.db*"):
        path.unlink()
    desk._state.clear()


def test_a_held_job_is_archived_whole_and_first_and_nothing_of_it_is_deleted(
    desk: Commands,
) -> None:
    before = due(desk)
    job = before[-1]
    desk.say("hold", "add", job, "--reason", "audit", "--yes")
    planned = list(desk.run().plan.jobs())
    assert (planned[0].job_id, planned[0].held) == (job, True)
    assert [decision.action for decision in planned[0].actions] == [Action.ARCHIVE]
    assert planned[0].selection is not None
    assert planned[0].selection.assets == {"all"}
    desk.run(execute=True)
    assert desk.deleted() == set(before) - {job}
    assert list((desk.folder / "archive").rglob(f"{job}/receipt.json"))


def test_holds_have_an_owner_a_reason_and_an_end_through_that_day_in_the_zone(
    desk: Commands,
) -> None:
    one, two = due(desk)[:2]
    desk.say(
        "hold",
        "add",
        one,
        "--reason",
        "audit FY26",
        "--by",
        "qa-lead",
        "--until",
        "2032-01-31",
        "--yes",
    )
    desk.say("hold", "add", "-", "--reason", "from a list", "--yes", stdin=f"{two}\n{one}\n")
    found = listed(desk)
    assert len(found) == 3
    hold = next(each for each in found if each["reason"] == "audit FY26")
    assert (hold["job_id"], hold["by"], hold["until"]) == (
        one,
        "qa-lead",
        1_959_159_600,
    )  # 2032-01-31T11:00Z
    assert all(each["in_state"] and each["in_archive"] for each in found)
    assert "audit FY26" in desk.say("hold", "list").stdout
    assert "qa-lead" in desk.say("explain", one).stdout


def test_a_hold_that_is_over_holds_no_more(desk: Commands) -> None:
    job = due(desk)[0]
    now = desk.run().plan.as_of
    desk.say("hold", "add", job, "--reason", "short", "--until", f"{iso(now + 3600)}", "--yes")
    assert job not in due(desk)
    desk.later_s = 3601
    assert job in due(desk)


def test_released_jobs_go_again(desk: Commands) -> None:
    job = due(desk)[0]
    desk.say("hold", "add", job, "--reason", "x", "--yes")
    desk.say("hold", "release", job, code=2)  # nobody to ask, and no --yes
    desk.say("hold", "release", job, "-n")
    assert job not in due(desk)
    desk.say("hold", "release", job, "--yes")
    assert listed(desk) == []
    assert json.loads(mirror(desk).read_text())["holds"] == []
    assert job in due(desk)
    again = desk.say("hold", "release", job, "--yes", code=2)
    assert str(again.exception) == f"job {job} of box has no local hold: see hold list"


def test_a_hold_without_an_end_does_not_look_released(desk: Commands) -> None:
    said = desk.say("hold", "add", due(desk)[0], "--reason", "x")
    assert said.stdout == "Held: 1 job of box, until it is released.\n"
    listing = desk.say("hold", "list").stdout
    assert "no end" in listing
    assert "released" not in listing


def test_what_is_no_job_id_or_is_over_is_refused_and_holds_nothing(desk: Commands) -> None:
    job = due(desk)[0]
    desk.say("hold", "add", job, "nonsense", "--reason", "x", "--yes", code=2)
    desk.say("hold", "add", job, "--reason", "x", "--until", "2020-01-31", "--yes", code=2)
    desk.say("hold", "add", job, "--reason", "x", "--until", "soon", "--yes", code=2)
    desk.say("hold", "add", job, "--reason", "x", "--yes", "--dry-run")
    assert listed(desk) == []


def test_what_only_protects_asks_nothing_without_a_terminal(desk: Commands) -> None:
    digest = desk.config.policy_digest("box")
    desk.say("hold", "add", due(desk)[0], "--reason", "x")
    assert len(listed(desk)) == 1
    desk.say("approve", digest, "--yes")
    assert "Withdrawn: 1 approval." in desk.say("approve", digest, "--withdraw").stdout
    desk.say("pause", "--reason", "an incident")
    assert desk.state.switch.is_paused()
    for words in (["resume"], ["approve", digest], ["hold", "release", due(desk)[0]]):
        desk.say(*words, code=2)


def test_a_lost_state_takes_no_hold_with_it(desk: Commands) -> None:
    """Holds: Local holds (`hold add`) are stored in the state and mirrored in the archive, where
    people who can only run tests cannot change them."""
    before = due(desk)
    desk.say("hold", "add", before[0], "--reason", "audit", "--yes")
    lose_the_state(desk)
    assert before[0] not in due(desk)
    desk.say("archive", "adopt", "--yes")
    desk.say("resume", "--yes")
    desk.run(execute=True)
    assert desk.deleted() == set(before[1:])
    [hold] = listed(desk)
    assert (hold["job_id"], hold["in_state"], hold["in_archive"]) == (before[0], False, True)
    desk.say("hold", "release", before[0], "--yes")
    assert listed(desk) == []


@pytest.mark.parametrize("damage", ["cut", "edited", "no permission to guess"])
def test_a_mirror_that_cannot_be_read_holds_everything(desk: Commands, damage: str) -> None:
    job = due(desk)[0]
    desk.say("hold", "add", job, "--reason", "x", "--yes")
    text = mirror(desk).read_text()
    mirror(desk).write_text(
        {"cut": text[:-40], "edited": text.replace(job, "0" * 32)}.get(damage, "[]")
    )
    for execute in (False, True):
        with pytest.raises(ArchiveUnusableError, match="every job is held"):
            desk.run(execute=execute)
    assert desk.writes() == []
    said = desk.say("hold", "list", code=4)
    assert job in said.stdout
    desk.say("hold", "release", job, "--yes", code=4)
    desk.say("hold", "add", due_from_state(desk)[1], "--reason", "y", "--yes", code=4)
    mirror(desk).unlink()
    desk.run(execute=True)
    assert job not in desk.deleted()
    assert len(json.loads(mirror(desk).read_text())["holds"]) == 2, "written anew from the state"


def test_a_hold_placed_while_a_run_goes_on_stops_the_next_delete(desk: Commands) -> None:
    """Holds: Each is checked again right before a delete."""
    jobs = due(desk)
    late = jobs[-1]
    from sauce_janitor.operations import holds

    asked: list[str] = []
    protects = holds.AccountHolds.protects

    def placing(self: holds.AccountHolds, job: Any) -> bool:
        if not asked:
            desk.say("hold", "add", late, "--reason", "wait", "--yes")
        asked.append(job.id)
        return protects(self, job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holds.AccountHolds, "protects", placing)
        desk.run(execute=True)
    assert desk.deleted() == set(jobs) - {late, *({asked[0]} & {late})}


def test_a_hold_that_only_the_mirror_gets_while_a_run_goes_on_stops_it_too(desk: Commands) -> None:
    jobs = due(desk)
    desk.run(execute=False)
    from sauce_janitor import archive
    from sauce_janitor.operations import holds

    late = jobs[-1]
    begun: list[str] = []
    protects = holds.AccountHolds.protects

    def placing(self: holds.AccountHolds, job: Any) -> bool:
        if not begun:
            begun.append(job.id)
            with archive.Catalogue.open(desk.folder / "archive") as there:
                hold = archive.MirroredHold(late, "another host", "", 1, None)  # type: ignore[arg-type]
                archive.HoldMirror(there.root, "box").replace([hold])
        return protects(self, job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holds.AccountHolds, "protects", placing)
        desk.run(execute=True)
    assert late not in desk.deleted()
    assert len(desk.deleted()) == len(jobs) - 1


def due_from_state(desk: Commands) -> list[str]:
    return [record.job.id for record in desk.state.jobs.records("box", as_of=0)]


def iso(time: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_hold_placed_by_another_name_for_the_same_account_protects_too(desk: Commands) -> None:
    planned, last = due(desk)[:2]
    state = desk.state
    state.accounts.admit("twin", base_url=desk.sandbox.base_url, username="demo")
    state.holds.add("twin", [JobId(planned)], by="jane", reason="audit", at=1, until=None)
    assert planned not in due(desk)

    protects = AccountHolds.protects
    asked: list[str] = []

    def placing(self: AccountHolds, job: Job, /) -> bool:
        if job.id == last and not asked:
            asked.append(job.id)
            state.holds.add("twin", [JobId(last)], by="jane", reason="audit", at=1, until=None)
        return protects(self, job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AccountHolds, "protects", placing)
        desk.run(execute=True)
    assert asked
    assert desk.deleted()
    assert not {planned, last} & desk.deleted()


def test_a_lost_state_takes_no_hold_of_a_renamed_account_with_it(desk: Commands) -> None:
    """The archive has the account by the name it had first, and only the state knew that they are
    one.
    """
    held = due(desk)[0]
    desk.say("hold", "add", held, "--reason", "evidence")
    desk.say("account", "rename", "box", "prod")
    lose_the_state(desk)
    path = desk.folder / "config.yaml"
    path.write_text(path.read_text().replace("  box: ", "  prod: "))
    desk.say("archive", "adopt", "--yes")
    desk.say("resume", "--yes")
    desk.say("run", "--execute")
    assert desk.deleted()
    assert held not in desk.deleted()
    assert [(hold["job_id"], hold["in_state"]) for hold in listed(desk)] == [(held, False)]
    desk.say("hold", "release", held, "--yes")
    assert listed(desk) == []
    assert "0 held" in desk.say("plan").stdout
