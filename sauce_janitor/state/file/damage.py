"""Finds the damage in a state's file, after a command has met a value that cannot be right.

SQLite notices a page whose structure is broken. It does not notice a page with other bytes of a
valid structure: a number that has become text, JSON of another shape, a time before 1970. Such a
value ends a command with an error that looks like a bug.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from sqlalchemy import Boolean, Column, Float, Integer, LargeBinary, Table, Text

from sauce_janitor.model.jobs import Action, AssetsStanding, JobState
from sauce_janitor.model.permits import ManualAction
from sauce_janitor.state.database.tables import metadata
from sauce_janitor.state.rows import BITS, ESCAPED

_OF_WRONG_VALUES: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
)
"""The errors that a value of the wrong kind causes, somewhere."""

_JSON: Final = {
    ("jobs", "tags"): ("array", "text"),
    ("jobs", "archived"): ("array", "text"),
    ("jobs", "missing"): ("array", "array"),
    ("jobs", "custom_data"): ("object", None),
    ("builds", "id"): ("text", None),
    ("builds", "name"): ("text", None),
    ("builds", "status"): ("text", None),
    ("journal", "detail"): ("object", None),
    ("counters", "labels"): ("object", "text"),
    ("acceptances", "by_policy"): ("object", "integer"),
    ("approvals", "lift"): ("array", "text"),
    ("runs", "summary"): ("object", None),
    ("plans", "summary"): ("object", None),
}
"""Columns of JSON: the type of the value, and of each of its elements where that is always the
same.
"""
_JSON_NOTES: Final = ("note:vanished ", "note:delete_job_path ", "verification ")
"""The beginnings of the keys in `meta` whose values are JSON objects and are read as such."""
_WORDS: Final = {
    ("jobs", "state"): frozenset(map(str, JobState)),
    ("jobs", "assets"): frozenset(map(str, AssetsStanding)),
    ("jobs", "accepted_for"): frozenset(map(str, Action)),
    ("journal", "action"): frozenset(map(str, (*Action, *ManualAction))),
}
_MARKS: Final = {("jobs", "marks"): sum(BITS.values()) | ESCAPED}
"""The bits that may be set."""
_THEIRS: Final = frozenset({"created_at", "started_at", "ended_at", "modified_at"})
_OF_JOBS: Final = frozenset({"jobs", "archived_jobs"})
"""In these tables, the columns in `_THEIRS` are times from Sauce Labs: any whole number is
valid.
"""
_VENDORS: Final = frozenset({"builds"})
"""Tables whose numbers come from Sauce Labs."""
_NEVER_EMPTY: Final = frozenset(
    {("accounts", "name"), ("accounts", "base_url"), ("accounts", "username")}
)
_LARGEST: Final = 2**62
"""The largest number that this program counts. None is negative."""
_LATEST: Final = 253_402_300_799
"""This program's own times come from a clock: none is before 1970 or after 9999 (epoch seconds)."""
_KINDS: Final = (
    (Integer, "integer"),
    (Boolean, "integer"),
    (Float, "real', 'integer"),
    (Text, "text"),
    (LargeBinary, "blob"),
)


def looks_like_damage(error: BaseException | None) -> bool:
    """Return whether an error may come from a damaged value, also from a time that no
    calendar has.
    """
    return isinstance(error, _OF_WRONG_VALUES) or (
        isinstance(error, OSError) and error.errno == errno.EOVERFLOW
    )


def damage_of(uri: str) -> str | None:
    """Return what cannot be right in the file, with table, column and row; None when nothing is
    found.

    Reads all of it and changes nothing. `uri` is SQLite's own and opens the file for reading.
    """
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                return str(found).splitlines()[-1]
            there = {
                name
                for (name,) in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                )
            }
            for table in metadata.sorted_tables:
                if table.name in there and (fault := _wrong_in(connection, table)):
                    return fault
    # A file that cannot be read at all is damage too.
    except (sqlite3.Error, OSError) as error:
        return str(error)
    return None


def _wrong_in(connection: sqlite3.Connection, table: Table) -> str | None:
    columns = {row[1] for row in connection.execute(f'PRAGMA table_info("{table.name}")')}
    for column in table.columns:
        # A state of another release may lack the column.
        if column.name not in columns:
            continue
        for condition in _conditions(column):
            statement = f'SELECT rowid FROM "{table.name}" WHERE {condition} LIMIT 1'  # noqa: S608 - our own names
            if (found := connection.execute(statement).fetchone()) is not None:
                return f"{table.name}.{column.name} in row {found[0]} has an invalid value"
    return None


def _conditions(column: Column[object]) -> Iterator[str]:
    """Yield the conditions that must not be true of any row."""
    name, key = f'"{column.name}"', (column.table.name, column.name)
    for kind, words in _KINDS:
        # SQLite stores any type in any column, so a flipped byte can turn a number into text.
        if isinstance(column.type, kind):
            yield f"typeof({name}) NOT IN ('null', '{words}')"
            break
    if not column.nullable:
        yield f"{name} IS NULL"
    if shape := _JSON.get(key):
        yield f"{name} IS NOT NULL AND {_is_not_json(name, *shape)}"
    if known := _WORDS.get(key):
        listed = ", ".join(repr(word) for word in sorted(known))
        yield f"{name} NOT IN ({listed})"
    if (bits := _MARKS.get(key)) is not None:
        yield f"({name} & ~{bits}) != 0"
    if key in _NEVER_EMPTY:
        yield f"{name} = ''"
    # The values of `meta` are of several kinds; the key says which.
    if key == ("meta", "value"):
        keys = " OR ".join(f"key LIKE '{start}%'" for start in _JSON_NOTES)
        yield f"({keys}) AND {_is_not_json(name, 'object', None)}"
        yield f"key IN ('instance_id', 'secret') AND {name} = ''"
    if (
        isinstance(column.type, Integer)
        and key[0] not in _VENDORS
        and (key[0] not in _OF_JOBS or key[1] not in _THEIRS)
    ):
        most = _LATEST if _is_time(column) else _LARGEST
        yield f"{name} NOT BETWEEN 0 AND {most}"


def _is_not_json(name: str, kind: str, element: str | None) -> str:
    """Return the condition that a text is not JSON of this type. CASE, because invalid JSON has no
    type to compare.
    """
    fault = f"json_type({name}) != '{kind}'"
    if element is not None:
        each = f"SELECT 1 FROM json_each({name}) AS each WHERE each.type != '{element}'"  # noqa: S608 - our own names
        fault += f" OR EXISTS ({each})"
    return f"CASE WHEN json_valid({name}) THEN {fault} ELSE 1 END"


def _is_time(column: Column[object]) -> bool:
    return column.name in {
        "at",
        "until",
        "since",
        "mark",
        "watermark",
        "first_seen",
    } or column.name.endswith("_at")
