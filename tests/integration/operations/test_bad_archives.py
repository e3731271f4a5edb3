"""Whole runs on an archive that cannot take them: a clear sentence, exit code 4, and nothing
deleted; afterwards they go on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from sauce_janitor.execute.events import Halt
from tests.support.commands import Commands
from tests.support.components import lacking

POLICIES = """
limits: {max_percent: null}
workers: 2
policies: [{name: old, match: all, then: {archive: 1h, delete_assets: 5d}}]
"""


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    made = open_desk()
    made.configure(POLICIES.replace("workers: 2\n", ""))
    path = made.folder / "config.yaml"
    path.write_text(
        path.read_text().replace(
            "archive: {path: ./archive}", "archive: {path: ./archive, min_free: 1%}"
        )
    )
    return made


@pytest.fixture
def mounted(desk: Commands) -> Iterator[Callable[[str], None]]:
    """Mounts a small disk as the archive's folder with these options, or remounts it; unmounted at
    the end.
    """
    if os.geteuid() != 0:
        lacking("mounting needs root")
    place, done = desk.folder / "archive", list[str]()

    def mount(options: str) -> None:
        place.mkdir(exist_ok=True)
        command = [
            "mount",
            "-t",
            "tmpfs",
            "-o",
            f"{'remount,' if done else ''}{options}",
            "none",
            str(place),
        ]
        found = subprocess.run(command, capture_output=True, check=False)
        if found.returncode and not done:
            lacking(f"cannot mount a tmpfs here: {found.stderr.decode().strip()}")
        assert found.returncode == 0, found.stderr
        done.append(options)

    yield mount
    if done:
        subprocess.run(["umount", place], check=True)


def all_deleted_are_archived(desk: Commands) -> bool:
    desk.say("archive", "verify")
    desk.say("prove")
    return all(line.receipt for line in desk.state.journal.lines("box") if line.kind == "intent")


def test_a_disk_that_fills_up_ends_the_run_and_the_next_one_goes_on(
    desk: Commands, mounted: Callable[[str], None]
) -> None:
    mounted("size=2m")

    said = desk.say("run", "--execute", code=4)

    assert re.search("No space left on device|archive.min_free keeps", said.output + said.stderr)
    assert all_deleted_are_archived(desk)
    before = len(desk.deleted())
    mounted("size=900m")
    desk.say("run", "--execute")
    assert len(desk.deleted()) > before
    assert all_deleted_are_archived(desk)


def test_an_archive_that_becomes_read_only_stops_every_delete(
    desk: Commands, mounted: Callable[[str], None]
) -> None:
    mounted("size=900m")
    desk.run(execute=True)
    deleted = len(desk.deleted())
    desk.sandbox.arrive(created_at=1_700_000_000)
    mounted("ro")

    said = desk.say("run", "--execute", code=4)

    assert "Read-only file system" in said.output + said.stderr + str(said.exception)
    assert len(desk.deleted()) == deleted
    mounted("rw")
    desk.say("run", "--execute")


def test_an_empty_disk_mounted_in_place_of_the_archive_stops_every_delete(
    desk: Commands, mounted: Callable[[str], None]
) -> None:
    desk.run(execute=True)
    deleted = len(desk.deleted())
    mounted("size=900m")

    said = desk.say("run", "--execute", code=4)

    assert "has no sentinel .sauce-janitor-archive: is the archive's volume mounted?" in str(
        said.exception
    )
    assert len(desk.deleted()) == deleted


def test_another_archive_in_its_place_stops_every_delete(desk: Commands) -> None:
    desk.run(execute=True)
    deleted = len(desk.deleted())
    sentinel = desk.folder / "archive" / ".sauce-janitor-archive"
    sentinel.write_text(
        '{"what": "x", "format": 1, "uuid": "11111111-2222-3333-4444-555555555555"}'
    )

    assert "is another archive" in str(desk.say("run", "--execute", code=4).exception)
    assert len(desk.deleted()) == deleted


def test_less_room_than_min_free_stops_the_run_before_it_asks_for_a_file(desk: Commands) -> None:
    path = desk.folder / "config.yaml"
    total = shutil.disk_usage(desk.folder).total
    path.write_text(path.read_text().replace("min_free: 1%", f"min_free: {total // 2**30 + 1}GiB"))

    said = desk.say("run", "--execute", code=4)

    assert "archive.min_free keeps" in str(said.exception)
    assert desk.writes() == []


def test_the_halt_is_the_archives(desk: Commands, mounted: Callable[[str], None]) -> None:
    mounted("size=2m")

    execution = desk.run(execute=True).execution

    assert execution is not None
    assert execution.halted is not None
    assert execution.halted.why is Halt.ARCHIVE
    assert not execution.complete
