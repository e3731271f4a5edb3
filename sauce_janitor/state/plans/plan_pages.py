"""Pages of a stored plan. Each reads a few parts, found by their key, and the shown jobs in the
inventory, found by their ids: nothing grows with the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, select

from sauce_janitor.model.console.stored_plans import (
    PlanFilter,
    PlanKind,
    PlannedRow,
    PlanPage,
    StoredPlan,
)
from sauce_janitor.model.jobs import Job, JobId, Owner
from sauce_janitor.state.database.tables import jobs, plan_parts
from sauce_janitor.state.plans.plan_parts import (
    IDS,
    JOBS,
    JOBS_A_PART,
    KINDS,
    OWNERS,
    POSITIONS_A_PART,
    Columns,
    jobs_of,
    positions_between,
    positions_of,
)
from sauce_janitor.state.rows import COLUMNS, JobReader, id_bytes

_DIGITS: Final = 32
NO_KIND: Final = PlanKind(())
"""Of jobs that no plan has any more."""


class PlanPages:
    """The jobs of one plan, as of the connection's moment."""

    def __init__(self, connection: Connection, plan: StoredPlan) -> None:
        self._connection, self._plan = connection, plan

    def page(self, wanted: PlanFilter, *, after: int, limit: int) -> PlanPage:
        """Return the next `limit` jobs after a position."""
        # One more shows whether there is a next page.
        positions = self._positions(wanted, after, limit + 1)
        shown = positions[:limit]
        more = shown[-1] if len(positions) > limit else None
        return PlanPage(tuple(self._rows(shown)), more)

    def changes(self) -> tuple[PlanPage, PlanPage, PlanPage]:
        """Return the first jobs that were added, that left, and that changed."""
        difference = self._plan.difference
        if difference is None:
            return PlanPage(), PlanPage(), PlanPage()
        known = self._known(difference.first_left)
        left = (
            PlannedRow(-1, job_id, known.owner_of(job_id), NO_KIND, (), *known.of(job_id))
            for job_id in difference.first_left
        )
        return (
            PlanPage(tuple(self._rows(difference.first_added))),
            PlanPage(tuple(left)),
            PlanPage(tuple(self._rows(difference.first_changed))),
        )

    def _positions(self, wanted: PlanFilter, after: int, limit: int) -> list[int]:
        facts = self._plan.facts
        kinds = [number for number, kind in enumerate(facts.kinds) if wanted.takes(kind)]
        first = max(0, after + 1)
        # No filter: the next positions.
        if len(kinds) == len(facts.kinds) and wanted.owner is None and not wanted.prefix:
            return list(range(first, min(first + limit, facts.jobs)))
        if not kinds or (wanted.owner is not None and wanted.owner not in facts.owners):
            return []
        lists: list[tuple[str, Sequence[int]]] = []
        # The lists of all kinds together have every position.
        if len(kinds) < len(facts.kinds):
            lists.append((KINDS, kinds))
        if wanted.owner is not None:
            lists.append((OWNERS, [facts.owners.index(Owner(wanted.owner))]))
        by_id = self._with_prefix(wanted.prefix) if wanted.prefix else None
        found: list[int] = []
        for part in self._parts(lists, by_id, first // POSITIONS_A_PART):
            found += [each for each in self._in_part(lists, by_id, part) if each >= first]
            if len(found) >= limit:
                break
        return found[:limit]

    def _parts(
        self, lists: Sequence[tuple[str, Sequence[int]]], by_id: set[int] | None, first: int
    ) -> list[int]:
        """Return the parts of the plan that may have what all these lists have, in order."""
        found = None if by_id is None else {each // POSITIONS_A_PART for each in by_id}
        for name, keys in lists:
            statement = (
                select(plan_parts.c.part)
                .where(plan_parts.c.plan == self._plan.number, plan_parts.c.list == name)
                .where(plan_parts.c.key.in_(keys), plan_parts.c.part >= first)
                .distinct()
            )
            there = set(self._connection.execute(statement).scalars())
            found = there if found is None else found & there
        return sorted(part for part in found or () if part >= first)

    def _in_part(
        self, lists: Sequence[tuple[str, Sequence[int]]], by_id: set[int] | None, part: int
    ) -> list[int]:
        """Return the positions in one part of the plan that are in all these lists, in order."""
        first = part * POSITIONS_A_PART
        sets = [self._listed(name, keys, part) for name, keys in lists]
        if by_id is not None:
            sets.append({each - first for each in by_id if 0 <= each - first < POSITIONS_A_PART})
        # The smallest one first: then the others are only asked for what it has.
        sets.sort(key=len)
        return [first + each for each in sorted(sets[0].intersection(*sets[1:]))]

    def _listed(self, name: str, keys: Sequence[int], part: int) -> set[int]:
        statement = part_statement(self._plan.number, name).where(
            plan_parts.c.key.in_(keys), plan_parts.c.part == part
        )
        found: set[int] = set()
        for row in self._connection.execute(statement):
            found.update(positions_of(row.content))
        return found

    def _with_prefix(self, prefix: str) -> set[int]:
        """Return the positions of the jobs with ids that begin with these hexadecimal digits."""
        low, high = (bytes.fromhex(prefix.ljust(_DIGITS, end)) for end in "0f")
        statement = part_statement(self._plan.number, IDS).where(
            plan_parts.c.key == 0, plan_parts.c.part.between(low[0], high[0])
        )
        found: set[int] = set()
        for row in self._connection.execute(statement):
            found.update(positions_between(row.content, low, high))
        return found

    def _rows(self, positions: Sequence[int]) -> Iterator[PlannedRow]:
        found = self._columns(positions)
        known = self._known([JobId(columns[0].hex()) for columns in found.values()])
        facts = self._plan.facts
        for position in positions:
            # A newer plan may have replaced this one meanwhile.
            if position not in found:
                continue
            raw, kind_number, owner, first, last = found[position]
            job_id, kind = JobId(raw.hex()), facts.kinds[kind_number]
            due = (first, last)[: len(kind.actions)]
            yield PlannedRow(position, job_id, facts.owners[owner], kind, due, *known.of(job_id))

    def _columns(self, positions: Sequence[int]) -> dict[int, Columns]:
        numbers = sorted({position // JOBS_A_PART for position in positions})
        statement = part_statement(self._plan.number, JOBS).where(
            plan_parts.c.key == 0, plan_parts.c.part.in_(numbers)
        )
        parts = {row.part: jobs_of(row.content) for row in self._connection.execute(statement)}
        return {
            position: parts[position // JOBS_A_PART][position % JOBS_A_PART]
            for position in positions
            if position // JOBS_A_PART in parts
        }

    def _known(self, job_ids: Sequence[JobId]) -> _KnownJobs:
        return _KnownJobs(self._connection, self._plan.facts.account, job_ids)


class _KnownJobs:
    """What the inventory knows of a few jobs."""

    def __init__(self, connection: Connection, account: str, job_ids: Sequence[JobId]) -> None:
        reader = JobReader()
        rows = connection.execute(known_statement(account, job_ids)).all()
        self._found = {row.id.hex(): (reader.job_of(row), bool(row.gone)) for row in rows}

    def of(self, job_id: JobId) -> tuple[Job | None, bool]:
        """Return the job, None where nothing is known of it; and whether it is gone."""
        return self._found.get(job_id, (None, True))

    def owner_of(self, job_id: JobId) -> Owner | None:
        """Return the job's owner, None where nothing is known of it."""
        job, _ = self.of(job_id)
        return None if job is None else job.owner


def part_statement(number: int, name: str) -> Select[Any]:
    """Return what reads the parts of a list of a plan, before it says which."""
    return select(plan_parts.c.key, plan_parts.c.part, plan_parts.c.content).where(
        plan_parts.c.plan == number, plan_parts.c.list == name
    )


def known_statement(account: str, job_ids: Sequence[JobId]) -> Select[Any]:
    """Return what reads a few jobs of the inventory, also those that are gone."""
    columns = (jobs.c[name] for name in (*COLUMNS, "gone"))
    ids = [id_bytes(job_id) for job_id in job_ids]
    return select(*columns).where(jobs.c.account == account, jobs.c.id.in_(ids))
