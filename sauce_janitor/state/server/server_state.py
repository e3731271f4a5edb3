"""Finds, creates and checks a state on a PostgreSQL server. Unlike a file, nothing here is created
or migrated on the way: a mistyped address would leave a second state, and workers of two versions
share one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event
from typing import Final

from sqlalchemy import URL, Connection, inspect, make_url, text
from sqlalchemy.exc import ArgumentError

from sauce_janitor.errors import ConfigError, RefusedError, StateError
from sauce_janitor.state.database.postgresql import (
    FOR_GLANCES,
    place_of,
    postgresql_engine,
)
from sauce_janitor.state.database.schema import found_state, is_usable, migrate, revision
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.server.failover import look
from sauce_janitor.state.server.queue_tables import has_queue, make_queue
from sauce_janitor.state.server.request_counts import create_counts
from sauce_janitor.state.server.server_lease import refuse_held

_NOT_INSTALLED: Final = (
    "a state on PostgreSQL needs psycopg and procrastinate: install sauce-janitor[cluster]"
)
_KINDS: Final = frozenset({"postgresql", "postgres"})
_WRONG_ADDRESS: Final = re.compile(
    r"password authentication failed|no password supplied|no pg_hba.conf entry|"
    r"(role|database) \S+ does not exist|could not translate host name|failed to resolve host|"
    r"Name or service not known|permission denied for (database|schema|table|sequence)|"
    r"invalid connection option"
)
_OTHER_ORDER: Final = text(
    "SELECT format('ALTER TABLE %I ALTER COLUMN %I TYPE text COLLATE \"C\"', table_name,"
    " column_name) FROM information_schema.columns WHERE table_schema = current_schema()"
    " AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
    " AND table_name NOT LIKE 'procrastinate%' ORDER BY 1"
)


def address(url: str) -> URL:
    """Return the address of a database, as libpq writes it. Raise ConfigError for anything else,
    without a word of it: it may have a password.
    """
    # What follows the first @ is taken for the host, which messages show.
    is_cut = "@" in url.partition("@")[2] or "@" in url.partition("?")[2]
    try:
        parsed = make_url(url.strip())
    except (ArgumentError, ValueError):
        is_cut = True
    if is_cut:
        raise ConfigError(
            "the state's address is not a URL: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE."
            " In user, password and options write / @ : ? % as %2F %40 %3A %3F %25"
        )
    if parsed.drivername not in _KINDS or not parsed.database:
        raise ConfigError(
            "the state's address does not name a PostgreSQL database: write"
            " postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        )
    return parsed


def open_server(url: URL) -> Database:
    """Open the state at this address. Raise StateError where the server cannot be used,
    RefusedError where it would lose lines, or has no state of this program's schema.
    """
    with _opened(url) as database:
        with database.reading() as connection:
            found = _found(connection, database.place)
            if found is None:
                raise RefusedError(
                    f"there is no state in {database.place}: `sauce-janitor state init` makes one"
                )
            if not is_usable(connection, found, database.place):
                raise RefusedError(
                    f"the state {database.place} is of an older version (schema {found}): stop"
                    " every worker, back it up, then `sauce-janitor state migrate --backed-up`"
                )
        # Only now: a state of another schema may have no such tables.
        database.watch(look)
        return database


def create_state(url: URL) -> tuple[str, bool]:
    """Make a state in an empty database. Return where it is, and False where there is one already.
    Raises as `open_server` does.
    """
    with _opened(url) as database, closing(database):
        with database.writing() as connection:
            # Another process was faster.
            if _found(connection, database.place) is not None:
                return database.place, False
            _migrate(connection)
            found_state(connection)
            make_queue(connection, database.place)
        return database.place, True


def migrate_state(url: URL) -> tuple[str, str, bool]:
    """Bring the state to this program's schema. Return where it is, the schema that it had, and
    whether it changed. Raises as `open_server` does, and LeaseError while a run works.
    """
    with _opened(url) as database, closing(database):
        with database.writing() as connection:
            found = _found(connection, database.place)
            if found is None:
                raise RefusedError(
                    f"there is no state in {database.place}: `sauce-janitor state init` makes one"
                )
            usable = is_usable(connection, found, database.place)
            if usable and has_queue(connection):
                return database.place, found, False
            refuse_held(connection)
            database.dialect.take_time(connection)
            if not usable:
                _migrate(connection)
            make_queue(connection, database.place)
        return database.place, found, True


@contextmanager
def _opened(url: URL) -> Iterator[Database]:
    """Yield the database, closed where the block fails. What a wrong address causes becomes a
    ConfigError.
    """
    place = place_of(url)
    try:
        # Plans of many accounts at once must not keep a run from renewing its lease.
        accepted = Event()
        glances = postgresql_engine(url, FOR_GLANCES, accepted)
        database = Database(postgresql_engine(url, accepted=accepted), place, glances)
    except ModuleNotFoundError as error:
        raise ConfigError(_NOT_INSTALLED) from error
    try:
        yield database
    # Close the database, whatever the error was; it is raised again, or a clearer one.
    except BaseException as error:
        database.close()
        # The queue's library, which is installed with the driver, but was not in older versions.
        if isinstance(error, ModuleNotFoundError):
            raise ConfigError(_NOT_INSTALLED) from error
        # Before a connection stands there is no code, so the server's words have to do.
        if isinstance(error, StateError) and _WRONG_ADDRESS.search(str(error)):
            raise ConfigError(str(error)) from error
        raise


def _found(connection: Connection, place: str) -> str | None:
    """Return the schema of the state; None for an empty database. Raise RefusedError for another
    program's.
    """
    found = revision(connection)
    # Tables without a schema version of ours: they must not be changed.
    if found is None and inspect(connection).get_table_names():
        raise RefusedError(
            f"{place} has tables of another program: name an empty database, or a schema of its"
            " own with ?options=-csearch_path%3DNAME"
        )
    return found


def _migrate(connection: Connection) -> None:
    migrate(connection)
    create_counts(connection)
    # Texts are in the order of their bytes, as in a file. An order of the operating system would
    # make other lists, and damage indexes when the system is upgraded.
    for statement in connection.execute(_OTHER_ORDER).scalars().all():
        connection.exec_driver_sql(statement)
