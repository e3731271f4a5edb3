"""Transactions of two processes on one SQLite file: who writes has the lock before it reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from sauce_janitor.state.database.sqlite import sqlite_engine
from sauce_janitor.state.database.transactions import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE counted (value INTEGER)")
        made.execute("INSERT INTO counted VALUES (1)")
    opened = Database(sqlite_engine(path), str(path))
    yield opened
    opened.close()


def write_beside(database: Database) -> None:
    """Write as another process would, without waiting for a lock."""
    with closing(sqlite3.connect(database.place, timeout=0)) as other, other:
        other.execute("UPDATE counted SET value = value + 100")


def test_nobody_writes_between_what_a_write_transaction_reads_and_what_it_writes(
    database: Database,
) -> None:
    with database.writing() as connection:
        value = connection.execute(text("SELECT value FROM counted")).scalar_one()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            write_beside(database)
        connection.execute(text("UPDATE counted SET value = :value"), {"value": value + 1})
    with database.reading() as connection:
        assert connection.execute(text("SELECT value FROM counted")).scalar_one() == 2


def test_a_reader_keeps_nobody_from_writing_and_sees_one_moment(database: Database) -> None:
    with database.reading() as connection:
        before = connection.execute(text("SELECT value FROM counted")).scalar_one()
        write_beside(database)
        assert connection.execute(text("SELECT value FROM counted")).scalar_one() == before
