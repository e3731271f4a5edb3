"""PostgreSQL: one server, writers side by side. Only a state with an address loads this module.

One module over 300 lines: all that the program knows of this kind of server, and what its errors
mean.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from threading import Event
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
    exists,
    literal_column,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.compiler import compiles

from sauce_janitor.errors import RefusedError, StateError
from sauce_janitor.model.globs import for_postgresql
from sauce_janitor.state.database.dialect import Exchange, NextSeq
from sauce_janitor.state.database.pipelined_exchange import (
    PipelinedExchange,
    SentStatement,
    send_messages,
)

OLDEST: Final = 130_000
"""The oldest server that is used, as PostgreSQL writes its version."""
_BATCH: Final = 1000
_LOCK_S: Final = 30
"""How long a writer waits for another one's transaction."""
_IDLE_S: Final = 15
"""How long a transaction that writes may stand still: a frozen process must not keep an account
locked.
"""
ANSWER_S: Final[dict[str, float | None]] = {
    # A renewal of the lease that comes later is of no use, and no request waits longer for it.
    "glance": 10.0,
    # It may wait for a lock, for _LOCK_S.
    "write": _LOCK_S + 15.0,
    # The first rows of a long list are sorted before they come.
    "read": 300.0,
    # A migration, or a copy, of any size.
    "any": None,
}
"""How many seconds the server has for an answer. A frozen one is given up then."""
_KIND: Final = "answer"
"""SQLAlchemy's option of a connection with the kind of its statements."""
CONNECT_S: Final = 10
NOTICED_WHEN_GONE: Final = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""Parameters of libpq: a server that vanished is noticed within 15 s, also by what waits for its
answer.
"""
_FRESH_S: Final = 5.0
"""A connection that was used so lately is not tried before it is used again."""
FOR_TRANSACTIONS: Final = 20
FOR_GLANCES: Final = 10
"""The most connections of one process. Servers have 100 by default, for all."""
_KEPT: Final = 5
"""How many of them stay open while nobody uses them."""
_DAMAGED: Final = ("XX001", "XX002")
_WORDS: Final = {
    "08": "the connection to it was lost",
    "25006": "it is read-only",
    "25P03": "a transaction of this program stood still for too long and was ended",
    "28": "it does not accept this user or password",
    "40001": "another process changed the same at once, so try again",
    "40P01": "another process changed the same at once, so try again",
    "42501": "this user may not do that there",
    "42P01": "tables of the state are missing",
    "53100": "its disk is full",
    "53200": "it has not enough memory",
    "53300": "it has no connection left",
    "55P03": "another process keeps it locked",
    "57P01": "it was shut down",
    "57P02": "it has crashed",
    "57P03": "it is starting or shutting down",
    "58": "reading or writing its disk failed",
}
"""What SQLSTATEs mean, or classes of them (two characters).
Source: PostgreSQL, Appendix A, PostgreSQL Error Codes.
"""
_BEGIN: Final = SentStatement(b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
"""As `writing` does, for the same reasons."""
_CHECKED: Final = """
SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),
    current_setting('server_encoding'), current_setting('default_transaction_read_only'),
    current_setting('fsync'), current_setting('full_page_writes'),
    current_setting('synchronous_commit'), set_config('lock_timeout', %s, false),
    set_config('tcp_keepalives_idle', '5', false),
    set_config('tcp_keepalives_interval', '2', false),
    set_config('tcp_keepalives_count', '3', false),
    (SELECT set_config(name, '5s', false) FROM pg_settings
        WHERE name = 'client_connection_check_interval')"""
"""The last one (PostgreSQL 14): a statement whose client gave up ends, and frees its locks."""


def words(error: BaseException) -> str | None:
    """Return what an error of the driver means, None where its own text has to do."""
    code = getattr(error, "sqlstate", None) or ""
    return _WORDS.get(code, _WORDS.get(code[:2]))


def is_damage(error: BaseException) -> bool:
    """Return whether the error says that the database is damaged."""
    return getattr(error, "sqlstate", None) in _DAMAGED


class PostgresqlDialect:
    """PostgreSQL's ways."""

    reading: Mapping[str, Any] = {
        "isolation_level": "REPEATABLE READ",
        "postgresql_readonly": True,
        _KIND: "read",
    }
    # Said here because a role may have another default. With the locks, each statement sees what
    # the writer before has written.
    writing: Mapping[str, Any] = {
        "isolation_level": "READ COMMITTED",
        "postgresql_readonly": False,
        _KIND: "write",
    }
    # Its first message says how the transaction is begun.
    exchanging: Mapping[str, Any] = {_KIND: "write"}
    glancing: Mapping[str, Any] = {"isolation_level": "AUTOCOMMIT", _KIND: "glance"}
    one_writer = False

    def lock(self, connection: Connection, names: Sequence[str]) -> None:
        """Take an advisory lock for each name, until the transaction ends."""
        connection.exec_driver_sql(*_locking(names))

    def exchange(self, connection: Connection, names: Sequence[str], /) -> Exchange:
        """Return an exchange in two messages."""
        statement, values = _locking(names)
        return PipelinedExchange(connection, [_BEGIN, SentStatement(statement.encode(), values)])

    def take_time(self, connection: Connection) -> None:
        """Lift the limits of a transaction."""
        connection.execution_options(**{_KIND: "any"})
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")

    def insert(self, table: Table) -> Any:
        """Return PostgreSQL's INSERT."""
        return postgresql.insert(table)

    def rows(self, connection: Connection, statement: Select[Any]) -> Iterator[Sequence[Any]]:
        """Yield the rows through a cursor on the server."""
        # Closed in any case: a reader may leave before the end.
        options = {"yield_per": _BATCH}
        with closing(connection.execute(statement, execution_options=options)) as result:
            yield from result

    def is_among(self, column: ColumnElement[Any], listed: Table) -> ColumnElement[bool]:
        """Return EXISTS: the server would compare NOT IN with each of many rows, one by one."""
        (other,) = listed.columns
        return exists().where(other == column)

    def matches(self, column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
        """Return a regular expression."""
        return column.op("~")(for_postgresql(part))

    def order_recorded(self, table: Table) -> ColumnElement[int]:
        """Return the number that a migration gave each row here."""
        return literal_column(f"{table.name}.number")

    def damage(self, _connection: Connection, /) -> str | None:
        """Return None: the server checks what it reads, and `state verify` reads everything."""
        return None


@compiles(NextSeq, "postgresql")
def _next_seq(_element: NextSeq, _compiler: object, **_options: object) -> str:
    """Return the sequence's next number: writers of two accounts do not wait for each other."""
    return "nextval('journal_seq')"


def _locking(names: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that takes an advisory lock for each name, and its values."""
    keys = sorted({lock_key(name) for name in names})
    # One order for everybody, so that two writers never wait for each other.
    statement = "SELECT set_config('idle_in_transaction_session_timeout', %s, true)"
    statement += ", pg_advisory_xact_lock(%s)" * len(keys)
    return statement, (f"{_IDLE_S}s", *keys)


def lock_key(name: str) -> int:
    """Return the number of the advisory lock with that name."""
    digest = hashlib.sha256(b"sauce-janitor " + name.encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def place_of(url: URL) -> str:
    """Return the address as it is shown: without user, password and options."""
    return URL.create(
        "postgresql", host=url.host, port=url.port, database=url.database
    ).render_as_string()


def postgresql_engine(
    url: URL, most: int = FOR_TRANSACTIONS, accepted: Event | None = None
) -> Engine:
    """Return an engine on a server, with at most so many connections. Each is checked: it may be
    another server's, after a fail-over. The first that passes sets `accepted`.

    Connecting raises RefusedError where the server would lose what it has acknowledged, is a
    replica, or is too old; StateError instead where it was accepted before.
    """
    # Late: a state in a file needs no driver.
    from sauce_janitor.state.database.limited_connection import LimitedConnection

    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={
            "application_name": "sauce-janitor",
            "client_encoding": "utf8",
            "connect_timeout": CONNECT_S,
            **NOTICED_WHEN_GONE,
        },
        pool_size=_KEPT,
        max_overflow=most - _KEPT,
    )
    place = place_of(url)
    accepted = accepted or Event()

    def check(connection: Any, _record: object) -> None:
        try:
            _check(connection, place)
        except RefusedError as error:
            # A server in use that changes, as when it becomes read-only for a while, is an outage:
            # `serve` waits for its end, and does not for that of a wrong configuration.
            if accepted.is_set():
                raise StateError(str(error)) from error
            raise
        accepted.set()

    def connect(_dialect: object, _record: object, address: Any, options: Any) -> Any:
        return LimitedConnection.connect(*address, **options)

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", check)
    event.listen(engine, "before_cursor_execute", _limit_answer)
    send_messages(engine)
    event.listen(engine, "checkout", _try_again)
    event.listen(engine, "checkin", _note_use)
    return engine


def _check(connection: Any, place: str) -> None:
    """Set up a new connection. Raise RefusedError where the server cannot keep a state."""
    with connection.cursor() as cursor:
        version, is_replica, encoding, read_only, *durable = cursor.execute(
            _CHECKED, (f"{_LOCK_S}s",)
        ).fetchone()[:7]
    connection.commit()
    if version < OLDEST:
        raise RefusedError(
            f"the state {place} is on PostgreSQL {version // 10_000}: 13 or later is needed"
        )
    if is_replica or read_only == "on":
        raise RefusedError(
            f"the state {place} is read-only, as on a replica: name the address of the primary"
        )
    if encoding != "UTF8":
        raise RefusedError(
            f"the state {place} is in a database with the encoding {encoding}: make one with UTF8"
        )
    for name, value in zip(
        ("fsync", "full_page_writes", "synchronous_commit"), durable, strict=True
    ):
        # A delete at Sauce Labs whose line in the journal is lost could never be explained.
        if value == "off":
            raise RefusedError(
                f"the state {place} is on a server with {name} = off: a power failure would lose"
                " lines of the journal. Set it to on"
            )


def _limit_answer(connection: Connection, cursor: Any, *_: object) -> None:
    """Say how long this statement, and the end of its transaction, may take."""
    kind = connection.get_execution_options().get(_KIND, "glance")
    cursor.connection.answer_s = ANSWER_S[kind]


def _note_use(connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()
    # None where it broke. What a transaction may do is not for whoever uses it next.
    if connection is not None:
        connection.answer_s = ANSWER_S["glance"]
        # An exchange begins its transaction itself.
        if connection.autocommit and not connection.closed:
            connection.autocommit = False


def _try_again(connection: Any, record: Any, _proxy: object) -> None:
    """Replace a connection that broke while nobody used it, as when the server was restarted."""
    used_at = record.info.get("used_at")
    if used_at is None or time.monotonic() - used_at < _FRESH_S:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    # Whatever is wrong with it, a new one is tried, which says what is wrong.
    except Exception as error:
        raise DisconnectionError(str(error)) from error
