"""One database, opened once for each process: its transactions, and its errors in plain words."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Final

from sqlalchemy import Connection, Engine, Executable, Row, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from sauce_janitor.errors import StateError
from sauce_janitor.state.database import sqlite
from sauce_janitor.state.database.dialect import COMMON, Exchange, dialect_of

_END_S: Final = 5.0
"""How long closing waits for a thread that uses the database."""


class Database:
    """Transactions on one database. Readers see one moment; writers of one account come one at a
    time, and what they wrote is durable.
    """

    def __init__(self, engine: Engine, place: str, glances: Engine | None = None) -> None:
        """`glances` has connections of their own for `glance`, so that it waits for no transaction
        that lasts.
        """
        self.place = place
        self.dialect = dialect_of(engine.dialect.name)
        self._engines = (engine,) if glances is None else (engine, glances)
        self._reading_engine = engine.execution_options(**self.dialect.reading)
        self._writing_engine = engine.execution_options(**self.dialect.writing)
        self._exchanging_engine = engine.execution_options(**self.dialect.exchanging)
        self._session_engine = engine.execution_options(**self.dialect.glancing)
        self._glancing_engine = self._engines[-1].execution_options(**self.dialect.glancing)
        self.ending = threading.Event()
        self._users: set[threading.Thread] = set()
        # Threads of one process wait here, which is fairer than polling SQLite for its lock.
        self._turn = threading.RLock() if self.dialect.one_writer else nullcontext()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open one read transaction: everything read inside is of one moment. Raise StateError."""
        with (
            state_errors(self.place),
            self._reading_engine.connect() as connection,
            connection.begin(),
        ):
            yield connection

    def glance(self, statement: Executable, **values: object) -> Row[Any] | None:
        """Return the first row of one statement, as things are now; None for no row. Raise
        StateError.

        For what is read before every request, and for renewing a lease: a single statement is of
        one moment without a transaction.
        """
        with state_errors(self.place), self._glancing_engine.connect() as connection:
            return connection.execute(statement, values).first()

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Open a connection without a transaction, for what is the connection's own."""
        with state_errors(self.place), self._session_engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, *accounts: str) -> Iterator[Connection]:
        """Open one write transaction, durable at the end of the block, rolled back by any
        exception. Raise StateError.

        Nobody else writes about these accounts meanwhile; without one, nobody else writes what
        belongs to no account. So what the block reads of them is still true when it writes.
        """
        with (
            state_errors(self.place),
            self._turn,
            self._writing_engine.begin() as connection,
        ):
            self.dialect.lock(connection, accounts or (COMMON,))
            yield connection

    @contextmanager
    def exchange(self, *accounts: str) -> Iterator[Exchange]:
        """Open one write transaction as `writing` does, in as few messages as the database allows.
        What was told is durable at the end of the block.
        """
        with (
            state_errors(self.place),
            self._turn,
            self._exchanging_engine.begin() as connection,
        ):
            exchange = self.dialect.exchange(connection, accounts or (COMMON,))
            yield exchange
            exchange.end()

    def watch(self, look: Callable[[Any], None]) -> None:
        """Call `look` with each new connection of the driver, before it is used; so none is kept
        that it has not seen.
        """
        for engine in self._engines:
            event.listen(engine, "connect", lambda connection, _record: look(connection))
            engine.dispose()

    def check_integrity(self) -> None:
        """Raise StateError where the database finds damage in itself."""
        with self.reading() as connection:
            found = self.dialect.damage(connection)
        if found is not None:
            raise StateError(damaged(self.place, found))

    def end_before_close(self, thread: threading.Thread) -> None:
        """Wait for that thread, which uses the database, before it is closed. It ends when `ending`
        is set.
        """
        self._users = {each for each in self._users if each.is_alive()} | {thread}

    def close(self) -> None:
        """Close every connection."""
        self.ending.set()
        # The connections that one still uses would be closed by nobody.
        for thread in self._users:
            thread.join(_END_S)
        for engine in self._engines:
            engine.dispose()


@contextmanager
def state_errors(place: str) -> Iterator[None]:
    """Turn a database's error into a StateError with one clear sentence. Who can say more about a
    broken constraint catches IntegrityError inside the transaction.
    """
    try:
        yield
    except DBAPIError as error:
        raise StateError(
            _sentence(place, error.orig if error.orig is not None else error)
        ) from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StateError(_sentence(place, error)) from error


def _sentence(place: str, error: BaseException) -> str:
    # Shortened, because SQLite quotes its schema and texts in full.
    text = " ".join(str(error).split())[:300]
    # PostgreSQL's errors have its codes. Its module is loaded where that database is used.
    if hasattr(error, "sqlstate"):
        from sauce_janitor.state.database import postgresql

        is_damage, words = postgresql.is_damage(error), postgresql.words(error)
    else:
        is_damage, words = sqlite.is_damage(error), sqlite.words(error)
    if is_damage:
        return damaged(place, text)
    # A rule of the schema: what was checked before is not true any more.
    if isinstance(error, sqlite3.IntegrityError) or _sqlstate(error).startswith("23"):
        return (
            f"the state {place} refuses what contradicts the rest of it ({text}): another command"
            " has changed it meanwhile, for example renamed the account. Run it again"
        )
    if words is not None:
        return f"the state {place} cannot be used: {words} ({text})"
    return f"the state {place} cannot be used: {text}"


def _sqlstate(error: BaseException) -> str:
    return getattr(error, "sqlstate", None) or ""


def damaged(place: str, why: str) -> str:
    """Return what a damaged state requires of its operator."""
    return (
        f"the state {place} is damaged ({why}): restore it from a backup. Do not start with an"
        " empty one: the journal would be lost"
    )
