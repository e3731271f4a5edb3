"""The stop stops: without a terminal, without a state, and from wherever it is known."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path

import pytest

from sauce_janitor.archive import MirroredPause, PauseMirror
from sauce_janitor.archive.pause_mirror import PAUSE_FILE
from sauce_janitor.cli.confirmation import current_user
from sauce_janitor.errors import RefusedError
from sauce_janitor.execute.events import Halt
from sauce_janitor.metrics import Metrics
from sauce_janitor.operations.policy_run import run
from sauce_janitor.operations.wiring.run_settings import Order, RunContext
from tests.support.commands import Commands, Quiet
from tests.support.ownership import POLICIES, switch_state


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    made = open_desk(jobs=12)
    made.configure(POLICIES)
    return made


def mirror(desk: Commands) -> Path:
    return desk.folder / "archive" / PAUSE_FILE


def test_a_lost_state_never_loses_the_stop(desk: Commands) -> None:
    desk.say("pause", "--reason", "an incident")  # before there is any archive
    switch_state(desk)
    desk.say("run", "--execute", code=3)
    with pytest.raises(RefusedError, match=r"an incident.*sauce-janitor resume"):
        desk.run(execute=True)
    assert desk.writes() == []
    desk.say("resume", "--yes")
    assert not mirror(desk).exists()
    assert desk.run(execute=True).complete
    writes = len(desk.writes())

    desk.say("pause")
    switch_state(desk)
    assert '"paused": {' in desk.say("status", "--format", "json").stdout
    desk.say("archive", "prune", "--yes", code=3)
    desk.say("archive", "adopt", "--yes")
    desk.say("resume", "-n")
    with pytest.raises(RefusedError, match="paused by"):
        desk.run(execute=True)
    assert len(desk.writes()) == writes
    desk.say("resume", "--yes")
    assert desk.run(execute=True).complete


def test_a_new_state_beside_an_archive_that_is_not_new_starts_paused_and_says_how_to_go_on(
    desk: Commands,
) -> None:
    desk.run(execute=True)
    switch_state(desk)
    before = len(desk.writes())
    desk.say("plan", "--out", str(desk.folder / "plan.json"))
    wrong = desk.say("apply", str(desk.folder / "plan.json"), code=3).exception
    for words in (
        "this state is new and the archive",
        "archive adopt",
        "`sauce-janitor resume` lifts it",
    ):
        assert words in str(wrong)
    desk.say("run", "--execute", code=3)
    assert not mirror(desk).exists(), "the archive may be another state's, which goes on"
    assert "PAUSED by sauce-janitor" in desk.say("status").stdout
    desk.say("resume", "--yes")
    status = " ".join(desk.say("status").stdout.split())
    assert "execute, refused, paused by sauce-janitor" in status
    assert "lifts it" not in status, "there is no pause any more"
    desk.say("run", "--execute", code=3)  # it is another state's still
    assert len(desk.writes()) == before
    desk.say("archive", "adopt", "--yes")
    assert desk.run(execute=True).complete


@pytest.mark.parametrize(
    "first", [f"hold add {'a' * 32} --reason x", "archive reindex", "archive adopt --yes"]
)
def test_no_command_makes_a_new_state_an_old_one(desk: Commands, first: str) -> None:
    desk.run(execute=True)
    switch_state(desk)
    desk.say(*first.split())
    with pytest.raises(RefusedError, match="paused by sauce-janitor: this state is new"):
        desk.run(execute=True)


def test_an_archive_that_moved_is_not_new_to_its_state(desk: Commands) -> None:
    desk.run(execute=True)
    (desk.folder / "archive").rename(desk.folder / "moved")
    path = desk.folder / "config.yaml"
    path.write_text(path.read_text().replace("./archive", "./moved"))
    assert desk.run(execute=True).complete


def test_a_pause_in_the_archive_stops_a_run_under_way(desk: Commands) -> None:
    def by_another_machine(*_: object) -> None:
        PauseMirror(desk.folder / "archive").pause(
            MirroredPause("jane", "wrong policy", 1), is_known=True
        )

    config, metrics = desk.config, Metrics()
    tools = RunContext(config, desk.state, metrics, Quiet(), show=by_another_machine)
    result = run(config.account("box"), tools, Order(execute=True))
    assert result.plan.job_count
    assert result.execution is not None
    assert result.execution.halted is not None
    assert result.execution.halted.why is Halt.PAUSED
    assert desk.writes() == []


def test_a_damaged_state_keeps_nobody_from_stopping(desk: Commands) -> None:
    desk.run(execute=True)
    desk.state.close()
    desk._state.clear()
    (desk.folder / "state.db").write_bytes(b"no database")
    assert "in one place only" in desk.say("pause", "--reason", "x", code=4).stderr
    assert mirror(desk).exists()


def test_an_archive_that_is_not_mounted_keeps_nobody_from_stopping(desk: Commands) -> None:
    desk.run(execute=True)
    (desk.folder / "archive").rename(desk.folder / "elsewhere")
    (desk.folder / "archive").mkdir()
    desk.say("pause", "--reason", "x", code=4)
    assert desk.state.switch.is_paused()
    assert list((desk.folder / "archive").iterdir()) == []
    desk.say("resume", "--yes", code=4)
    assert desk.state.switch.is_paused()


def test_a_pause_that_cannot_be_read_is_a_pause_and_can_be_lifted(desk: Commands) -> None:
    desk.run(execute=True)
    mirror(desk).write_text("{")
    with pytest.raises(RefusedError, match="cannot say whether it is paused"):
        desk.run(execute=True)
    desk.say("resume", "--yes")
    assert desk.run(execute=True).complete


def test_who_has_no_name_can_stop_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found: 10001")  # as in an image that runs as any user

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert current_user().startswith("uid ")
