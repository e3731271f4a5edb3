"""What a worker asks of the queue: procrastinate, in the PostgreSQL of the state.

The account is the lock of its work and the lock of its place in the queue: so it waits once at
most, and one worker works on it. Only this module imports procrastinate, and only with `state.url`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import sqlalchemy.dialects.postgresql.psycopg
from procrastinate import App, PsycopgConnector, builtin_tasks
from procrastinate.exceptions import AlreadyEnqueued, ProcrastinateException
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job, Status
from procrastinate.worker import Worker

from sauce_janitor.daemon.ports import QueueInterval
from sauce_janitor.state.database import limited_connection
from sauce_janitor.state.database.postgresql import CONNECT_S, NOTICED_WHEN_GONE
from sauce_janitor.state.server import (
    failover,
    queue_tables,
    request_counts,
    server_lease,
    server_state,
    session_lock,
)

LOADED_FOR_OTHERS: Final = (
    builtin_tasks,
    failover,
    limited_connection,
    queue_tables,
    request_counts,
    server_lease,
    server_state,
    session_lock,
    sqlalchemy.dialects.postgresql.psycopg,
)
"""Modules that others use when the state is opened or used first. An upgrade in place would
otherwise give this process modules of two versions.
"""
OUTAGES: Final = (ProcrastinateException, psycopg.Error, OSError, TimeoutError)
"""What is raised while the database cannot be used."""
_TASK: Final = "sauce_janitor.work"
_CONNECTIONS: Final = 4
_CONNECTION: Final[dict[str, Any]] = {
    "application_name": "sauce-janitor queue",
    "connect_timeout": CONNECT_S,
    **NOTICED_WHEN_GONE,
}
_POOL_S: Final = 5.0
"""How long a question waits for one of the connections."""
_LATEST_S: Final = 3600.0
"""Nothing waits in the queue for longer before it is tried again."""
_KEPT_HOURS: Final = 7 * 24
"""How long the queue keeps what was failed, in hours."""
_QUEUED: Final = """
SELECT args->>'account' AS account FROM procrastinate_jobs
WHERE queue_name = %(queue)s AND status IN ('todo', 'doing')"""
_FORGET_ASTRAY: Final = """
DELETE FROM procrastinate_jobs
WHERE queue_name = %(queue)s AND status = 'todo'
    AND scheduled_at > clock_timestamp() + make_interval(secs => %(most_s)s)"""
_LOOK: Final = """
SELECT extract(epoch FROM clock_timestamp())::double precision AS now,
    (SELECT extract(epoch FROM clock_timestamp() - last_heartbeat)::double precision
     FROM procrastinate_workers WHERE id = %(worker_id)s) AS silent_s"""


@dataclass(frozen=True, slots=True)
class QueuedWork:
    """A job of the queue: the account, the digest of the policies with which it was put there, and
    how often it was handed back because of those. `client` is where it came from.
    """

    client: QueueClient
    job_id: int
    account: str
    digest: str
    handed_back: int


class Membership:
    """This worker's part in the queue: it begins to take work once, and ends."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._running: asyncio.Task[None] | None = None

    @property
    def worker_id(self) -> int | None:
        """The worker's number in the database, once it is registered there."""
        return self._worker.worker_id

    @property
    def has_begun(self) -> bool:
        """Whether it takes work, or took some."""
        return self._running is not None

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, with all that was in hand."""
        return self._running is not None and self._running.done()

    def begin(self) -> None:
        """Take work from now on, unless it does already."""
        if self._running is None:
            running = self._worker.run()  # type: ignore[no-untyped-call]  # procrastinate's
            self._running = asyncio.create_task(running)

    def stop(self) -> None:
        """Take no work any more, and end with the last that is in hand."""
        self._worker.stop()  # type: ignore[no-untyped-call]  # procrastinate's

    async def wait(self, seconds: float) -> None:
        """Wait until it has ended, or so long."""
        assert self._running is not None
        await asyncio.wait([self._running], timeout=seconds)

    def result(self) -> None:
        """Raise what has ended it, if anything did."""
        assert self._running is not None
        self._running.result()

    def give_up(self) -> None:
        """Wait for it no longer."""
        assert self._running is not None
        self._running.cancel()


class QueueClient:
    """One of the queues in a database. Every question raises one of OUTAGES."""

    def __init__(
        self, address: str, queue: str, do: Callable[[QueuedWork], Awaitable[None]]
    ) -> None:
        self._address, self._queue, self._do = address, queue, do
        connector = PsycopgConnector(
            conninfo=address,
            kwargs=_CONNECTION,
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_POOL_S,
        )
        self._app = App(connector=connector)
        self._app.task(name=_TASK, queue=queue, pass_context=True)(self._job)

    @asynccontextmanager
    async def connected(self, within_s: float) -> AsyncIterator[None]:
        """Connect, and stay connected during the block."""
        # The pool would try for long, and say only that it has no connection.
        async with asyncio.timeout(within_s):
            await (await psycopg.AsyncConnection.connect(self._address, **_CONNECTION)).close()
        async with self._app.open_async():
            yield

    def membership(self, most: int, pace: QueueInterval) -> Membership:
        """Return a part in the queue that does at most so many jobs at a time."""
        worker = Worker(
            self._app,
            queues=[self._queue],
            concurrency=most,
            fetch_job_polling_interval=pace.tick_s,
            delete_jobs="always",
            install_signal_handlers=False,
            update_heartbeat_interval=pace.heartbeat_s,
            stalled_worker_timeout=pace.stalled_s,
        )
        return Membership(worker)

    async def _job(
        self, context: JobContext, /, account: str, digest: str, handed_back: int = 0, **_: object
    ) -> None:
        # A job of a newer version may say more than this one knows.
        assert context.job.id is not None
        await self._do(QueuedWork(self, context.job.id, account, digest, handed_back))

    async def look(self, worker_id: int | None) -> tuple[float, float | None]:
        """Return the database's time in epoch seconds, and for how many seconds the worker was
        silent; None for one that is not registered any more.
        """
        row = await self._app.connector.execute_query_one_async(_LOOK, worker_id=worker_id)
        return row["now"], row["silent_s"]

    async def accounts(self) -> frozenset[str]:
        """Return the accounts in the queue, waiting or in work."""
        ask = self._app.connector
        # By a clock that was wrong. It would keep the account's place until then.
        await ask.execute_query_async(_FORGET_ASTRAY, queue=self._queue, most_s=_LATEST_S)
        rows = await ask.execute_query_all_async(_QUEUED, queue=self._queue)
        return frozenset(row["account"] for row in rows)

    async def put(
        self, account: str, digest: str, *, at: dt.datetime | None = None, handed_back: int = 0
    ) -> None:
        """Put an account into the queue, for now or for later. Nothing happens where it waits there
        already. `digest` is that of its policies; it was handed back so often.
        """
        # An account may be in each of the queues.
        lock = f"{self._queue}: {account}"
        # AlreadyEnqueued: another worker was faster.
        with suppress(AlreadyEnqueued):
            await self._app.configure_task(
                _TASK, lock=lock, queueing_lock=lock, queue=self._queue, schedule_at=at
            ).defer_async(account=account, digest=digest, handed_back=handed_back)

    async def stalled(self, silent_s: float) -> list[Job]:
        """Return the jobs in the hands of workers that were silent for so long."""
        found = await self._app.job_manager.get_stalled_jobs(
            queue=self._queue, seconds_since_heartbeat=silent_s
        )
        return list(found)

    async def jobs_of(self, worker_id: int) -> list[Job]:
        """Return the jobs that are in the hands of this worker, by the queue."""
        return list(
            await self._app.job_manager.list_jobs_async(
                queue=self._queue, status="doing", worker_id=worker_id
            )
        )

    async def fail(self, job: Job) -> bool:
        """Fail a job that nobody does, and put its account into the queue again. Return False where
        another worker was faster.
        """
        assert job.id is not None
        try:
            await self._app.job_manager.finish_job_by_id_async(
                job.id, Status.FAILED, delete_job=False
            )
        except ProcrastinateException:
            return False
        await self.put(account_of(job), str(job.task_kwargs.get("digest")))
        return True

    async def sweep(self) -> None:
        """Remove what was failed long ago."""
        await self._app.job_manager.delete_old_jobs(
            _KEPT_HOURS, queue=self._queue, include_failed=True
        )


def account_of(job: Job) -> str:
    """Return the account that a job is about."""
    return str(job.task_kwargs.get("account"))


def reason_of(outage: BaseException) -> str:
    """Return why the database cannot be used, in one line."""
    if isinstance(outage, TimeoutError):
        return "the database does not answer"
    cause = outage.__cause__ or outage
    return str(cause).strip().partition("\n")[0] or type(cause).__name__
