"""What is wrong with a state's file, asked only when a command has met something in it that cannot be.

SQLite notices a page whose structure is broken. It does not notice a page that holds other bytes of a valid structure: a number
that has become text, a JSON text that is none. Such a value ends a command with an error that looks like a bug of ours.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from sqlalchemy import Boolean, Column, Float, Integer, LargeBinary, Table, Text

from sauce_janitor.retention.handacts import HandAction
from sauce_janitor.retention.model import Action
from sauce_janitor.retention.model import State as JobState
from sauce_janitor.state.tables import metadata

LOOKS_LIKE_DAMAGE: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError)
"""The errors that a value of another kind than was written ends in, somewhere."""

_JSON: Final = {
    "jobs": ("tags", "custom_data", "archived"), "journal": ("detail",), "counters": ("labels",),
    "acceptances": ("by_policy",), "approvals": ("lift",), "runs": ("summary",),
}  # fmt: skip
_WORDS: Final = {
    ("jobs", "state"): frozenset(map(str, JobState)),
    ("journal", "action"): frozenset(map(str, (*Action, *HandAction))),
}
_KINDS: Final = (
    (Integer, "integer"),
    (Boolean, "integer"),
    (Float, "real', 'integer"),
    (Text, "text"),
    (LargeBinary, "blob"),
)


def damage_of(uri: str) -> str | None:
    """Say what cannot be right in the file, or None when nothing is found.

    It reads all of it, and changes nothing. `uri` is SQLite's own, and opens the file to read.
    """
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                return str(found).splitlines()[-1]
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table in metadata.sorted_tables:
                if table.name in there and (wrong := _wrong_in(connection, table)):
                    return wrong
    except (sqlite3.Error, OSError) as error:
        return str(error)
    return None


def _wrong_in(connection: sqlite3.Connection, table: Table) -> str | None:
    columns = {row[1] for row in connection.execute(f'PRAGMA table_info("{table.name}")')}
    for column in table.columns:
        if column.name not in columns:  # a state of another release
            continue
        for condition in _conditions(column):
            statement = f'SELECT 1 FROM "{table.name}" WHERE {condition} LIMIT 1'  # noqa: S608 - our own names
            if connection.execute(statement).fetchone() is not None:
                return f"{table.name}.{column.name} holds what was never written there"
    return None


def _conditions(column: Column[object]) -> Iterator[str]:
    """What must not be true of any row."""
    name = f'"{column.name}"'
    for kind, words in _KINDS:
        if isinstance(column.type, kind):
            yield f"typeof({name}) NOT IN ('null', '{words}')"
            break
    if not column.nullable:
        yield f"{name} IS NULL"
    if column.name in _JSON.get(column.table.name, ()):
        yield f"{name} IS NOT NULL AND NOT json_valid({name})"
    if known := _WORDS.get((column.table.name, column.name)):
        yield f"{name} NOT IN ({', '.join(repr(word) for word in sorted(known))})"
