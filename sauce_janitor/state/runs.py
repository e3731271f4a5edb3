"""What runs leave behind besides the journal: accepted plans, summaries, and counters that outlive
the process.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Row, and_, func, insert, or_, select, update

from sauce_janitor.model.jobs import DELETES, Action, JobId
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.state.database import tables
from sauce_janitor.state.database.dialect import dialect_of, streamed
from sauce_janitor.state.database.tables import acceptances, counters, runs
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.id_conditions import named
from sauce_janitor.state.rows import plain


class Acceptances:
    """Accepted plans: which jobs are expected, and how large earlier plans were."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(
        self,
        account: str,
        policy_digest: str,
        *,
        at: int,
        sizes: Mapping[str | None, int],
        jobs: Mapping[Action, Iterable[JobId]] | None = None,
    ) -> None:
        """Record that an executing run accepted a plan.

        `sizes` are the distinct jobs that it newly deletes or stops, by policy, and of all under
        None. `jobs` are all that it deletes or stops, each under one action: until the next plan is
        accepted they are what this one may leave undone. None where nobody asks for it.
        """
        by_policy = {policy: size for policy, size in sizes.items() if policy is not None}
        row = {
            "account": account,
            "policy_digest": policy_digest,
            "accepted_at": at,
            "jobs": sizes.get(None, 0),
        }
        row["by_policy"] = json.dumps(by_policy, sort_keys=True)
        with self._database.writing(account) as connection:
            connection.execute(insert(acceptances), [row])
            for action in (*DELETES, Action.STOP):
                _mark(connection, account, action, (jobs or {}).get(action, ()))

    def accepted_at(self, account: str, policy_digest: str) -> int | None:
        """Return when the last plan under this policy digest was accepted, None for never."""
        newest = select(func.max(acceptances.c.accepted_at)).where(
            acceptances.c.account == account, acceptances.c.policy_digest == policy_digest
        )
        with self._database.reading() as connection:
            return connection.execute(newest).scalar()

    def plan_sizes(
        self, account: str, policy: str | None = None, *, last: int = 7
    ) -> tuple[int, ...]:
        """Return how many jobs each of the last accepted plans newly deleted or stopped, newest
        first; of one policy, if given.

        Plans without any are skipped: an idle run says nothing about the size of plans.
        """
        statement = (
            select(acceptances.c.jobs, acceptances.c.by_policy)
            .where(acceptances.c.account == account, acceptances.c.jobs > 0)
            .order_by(acceptances.c.number.desc())
        )
        sizes: list[int] = []
        with self._database.reading() as connection:
            for row in streamed(connection, statement, 100):
                size = row["jobs"]
                if policy is not None:
                    size = json.loads(row["by_policy"] or "{}").get(policy, 0)
                # A plan without any such job says nothing about the usual size.
                sizes += [size] if size else []
                if len(sizes) == last:
                    break
        return tuple(sizes)


