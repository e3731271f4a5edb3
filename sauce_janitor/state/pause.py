"""The pause: while paused, nothing on this state changes anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import insert, select, update

from sauce_janitor.state.database.tables import pauses
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.rows import plain

# Made once: it runs before every request, and making the statement costs more than running it.
_IN_FORCE: Final = (
    select(pauses.c.paused_by, pauses.c.reason, pauses.c.paused_at)
    .where(pauses.c.resumed_at.is_(None))
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused, why and when."""

    by: str
    reason: str
    at: int


class PauseSwitch:
    """The pause switch. Every process on the state obeys it: it is read again each time, in a few
    microseconds.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def pause(self, *, by: str, reason: str, at: int) -> bool:
        """Pause; return False when it was already paused (the first pause stays)."""
        with self._database.writing() as connection:
            if (
                connection.execute(
                    select(pauses.c.number).where(pauses.c.resumed_at.is_(None))
                ).first()
                is not None
            ):
                # The first pause stays, with the name and the reason of whoever set it.
                return False
            connection.execute(
                insert(pauses), [{"paused_by": plain(by), "reason": plain(reason), "paused_at": at}]
            )
        return True

    def resume(self, *, by: str, at: int) -> bool:
        """Resume; return False when it was not paused."""
        statement = (
            update(pauses)
            .where(pauses.c.resumed_at.is_(None))
            .values(resumed_by=plain(by), resumed_at=at)
        )
        with self._database.writing() as connection:
            return connection.execute(statement).rowcount > 0

    def is_paused(self) -> bool:
        """Return whether it is paused now."""
        return self.paused() is not None

    def paused(self) -> Pause | None:
        """Return the pause in force, None for none."""
        row = self._database.glance(_IN_FORCE)
        return None if row is None else Pause(row.paused_by, row.reason, row.paused_at)
