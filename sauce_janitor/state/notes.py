"""Short notes that outlive a process, by key: what the daemon did last, which message was sent
last.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import delete, select

from sauce_janitor.state.database.dialect import put
from sauce_janitor.state.database.tables import meta
from sauce_janitor.state.database.transactions import Database

_PREFIX: Final = "note:"


class Notes:
    """One value for each key; the last one written counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, key: str) -> str | None:
        """Return the note under that key, None where there is none."""
        with self._database.reading() as connection:
            return connection.execute(
                select(meta.c.value).where(meta.c.key == _PREFIX + key)
            ).scalar()

    def read_all(self, keys: Collection[str]) -> dict[str, str]:
        """Return the notes that there are under these keys, as of one moment."""
        mine = meta.c.key.in_([_PREFIX + key for key in keys])
        with self._database.reading() as connection:
            rows = connection.execute(select(meta.c.key, meta.c.value).where(mine)).all()
        return {row.key.removeprefix(_PREFIX): row.value for row in rows}

    def write(self, key: str, value: str) -> None:
        """Write the note under that key."""
        with self._database.writing() as connection:
            put(connection, meta, {"key": _PREFIX + key, "value": value})

    def starting(self, prefix: str) -> tuple[str, ...]:
        """Return every key with this prefix, in order."""
        mine = meta.c.key.startswith(_PREFIX + prefix, autoescape=True)
        with self._database.reading() as connection:
            keys = connection.execute(select(meta.c.key).where(mine).order_by(meta.c.key)).scalars()
            return tuple(key.removeprefix(_PREFIX) for key in keys)

    def forget(self, key: str) -> None:
        """Remove the note, if there is one."""
        with self._database.writing() as connection:
            connection.execute(delete(meta).where(meta.c.key == _PREFIX + key))
