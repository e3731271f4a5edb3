"""The sessions of those who are signed in to the pages, shared by all processes on the state.

The id that a browser has is not stored, only its SHA-256: whoever reads the state cannot use it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from sqlalchemy import bindparam, delete, insert, select, update

from sauce_janitor.state.database.tables import web_sessions
from sauce_janitor.state.database.transactions import Database

_MOST_OF_A_USER: Final = 20
_FOUND: Final = select(web_sessions).where(web_sessions.c.id == bindparam("wanted"))


@dataclass(frozen=True, slots=True)
class WebSession:
    """One session: the digest of its id, its user, and the digest of that user's password hash when
    it began. Times are epoch seconds; `seen_at` is at most a minute older than its last request.
    """

    id: bytes
    user_name: str
    credential: bytes
    created_at: int
    seen_at: int
    expires_at: int


class WebSessions:
    """One row for each session. Raises StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, session: WebSession) -> None:
        """Store a new session, and remove those that have expired by the time it began. A user has
        at most 20: the oldest end.
        """
        over = web_sessions.c.expires_at <= session.created_at
        theirs = web_sessions.c.user_name == session.user_name
        newest = (
            select(web_sessions.c.id)
            .where(theirs)
            .order_by(web_sessions.c.created_at.desc(), web_sessions.c.id)
            .limit(_MOST_OF_A_USER - 1)
        )
        row = {each.name: getattr(session, each.name) for each in fields(session)}
        with self._database.writing() as connection:
            connection.execute(delete(web_sessions).where(over))
            connection.execute(delete(web_sessions).where(theirs, web_sessions.c.id.not_in(newest)))
            connection.execute(insert(web_sessions), [row])

    def find(self, digest: bytes) -> WebSession | None:
        """Return the session with this digest of its id, None where there is none."""
        row = self._database.glance(_FOUND, wanted=digest)
        return None if row is None else WebSession(**row._mapping)  # noqa: SLF001 - public in spite of its name

    def saw(self, digest: bytes, *, at: int) -> None:
        """Record a request of the session."""
        mine = web_sessions.c.id == digest
        with self._database.writing() as connection:
            connection.execute(update(web_sessions).where(mine).values(seen_at=at))

    def end(self, digest: bytes) -> None:
        """Remove one session, if there is one."""
        with self._database.writing() as connection:
            connection.execute(delete(web_sessions).where(web_sessions.c.id == digest))

    def end_all_of(self, user_name: str) -> int:
        """Remove every session of a user, and return how many there were."""
        mine = web_sessions.c.user_name == user_name
        with self._database.writing() as connection:
            return connection.execute(delete(web_sessions).where(mine)).rowcount
