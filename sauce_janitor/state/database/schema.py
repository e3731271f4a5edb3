"""The schema of a state: which one a database has, and how it gets this program's."""

from __future__ import annotations

import secrets
import uuid
from typing import Final

from sqlalchemy import Connection, insert, inspect, select

from sauce_janitor.errors import RefusedError
from sauce_janitor.state.database.dialect import put
from sauce_janitor.state.database.tables import (
    READABLE_FROM,
    REVISIONS,
    journal_head,
    meta,
    metadata,
    schema_version,
)

_READABLE_FROM: Final = "readable_from"


def is_usable(connection: Connection, found: str | None, place: str) -> bool:
    """Return whether a state with this schema is used as it is: the current one, or a newer one
    that says this version can read and write it.

    False when it must be migrated. Raise RefusedError when it cannot be.
    """
    if found is None or found in REVISIONS:
        return found == REVISIONS[-1]
    if (
        connection.execute(select(meta.c.value).where(meta.c.key == _READABLE_FROM)).scalar()
        in REVISIONS
    ):
        return True
    raise RefusedError(
        f"the state {place} was written by a newer version (schema {found}, this program knows"
        f" {REVISIONS[-1]}): use that version, or the backup that it made beside the state before"
        " it changed the schema"
    )


def revision(connection: Connection) -> str | None:
    """Return the schema that the database says it has; None where it says nothing."""
    if not inspect(connection).has_table(schema_version.name):
        return None
    return connection.execute(select(schema_version.c.version_num)).scalar()


def create_tables(connection: Connection) -> None:
    """Make a new state without running the migrations, which takes several times as long and
    imports Alembic. A test compares both schemas.
    """
    metadata.create_all(connection, checkfirst=False)
    schema_version.create(connection)
    connection.execute(insert(schema_version), [{"version_num": REVISIONS[-1]}])
    found_state(connection)
    _record_readable_from(connection)


def migrate(connection: Connection) -> None:
    """Bring the database to this program's schema."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "sauce_janitor.state:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    _record_readable_from(connection)


def _record_readable_from(connection: Connection) -> None:
    put(connection, meta, {"key": _READABLE_FROM, "value": READABLE_FROM})


def found_state(connection: Connection) -> None:
    """Give a new state its identity: an id and secret, and the beginning of the journal's chain."""
    from sauce_janitor.state.journal.hash_chain import beginning

    instance = str(uuid.uuid4())
    connection.execute(
        insert(meta),
        [
            {"key": "instance_id", "value": instance},
            {"key": "secret", "value": secrets.token_hex(32)},
        ],
    )
    connection.execute(insert(journal_head), [{"one": 1, "seq": 0, "hash": beginning(instance)}])
