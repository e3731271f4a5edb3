"""A state that cannot be written here is read whole, as of one moment, and nothing is changed or
made beside it.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sauce_janitor.errors import RefusedError, StateError
from sauce_janitor.state import State
from sauce_janitor.state.database.schema import revision
from sauce_janitor.state.database.tables import REVISIONS
from sauce_janitor.state.file import filesystems
from sauce_janitor.state.file.filesystems import nobody_writes
from sauce_janitor.state.file.read_only import open_readonly
from tests.support.state import execute, first_schema


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert list(place.iterdir()) == [], "no copy is left behind"


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_a_state_of_an_older_schema_is_read_in_a_copy_of_this_schema(
    path: Path, temporary: Path
) -> None:
    first_schema(path)
    before = contents(path.parent)
    found = open_readonly(path, None, scratch=False)
    with found.database.reading() as connection:
        assert revision(connection) == REVISIONS[-1]
        assert connection.exec_driver_sql("SELECT username FROM accounts").scalar() == "demo"
    [copy] = temporary.iterdir()
    assert copy.stat().st_mode & 0o777 == 0o700
    found.database.close()
    found.close()
    assert contents(path.parent) == before


def test_a_state_that_is_open_elsewhere_is_read_where_it_lies_and_sees_what_is_written_meanwhile(
    file_state: State, path: Path, temporary: Path
) -> None:
    found = open_readonly(path, None, scratch=False)
    file_state.notes.write("a", "b")
    with found.database.reading() as connection:
        assert (
            connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'note:a'").scalar()
            == "b"
        )
    assert list(temporary.iterdir()) == []
    with pytest.raises(StateError, match="read-only"), found.database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO meta VALUES ('c', 'd')")
    found.database.close()


def test_reading_a_closed_state_makes_no_file_beside_it(path: Path, temporary: Path) -> None:
    """Shared memory made by another user would lock its owner out."""
    State.open(path).close()
    before = contents(path.parent)
    for scratch in (False, True):
        found = open_readonly(path, None, scratch=scratch)
        assert found.as_of == int(path.stat().st_mtime)
        found.database.close()
        found.close()
    assert contents(path.parent) == before


def test_a_state_that_changes_while_it_is_copied_is_not_shown(
    path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    State.open(path).close()
    copy = shutil.copyfile

    def copied_meanwhile(source: Path, target: Path) -> None:
        copy(source, target)
        execute(path, "INSERT INTO meta VALUES (hex(randomblob(8)), '')")

    monkeypatch.setattr(shutil, "copyfile", copied_meanwhile)
    with pytest.raises(StateError, match="changes while it is copied to be read: try again"):
        open_readonly(path, None, scratch=False)


def test_one_change_while_it_is_copied_is_copied_too(
    path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    State.open(path).close()
    copy, changes = shutil.copyfile, ["INSERT INTO meta VALUES ('late', 'x')"]

    def copied_meanwhile(source: Path, target: Path) -> None:
        copy(source, target)
        if changes:
            execute(path, changes.pop())

    monkeypatch.setattr(shutil, "copyfile", copied_meanwhile)
    found = open_readonly(path, None, scratch=False)
    with found.database.reading() as connection:
        assert (
            connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'late'").scalar() == "x"
        )
    found.database.close()
    found.close()


def test_without_room_for_a_copy_one_sentence_says_where_to_make_some(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    State.open(path).close()
    monkeypatch.setattr(tempfile, "tempdir", str(path.parent / "nowhere"))
    with pytest.raises(
        StateError, match=r"cannot be copied to .*/nowhere to be read: No such file.* as TMPDIR$"
    ):
        open_readonly(path, None, scratch=False)


@pytest.mark.parametrize("content", [b"", b"<html>" * 99, b"SQLite format 3\x00" + b"\xff" * 9000])
def test_a_damaged_state_that_cannot_be_written_is_told_as_such(
    path: Path, temporary: Path, content: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StateError, match="is damaged"):
        open_readonly(path, None, scratch=False)


def test_an_empty_database_and_one_of_something_else_are_no_state(
    path: Path, temporary: Path
) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
    with pytest.raises(StateError):
        open_readonly(path, None, scratch=False)
    path.unlink()
    execute(path, "CREATE TABLE theirs (a)")
    with pytest.raises(StateError, match="something else"):
        open_readonly(path, None, scratch=False)


def test_where_there_is_no_state_none_is_made(path: Path) -> None:
    with pytest.raises(StateError, match="there is no state at"):
        open_readonly(path, None, scratch=False)


@pytest.mark.parametrize(
    ("mount", "frozen"),
    [
        ("ro - ext4 d ro", True),
        ("rw - ext4 d ro,errors=x", True),
        ("ro - ext4 d rw", False),  # a read-only view of what is written elsewhere
        ("ro - nfs4 s:/x ro", False),  # the server may write
        ("ro - ext4 d", False),
        ("ro - ext4 d xro,rox", False),
    ],
)
def test_nobody_writes_only_where_the_file_system_itself_is_read_only_and_local(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mount: str, *, frozen: bool
) -> None:
    info = tmp_path / "mountinfo"
    info.write_text(f"1 0 0:1 / / rw - ext4 d rw\n2 1 0:2 / {tmp_path} {mount}\n")
    monkeypatch.setattr(filesystems, "_MOUNTINFO", info)
    assert nobody_writes(tmp_path / "state.db") is frozen


def test_a_file_system_that_is_not_known_to_be_local_is_refused_to_readers_too(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    State.open(path).close()
    info = tmp_path / "mountinfo"
    info.write_text(f"1 0 0:1 / / rw - ext4 d rw\n2 1 0:2 / {path.parent} ro - nfs4 s:/x ro\n")
    monkeypatch.setattr(filesystems, "_MOUNTINFO", info)
    with pytest.raises(RefusedError, match="nfs4"):
        open_readonly(path, None, scratch=False)
    found = open_readonly(path, "nfs4", scratch=False)
    assert "immutable" not in found.uri, "the server may write: it is a copy"
    found.database.close()
    found.close()
