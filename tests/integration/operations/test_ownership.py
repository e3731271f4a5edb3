"""Two states on one archive: the one that does not own it changes nothing, and is told what to
do.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sauce_janitor.archive.ownership.lease_records import LEASE_FILE
from sauce_janitor.errors import LeaseError, RefusedError
from sauce_janitor.execute.events import Halt
from sauce_janitor.metrics import Metrics
from sauce_janitor.operations.policy_run import run
from sauce_janitor.operations.wiring.run_settings import Order, RunContext
from sauce_janitor.state import State
from tests.support.commands import Commands, Quiet
from tests.support.ownership import POLICIES, switch_state


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    made = open_desk(jobs=12)
    made.configure(POLICIES)
    return made


def copy_of_state(desk: Commands, name: str) -> Path:
    copy = desk.folder / name
    with (
        closing(sqlite3.connect(desk.folder / "state.db")) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return copy


def test_two_copies_of_one_state_never_work_on_one_archive_in_turn(desk: Commands) -> None:
    desk.run(execute=True)
    clone = copy_of_state(desk, "clone.db")
    desk.run(execute=True)
    original, before = copy_of_state(desk, "original.db"), len(desk.writes())
    switch_state(desk, clone)
    with pytest.raises(RefusedError, match=r"older copy.*archive adopt"):
        desk.run(execute=True)
    desk.say("run", "--execute", code=3)
    assert "REFUSED: the archive" in desk.say("status").stdout
    desk.say("archive", "prune", "--yes", code=3)
    assert len(desk.writes()) == before
    [shown, *_] = json.loads(desk.say("archive", "list", "--format", "json").stdout)
    desk.say("archive", "show", shown["job_id"])
    desk.say("archive", "verify")
    desk.say("archive", "adopt", "-n")
    desk.say("archive", "adopt", code=2)
    desk.say("archive", "adopt", "--yes")
    assert '"archive_refused": null' in desk.say("status", "--format", "json").stdout
    assert "already" in desk.say("archive", "adopt", "--yes").stdout
    desk.run(execute=True)
    switch_state(desk, original)
    desk.say("run", "--execute", code=3)


def test_a_backup_made_during_the_last_run_is_refused_until_it_is_adopted(desk: Commands) -> None:
    """It knows of that run, and lacks what the run wrote afterwards."""

    def back_up(*_: object) -> None:
        copy_of_state(desk, "backup.db")

    config = desk.config
    tools = RunContext(config, desk.state, Metrics(), Quiet(), clock=time.time, show=back_up)
    assert run(config.account("box"), tools, Order(execute=True)).complete
    writes = len(desk.writes())
    assert writes
    switch_state(desk, desk.folder / "backup.db")
    with pytest.raises(RefusedError, match=r"journal lacks line \d+ of then.*archive adopt"):
        desk.run(execute=True)
    desk.say("archive", "prune", "--yes", code=3)
    assert "REFUSED: the archive" in desk.say("status").stdout
    desk.run()
    desk.say("plan")
    assert len(desk.writes()) == writes
    desk.say("archive", "adopt", "--yes")
    assert '"archive_refused": null' in desk.say("status", "--format", "json").stdout
    desk.run(execute=True)
    # What it would delete was deleted by the run that the backup lacks.
    assert len(desk.writes()) == writes


def test_an_archive_is_not_adopted_while_a_run_works_there(desk: Commands) -> None:
    desk.run(execute=True)
    other = State.open(desk.folder / "other.db")
    path = desk.folder / "config.yaml"
    mine = path.read_text()

    def adopt_meanwhile(*_: object) -> None:
        path.write_text(mine.replace("./state.db", "./other.db"))
        desk.say("archive", "adopt", "--yes", code=LeaseError.exit_code)
        path.write_text(mine)

    config = desk.config
    tools = RunContext(config, desk.state, Metrics(), Quiet(), show=adopt_meanwhile)
    assert run(config.account("box"), tools, Order(execute=True)).complete
    other.close()


@pytest.mark.parametrize("archive", ["1d", "none"])
def test_a_run_that_lost_the_archive_archives_and_deletes_nothing_more(
    desk: Commands, archive: str
) -> None:
    desk.configure(POLICIES.replace("archive: 1d", f"archive: {archive}"))

    def another_machine(*_: object) -> None:
        record = desk.folder / "archive" / f"{LEASE_FILE}box"
        record.write_text(json.dumps({**json.loads(record.read_text()), "word": "f" * 16}))

    config = desk.config
    tools = RunContext(
        config, desk.state, Metrics(), Quiet(), clock=time.time, show=another_machine
    )
    result = run(config.account("box"), tools, Order(execute=True))
    assert result.plan.job_count
    assert result.execution is not None
    assert result.execution.halted is not None
    assert result.execution.halted.why is Halt.LEASE
    assert desk.writes() == []
    assert list((desk.folder / "archive").rglob("receipt*.json")) == []


def test_a_foreign_state_lifts_no_hold_of_the_archives_owner(desk: Commands) -> None:
    [job, *_] = [each.job_id for each in desk.run().plan.jobs()]
    desk.run(execute=True)
    desk.say("hold", "add", job, "--reason", "audit")
    switch_state(desk)
    desk.say("hold", "release", job, "--yes", code=3)
    desk.say("hold", "add", job, "--reason", "ours, too")
    assert len(json.loads(desk.say("hold", "list", "--format", "json").stdout)) == 2
