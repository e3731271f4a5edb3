"""Notices that another server answers for the state than before: a standby that took over, or a
restored database.

It may lack the newest transactions, and with them lines of the journal and the newest number of a
lease. So every lease ends, also one that only the former server knew, and counts as held until
whatever its holder sent is over. Each new connection looks, before anything else is done over it:
nobody comes to another server in any other way.

PostgreSQL begins a new timeline whenever a standby is promoted or a backup is restored to a point
in time, and each database system has an identifier. What keeps both is not noticed here: a snapshot
of the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from sqlalchemy import Connection, select

from sauce_janitor.counts import counted
from sauce_janitor.state.database.dialect import COMMON
from sauce_janitor.state.database.postgresql import ANSWER_S, lock_key
from sauce_janitor.state.database.tables import SERVER, meta

if TYPE_CHECKING:
    from sauce_janitor.state.database.limited_connection import LimitedConnection

FENCES: Final = 1_000_000_000
"""By how much every fence grows then. The lost ones grew by one with each holder: even at a
thousand holders a second, they would need eleven days to come so far.
"""
NOBODY: Final = 0
"""The process id of a lease that is held only because the server changed."""
_UNKNOWN: Final = "-"
_TIMELINE: Final = "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
_SYSTEM: Final = "SELECT system_identifier::text FROM pg_control_system()"
"""Some services let no user read it. pg_control_checkpoint() has the timeline, too, but late: that
of the last checkpoint.
"""
_NOTED: Final = "SELECT value FROM meta WHERE key = %s"
_NOTE: Final = (
    "INSERT INTO meta (key, value) VALUES (%s, %s || ' ' || extract(epoch from clock_timestamp()))"
    " ON CONFLICT (key) DO"
)
_STANDBYS: Final = (
    "SELECT (SELECT count(*) FROM pg_stat_replication),"
    " current_setting('synchronous_standby_names'), current_setting('synchronous_commit')"
)
_END_LEASES: Final = (
    "INSERT INTO leases (account, fence, holder, host, pid, since, released, renewed_at)"
    " SELECT name, %(base)s, 'nobody', 'the new server', %(nobody)s,"
    " extract(epoch from clock_timestamp())::bigint, false,"
    " extract(epoch from clock_timestamp())::double precision"
    " FROM accounts WHERE retired IS NULL ON CONFLICT (account) DO UPDATE SET"
    " fence = leases.fence + %(more)s, holder = excluded.holder, host = excluded.host,"
    " pid = excluded.pid, since = excluded.since, released = false,"
    " renewed_at = excluded.renewed_at"
)


@dataclass(frozen=True, slots=True)
class NotedServer:
    """The server that the state was last on: its system's identifier, "-" where that is not shown,
    and its timeline. `changes` counts how often it changed, `seen_at` is when that was first seen,
    by the server's clock.
    """

    system: str
    timeline: str
    changes: int = 0
    seen_at: float = 0.0

    @classmethod
    def of(cls, text: str) -> Self:
        """Return what the note says."""
        system, timeline, *since = text.split()
        changes, seen_at = since or ("0", "0")
        return cls(system, timeline, int(changes), float(seen_at))

    def is_same(self, other: NotedServer) -> bool:
        """Return whether both are the same server, as far as can be told."""
        systems = {self.system, other.system} - {_UNKNOWN}
        return self.timeline == other.timeline and len(systems) < 2


def noted_server(connection: Connection) -> NotedServer | None:
    """Return the server that the state was last on; None where none told who it is."""
    text = connection.execute(select(meta.c.value).where(meta.c.key == SERVER)).scalar()
    return None if text is None else NotedServer.of(text)


def gaps(connection: Connection) -> Iterator[str]:
    """Yield why a fail-over may lose lines or pass unnoticed, as far as this user may see."""
    if noted_server(connection) is None:
        yield (
            "The server does not show its timeline to this user, so a fail-over is not noticed:"
            " allow pg_current_wal_lsn() and pg_walfile_name()."
        )
    standbys, waits_for, commits = connection.exec_driver_sql(_STANDBYS).one()
    if standbys and (not waits_for or commits == "local"):
        yield (
            f"The server has {counted(standbys, 'standby')} and waits for none: after a"
            " fail-over the newest lines of the journal may be missing. Set"
            " synchronous_standby_names, and synchronous_commit = on."
        )


def look(connection: LimitedConnection) -> None:
    """Record which server this new connection leads to. End every lease where it is another one
    than before.
    """
    connection.autocommit = True
    seen = _seen(connection)
    if seen is not None:
        _compare(connection, seen)
    connection.autocommit = False


def _compare(connection: LimitedConnection, seen: NotedServer) -> None:
    noted = _noted(connection)
    if noted is None:
        # Without a lock: this process may have it already, over another connection.
        connection.execute(_NOTE + " NOTHING", (SERVER, f"{seen.system} {seen.timeline} 0"))
        noted = _noted(connection)
    if noted is None or noted.is_same(seen):
        return
    connection.answer_s = ANSWER_S["write"]
    with connection.transaction():
        # Said here because a role may have another default.
        connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(COMMON),))
        noted = _noted(connection)
        # Unless another process was faster.
        if noted is not None and not noted.is_same(seen):
            _record_change(connection, seen, noted.changes + 1)


def _seen(connection: LimitedConnection) -> NotedServer | None:
    timeline = _shown(connection, _TIMELINE)
    if timeline is None:
        return None
    return NotedServer(_shown(connection, _SYSTEM) or _UNKNOWN, timeline)


def _shown(connection: LimitedConnection, statement: str) -> str | None:
    from psycopg import errors

    try:
        row = connection.execute(statement.encode()).fetchone()
    # Managed services offer not everything to every user.
    except (errors.InsufficientPrivilege, errors.UndefinedFunction, errors.FeatureNotSupported):
        return None
    return None if row is None else str(row[0])


def _noted(connection: LimitedConnection) -> NotedServer | None:
    row = connection.execute(_NOTED, (SERVER,)).fetchone()
    return None if row is None else NotedServer.of(row[0])


def _record_change(connection: LimitedConnection, seen: NotedServer, changes: int) -> None:
    text = f"{seen.system} {seen.timeline} {changes}"
    connection.execute(_NOTE + " UPDATE SET value = excluded.value", (SERVER, text))
    numbers = {"base": changes * FENCES, "more": FENCES, "nobody": NOBODY}
    connection.execute(_END_LEASES, numbers)
