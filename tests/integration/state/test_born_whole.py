"""A state is made and migrated whole: an error or a kill at any call about a file leaves a good
state, or none.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.state import State
from tests.support.components import lacking
from tests.support.state import ROOT, first_schema

SOURCE = Path(__file__).with_name("struck.c")
DEEDS = (("fail", errno.EIO), ("fail on", errno.ENOSPC), ("kill", 0))


@dataclass
class Striker:
    """A process that opens states while its N-th call about a file fails, or kills it."""

    process: subprocess.Popen[str]

    def open_state(
        self, folder: Path, *, at: int, deed: str = "count", code: int = 0
    ) -> dict[str, Any]:
        """Open the state in `folder`; what came of it, and whether the strike fired."""
        order = {"folder": str(folder), "at": at, "deed": deed, "errno": code}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said


@pytest.fixture(scope="module")
def striker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Striker]:
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        lacking("needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("striker")
    library = folder / "struck.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True
    )
    command = [sys.executable, "-m", "tests.integration.state.struck_process", str(folder)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "LD_PRELOAD": str(library)},
    )  # fmt: skip
    yield Striker(process)
    process.communicate()


def test_an_error_or_a_kill_at_any_point_of_the_first_making_leaves_none_or_a_good_state(
    striker: Striker, tmp_path: Path
) -> None:
    (tmp_path / "count").mkdir()
    calls = striker.open_state(tmp_path / "count", at=0)["calls"]
    assert calls > 30
    fired = 0
    for number, (deed, code) in enumerate(DEEDS):
        for at in range(1 + number, calls + 1, 5):
            folder = tmp_path / f"{number}-{at}"
            folder.mkdir()
            said = striker.open_state(folder, at=at, deed=deed, code=code)
            fired += said["fired"]
            assert not said["said"].startswith("traceback"), (deed, at, said)
            state = folder / "kept" / "state.db"
            if state.exists():
                assert state.stat().st_mode & 0o777 == 0o600
            with State.open(state) as opened:  # there, or begun anew
                opened.check_integrity()
                assert len(opened.identity.secret) == 32
    assert fired > calls // 2 - 10, "too few strikes happened to prove anything"


def test_an_error_or_a_kill_at_any_point_of_a_migration_leaves_the_old_or_the_new_and_whole_backups(
    striker: Striker, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    first_schema(old / "kept" / "state.db")
    shutil.copytree(old, tmp_path / "count")
    calls = striker.open_state(tmp_path / "count", at=0)["calls"]
    fired = 0
    for number, (deed, code) in enumerate(DEEDS):
        for at in range(1 + 10 * number, calls + 1, 30):
            folder = tmp_path / f"{number}-{at}"
            shutil.copytree(old, folder)
            said = striker.open_state(folder, at=at, deed=deed, code=code)
            fired += said["fired"]
            assert not said["said"].startswith("traceback"), (deed, at, said)
            for backup in (folder / "kept").glob("state.db.schema-*.backup"):
                with closing(sqlite3.connect(f"file:{backup}?immutable=1", uri=True)) as copy:
                    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                    assert copy.execute("SELECT jobs FROM acceptances").fetchall() == [(7,)]
            with State.open(folder / "kept" / "state.db") as opened:
                opened.check_integrity()
                assert opened.acceptances.plan_sizes("eu") == (7,)
            left = sorted(each.name for each in (folder / "kept").iterdir())
            assert left == ["state.db", "state.db.schema-0001.backup"], (deed, at)
    assert fired > calls // 10 - 10


def test_what_a_killed_making_left_is_swept_an_hour_later(path: Path) -> None:
    path.parent.mkdir()
    old, young = path.with_name(".state.db.1.aa.new"), path.with_name(".state.db.2.bb.new")
    for each in (old, young):
        each.write_bytes(b"half a state")
    os.utime(old, (1, 1))
    State.open(path).close()
    assert not old.exists()
    assert young.exists(), "another process may be making it"
