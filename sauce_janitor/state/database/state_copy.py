"""Copies a whole state from one database into another: from a file to a server, or back."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    delete,
    func,
    insert,
    select,
    true,
    update,
)

from sauce_janitor.errors import RefusedError, StateError
from sauce_janitor.state.database.dialect import put, streamed
from sauce_janitor.state.database.schema import revision
from sauce_janitor.state.database.tables import (
    COPIED_GAPS,
    REVISIONS,
    SERVER,
    journal,
    leases,
    meta,
    metadata,
    runs,
)
from sauce_janitor.state.database.transactions import Database

_BATCH: Final = 1000
_COUNTED: Final = frozenset({"row", "number", "seq"})
"""Keys that the database counts."""
_OF_EVERY_STATE: Final = frozenset({"meta", "journal_head"})
"""Tables that have rows in a new state. The copy gets those of the original."""


def copy_state(source: Database, target: Database) -> dict[str, int]:
    """Copy every row of one moment into a new state, in one transaction. Return the number of rows
    of each table.

    Raise RefusedError where the target is used already or a schema is not this program's,
    StateError where a number of rows differs afterwards: then nothing was copied.
    """
    # A hold or a pause that came meanwhile would be missing in the copy, so nobody writes one.
    with source.writing() as kept, source.reading() as old, target.writing() as new:
        for connection, place in ((old, source.place), (new, target.place)):
            if (found := revision(connection)) != REVISIONS[-1]:
                raise RefusedError(
                    f"the state {place} has another schema ({found}) than this program"
                    f" ({REVISIONS[-1]}): bring it to this version first. Nothing was copied"
                )
        # While a large original is sorted and counted, the server is told nothing for long.
        for connection, database in ((kept, source), (old, source), (new, target)):
            database.dialect.take_time(connection)
        _refuse_used(new, target.place)
        for name in _OF_EVERY_STATE:
            table = metadata.tables[name]
            new.execute(delete(table).where(_is_copied(table)))
        for table in metadata.sorted_tables:
            _copy(old, new, _ordered(table, source), table)
        # Whoever copies holds them in the original.
        new.execute(update(leases).values(released=True))
        counts = {table.name: _count(old, table) for table in metadata.sorted_tables}
        for table in metadata.sorted_tables:
            if (found_rows := _count(new, table)) != counts[table.name]:
                raise StateError(
                    f"the copy in {target.place} has {found_rows:,} rows of {table.name}, and the"
                    f" original {counts[table.name]:,}: nothing was copied"
                )
        # After the comparison: the original has no such row.
        if target.dialect.one_writer:
            _record_gaps(new)
    return counts


def _refuse_used(connection: Connection, place: str) -> None:
    for table in metadata.sorted_tables:
        if table.name not in _OF_EVERY_STATE and _count(connection, table):
            raise RefusedError(
                f"the state {place} is used already ({table.name}): copy into a new one. Nothing"
                " was copied"
            )


def _ordered(table: Table, source: Database) -> Select[Any]:
    statement = select(table).where(_is_copied(table))
    # The order of these rows is known only by when they were inserted.
    if table is runs:
        return statement.order_by(source.dialect.order_recorded(runs))
    # Lines refer to earlier lines.
    return statement.order_by(*table.primary_key)


def _copy(old: Connection, new: Connection, statement: Select[Any], table: Table) -> None:
    rows = streamed(old, statement, _BATCH)
    while batch := [dict(row) for row in islice(rows, _BATCH)]:
        new.execute(insert(table), batch)
    number = next(iter(table.primary_key), None)
    # A server counts on from its own number, not from the highest that was inserted.
    if new.dialect.name == "postgresql" and number is not None and number.name in _COUNTED:
        sequence = func.pg_get_serial_sequence(table.name, number.name)
        new.execute(select(func.setval(sequence, select(func.max(number)).scalar_subquery())))


def _record_gaps(connection: Connection) -> None:
    """Note how many numbers of the journal the server left out: `Journal.verify` counts on it."""
    last = connection.execute(select(func.max(journal.c.seq))).scalar() or 0
    if gaps := last - _count(connection, journal):
        put(connection, meta, {"key": COPIED_GAPS, "value": str(gaps)})


def _count(connection: Connection, table: Table) -> int:
    statement = select(func.count()).select_from(table).where(_is_copied(table))
    return connection.execute(statement).scalar_one()


def _is_copied(table: Table) -> ColumnElement[bool]:
    # Each server notes itself.
    return meta.c.key != SERVER if table is meta else true()
