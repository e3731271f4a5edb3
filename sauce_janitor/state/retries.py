"""The jobs that failed and are retried: one row each, until they reach their wanted state."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, insert, select, update

from sauce_janitor.model.job_retries import Failing, FailureKind, Retry, failed_again
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.state.database.tables import jobs, retries
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.rows import id_bytes, plain

_LONGEST_REASON: Final = 300


class Retries:
    """One row for each job that failed. A job that is done has none."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, account: str) -> dict[JobId, Retry]:
        """Return every retry of an account, by its job."""
        with self._database.reading() as connection:
            rows = connection.execute(select(retries).where(retries.c.account == account)).all()
        return {retry.job_id: retry for retry in map(_retry, rows)}

    def one(self, account: str, job_id: JobId) -> Retry | None:
        """Return the retry of one job, None where it did not fail."""
        with self._database.reading() as connection:
            return _one(connection, account, job_id)

    def failed(self, account: str, job_id: JobId, failing: Failing, *, at: int) -> Retry:
        """Record that a try failed `at` (epoch seconds); return when the job is tried again."""
        times = select(jobs.c.ended_at).where(
            jobs.c.account == account, jobs.c.id == id_bytes(job_id)
        )
        with self._database.writing(account) as connection:
            before = _one(connection, account, job_id)
            ended_at = connection.execute(times).scalar()
            retry = failed_again(before, job_id, failing, at=at, ended_at=ended_at)
            row = _row(retry)
            if before is None:
                key = {"account": account, "job_id": id_bytes(job_id)}
                connection.execute(insert(retries), [key | row])
            else:
                connection.execute(update(retries).where(*_key(account, job_id)).values(row))
        return retry

    def absent(self, account: str, job_ids: Iterable[JobId]) -> tuple[JobId, ...]:
        """Return which of these jobs are gone or unknown, in their order."""
        statement = select(jobs.c.row).where(jobs.c.account == account, jobs.c.gone.is_(False))
        with self._database.reading() as connection:
            return tuple(
                job_id
                for job_id in job_ids
                if connection.execute(statement.where(jobs.c.id == id_bytes(job_id))).first()
                is None
            )

    def forget(self, account: str, job_ids: Iterable[JobId]) -> None:
        """Remove jobs that reached their wanted state, or that need nothing any more."""
        mine = list(job_ids)
        if not mine:
            return
        with self._database.writing(account) as connection:
            for job_id in mine:
                connection.execute(delete(retries).where(*_key(account, job_id)))

    def keep_only(
        self, account: str, job_ids: Collection[JobId], *, owners: Collection[Owner]
    ) -> None:
        """Remove the retries of these owners' jobs, and of jobs that are gone or unknown, except
        `job_ids`.
        """
        theirs = (
            jobs.c.account == retries.c.account,
            jobs.c.id == retries.c.job_id,
            jobs.c.gone.is_(False),
        )
        statement = select(retries.c.job_id, jobs.c.owner).outerjoin(jobs, and_(*theirs))
        with self._database.reading() as connection:
            rows = connection.execute(statement.where(retries.c.account == account)).all()
        found = {JobId(row.job_id.hex()): row.owner for row in rows}
        self.forget(
            account,
            [
                each
                for each, owner in found.items()
                # Owners that this run could not list keep their retries. Without an owner the job
                # is gone.
                if each not in job_ids and (owner is None or owner in owners)
            ],
        )


def _key(account: str, job_id: JobId) -> tuple[Any, Any]:
    return retries.c.account == account, retries.c.job_id == id_bytes(job_id)


def _one(connection: Connection, account: str, job_id: JobId) -> Retry | None:
    row = connection.execute(select(retries).where(*_key(account, job_id))).one_or_none()
    return None if row is None else _retry(row)


def _row(retry: Retry) -> dict[str, Any]:
    return {
        "kind": retry.kind.value,
        "tries": retry.tries,
        "first_failed_at": retry.first_failed_at,
        "last_failed_at": retry.last_failed_at,
        "due_at": retry.due_at,
        "requests": retry.requests,
        "reason": plain(retry.reason)[:_LONGEST_REASON],
    }


def _retry(row: Row[Any]) -> Retry:
    # A newer version may have written another kind before this one was installed again.
    kind = FailureKind(row.kind) if row.kind in set(FailureKind) else FailureKind.OTHER
    return Retry(
        JobId(row.job_id.hex()),
        kind,
        row.tries,
        row.first_failed_at,
        row.last_failed_at,
        row.due_at,
        row.requests,
        row.reason,
    )
