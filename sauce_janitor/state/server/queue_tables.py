"""The tables of the queue, which are procrastinate's, in the database of a state on a server.

`state init` makes them, and `state migrate` brings them to the version that is installed.
procrastinate does not record which version a database has, so the state does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, select

from sauce_janitor.errors import RefusedError
from sauce_janitor.state.database.dialect import put
from sauce_janitor.state.database.tables import meta

_KEY: Final = "queue_schema"
_TABLE: Final = "procrastinate_jobs"


def has_queue(connection: Connection) -> bool:
    """Return whether the database has the tables of the procrastinate that is installed, or of a
    newer one, which an older one can use.
    """
    found = _found(connection)
    return found is not None and found >= _migrations()[-1].stem


def make_queue(connection: Connection, place: str) -> None:
    """Make the tables, or bring older ones to this version. Raise RefusedError where another
    program made them.
    """
    from procrastinate.schema import SchemaManager

    found, migrations = _found(connection), _migrations()
    if found is None:
        if inspect(connection).has_table(_TABLE):
            raise RefusedError(
                f"{place} has the queue of another program (table {_TABLE}): name a database of its"
                " own for the state, or a schema with ?options=-csearch_path%3DNAME"
            )
        _execute(connection, SchemaManager.get_schema())
    # Each file's name begins with its version, so their order is that of the names.
    for each in migrations:
        if found is not None and each.stem > found:
            _execute(connection, each.read_text(encoding="utf-8"))
    # A newer version's tables stay as they are: it says itself whether it can use them.
    if found is None or found < migrations[-1].stem:
        put(connection, meta, {"key": _KEY, "value": migrations[-1].stem})


def _found(connection: Connection) -> str | None:
    return connection.execute(select(meta.c.value).where(meta.c.key == _KEY)).scalar()


def _migrations() -> list[Path]:
    from procrastinate.schema import SchemaManager

    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))


def _execute(connection: Connection, script: str) -> None:
    # Many statements at once, with signs that are no parameters.
    driver: object = connection.connection.dbapi_connection
    with driver.cursor() as cursor:  # type: ignore[attr-defined]  # psycopg's
        cursor.execute(script)
