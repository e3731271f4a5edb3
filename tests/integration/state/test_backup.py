"""Before its schema changes a state is copied, and a state that was only added to is open to the
release before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect

from sauce_janitor.errors import RefusedError, StateError
from sauce_janitor.state import State
from sauce_janitor.state.database import schema as schemas
from sauce_janitor.state.database.sqlite import sqlite_engine
from sauce_janitor.state.database.tables import READABLE_FROM, REVISIONS
from sauce_janitor.state.file.backup import back_up, copies
from tests.support.state import Python, execute, filled, first_schema, migrate


def ask(path: Path, sql: str) -> Any:
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection:
        return connection.execute(sql).fetchone()[0]


@contextmanager
def schema(folder: Path, revision: str) -> Iterator[Engine]:
    path = folder / f"{revision}.db"
    path.touch()
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        migrate(connection, revision)
    yield engine
    engine.dispose()


# --- the copy -------------------------------------------------------------------------------------


def test_a_state_is_backed_up_beside_itself_before_its_schema_changes(path: Path) -> None:
    first_schema(path)
    with State.open(path) as state:
        instance = state.identity.instance_id
    (copy,) = copies(path)
    assert copy.name == "state.db.schema-0001.backup"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert ask(copy, "SELECT version_num FROM alembic_version") == "0001"
    assert ask(copy, "SELECT accepted_at FROM acceptances") == 5
    assert ask(copy, "SELECT value FROM meta WHERE key = 'instance_id'") == instance
    assert sorted(each.name for each in path.parent.iterdir()) == ["state.db", copy.name]


def test_a_backup_in_the_state_s_place_is_the_state_again(path: Path) -> None:
    first_schema(path)
    with State.open(path) as state:
        instance = state.identity.instance_id
    copies(path)[0].replace(path)
    with State.open(path) as state:
        assert state.identity.instance_id == instance
        assert state.acceptances.plan_sizes("eu") == (7,)
        state.check_integrity()


def test_what_another_process_wrote_last_is_in_the_backup(path: Path) -> None:
    first_schema(path)
    with closing(
        sqlite3.connect(path)
    ) as other:  # its write is in the log beside the file, not in the file
        other.execute("INSERT INTO accounts VALUES ('us', 'u', 'demo')")
        other.commit()
        State.open(path).close()
    assert ask(copies(path)[0], "SELECT count(*) FROM accounts") == 2


def test_a_new_state_and_one_of_this_schema_are_not_backed_up(path: Path) -> None:
    State.open(path).close()
    State.open(path).close()
    assert copies(path) == []


def test_the_last_three_schemas_are_kept_and_one_copy_of_each(path: Path) -> None:
    filled(path, 10)
    for number in ("0001", "0002", "0003", "0004", "0004"):
        back_up(path, number)
    assert [copy.name for copy in copies(path)] == [
        f"state.db.schema-000{number}.backup" for number in (2, 3, 4)
    ]


def test_a_state_that_cannot_be_backed_up_is_not_migrated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_schema(path)
    path.with_name("state.db.schema-0001.backup").mkdir()
    with pytest.raises(StateError, match="left as it is, because it cannot be backed up"):
        State.open(path)
    assert ask(path, "SELECT version_num FROM alembic_version") == "0001"
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "state.db",
        "state.db.schema-0001.backup",
    ]


def test_a_migration_that_fails_leaves_the_state_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_schema(path)
    monkeypatch.setattr(schemas, "put", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        State.open(path)
    assert ask(path, "SELECT version_num FROM alembic_version") == "0001"
    monkeypatch.undo()
    with State.open(path) as state:
        assert state.acceptances.plan_sizes("eu") == (7,)


def test_what_a_crash_while_copying_left_is_swept(path: Path, file_python: Python) -> None:
    first_schema(path)
    code, _ = file_python.run("""
        import os
        from sauce_janitor.state import State
        from sauce_janitor.state.file import backup
        backup._flush = lambda *_: os._exit(9)
        State.open(STATE)
    """)
    assert code == 9
    assert len([each for each in path.parent.iterdir() if each.name.startswith(".state.db.")]) == 1
    State.open(path).close()
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "state.db",
        "state.db.schema-0001.backup",
    ]


def test_processes_that_migrate_at_once_leave_one_backup_of_the_old_state(
    path: Path, file_python: Python
) -> None:
    first_schema(path)
    code = """
        import sys
        from sauce_janitor.state import State
        sys.stdin.readline()
        State.open(STATE).close()
    """
    processes = [file_python.start(code) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    (copy,) = copies(path)
    assert ask(copy, "SELECT version_num FROM alembic_version") == "0001"


# --- one release back -----------------------------------------------------------------------------


def test_a_newer_state_is_used_as_it_is_where_it_says_that_this_program_can(path: Path) -> None:
    filled(path, 10)
    execute(path, "UPDATE alembic_version SET version_num = '9999'")
    with State.open(path) as state:
        assert state.jobs.count("eu") == 10
        state.switch.pause(by="me", reason="", at=1)
        assert state.switch.is_paused()
    assert ask(path, "SELECT version_num FROM alembic_version") == "9999"
    assert copies(path) == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE meta SET value = '9998' WHERE key = 'readable_from'",
        "DELETE FROM meta WHERE key = 'readable_from'",
    ],
)
def test_a_newer_state_that_does_not_say_so_is_refused_and_left_alone(path: Path, sql: str) -> None:
    filled(path, 10)
    execute(path, "UPDATE alembic_version SET version_num = '9999'")
    execute(path, sql)
    before = path.read_bytes()
    with pytest.raises(RefusedError, match=r"newer version.*the backup that it made") as refused:
        State.open(path)
    assert refused.value.exit_code == 3
    assert path.read_bytes() == before


def test_every_state_says_from_which_schema_on_it_can_be_read(path: Path, tmp_path: Path) -> None:
    State.open(path).close()
    assert ask(path, "SELECT value FROM meta WHERE key = 'readable_from'") == READABLE_FROM
    old = tmp_path / "old" / "state.db"
    first_schema(old)
    State.open(old).close()
    assert ask(old, "SELECT value FROM meta WHERE key = 'readable_from'") == READABLE_FROM


def test_since_the_schema_it_can_be_read_from_this_one_was_only_added_to(tmp_path: Path) -> None:
    """Where this fails, the newest revision does more than add: then READABLE_FROM is that
    revision.
    """
    with schema(tmp_path, READABLE_FROM) as old_engine, schema(tmp_path, "head") as new_engine:
        old, new = inspect(old_engine), inspect(new_engine)
        for table in old.get_table_names():
            before = {column["name"]: column for column in old.get_columns(table)}
            after = {column["name"]: column for column in new.get_columns(table)}
            for name, column in before.items():
                assert repr(after[name]["type"]) == repr(column["type"]), (table, name)
                assert after[name]["nullable"] == column["nullable"], (table, name)
            for name in after.keys() - before.keys():
                assert after[name]["nullable"] or after[name]["default"] is not None, (table, name)
            assert new.get_pk_constraint(table) == old.get_pk_constraint(table), table
            for kind in ("get_unique_constraints", "get_check_constraints", "get_foreign_keys"):
                assert by_name(getattr(new, kind)(table)) == by_name(getattr(old, kind)(table)), (
                    table,
                    kind,
                )
            assert unique_indexes(new, table) == unique_indexes(old, table), table


def test_the_schema_it_can_be_read_from_is_one_of_ours() -> None:
    assert READABLE_FROM in REVISIONS


def by_name(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda each: str(each["name"]))


def unique_indexes(inspector: Any, table: str) -> list[str]:
    return sorted(index["name"] for index in inspector.get_indexes(table) if index["unique"])
