"""SQLite: one file, one writer at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Select,
    Table,
    create_engine,
    event,
    literal_column,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import QueuePool, StaticPool

from sauce_janitor.model.globs import for_sqlite
from sauce_janitor.state.database.dialect import Exchange, NextSeq
from sauce_janitor.state.database.direct_exchange import DirectExchange

BUSY_S: Final = 30.0
"""How long a writer waits for another process's transaction. This program's transactions take
milliseconds, at most seconds.
"""
_CACHE_KIB: Final = 16_384
_BATCH: Final = 1000
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


def words(error: BaseException) -> str | None:
    """Return what an error of the driver means, None where its own text has to do."""
    name = getattr(error, "sqlite_errorname", "") or ""
    return next((said for start, said in _WORDS.items() if name.startswith(start)), None)


def is_damage(error: BaseException) -> bool:
    """Return whether the error says that the file is damaged."""
    name = getattr(error, "sqlite_errorname", "") or ""
    return name.startswith(_DAMAGED) or str(error).lstrip().startswith(_NO_TEXT)


class SqliteDialect:
    """SQLite's ways."""

    reading: Mapping[str, Any] = {}
    writing: Mapping[str, Any] = {"writes": True}
    exchanging = writing
    glancing: Mapping[str, Any] = {"glances": True}
    one_writer = True

    def lock(self, connection: Connection, names: Sequence[str]) -> None:
        """Do nothing: BEGIN IMMEDIATE has locked the whole file."""

    def exchange(self, connection: Connection, _names: Sequence[str], /) -> Exchange:
        """Return an exchange that carries out each statement at once."""
        return DirectExchange(connection)

    def take_time(self, _connection: Connection) -> None:
        """Do nothing: a transaction on a file has no limits."""

    def insert(self, table: Table) -> Any:
        """Return SQLite's INSERT."""
        return sqlite.insert(table)

    def rows(self, connection: Connection, statement: Select[Any]) -> Iterator[Sequence[Any]]:
        """Yield the rows from the driver's own cursor, which takes a quarter less time than Row."""
        compiled = statement.compile(connection, compile_kwargs={"render_postcompile": True})
        cursor = connection.connection.cursor()
        try:
            cursor.execute(
                str(compiled), [compiled.params[name] for name in compiled.positiontup or ()]
            )
            while batch := cursor.fetchmany(_BATCH):
                yield from batch
        finally:
            # The connection may already be closed, after an error elsewhere.
            with suppress(sqlite3.ProgrammingError):
                cursor.close()

    def is_among(self, column: ColumnElement[Any], listed: Table) -> ColumnElement[bool]:
        """Return IN: each lookup uses the table's index."""
        return column.in_(select(*listed.columns))

    def matches(self, column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
        """Return GLOB."""
        return column.op("GLOB")(for_sqlite(part))

    def order_recorded(self, table: Table) -> ColumnElement[int]:
        """Return the number that SQLite gives every row."""
        return literal_column(f"{table.name}.rowid")

    def damage(self, connection: Connection, /) -> str | None:
        """Read every page and every row. Takes seconds for a million jobs."""
        found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        return None if found == "ok" else found.splitlines()[-1]


@compiles(NextSeq, "sqlite")
def _next_seq(_element: NextSeq, _compiler: object, **_options: object) -> str:
    """Return the last line's seq plus 1: nobody else writes."""
    return "(SELECT coalesce(max(journal.seq), 0) + 1 FROM journal)"


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
