"""What the queue and the leases of a state on a server show at one moment: for `status`, the page
and the metrics. Does not load procrastinate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select, text

from sauce_janitor.errors import RefusedError
from sauce_janitor.model.safety_numbers import LEASE_TTL_S
from sauce_janitor.state.database.tables import leases
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.server.server_time import NOW

QUEUES: Final = {True: "accounts", False: "dry runs"}
"""The queue of the workers that execute, and that of dry runs. Neither takes the other's work."""
_BEGIN: Final = select(
    NOW.label("now"), func.to_regclass("procrastinate_jobs").is_not(None).label("has_queue")
)
_QUEUE: Final = text("""
SELECT count(*) FILTER (WHERE status = 'todo' AND NOT is_in_work) AS waiting,
    count(*) FILTER (WHERE status = 'doing') AS running,
    coalesce(array_agg(DISTINCT account), '{}') AS accounts,
    coalesce(max(extract(epoch FROM clock_timestamp() - coalesce(scheduled_at, deferred_at)))
        FILTER (WHERE status = 'todo' AND NOT is_in_work), 0)::double precision AS wait_s
FROM (
    SELECT job.status::text, job.scheduled_at, job.args->>'account' AS account,
        (SELECT min(at) FROM procrastinate_events
         WHERE job_id = job.id AND type = 'deferred') AS deferred_at,
        EXISTS (SELECT FROM procrastinate_jobs AS other
                WHERE other.lock = job.lock AND other.status = 'doing') AS is_in_work
    FROM procrastinate_jobs AS job
    WHERE job.queue_name = :queue AND job.status IN ('todo', 'doing')
) AS jobs""")
_LEASES: Final = select(leases, (NOW - leases.c.renewed_at).label("renewed_s")).order_by(
    leases.c.account
)


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """An account's lease: who has it, or had it last. `since` is in epoch seconds, `renewed_s` says
    how long ago it was renewed.
    """

    account: str
    fence: int
    holder: str
    host: str
    pid: int
    since: int
    is_held: bool
    renewed_s: float | None

    @property
    def holder_words(self) -> str:
        """Who has it, or had it last, in words."""
        return f"{self.holder} on {self.host}, process {self.pid}"

    @property
    def free_in_s(self) -> float:
        """After how many seconds it is free unless its holder renews it."""
        return max(0.0, LEASE_TTL_S - (self.renewed_s or 0.0)) if self.is_held else 0.0


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """The queue. `now` is the time of the database, in epoch seconds. `accounts` are in it, waiting
    or in work. `wait_s` says how long the oldest one that is due has waited for a worker.
    """

    now: float
    waiting: int
    running: int
    wait_s: float
    accounts: frozenset[str]
    leases: tuple[LeaseStatus, ...]


class QueueLook:
    """Reads the queue of a state on a server."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def refuse_outdated(self) -> None:
        """Raise RefusedError where the queue's tables are missing or of an older version."""
        # Late: it loads procrastinate, which `status` does not need.
        from sauce_janitor.state.server.queue_tables import has_queue

        with self._database.reading() as connection:
            if not has_queue(connection):
                raise RefusedError(
                    f"the state {self._database.place} has no queue of this version: stop every"
                    " worker, back it up, then `sauce-janitor state migrate --backed-up`"
                )

    def look(self, *, of_dry_runs: bool = False) -> QueueStatus:
        """Return what the queue shows now, or that of dry runs. Raise StateError."""
        with self._database.reading() as connection:
            now, has_queue = connection.execute(_BEGIN).one()
            # A state of an older version has no queue yet.
            waiting, running, accounts, wait_s = (
                connection.execute(_QUEUE, {"queue": QUEUES[not of_dry_runs]}).one()
                if has_queue
                else (0, 0, (), 0)
            )
            rows = connection.execute(_LEASES).all()
        return QueueStatus(
            now,
            waiting,
            running,
            max(0.0, wait_s),
            frozenset(accounts),
            tuple(
                LeaseStatus(
                    row.account,
                    row.fence,
                    row.holder,
                    row.host,
                    row.pid,
                    row.since,
                    # Null: a file's lease, copied with its state.
                    not row.released and row.renewed_s is not None and row.renewed_s < LEASE_TTL_S,
                    row.renewed_s,
                )
                for row in rows
            ),
        )
