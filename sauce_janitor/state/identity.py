"""The identity of the state: its id and secret, the archives it knows, the newest time it has
seen.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from sauce_janitor.errors import RefusedError, StateError
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.state.database.tables import archives, meta
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.times import when

_OLDEST: Final = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
_BACKWARDS_S: Final = 300
_VOUCHED_S: Final = 35 * DAY_S
"""Executing runs may be a month apart."""
_SEEN: Final = "newest_time"
_BUDGET: Final = "budget"


class Identity:
    """The ids that the state knows. A known one never changes silently."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.reading() as connection:
            rows = {row.key: row.value for row in connection.execute(select(meta))}
        try:
            self.instance_id: Final = rows["instance_id"]
            self.secret: Final = bytes.fromhex(rows["secret"])
        except (KeyError, ValueError) as error:
            raise StateError(
                f"the state {database.place} does not know its own id: restore it from a backup"
            ) from error

    def archive_uuid(self, path: str) -> str | None:
        """Return the uuid of the archive at this path, None when none was there yet."""
        with self._database.reading() as connection:
            return connection.execute(
                select(archives.c.uuid).where(archives.c.path == path)
            ).scalar()

    def knows_archive(self, uuid: str) -> bool:
        """Return whether an archive with this uuid was known at any path."""
        with self._database.reading() as connection:
            return (
                connection.execute(select(archives.c.path).where(archives.c.uuid == uuid)).first()
                is not None
            )

    def remember_archive(self, path: str, uuid: str) -> None:
        """Record that an archive was created or found at this path. Raise RefusedError when another
        one was there.
        """
        known = self.archive_uuid(path)
        if known == uuid:
            return
        # An unmounted disk leaves an empty folder at its path, in which a new archive would begin.
        if known is not None:
            raise RefusedError(
                f"the archive at {path} is another one ({uuid}) than before ({known}): is it"
                " mounted?"
            )
        with self._database.writing() as connection:
            # A moved archive is the same one: its old path is removed.
            connection.execute(archives.delete().where(archives.c.uuid == uuid))
            try:
                connection.execute(insert(archives), [{"path": path, "uuid": uuid}])
            # Another process noted another one at this path meanwhile.
            except IntegrityError as error:
                raise RefusedError(
                    f"the archive at {path} is another one ({uuid}) than before: is it mounted?"
                ) from error

    def remember_budget(self) -> bool:
        """Record that a count of requests was founded for this state. Return whether that had
        happened before.
        """
        with self._database.writing() as connection:
            known = (
                connection.execute(select(meta.c.value).where(meta.c.key == _BUDGET)).scalar()
                is not None
            )
            if not known:
                connection.execute(insert(meta), [{"key": _BUDGET, "value": "made"}])
        return known


class ClockGuard:
    """Rejects a clock that is obviously wrong: before 2020, or more than 5 min before the newest
    time seen.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def check(self, now: int) -> None:
        """Raise RefusedError when `now` (epoch seconds) is impossible."""
        # Many machines start in 1970 or at their firmware's date when the battery is empty.
        if now < _OLDEST:
            raise RefusedError(
                f"this machine's clock says {_date(now)}: set it right first, every age depends"
                " on it"
            )
        seen = self.newest()
        if seen is not None and now < seen - _BACKWARDS_S:
            raise RefusedError(
                f"this machine's clock says {_date(now)}, but the last run was at {_date(seen)}:"
                " one of them is wrong, and every age depends on it"
            )

    def check_vouched(self, now: int) -> None:
        """Raise RefusedError unless an executing run compared this clock with Sauce Labs' at most
        35 days before `now`.
        """
        seen = self.newest()
        if seen is None or now > seen + _VOUCHED_S:
            last = "no executing run has compared it with Sauce Labs' yet"
            if seen:
                last = (
                    "the last executing run that found it right by Sauce Labs' was at"
                    f" {_date(seen)}"
                )
            raise RefusedError(
                f"this machine's clock says {_date(now)}, and {last}: it may be years ahead."
                " `sauce-janitor run --execute` compares them"
            )

    def remember(self, now: int) -> None:
        """Record a time that a run trusted. Call it only once Sauce Labs' clock agreed: a wrong
        jump forward would be recorded for good.
        """
        with self._database.writing() as connection:
            old = connection.execute(select(meta.c.value).where(meta.c.key == _SEEN)).scalar()
            if old is None:
                connection.execute(insert(meta), [{"key": _SEEN, "value": str(now)}])
            # Never backwards: two runs may end in the other order.
            elif int(old) < now:
                connection.execute(update(meta).where(meta.c.key == _SEEN).values(value=str(now)))

    def newest(self) -> int | None:
        """Return the newest time seen, None for none."""
        with self._database.reading() as connection:
            value = connection.execute(select(meta.c.value).where(meta.c.key == _SEEN)).scalar()
        return None if value is None else int(value)


def _date(time: int) -> str:
    return when(time, seconds=True)
