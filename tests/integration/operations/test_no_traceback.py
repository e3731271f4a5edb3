"""What a disk does to a command ends in one sentence and a documented code: damaged states, no
locks, calls that fail.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from tests.support.commands import DAY, Commands, Heard

POLICIES = """
limits: {max_percent: null}
metrics: {textfile: ./janitor.prom}
policies:
  - {name: old, match: {tags: [go]}, then: {archive: {assets: [logs], discard: rest}, delete_job: 10d}}
"""
PAGE = 4096
DOCUMENTED = {0, 2, 3, 4, 5, 6}
LOOKING = (("status",), ("prove",), ("explain", "JOB"), ("archive", "list"))


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    made = open_desk(4)
    made.configure(POLICIES)
    old = int(time.time()) - 12 * DAY
    made.sandbox.arrive(created_at=old, start_time=old, end_time=old + 60, tags=["go"])
    return made


@pytest.fixture
def used(desk: Commands, heard: Callable[..., Heard]) -> tuple[Commands, str, bytes]:
    """A desk after a run that deleted a job; that job; the bytes of its state."""
    assert heard(desk, "run", "--execute").code == 0
    (job,) = desk.deleted()
    with closing(sqlite3.connect(desk.folder / "state.db")) as state:
        state.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return desk, job, (desk.folder / "state.db").read_bytes()


def put_state(desk: Commands, data: bytes) -> None:
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (desk.folder / name).unlink(missing_ok=True)
    (desk.folder / "state.db").write_bytes(data)


def sentences(said: Heard) -> list[str]:
    """The lines on stderr that are no log lines."""
    return [line for line in said.stderr.splitlines() if not line.startswith("{")]


def is_one_sentence(said: Heard) -> bool:
    return said.code in DOCUMENTED and (said.code in {0, 6} or len(sentences(said)) == 1)


# --- states ---------------------------------------------------------------------------------------


def test_a_state_that_was_cut_anywhere_is_one_sentence(
    used: tuple[Commands, str, bytes], heard: Callable[..., Heard]
) -> None:
    desk, job, good = used
    cuts = [
        0,
        1,
        16,
        99,
        100,
        101,
        1024,
        PAGE - 1,
        PAGE,
        PAGE + 1,
        len(good) // 2,
        len(good) - PAGE,
        len(good) - 1,
    ]
    for number, cut in enumerate(cuts):
        for words in (LOOKING[number % len(LOOKING)], LOOKING[(number + 1) % len(LOOKING)]):
            put_state(desk, good[:cut])
            said = heard(desk, *(job if word == "JOB" else word for word in words))
            assert is_one_sentence(said), (cut, words, said)


def test_a_state_with_a_page_of_other_bytes_is_one_sentence(
    used: tuple[Commands, str, bytes], heard: Callable[..., Heard]
) -> None:
    desk, job, good = used
    chance = random.Random(11)
    for page in range(len(good) // PAGE):
        start, data = page * PAGE + (100 if page == 0 else 0), bytearray(good)
        for _ in range(20):
            data[chance.randrange(start, (page + 1) * PAGE)] ^= 1 << chance.randrange(8)
        put_state(desk, bytes(data))
        words = LOOKING[page % len(LOOKING)]
        said = heard(desk, *(job if word == "JOB" else word for word in words))
        assert is_one_sentence(said), (page, words, said)


NEVER_WRITTEN = (
    ("UPDATE jobs SET ended_at = x'00ff'", "prove", "jobs.ended_at"),
    ("UPDATE journal SET detail = '{'", "explain", "journal.detail"),
    ("UPDATE journal SET action = 'sing'", "explain", "journal.action"),
    ("UPDATE jobs SET state = 'asleep'", "explain", "jobs.state"),
    ("UPDATE jobs SET tags = '[1'", "explain", "jobs.tags"),
    ("UPDATE runs SET started_at = 'noon', ended_at = x'00'", "status", None),
    ("UPDATE runs SET summary = '['", "status", None),
    (
        """UPDATE runs SET summary = '{"plan": {"by_policy": {}, "as_of": 1, "budget": {"x": 1}}}'""",
        "status",
        None,
    ),
    # right types, and values that nobody wrote
    ("UPDATE jobs SET tags = '[1]'", "plan", "jobs.tags in row"),
    ("UPDATE jobs SET tags = '[1]'", "explain", "jobs.tags in row"),
    ("UPDATE jobs SET marks = -1", "plan", "jobs.marks in row"),
    ("UPDATE jobs SET assets = 'lost'", "plan", "jobs.assets in row"),
    ("UPDATE jobs SET archived = '[7]'", "explain", "jobs.archived in row"),
    ("UPDATE jobs SET missing = '[1]'", "plan", "jobs.missing in row"),
    ("UPDATE jobs SET custom_data = '[1]'", "explain", "jobs.custom_data in row"),
    ("UPDATE journal SET detail = '[]'", "explain", "journal.detail in row"),
    ("UPDATE OR IGNORE counters SET labels = '[1]'", "plan", "counters.labels in row"),
    ("UPDATE runs SET summary = '[]'", "status", "runs.summary in row"),
    ("UPDATE runs SET started_at = 1 << 60", "status", "runs.started_at in row"),
    # what was listed in this very second is not listed again: a minute ago, so that the mark is
    # used
    (
        (
            "UPDATE listings SET mark = 9223372036854775807, watermark = watermark - 60, full_at ="
            " full_at - 60"
        ),
        "plan",
        "listings.mark in row",
    ),
    (
        "UPDATE meta SET value = '' WHERE key LIKE 'note:delete_job_path %'",
        "status",
        "meta.value in row",
    ),
)


def spoil(desk: Commands, good: bytes, statement: str) -> None:
    put_state(desk, good)
    with closing(sqlite3.connect(desk.folder / "state.db")) as state, state:
        state.execute("PRAGMA ignore_check_constraints = ON")
        for (name,) in state.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            state.execute(f"DROP TRIGGER {name}")
        assert state.execute(statement).rowcount > 0, statement


def test_a_value_that_was_never_written_is_called_damage(
    used: tuple[Commands, str, bytes], heard: Callable[..., Heard]
) -> None:
    desk, job, good = used
    for statement, words, named in NEVER_WRITTEN:
        spoil(desk, good, statement)
        about = next(iter(desk.sandbox.job_ids())) if "jobs SET" in statement else job
        said = heard(desk, words, *([about] if words == "explain" else []))
        assert said.code == 4, (statement, said)
        (sentence,) = sentences(said)
        assert f"the state {desk.folder / 'state.db'} is damaged" in sentence
        assert named is None or f"({named}" in sentence, (statement, sentence)


def test_a_damaged_fencing_number_deletes_nothing(
    used: tuple[Commands, str, bytes], heard: Callable[..., Heard]
) -> None:
    desk, _, good = used
    desk.sandbox.arrive(created_at=int(time.time()) - 12 * DAY, tags=["go"])
    before = desk.writes()
    spoil(desk, good, "UPDATE leases SET fence = 9223372036854775807")
    said = heard(desk, "run", "--execute")
    assert (said.code, desk.writes()) == (4, before)
    assert "(leases.fence in row 1 has an invalid value)" in sentences(said)[-1]


# --- locks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_state_without_locks_is_refused_and_an_archive_without_is_used(
    desk: Commands, heard: Callable[..., Heard], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    real, where = fcntl.flock, desk.folder

    def flock(descriptor: Any, operation: int) -> None:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        if Path(f"/proc/self/fd/{number}").readlink().is_relative_to(where):
            raise OSError(code, os.strerror(code))
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    said = heard(desk, "run", "--execute")
    assert (said.code, desk.writes()) == (4, [])
    assert os.strerror(code) in sentences(said)[-1]
    where = desk.folder / "archive"
    job, *_ = desk.sandbox.job_ids()
    assert heard(desk, "run", "--execute").code == 0
    assert desk.deleted()
    assert heard(desk, "hold", "add", job, "--reason", "evidence").code == 0


# --- calls that fail ------------------------------------------------------------------------------


class Fuse:
    """Lets the n-th call of one kind on a file below `folder` fail with EIO; a file is closed all
    the same.
    """

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.folder, self.kind, self.left = folder, "", 0
        for name in (
            "open",
            "write",
            "fsync",
            "close",
            "link",
            "rename",
            "replace",
            "mkdir",
            "unlink",
            "stat",
        ):
            patch.setattr(os, name, self._failing(name, getattr(os, name)))
        self._open = io.open
        patch.setattr(io, "open", self._opened)
        patch.setattr(builtins, "open", self._opened)

    def _is_ours(self, place: Any) -> bool:
        try:
            path = (
                Path(f"/proc/self/fd/{place}").readlink()
                if isinstance(place, int)
                else Path(place).absolute()
            )
        except (OSError, TypeError, ValueError):
            return False
        return path.is_relative_to(self.folder)

    def blow(self, kind: str) -> None:
        if kind == self.kind and self.left > 0:
            self.left -= 1
            if self.left == 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _failing(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **settings: Any) -> Any:
            folder = settings.get("dir_fd", settings.get("src_dir_fd"))
            if name != self.kind or not self._is_ours(arguments[0] if folder is None else folder):
                return real(*arguments, **settings)
            if name == "close":
                real(*arguments)
                return self.blow(name)
            self.blow(name)
            return real(*arguments, **settings)

        return call

    def _opened(self, file: Any, *arguments: Any, **settings: Any) -> Any:
        mode = str(arguments[0] if arguments else settings.get("mode", "r"))
        if not self._is_ours(file) or not set(mode) & set("wax+"):
            return self._open(file, *arguments, **settings)
        self.blow("file open")
        return Written(self._open(file, *arguments, **settings), self)


class Written:
    """A file that is written, and whose writes and close may fail."""

    def __init__(self, below: Any, fuse: Fuse) -> None:
        self._below, self._fuse = below, fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)

    def write(self, data: Any) -> Any:
        self._fuse.blow("file write")
        return self._below.write(data)

    def writelines(self, pieces: Any) -> None:
        for piece in pieces:
            self.write(piece)

    def close(self) -> None:
        if not self._below.closed:
            self._below.close()
            self._fuse.blow("file close")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


KINDS = (
    "open",
    "write",
    "fsync",
    "close",
    "link",
    "rename",
    "replace",
    "mkdir",
    "unlink",
    "stat",
    "file open",
    "file write",
    "file close",
)


@contextmanager
def _as_before(desk: Commands) -> Iterator[None]:
    aside = desk.folder.parent / "aside"
    shutil.copytree(desk.folder, aside)
    try:
        yield
    finally:
        shutil.rmtree(desk.folder)
        aside.rename(desk.folder)


WALKED = (
    (("init", "--region", "us-west-1", "--offline", "--output", "made.yaml"), 20),
    (("plan", "--offline", "--out", "plan.json"), 2),
    (("archive", "export", "--status", "passed", "--output", "taken.zip"), 2),
    (("archive", "list"), 2),
    (("prove",), 2),
)
"""What is called, and how many calls of a kind are failed in turn."""
HALVES = {"plan.json", "taken.zip"}
"""What must not be there, not even in part, after a command that has failed."""


def test_an_init_that_fails_is_not_in_the_way_of_the_next(
    desk: Commands, heard: Callable[..., Heard], monkeypatch: pytest.MonkeyPatch
) -> None:
    fuse = Fuse(monkeypatch, desk.folder)
    words = ("init", "--region", "us-west-1", "--offline", "--output", "made.yaml")
    for kind in ("file open", "file write", "file close"):
        fuse.kind, fuse.left = kind, 1
        assert heard(desk, *words).code == 2
        fuse.kind = ""
        assert not (desk.folder / "made.yaml").exists()
    assert heard(desk, *words).code == 0


def test_a_call_that_fails_is_one_sentence(
    used: tuple[Commands, str, bytes], heard: Callable[..., Heard], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, _, _ = used
    fuse = Fuse(monkeypatch, desk.folder)
    for words, most in WALKED:
        fired = 0
        for kind in KINDS:
            for count in range(1, most + 1):
                with _as_before(desk):
                    fuse.kind, fuse.left = kind, count
                    said = heard(desk, *words)
                    has_fired, fuse.kind = fuse.left == 0, ""
                    left = sorted(path.name for path in desk.folder.iterdir())
                assert not set(left) & HALVES or said.code == 0, (words, kind, count, left)
                assert is_one_sentence(said), (words, kind, count, said)
                fired += has_fired
                if not has_fired:
                    break
        assert fired, words


@pytest.mark.parametrize(("fails", "code", "deletes"), [("a file", 4, 0), ("a folder", 0, 1)])
def test_a_close_that_fails_counts_for_a_file_and_says_nothing_for_a_folder(
    desk: Commands,
    heard: Callable[..., Heard],
    monkeypatch: pytest.MonkeyPatch,
    fails: str,
    code: int,
    deletes: int,
) -> None:
    real, archive = os.close, desk.folder / "archive"

    def close(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}")
        is_ours = place.exists() and place.readlink().is_relative_to(archive)
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        real(descriptor)
        if is_ours and is_folder == (fails == "a folder"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as failing:
        failing.setattr(os, "close", close)
        said = heard(desk, "run", "--execute")
    assert (said.code, len(desk.deleted())) == (code, deletes), said.stderr


# --- core dumps -----------------------------------------------------------------------------------


def test_a_process_with_secrets_in_it_leaves_no_core_dump() -> None:
    script = """
import ctypes, resource
from sauce_janitor.__main__ import main
try:
    main(["version"])
except SystemExit:
    print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines()[-1] == "(0, 0) 0"