def _mark(connection: Connection, account: str, action: Action, job_ids: Iterable[JobId]) -> None:
    column, value = tables.jobs.c.accepted_for, str(action)
    mine = update(tables.jobs).where(tables.jobs.c.account == account)
    with named(connection, job_ids) as listed:
        connection.execute(mine.where(column == value, ~listed).values({column: None}))
        connection.execute(
            # Rows that are marked already are not written again: a plan can have hundreds of
            # thousands.
            mine.where(or_(column.is_(None), column != value), listed).values({column: value})
        )


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. `mode` names its kind; `result` is None while it runs, or when it was killed."""

    run_id: str
    account: str
    mode: str
    started_at: int
    ended_at: int | None
    result: str | None
    summary: Mapping[str, Any]


class Runs:
    """The recorded runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, run_id: str, account: str, *, mode: str, at: int) -> None:
        """Record that a run starts."""
        row = {
            "run_id": run_id,
            "account": account,
            "mode": mode,
            "started_at": at,
            "summary": "{}",
        }
        with self._database.writing() as connection:
            connection.execute(insert(runs), [row])

    def finish(self, run_id: str, *, result: str, at: int, summary: Mapping[str, Any]) -> None:
        """Record its end; `summary` is whatever `status` shows, as JSON values."""
        values = {"result": result, "ended_at": at, "summary": json.dumps(summary, sort_keys=True)}
        with self._database.writing() as connection:
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(values))

    def last(
        self, account: str | None = None, *, limit: int = 10, mode: str | None = None
    ) -> tuple[RunRecord, ...]:
        """Return the last runs, newest first; of those that started in the same second, the last
        recorded first.
        """
        statement = (
            select(runs)
            .order_by(runs.c.started_at.desc(), self._database.dialect.order_recorded(runs).desc())
            .limit(limit)
        )
        if account is not None:
            statement = statement.where(runs.c.account == account)
        if mode is not None:
            statement = statement.where(runs.c.mode == mode)
        with self._database.reading() as connection:
            return tuple(_record(row) for row in connection.execute(statement).all())

    def page(
        self, account: str, *, before: tuple[int, str] | None = None, limit: int = 50
    ) -> tuple[RunRecord, ...]:
        """Return the account's runs that are older than the one with that start (epoch seconds) and
        id, newest first.
        """
        statement = select(runs).where(runs.c.account == account)
        if before is not None:
            started_at, run_id = before
            is_same = and_(runs.c.started_at == started_at, runs.c.run_id < plain(run_id))
            statement = statement.where(or_(runs.c.started_at < started_at, is_same))
        statement = statement.order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(limit)
        with self._database.reading() as connection:
            return tuple(_record(row) for row in connection.execute(statement).all())

    def one(self, run_id: str) -> RunRecord | None:
        """Return the run with this id."""
        row = self._database.glance(select(runs).where(runs.c.run_id == plain(run_id)))
        return None if row is None else _record(row)

    def any_since(self, at: int, *, but: str = "") -> bool:
        """Return whether any run except `but` was active since then, or may have been: a killed run
        counts for a day.
        """
        # A killed run has no end. Whether it still works cannot be told, so it counts as active for
        # a day.
        killed = and_(runs.c.ended_at.is_(None), runs.c.started_at >= at - DAY_S)
        going_on = or_(runs.c.started_at >= at, runs.c.ended_at >= at, killed)
        with self._database.reading() as connection:
            return (
                connection.execute(
                    select(runs.c.run_id).where(going_on, runs.c.run_id != but).limit(1)
                ).first()
                is not None
            )


def _record(row: Row[Any]) -> RunRecord:
    return RunRecord(
        row.run_id,
        row.account,
        row.mode,
        row.started_at,
        row.ended_at,
        row.result,
        json.loads(row.summary),
    )


class MetricCounters:
    """Metric counters with labels, so that the numbers of one-shot runs only ever grow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, amounts: Mapping[tuple[str, tuple[tuple[str, str], ...]], float]) -> None:
        """Add to counters, in one transaction. A key is the name and the labels as pairs, in any
        order.
        """
        rows = [
            {"name": name, "labels": json.dumps(dict(labels), sort_keys=True), "value": amount}
            for (name, labels), amount in amounts.items()
        ]
        if rows:
            with self._database.writing() as connection:
                connection.execute(_growing(connection.dialect.name), rows)

    def all(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Return every counter; labels sorted by name."""
        statement = select(counters.c.name, counters.c.labels, counters.c.value).order_by(
            *counters.primary_key
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return {
            (row.name, tuple(sorted(json.loads(row.labels).items()))): row.value for row in rows
        }


@cache
def _growing(dialect: str) -> Executable:
    """Return the statement that adds to a counter; the first time the counter has no row yet."""
    grown = dialect_of(dialect).insert(counters)
    found: Executable = grown.on_conflict_do_update(
        index_elements=("name", "labels"),
        set_={"value": counters.c.value + grown.excluded.value},
    )
    return found
