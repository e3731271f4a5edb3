"""Local holds: nobody who can only run tests can lift them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Row,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from sauce_janitor.model.jobs import JobId
from sauce_janitor.state.database.tables import holds
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.rows import id_bytes, plain


@dataclass(frozen=True, slots=True)
class PlacedHold:
    """A hold on one job; `until` is the first second after it, None for no end."""

    number: int
    account: str
    job_id: JobId
    by: str
    reason: str
    at: int
    until: int | None = None
    released_by: str | None = None
    released_at: int | None = None


class Holds:
    """Holds on jobs, by id; the job need not be known."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        account: str,
        job_ids: Collection[JobId],
        *,
        by: str,
        reason: str,
        at: int,
        until: int | None,
    ) -> None:
        """Hold these jobs."""
        values = {
            "account": account,
            "placed_by": plain(by),
            "reason": plain(reason),
            "placed_at": at,
            "until": until,
        }
        if rows := [values | {"job_id": id_bytes(job_id)} for job_id in job_ids]:
            with self._database.writing() as connection:
                connection.execute(insert(holds), rows)

    def release(self, account: str, job_ids: Collection[JobId], *, by: str, at: int) -> int:
        """Release every hold on these jobs, and return how many there were."""
        count = 0
        with self._database.writing() as connection:
            for job_id in job_ids:
                mine = (
                    holds.c.account == account,
                    holds.c.job_id == id_bytes(job_id),
                    holds.c.released_at.is_(None),
                )
                statement = update(holds).where(*mine).values(released_by=plain(by), released_at=at)
                count += connection.execute(statement).rowcount
        return count

    def list(self, account: str | None = None, *, at: int | None = None) -> tuple[PlacedHold, ...]:
        """Return all holds, oldest first; with `at` only those in force then."""
        statement = select(holds).order_by(holds.c.number)
        if account is not None:
            statement = statement.where(holds.c.account == account)
        if at is not None:
            statement = statement.where(in_force(at))
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return tuple(map(_placed, rows))

    def newest(self, limit: int, *, at: int) -> tuple[tuple[PlacedHold, ...], int]:
        """Return the newest holds in force at that time, newest first, and how many there are."""
        statement = select(holds).where(in_force(at)).order_by(holds.c.number.desc()).limit(limit)
        count = select(func.count()).select_from(holds).where(in_force(at))
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
            return tuple(map(_placed, rows)), connection.execute(count).scalar_one()

    def protects(self, account: str, job_id: JobId, *, at: int) -> bool:
        """Return whether a hold is in force on the job; read again each time."""
        return (
            # Read from the database each time and not from the run's plan: people place holds while
            # a run works.
            self._database.glance(_PROTECTING, account=account, job=id_bytes(job_id), at=at)
            is not None
        )

    def protects_for_any(self, job_id: JobId, *, at: int) -> bool:
        """Return whether a hold of any account is in force on the job: two names may be the same
        account at Sauce Labs.
        """
        return self._database.glance(_PROTECTING_ANYWHERE, job=id_bytes(job_id), at=at) is not None


def in_force(at: int | BindParameter[int]) -> ColumnElement[bool]:
    """Return the condition that a hold is neither released nor over."""
    return and_(holds.c.released_at.is_(None), or_(holds.c.until.is_(None), holds.c.until > at))


_PROTECTING: Final = (
    select(holds.c.number)
    .where(
        holds.c.account == bindparam("account"),
        holds.c.job_id == bindparam("job"),
        in_force(bindparam("at")),
    )
    .limit(1)
)
_PROTECTING_ANYWHERE: Final = (
    select(holds.c.number)
    .where(holds.c.job_id == bindparam("job"), in_force(bindparam("at")))
    .limit(1)
)


def _placed(row: Row[Any]) -> PlacedHold:
    return PlacedHold(
        row.number,
        row.account,
        JobId(row.job_id.hex()),
        row.placed_by,
        row.reason,
        row.placed_at,
        row.until,
        row.released_by,
        row.released_at,
    )
