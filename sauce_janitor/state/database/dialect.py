"""What the databases do differently: one class for each, found by the name that SQLAlchemy gives
its dialect. Everything else is the same SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cache
from typing import Any, Final, Protocol

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Executable,
    RowMapping,
    Select,
    Table,
)
from sqlalchemy.sql.functions import FunctionElement

COMMON: Final = ""
"""The name of the lock for what belongs to no account."""

Question = tuple[Executable, Mapping[str, Any]]
"""A statement and the values of its parameters."""


class Exchange(Protocol):
    """A write transaction in few messages: questions whose answers do not depend on each other are
    asked together, and what is written is told together with the commit.
    """

    def ask(self, *questions: Question) -> list[Sequence[Any]]:
        """Return all rows of each. They are answered one after the other, and after what was told
        before; each sees what other writers have committed by then.
        """

    def tell(
        self, statement: Executable, values: Mapping[str, Any], *, refused: str | None = None
    ) -> None:
        """Carry this out, here or together with what follows.

        Where a rule of the schema refuses it, raise StateError (here, at the next question, or at
        the end) that says `refused` and the database's words; None: as the database's error.
        """

    def end(self) -> None:
        """Carry out what was told, durably."""


class Dialect(Protocol):
    """One database's ways."""

    reading: Mapping[str, Any]
    """SQLAlchemy's options of a transaction that sees one moment."""
    writing: Mapping[str, Any]
    """The options of a transaction that writes."""
    exchanging: Mapping[str, Any]
    """The options of an exchange."""
    glancing: Mapping[str, Any]
    """The options of one statement without a transaction."""
    one_writer: bool
    """Whether only one transaction writes at a time, whatever it is about."""

    def lock(self, connection: Connection, names: Sequence[str]) -> None:
        """Keep other writers of these accounts, or of COMMON, out until the transaction ends: what
        it reads from here on stays true.
        """

    def exchange(self, connection: Connection, names: Sequence[str], /) -> Exchange:
        """Return an exchange that keeps other writers out as `lock` does."""

    def take_time(self, connection: Connection) -> None:
        """Let the transaction, and each of its statements, last as long as they take."""

    def insert(self, table: Table) -> Any:
        """Return an INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`."""

    def rows(self, connection: Connection, statement: Select[Any]) -> Iterator[Sequence[Any]]:
        """Yield the rows in the fastest way there is. Memory stays flat."""

    def is_among(self, column: ColumnElement[Any], listed: Table) -> ColumnElement[bool]:
        """Return the condition that the value is in the table's only column, also for millions of
        rows.
        """

    def matches(self, column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
        """Return the condition that the text matches one of a glob's alternatives."""

    def order_recorded(self, table: Table) -> ColumnElement[int]:
        """Return the order in which the rows of a table without a number were inserted."""

    def damage(self, connection: Connection, /) -> str | None:
        """Return what is damaged in the database; None where it is whole, or checks itself."""


class NextSeq(FunctionElement[int]):
    """The seq of the journal's next line: larger than that of every earlier line of its account.
    Each dialect's module says how it is written.
    """

    type = BigInteger()
    inherit_cache = True


@cache
def dialect_of(name: str) -> Dialect:
    """Return the dialect with SQLAlchemy's name for it."""
    if name == "sqlite":
        from sauce_janitor.state.database.sqlite import SqliteDialect

        return SqliteDialect()
    # Late: importing it takes longer than reading a small file.
    from sauce_janitor.state.database.postgresql import PostgresqlDialect

    return PostgresqlDialect()


def put(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row, in place of the one with its primary key."""
    connection.execute(_putting(connection.dialect.name, table, tuple(row)), row)


@cache
def _putting(dialect: str, table: Table, columns: tuple[str, ...]) -> Executable:
    """Return the statement of `put`, made once: that costs more than running it."""
    statement = dialect_of(dialect).insert(table)
    key = [column.name for column in table.primary_key]
    new = {name: statement.excluded[name] for name in columns if name not in key}
    found: Executable = statement.on_conflict_do_update(index_elements=key, set_=new)
    return found


def insert_new(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert the rows, except those that are there."""
    statement = dialect_of(connection.dialect.name).insert(table).on_conflict_do_nothing()
    connection.execute(statement, list(rows))


def streamed(
    connection: Connection, statement: Executable, batch: int = 500
) -> Iterator[RowMapping]:
    """Yield the rows, a batch at a time. Memory stays flat."""
    # Closed in any case: a reader may leave before the end, and PostgreSQL keeps a cursor open.
    with closing(connection.execute(statement, execution_options={"yield_per": batch})) as result:
        yield from result.mappings()
