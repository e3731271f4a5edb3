"""One database, opened once for each process: its transactions, and its errors in plain words."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, Executable, Row, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import QueuePool, StaticPool

from sauce_janitor.errors import StateError

BUSY_S: Final = 30.0
"""How long a writer waits for another process's transaction. This program's transactions take
milliseconds, at most seconds.
"""
_CACHE_KIB: Final = 16_384
_WORDS: Final = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "it is read-only",
    "SQLITE_BUSY": "another process keeps it locked",
    "SQLITE_LOCKED": "another process keeps it locked",
    "SQLITE_CANTOPEN": (
        "it cannot be opened or created (is the folder there, and may it be written?)"
    ),
    "SQLITE_PERM": "it may not be read and written by this user",
    "SQLITE_AUTH": "it may not be read and written by this user",
    "SQLITE_IOERR": "reading or writing the disk failed",
    "SQLITE_NOMEM": "there is not enough memory",
    "SQLITE_TOOBIG": "a value is larger than the database takes",
}
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_NO_TEXT: Final = "Could not decode to UTF-8"
"""What Python's driver says of a text that is not valid UTF-8. It has no error code."""


class Database:
    """Transactions on one database. Readers see one moment; writers come one at a time, and what
    they wrote is durable.
    """

    def __init__(self, engine: Engine, place: str) -> None:
        self.place = place
        self._engine = engine
        self._writing_engine = engine.execution_options(writes=True)
        self._glancing_engine = engine.execution_options(glances=True)
        self._turn = threading.RLock()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open one read transaction: everything read inside is of one moment. Raise StateError."""
        with state_errors(self.place), self._engine.connect() as connection, connection.begin():
            yield connection

    def glance(self, statement: Executable, **values: object) -> Row[Any] | None:
        """Return the first row of one reading statement, as things are now; None for no row. Raise
        StateError.

        For what is read before every request: a single statement is of one moment without a
        transaction.
        """
        with state_errors(self.place), self._glancing_engine.connect() as connection:
            return connection.execute(statement, values).first()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open one write transaction, durable at the end of the block, rolled back by any
        exception. Raise StateError.
        """
        # Threads of one process wait here, which is fairer than polling SQLite for its lock.
        with state_errors(self.place), self._turn, self._writing_engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


@contextmanager
def state_errors(place: str) -> Iterator[None]:
    """Turn a database's error into a StateError with one clear sentence. A broken constraint is
    left to the caller.
    """
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise StateError(
            _sentence(place, error.orig if error.orig is not None else error)
        ) from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StateError(_sentence(place, error)) from error


def _sentence(place: str, error: BaseException) -> str:
    name = getattr(error, "sqlite_errorname", "") or ""
    # Shortened, because SQLite quotes its schema and texts in full.
    text = " ".join(str(error).split())[:300]
    if name.startswith(_DAMAGED) or text.startswith(_NO_TEXT):
        return damaged(place, text)
    for start, words in _WORDS.items():
        if name.startswith(start):
            return f"the state {place} cannot be used: {words} ({text})"
    return f"the state {place} cannot be used: {text}"


def damaged(place: str, why: str) -> str:
    """Return what a damaged state requires of its operator."""
    return (
        f"the state {place} is damaged ({why}): restore it from a backup. Do not start with an"
        " empty one: the journal would be lost"
    )


def sqlite_engine(path: Path) -> Engine:
    """Return an engine on an existing SQLite file: WAL, every commit on the disk, foreign keys."""
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"timeout": BUSY_S, "check_same_thread": False},
        max_overflow=-1,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def readonly_engine(uri: str) -> Engine:
    """Return an engine on an existing SQLite file that is only read; `uri` is SQLite's own."""
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, timeout=BUSY_S, check_same_thread=False),
        poolclass=QueuePool,
        max_overflow=-1,
    )
    event.listen(engine, "connect", _prepare_to_read)
    event.listen(engine, "begin", _begin)
    return engine


def memory_engine() -> Engine:
    """Return an engine on a database in memory, where a new state is made before any of it is on a
    disk.
    """
    engine = create_engine(
        "sqlite+pysqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    event.listen(engine, "connect", _driven)
    event.listen(engine, "begin", _begin)
    return engine


def _driven(connection: Any, _record: object) -> None:
    # isolation_level None: otherwise the driver begins and commits by its own rules, and never
    # around reads.
    connection.isolation_level = None


def _prepare(connection: Any, record: object) -> None:
    _driven(connection, record)
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {int(BUSY_S * 1000)}",
        "journal_mode = WAL",
        # NORMAL leaves the newest commits in the page cache: an intent would be lost in a power
        # failure.
        "synchronous = FULL",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        f"cache_size = -{_CACHE_KIB}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _prepare_to_read(connection: Any, record: object) -> None:
    _driven(connection, record)
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {int(BUSY_S * 1000)}",
        "trusted_schema = OFF",
        f"cache_size = -{_CACHE_KIB}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A writer takes the write lock at once. Otherwise its first write fails when what it read is
    # outdated by then.
    options = connection.get_execution_options()
    if not options.get("glances", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes", False) else "BEGIN")
