"""A state appears whole or not at all, is never taken for what it is not, and never silently begins
anew.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from sauce_janitor.errors import RefusedError, StateError
from sauce_janitor.model.jobs import Job, JobState
from sauce_janitor.state import State
from sauce_janitor.state.database.sqlite import sqlite_engine
from sauce_janitor.state.database.tables import REVISIONS, metadata
from tests.fakes.job_list import OWNER, a_job, an_id
from tests.support.components import lacking
from tests.support.state import Python, execute, filled, first_schema, migrated


def test_a_new_state_is_for_its_user_alone(path: Path) -> None:
    State.open(path).close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["state.db"]


def test_an_existing_folder_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    State.open(tmp_path / "state.db").close()
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_every_commit_is_on_the_disk_and_readers_do_not_wait(file_state: State) -> None:
    with file_state._database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_state_keeps_its_id_and_secret(path: Path) -> None:
    with State.open(path) as state:
        first = state.identity.instance_id, state.identity.secret
    with State.open(path) as state:
        assert (state.identity.instance_id, state.identity.secret) == first
        assert len(state.identity.secret) == 32


def test_the_migrations_make_exactly_the_tables(path: Path) -> None:
    migrated(path)
    engine = sqlite_engine(path)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_new_state_has_the_schema_that_the_migrations_make(tmp_path: Path) -> None:
    """Each column, key, constraint and index, in the words of SQLite; but for their order."""
    migrated(tmp_path / "old.db")
    State.open(tmp_path / "new.db").close()
    assert schema_of(tmp_path / "new.db") == schema_of(tmp_path / "old.db")


def schema_of(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("SELECT version_num FROM alembic_version")
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        words = {name: sorted(re.split(r",\s+|\s*\n\s*", sql)) for name, sql in found}
    return {"version": list(version), **words}


def test_every_revision_is_known() -> None:
    config = Config()
    config.set_main_option("script_location", "sauce_janitor.state:migrations")
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(revisions)) == REVISIONS


def test_a_state_of_the_first_schema_is_brought_to_this_one_and_keeps_what_it_knows(
    path: Path,
) -> None:
    first_schema(path)
    with State.open(path) as state:
        assert state.acceptances.plan_sizes("eu") == (7,)
        assert state.acceptances.plan_sizes("eu", "p") == ()
        state.acceptances.accept("eu", "sha256:b", at=9, sizes={None: 2, "p": 2})
        assert state.acceptances.plan_sizes("eu", "p") == (2,)
        state.check_integrity()


def test_another_program_s_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    execute(path, "CREATE TABLE theirs (a)")
    with pytest.raises(StateError, match="something else"):
        State.open(path)


@pytest.mark.parametrize("content", [b"", b"SQLite", b"\x00" * 5000, b"<html>" * 99])
def test_what_is_no_database_is_never_replaced_by_an_empty_state(
    path: Path, content: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StateError, match="restore it from a backup"):
        State.open(path)
    assert path.read_bytes() == content


def test_a_state_cut_short_is_noticed(path: Path) -> None:
    filled(path)
    os.truncate(path, 3 * 4096)
    with pytest.raises(StateError, match="damaged"), State.open(path) as state:
        state.check_integrity()


def test_a_damaged_page_is_found_by_the_integrity_check(path: Path) -> None:
    filled(path)
    with path.open("r+b") as file:
        # Behind the first page of each table, without which nothing opens.
        for page in range(90, 120):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    with State.open(path) as state, pytest.raises(StateError, match="restore it from a backup"):
        state.check_integrity()


def test_a_sound_state_passes_the_integrity_check(path: Path) -> None:
    filled(path)
    with State.open(path) as state:
        state.check_integrity()


def test_a_lost_state_whose_log_is_still_there_is_not_begun_anew(path: Path) -> None:
    State.open(path).close()
    path.rename(path.with_name("state.db-wal"))
    with pytest.raises(StateError, match="lost or moved"):
        State.open(path)
    assert not path.exists()


def test_a_link_to_nothing_is_not_begun_anew(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.parent / "unmounted" / "state.db")
    with pytest.raises(StateError, match="mounted"):
        State.open(path)


def test_a_folder_is_no_state(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StateError, match="not a file"):
        State.open(path)


def test_a_path_below_a_file_is_told(path: Path) -> None:
    path.parent.write_text("a file")
    with pytest.raises(StateError, match="cannot be used"):
        State.open(path)


def test_the_url_of_a_database_is_not_taken_for_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RefusedError, match=r"as `state\.url`"):
        State.open("postgresql://localhost/janitor")
    assert list(tmp_path.iterdir()) == []


def test_a_crash_while_it_is_made_leaves_no_state(path: Path, file_python: Python) -> None:
    code, _ = file_python.run("""
        import os
        os.link = lambda *_: os._exit(9)
        from sauce_janitor.state import State
        State.open(STATE)
    """)
    assert code == 9
    assert not path.exists()
    State.open(path).close()
    assert path.exists()


def test_processes_that_make_it_at_once_share_one_state(file_python: Python) -> None:
    code = """
        import sys
        from sauce_janitor.state import State
        sys.stdin.readline()
        with State.open(STATE) as state:
            print(state.identity.instance_id)
    """
    processes = [file_python.start(code) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60) for process in processes]
    assert len({out for out, _ in said}) == 1, said


# --- full, read-only, locked ----------------------------------------------------------------------


def test_a_full_disk_is_told_and_what_was_written_stays(path: Path, file_python: Python) -> None:
    filled(path, 10)
    code, said = file_python.run("""
        import resource
        from sauce_janitor.errors import StateError
        from sauce_janitor.state import State
        from tests.fakes.job_list import OWNER, a_job
        with State.open(STATE) as state:
            store = state.jobs.of("eu", OWNER)
            resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, -1))
            try:
                for page in range(1, 99):
                    store.put([a_job(page * 1000 + n) for n in range(500)], unreadable=(), mark=1, now=1, bookmark=None)
            except StateError as error:
                print(error)
    """)
    assert code == 0, said
    assert "cannot be used" in said
    assert "Traceback" not in said
    with State.open(path) as state:
        state.check_integrity()
        assert state.jobs.count("eu") % 500 == 10


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        lacking("mounting is not allowed here")
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    handle = os.open(ballast, os.O_CREAT | os.O_WRONLY)
    with suppress(OSError):
        while True:
            os.write(handle, b"x" * 4096)
    os.close(handle)
    return ballast


def test_a_file_system_without_room_is_told_and_usable_again_with_room(small_disk: Path) -> None:
    path = small_disk / "state.db"
    with State.open(path) as state:
        state.accounts.admit("eu", base_url="u", username="demo")
        ballast = fill(small_disk)
        jobs = [a_job(number) for number in range(500)]
        with pytest.raises(StateError, match="the disk is full"):
            state.jobs.of("eu", OWNER).put(jobs, unreadable=(), mark=1, now=1, bookmark=None)
        ballast.unlink()
        state.jobs.of("eu", OWNER).put(jobs, unreadable=(), mark=1, now=1, bookmark=None)
        assert state.jobs.count("eu") == 500


def test_a_full_disk_leaves_no_half_made_state(small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(StateError):
        State.open(small_disk / "state.db")
    assert [entry.name for entry in small_disk.iterdir()] == ["ballast"]


def test_a_read_only_file_system_is_told(small_disk: Path) -> None:
    State.open(small_disk / "state.db").close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StateError, match=r"read-only|cannot be opened"):
        State.open(small_disk / "state.db")


def test_a_state_locked_by_another_process_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sauce_janitor.state.database.sqlite.BUSY_S", 0.05)
    filled(path, 10)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with (
            State.open(path) as state,
            pytest.raises(StateError, match="another process keeps it locked"),
        ):
            state.switch.pause(by="me", reason="", at=1)
        other.rollback()


def test_a_copy_of_a_closed_state_is_whole(path: Path, tmp_path: Path) -> None:
    filled(path, 10)
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    with State.open(copy) as state:
        assert state.jobs.count("eu") == 10


def test_nothing_of_a_job_is_lost_in_the_database(state: State) -> None:
    odd = Job(
        an_id(1),
        OWNER,
        JobState.UNKNOWN,
        name="\x00\ud800 'é\n",
        tags=("", "\udfff"),
        custom_data={"a": [1, None]},
    )
    store = state.jobs.of("eu", OWNER)
    store.put([odd], unreadable=(), mark=1, now=1, bookmark=None)
    assert [record.job for record in state.jobs.records("eu", as_of=0)] == [odd]
