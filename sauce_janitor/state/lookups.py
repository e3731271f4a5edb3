"""Finds jobs by what people remember: the beginning of an id, a name, a build; in the inventory and
in the archive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, false, or_, select

from sauce_janitor.model.job_references import FEW, Candidate, JobReference
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.state.database.tables import archived_jobs, jobs
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.rows import ESCAPED, is_storable

_MOST: Final = 1000
"""At most this many candidates are read: nobody chooses among more."""
_DIGITS: Final = 32


class JobFinder:
    """Finds jobs of these accounts. Raises StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def listed(
        self, reference: JobReference, accounts: Collection[str], *, gone: bool
    ) -> tuple[Candidate, ...]:
        """Return the jobs of the inventory that the reference may mean, newest first; with `gone`
        including jobs that are gone.
        """
        condition = _meant(jobs, jobs.c.id, reference)
        return self._found(
            jobs, accounts, condition if gone else condition & jobs.c.gone.is_(False)
        )

    def archived(
        self, reference: JobReference, accounts: Collection[str] | None = None
    ) -> tuple[Candidate, ...]:
        """Return the jobs of the archive that the reference may mean, newest first; None stands for
        every account.
        """
        return self._found(
            archived_jobs, accounts, _meant(archived_jobs, archived_jobs.c.job_id, reference)
        )

    def near(self, reference: JobReference, accounts: Collection[str]) -> tuple[Candidate, ...]:
        """Return a few jobs with the text somewhere in their name or build, in any case."""
        if reference.name is None or not is_storable(reference.name):
            return ()
        part = (
            column.icontains(reference.name, autoescape=True)
            for column in (jobs.c.name, jobs.c.build)
        )
        return self._found(jobs, accounts, or_(*part), most=FEW)

    def _found(
        self,
        table: Table,
        accounts: Collection[str] | None,
        condition: ColumnElement[bool],
        *,
        most: int = _MOST,
    ) -> tuple[Candidate, ...]:
        is_inventory = table is jobs
        identity, time = (
            (jobs.c.id, jobs.c.created_at)
            if is_inventory
            else (archived_jobs.c.job_id, table.c.ended_at)
        )
        statement = select(identity, table.c.owner, table.c.name, table.c.build, time).where(
            condition
        )
        if accounts is not None:
            statement = statement.where(table.c.account.in_(accounts))
        statement = statement.order_by(time.desc().nulls_last(), identity).limit(most)
        with self._database.reading() as connection:
            rows: list[Any] = list(connection.execute(statement).all())
        return tuple(
            Candidate(
                JobId(row[0].hex()),
                Owner(row.owner),
                row.name,
                row.build,
                row[4] if is_inventory else None,
            )
            for row in rows
        )


def _meant(
    table: Table, identity: ColumnElement[Any], reference: JobReference
) -> ColumnElement[bool]:
    return or_(*_conditions(table, identity, reference))


def _conditions(
    table: Table, identity: ColumnElement[Any], reference: JobReference
) -> Iterator[ColumnElement[bool]]:
    if reference.id is not None:
        yield identity == bytes.fromhex(reference.id)
    if reference.prefix is not None:
        # Ids are stored as bytes: a prefix of hexadecimal digits is a range of them, which the
        # index finds.
        first, last = (bytes.fromhex(reference.prefix.ljust(_DIGITS, end)) for end in "0f")
        yield identity.between(first, last)
    if reference.name is not None and not is_storable(reference.name):
        # The name of no job here, and PostgreSQL would refuse the question.
        yield false()
    elif reference.name is not None:
        named = or_(table.c.name == reference.name, table.c.build == reference.name)
        # Names that no database can store are JSON in the inventory.
        yield named & (table.c.marks < ESCAPED) if table is jobs else named
