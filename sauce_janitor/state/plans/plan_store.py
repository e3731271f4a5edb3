"""Stores the newest plan of each account, and reads it page by page.

A plan is written in short transactions, so that other accounts and leases never wait for it, and
counts once the last one has published it. Whatever ends the process before that leaves the former
plan in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from sauce_janitor.errors import StateError
from sauce_janitor.model.console.stored_plans import PlanFacts, PlanFilter, PlanPage, StoredPlan
from sauce_janitor.state.database.tables import plan_parts, plans
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.plans import plan_summary
from sauce_janitor.state.plans.plan_difference import PlanComparison
from sauce_janitor.state.plans.plan_pages import PlanPages, part_statement
from sauce_janitor.state.plans.plan_parts import IDS, Columns, PlanPart, packed

_AT_ONCE_BYTES: Final = 500_000
"""About 10,000 jobs: SQLite writes them in a few hundredths of a second."""
_PARTS_AT_ONCE: Final = 100
"""How many parts are removed in one transaction."""
_COMPARED_AT_ONCE: Final = 32
_EXPORTED_AT_ONCE: Final = 500
_ABANDONED_S: Final = 3600
"""A plan that is not published by then is of a run that was killed: storing one takes seconds."""


class Plans:
    """The newest plan of every account. Raises StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- storing ----------------------------------------------------------------------------------

    def store(self, facts: PlanFacts, jobs: Callable[[], Iterable[Columns]], *, at: int) -> None:
        """Store a plan in place of the account's former one; `at` is epoch seconds.

        `jobs()` yields its jobs from the beginning, in the order of execution, with the numbers
        that `facts.kinds` and `facts.owners` have. On an error the former plan stays.
        """
        writing = _PlanWriting(self._database, facts, at, self.newest(facts.account))
        try:
            number = writing.write(jobs)
        # Whatever the error was: it is raised again. What is left is removed later.
        except BaseException:
            with suppress(StateError):
                writing.give_up()
            raise
        self._remove_others(facts.account, number, at)

    def _remove_others(self, account: str, newest: int, at: int) -> None:
        """Remove what no page shows: former plans, and the rubbish of runs that were killed."""
        is_over = or_(
            plans.c.published_at.is_not(None) & (plans.c.number < newest),
            plans.c.published_at.is_(None)
            & or_(plans.c.begun_at < at - _ABANDONED_S, plans.c.begun_at > at),
        )
        statement = select(plans.c.number).where(plans.c.account == account, is_over)
        with self._database.reading() as connection:
            numbers = list(connection.execute(statement).scalars())
        for number in numbers:
            _remove(self._database, account, number)

    # --- reading ----------------------------------------------------------------------------------

    def newest(self, account: str) -> StoredPlan | None:
        """Return the newest plan of an account; None where there is none that this version can
        read.
        """
        with self._database.reading() as connection:
            return _newest(connection, account)

    def accounts(self) -> tuple[str, ...]:
        """Return the accounts that have a plan, by name."""
        statement = select(plans.c.account).where(plans.c.published_at.is_not(None)).distinct()
        with self._database.reading() as connection:
            return tuple(connection.execute(statement.order_by(plans.c.account)).scalars())

    def page(
        self, plan: StoredPlan, wanted: PlanFilter, *, after: int = -1, limit: int = 50
    ) -> PlanPage:
        """Return the next `limit` jobs after a position (-1 for the beginning), with what the
        inventory knows of them now.
        """
        with self._database.reading() as connection:
            return PlanPages(connection, plan).page(wanted, after=after, limit=limit)

    def pages(self, plan: StoredPlan, wanted: PlanFilter) -> Iterator[PlanPage]:
        """Yield all jobs of a filter, page by page, each as things are then."""
        after: int | None = -1
        while after is not None:
            page = self.page(plan, wanted, after=after, limit=_EXPORTED_AT_ONCE)
            yield page
            after = page.after

    def changes(self, plan: StoredPlan) -> tuple[PlanPage, PlanPage, PlanPage]:
        """Return the first jobs that are new since the former plan, that left it, and that have
        other actions. The kind of those that left is that of no plan.
        """
        with self._database.reading() as connection:
            return PlanPages(connection, plan).changes()


