"""A state and an archive that cannot be written: what only reads works, and what writes says why it
does not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.state import State
from tests.support.commands import Commands, Heard
from tests.support.components import lacking

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: {after: 1h, keep_for: 1d}, delete_assets: 5d}}
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, which `freeze` makes read-only."""
    if os.geteuid() != 0:
        lacking("mounting needs root")
    place = tmp_path / "disk"
    place.mkdir()
    found = subprocess.run(
        ["mount", "-t", "tmpfs", "none", place], capture_output=True, check=False
    )
    if found.returncode:
        lacking(f"cannot mount a tmpfs here: {found.stderr.decode().strip()}")
    yield place
    unmount(place)


def unmount(place: Path) -> None:
    subprocess.run(["umount", "--lazy", place], check=True)


def freeze(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


def a_desk(folder: Path, stack: ExitStack) -> Commands:
    """A folder in which one run has archived and deleted, and closed the state."""
    sandbox = stack.enter_context(Sandbox(SandboxOptions(jobs=12)))
    desk = Commands(folder, sandbox, stack)
    desk.configure(POLICIES, budget=", budget: {per_hour: 5000}")
    desk.say("run", "--execute")
    desk.say("hold", "add", "a" * 32, "--reason", "x", "--yes")
    return desk


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file, with its size and the time of its last change."""
    found = [each for each in folder.rglob("*") if each.is_file()]
    return {
        str(each.relative_to(folder)): (each.stat().st_size, each.stat().st_mtime_ns)
        for each in found
    }


def an_archived_job(desk: Commands, heard: Callable[..., Heard]) -> str:
    listed = heard(desk, "archive", "list", "--format", "json", "--limit", "1")
    assert listed.code == 0, listed.stderr
    [entry] = json.loads(listed.stdout)
    return str(entry["job_id"])


READS = (
    ("status",),
    ("status", "--format", "json"),
    ("explain", "JOB"),
    ("simulate",),
    ("prove",),
    ("hold", "list"),
    ("account", "list"),
    ("archive", "list"),
    ("archive", "show", "JOB"),
    ("archive", "verify"),
    ("archive", "verify", "JOB"),
    ("archive", "prune", "--dry-run"),
    ("archive", "export", "JOB", "--output", "OUT"),
    ("plan", "--offline"),
    ("diff", "CONFIG", "CONFIG"),
    ("check",),
    ("config", "show"),
)
WRITES = (
    ("plan",),
    ("run", "--execute"),
    ("hold", "add", "b" * 32, "--reason", "x"),
    ("pause",),
    ("approve", "DIGEST", "--yes"),
    ("resume", "--yes"),
    ("archive", "prune", "--yes"),
    ("archive", "reindex"),
)


def test_what_only_reads_works_on_a_disk_that_is_mounted_read_only_and_what_writes_says_so(
    disk: Path, tmp_path: Path, heard: Callable[..., Heard]
) -> None:
    with ExitStack() as stack:
        desk = a_desk(disk, stack)
        job, before = an_archived_job(desk, heard), contents(disk)
        left = json.loads(heard(desk, "status", "--format", "json").stdout)[0]["budget"][
            "left_this_hour"
        ]
        freeze(disk)
        asked = len(desk.sandbox.log)
        put = {"JOB": job, "OUT": str(tmp_path / "out"), "CONFIG": str(disk / "config.yaml")}
        for words in READS:
            said = heard(desk, *(put.get(word, word) for word in words))
            assert said.code == 0, (words, said)
            if words[0] not in ("check", "config") and words[:2] != ("archive", "show"):
                assert (
                    said.stderr.count("cannot be written here: read as of its last change, 20") == 1
                ), (words, said)
        told = json.loads(heard(desk, "status", "--format", "json").stdout)[0]
        assert told["local_holds"] == 1
        assert told["last_runs"][0]["result"] == "done"
        assert told["budget"]["left_this_hour"] in range(left, left + 200), (
            "what was counted is known"
        )
        assert len(desk.sandbox.log) == asked
        put["DIGEST"] = desk.config.policy_digest("box")
        for words in WRITES:
            said = heard(desk, *(put.get(word, word) for word in words))
            assert said.code == 4, (words, said)
            told_why = [
                line for line in said.stderr.splitlines() if line.startswith("sauce-janitor:")
            ]
            assert len(told_why) == 1, (words, said)
            assert "its file system is mounted read-only" in told_why[0], (words, said)
        assert contents(disk) == before


def test_a_state_that_is_written_elsewhere_is_read_as_it_is_now_through_a_read_only_mount(
    disk: Path, tmp_path: Path, heard: Callable[..., Heard]
) -> None:
    glass = tmp_path / "glass"
    glass.mkdir()
    with ExitStack() as stack:
        desk = a_desk(disk, stack)
        subprocess.run(["mount", "--bind", disk, glass], check=True)
        stack.callback(unmount, glass)
        subprocess.run(["mount", "-o", "remount,ro,bind", glass], check=True)
        there = Commands(glass, desk.sandbox, stack)

        closed = heard(there, "status")
        assert (closed.code, closed.stderr.count("read as of its last change")) == (0, 1), closed
        assert desk.state.switch.pause(by="somebody", reason="for a look", at=int(time.time()))
        for words in (("status",), ("archive", "list"), ("plan", "--offline")):
            said = heard(there, *words)
            assert said.code == 0, said
            assert "read as of" not in said.stderr, "the daemon has it open: this is now"
        assert "PAUSED by somebody" in heard(there, "status").stdout
        assert (
            "for a look"
            in json.loads(heard(there, "status", "--format", "json").stdout)[0]["paused"]["reason"]
        )


def test_a_state_with_a_log_that_a_crash_left_is_read_with_what_the_log_has(
    disk: Path, tmp_path: Path, heard: Callable[..., Heard]
) -> None:
    with ExitStack() as stack:
        desk = a_desk(disk, stack)
        desk.state.switch.pause(by="somebody", reason="only in the log", at=int(time.time()))
        shot = disk / "shot"
        shot.mkdir()
        for file in ("config.yaml", "state.db", "state.db-wal"):  # a snapshot: no shared memory
            shutil.copy(disk / file, shot / file)
        stack.pop_all().close()
        freeze(disk)
        said = heard(Commands(shot, desk.sandbox, ExitStack()), "status")
        assert (said.code, "only in the log" in said.stdout) == (0, True), said
        assert said.stderr.count("read as of its last change") == 1


def test_a_folder_that_this_user_may_not_write_is_read(tmp_path: Path) -> None:
    """The same without a mount: by the rights of files and folders."""
    without: list[str] = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            lacking("root may write everywhere, and there is no setpriv to take that right away")
        without = [setpriv, "--bounding-set", "-dac_override,-dac_read_search"]
    folder = tmp_path / "kept"
    folder.mkdir()
    with ExitStack() as stack:
        desk = a_desk(folder, stack)
        State.open(folder / "state.db").close()
        places = [folder, *folder.rglob("*")]
        for place in places:
            place.chmod(0o500 if place.is_dir() else 0o400)
            if place.is_dir():
                stack.callback(place.chmod, 0o700)
        code = """
import sys
from sauce_janitor.__main__ import main
for words in (["status"], ["archive", "list"], ["plan", "--offline"], ["pause"], ["hold", "add", "b" * 32, "--reason", "x"]):
    try:
        main(["--config", sys.argv[1], *words])
    except SystemExit as ended:
        print("ENDED", words, ended.code, flush=True)
"""
        done = subprocess.run(
            [*without, sys.executable, "-c", code, str(folder / "config.yaml")],
            env={**os.environ, "KEY": desk.sandbox.access_key},
            capture_output=True,
            text=True,
            check=False,
        )
    ended = [
        line.rpartition(" ")[2] for line in done.stdout.splitlines() if line.startswith("ENDED")
    ]
    assert ended == ["0", "0", "0", "4", "4"], done
    assert done.stderr.count("read as of its last change") == 3, done.stderr
    assert done.stderr.count("this user may not write it") == 2, done.stderr
    assert "Traceback" not in done.stderr