def _newest(connection: Connection, account: str) -> StoredPlan | None:
    statement = (
        select(plans)
        .where(plans.c.account == account, plans.c.published_at.is_not(None))
        .order_by(plans.c.number.desc())
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    found = None if row is None else plan_summary.read(account, row.summary)
    if row is None or found is None:
        return None
    return StoredPlan(row.number, row.published_at, *found)


def _remove(database: Database, account: str, number: int) -> None:
    """Remove a plan in short transactions, its head last: so a later try finds what is left."""
    some = select(plan_parts.c.row).where(plan_parts.c.plan == number).limit(_PARTS_AT_ONCE)
    while True:
        with database.writing(account) as connection:
            found = connection.execute(
                delete(plan_parts).where(plan_parts.c.row.in_(some.scalar_subquery()))
            ).rowcount
            if found < _PARTS_AT_ONCE:
                connection.execute(delete(plans).where(plans.c.number == number))
                return


class _PlanWriting:
    """Writes one plan."""

    def __init__(
        self, database: Database, facts: PlanFacts, at: int, former: StoredPlan | None
    ) -> None:
        self._database, self._facts, self._at, self._former = database, facts, at, former
        self._number: int | None = None
        self._parts = 0
        self._read: dict[int, bytes] = {}

    def write(self, jobs: Callable[[], Iterable[Columns]]) -> int:
        """Write and publish the plan. Return its number."""
        comparison = None
        if self._former is not None:
            comparison = PlanComparison(self._former.facts.as_of, self._former_ids)
        waiting: list[PlanPart] = []
        size = 0
        for part in packed(self._facts.kinds, jobs):
            if part.list == IDS and comparison is not None:
                comparison.see(part.part, part.content)
            waiting.append(part)
            size += len(part.content)
            if size >= _AT_ONCE_BYTES:
                with self._database.writing(self._facts.account) as connection:
                    self._add(connection, waiting)
                waiting, size = [], 0
        difference = None if comparison is None else comparison.result()
        with self._database.writing(self._facts.account) as connection:
            self._add(connection, waiting)
            self._publish(connection, plan_summary.written(self._facts, difference))
            assert self._number is not None
            return self._number

    def give_up(self) -> None:
        """Remove what was written."""
        if self._number is not None:
            _remove(self._database, self._facts.account, self._number)

    def _add(self, connection: Connection, parts: Sequence[PlanPart]) -> None:
        if self._number is None:
            row = {"account": self._facts.account, "begun_at": self._at, "summary": "{}"}
            key = connection.execute(insert(plans).values(row)).inserted_primary_key
            assert key is not None
            self._number = int(key[0])
        self._parts += len(parts)
        if parts:
            rows = [{"plan": self._number, **part._asdict()} for part in parts]
            connection.execute(insert(plan_parts), rows)

    def _publish(self, connection: Connection, summary: str) -> None:
        mine = plan_parts.c.plan == self._number
        found = connection.execute(select(func.count()).where(mine)).scalar_one()
        # Another run may have taken it for rubbish, after this process stood still for an hour.
        if found != self._parts:
            raise StateError("the plan was removed by another run while it was stored")
        connection.execute(
            update(plans)
            .where(plans.c.number == self._number)
            .values(published_at=self._at, summary=summary)
        )

    def _former_ids(self, part: int) -> bytes:
        assert self._former is not None
        if part not in self._read:
            several = range(part, part + _COMPARED_AT_ONCE)
            # Those that are missing have no job, and need not be asked for again.
            self._read = dict.fromkeys(several, b"")
            # Nothing is asked of a former plan without jobs, which most idle accounts have.
            if self._former.facts.jobs:
                self._read |= self._ids_in(self._former.number, several)
        return self._read[part]

    def _ids_in(self, number: int, parts: range) -> dict[int, bytes]:
        statement = part_statement(number, IDS).where(
            plan_parts.c.key == 0, plan_parts.c.part.between(parts[0], parts[-1])
        )
        with self._database.reading() as connection:
            return {row.part: bytes(row.content) for row in connection.execute(statement)}
