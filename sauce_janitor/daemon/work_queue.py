"""The queue of a state that several workers share: procrastinate, in the state's own PostgreSQL.
Only this module imports it, and only with `state.url`.

Each worker looks at the agenda and puts an account that is due into the queue. The account is the
lock of its work there and the lock of its place in the queue: so it waits once at most, and one
worker works on it. Four things are unlike procrastinate's usual ways:

- Its periodic tasks are not used. They are unique by the time that a worker's own clock shows, so
  one worker whose clock is ahead takes all ticks of the minutes to come.
- The work of a dead worker is failed, never retried: a retry breaks the unique place in the queue
  where the account waits there already, and blocks it for ever (its issues 1446 and 1543). The
  account is put into the queue again instead. A run is a pass over what is due, so nothing is lost.
- Its lock is not what makes deletes safe: a worker that slept may still believe that it works. The
  lease is (state/server/server_lease.py). A run that meets somebody else's lease waits for it here.
- A worker that loses the database stops its runs, and begins again when the database is back.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Final

# Some of these are used by others only, when the state is opened or used first. An upgrade in place
# would otherwise give this process modules of two versions.
import psycopg
import sqlalchemy.dialects.postgresql.psycopg  # noqa: F401
import structlog
from procrastinate import App, PsycopgConnector, builtin_tasks  # noqa: F401
from procrastinate.exceptions import AlreadyEnqueued, ProcrastinateException
from procrastinate.jobs import Job, Status
from procrastinate.worker import Worker

from sauce_janitor.daemon.agenda import AgendaEntry
from sauce_janitor.daemon.ports import QueueInterval
from sauce_janitor.errors import JanitorError
from sauce_janitor.model.safety_numbers import DAY_S, MAX_CLOCK_SKEW_S
from sauce_janitor.state.database import limited_connection  # noqa: F401
from sauce_janitor.state.server import (  # noqa: F401
    failover,
    queue_tables,
    request_counts,
    server_lease,
    server_state,
    session_lock,
)

_TASK: Final = "sauce_janitor.work"
_CONNECTIONS: Final = 4
_CONNECTION: Final[dict[str, Any]] = {
    "application_name": "sauce-janitor queue",
    "connect_timeout": 10,
    # As for the state: a server that vanished is noticed within 15 s.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_HAND_BACK_S: Final = 5.0
"""After how long another worker is offered what this one handed back."""
_HANDED_BACK_MOST: Final = 12
"""So often work is handed back because of its configuration. Then the next look at the agenda
decides with what it is put into the queue: the worker that did so may be gone.
"""
_LATEST_S: Final = 3600.0
"""Nothing waits in the queue for longer before it is tried again."""
_RECONNECT_S: Final = 2.0
_INTERRUPT_S: Final = 1.0
"""How often work that is to end is asked to, and work that has ended looks for a bug."""
_ILL: Final = 0.8
"""The part of `stalled_s` after which a silent worker begins again, before others give it up."""
_END_S: Final = 5.0
_ANSWER_S: Final = 20.0
"""How long the database may take for one look. A frozen one never answers, and keeps its
connections.
"""
_KEPT_HOURS: Final = 7 * 24
"""How long the queue keeps what was failed, in hours."""
_OUTAGES: Final = (ProcrastinateException, psycopg.Error, OSError, TimeoutError)
_QUEUED: Final = """
SELECT args->>'account' AS account FROM procrastinate_jobs
WHERE queue_name = %(queue)s AND status IN ('todo', 'doing')"""
_FORGET_ASTRAY: Final = """
DELETE FROM procrastinate_jobs
WHERE queue_name = %(queue)s AND status = 'todo'
    AND scheduled_at > clock_timestamp() + make_interval(secs => %(most_s)s)"""
_LOOKED: Final = """
SELECT extract(epoch FROM clock_timestamp())::double precision AS now,
    (SELECT extract(epoch FROM clock_timestamp() - last_heartbeat)::double precision
     FROM procrastinate_workers WHERE id = %(worker_id)s) AS silent_s"""


@dataclass(frozen=True, slots=True)
class WorkerTasks:
    """What the rounds do for the queue. It calls them in threads of its own.

    `do` works on an account, and returns after how many seconds it is to be tried again, None for
    not at all. `digest_of` returns the digest of an account's policies, None for an account that is
    not configured. `interrupt` asks all work to end early and cleanly. `stalled` is called with the
    account whose worker died.
    """

    do: Callable[[str], float | None]
    digest_of: Callable[[str], str | None]
    interrupt: Callable[[], None]
    stalled: Callable[[str], None]


@dataclass(slots=True)
class _Ended:
    """Work that has ended; `recorded` is set when the rounds know it."""

    account: str
    failure: BaseException | None
    recorded: threading.Event = field(default_factory=threading.Event)


class WorkQueue:
    """Works on what the queue gives to this worker, and puts into it what is due.

    `address()` returns the address of the database; it raises ConfigError. `queue` is one of
    QUEUES.
    """

    def __init__(
        self,
        tasks: WorkerTasks,
        wake: threading.Event,
        address: Callable[[], str],
        *,
        queue: str,
        most: int,
        pace: QueueInterval | None = None,
    ) -> None:
        self._tasks, self._wake, self._address = tasks, wake, address
        self._queue, self._most, self._pace = queue, most, pace or QueueInterval()
        self._due: tuple[str, ...] = ()
        self._busy: set[str] = set()
        # The jobs of the queue that are in hand here; and since when those are missed of which the
        # queue says so, by their ids.
        self._in_hand: set[int] = set()
        self._missed: dict[int, float] = {}
        self._swept_at = -math.inf
        self._ended: SimpleQueue[_Ended] = SimpleQueue()
        self._halted = threading.Event()
        self._bug: BaseException | None = None
        self._trouble: str | None = "the queue is not connected yet"
        # The database's time at the last look, and when that was.
        self._told: tuple[float, float] | None = None
        self._worker_id: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._kick: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._log: Any = structlog.get_logger()
        for name in ("procrastinate", "psycopg"):
            # What matters of it is logged here, as an event.
            logging.getLogger(name).setLevel(logging.CRITICAL)

    # --- for the rounds ---------------------------------------------------------------------------

    @property
    def trouble(self) -> str | None:
        """Return why this worker takes no work at present; None where it does."""
        return self._trouble

    @property
    def database_now(self) -> float:
        """Return the time by the database's clock, in epoch seconds."""
        if self._told is None:
            return time.time()
        told, at = self._told
        # This machine's clock may have been set since.
        return told + time.monotonic() - at

    def plan(self, entries: Mapping[str, AgendaEntry], now: int) -> None:
        """Have put into the queue what is due. Starts the worker at the first call."""
        due = tuple(name for name, entry in entries.items() if entry.due_kind(now) is not None)
        is_new = not set(due) <= set(self._due)
        self._due = due
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, name="queue", daemon=True)
            self._thread.start()
        elif is_new:
            self._look_again()

    def process(self) -> float:
        """Return infinity: the queue starts what is due by itself. Raise the bug that ended it."""
        if self._bug is not None:
            raise self._bug
        return math.inf

    def ended(self) -> Iterator[str]:
        """Yield each account whose work here has ended since the last call.

        Raise what `do` raised: it catches the errors of the work, so that is a bug.
        """
        while not self._ended.empty():
            each = self._ended.get()
            self._busy.discard(each.account)
            if each.failure is not None:
                each.recorded.set()
                raise each.failure
            yield each.account
            each.recorded.set()

    def busy(self) -> frozenset[str]:
        """Return the accounts that this worker works on. Any thread may call this."""
        return frozenset(self._busy)

    def halt(self) -> None:
        """Take no work any more."""
        self._halted.set()
        self._look_again()

    def shutdown(self) -> None:
        """Leave the queue. What still runs is failed by other workers later."""
        self.halt()
        if self._thread is not None:
            self._thread.join(_END_S)

    def _look_again(self) -> None:
        loop, kick = self._loop, self._kick
        if loop is not None and kick is not None:
            # It may have ended since.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(kick.set)

    # --- the thread of the queue ------------------------------------------------------------------

    def _live(self) -> None:
        try:
            asyncio.run(self._go())
        # A bug: the rounds raise it, which ends the daemon with a message.
        except BaseException as error:  # noqa: BLE001
            self._bug = error
            self._wake.set()

    async def _go(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._kick = asyncio.Event()
        # What procrastinate leaves behind after an outage is no news.
        loop.set_exception_handler(lambda _loop, _context: None)
        # Each piece of work has a thread; its end and the look at the agenda need one, too.
        with ThreadPoolExecutor(self._most + 2, "run") as pool:
            loop.set_default_executor(pool)
            while not self._halted.is_set():
                try:
                    await self._connected()
                except _OUTAGES as error:
                    self._say(f"the queue cannot be used: {_first_line(error)}")
                except JanitorError as error:
                    self._say(str(error))
                if not self._halted.is_set():
                    await self._wait(_RECONNECT_S)

    def _say(self, trouble: str | None) -> None:
        """Note the trouble. The same one is one line of the log."""
        if trouble != self._trouble:
            if trouble is None:
                self._log.info("queue.joined")
            else:
                self._log.warning("queue.left", why=trouble)
        self._trouble = trouble

    async def _wait(self, seconds: float) -> None:
        assert self._kick is not None
        with suppress(TimeoutError):
            await asyncio.wait_for(self._kick.wait(), seconds)
        self._kick.clear()

    async def _connected(self) -> None:
        """Work until `halt`, or until the database is lost."""
        address = self._address()
        # The pool would try for long, and say only that it has no connection.
        async with asyncio.timeout(_ANSWER_S):
            await (await psycopg.AsyncConnection.connect(address, **_CONNECTION)).close()
        connector = PsycopgConnector(
            conninfo=address,
            kwargs=_CONNECTION,
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_END_S,
        )
        app = App(connector=connector)
        app.task(name=_TASK, queue=self._queue, pass_context=True)(self._work)
        async with app.open_async():
            async with asyncio.timeout(_ANSWER_S):
                await self._fail_own(app)
            worker: Worker | None = None
            running: asyncio.Task[None] | None = None
            try:
                seen_at = time.monotonic()
                while not self._halted.is_set():
                    try:
                        async with asyncio.timeout(_ANSWER_S):
                            await self._look(app, worker)
                            # A worker with a wrong clock would decide by it.
                            if self._trouble is None and running is None:
                                worker = self._new_worker(app)
                                running = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
                            if self._trouble is None:
                                await self._tend(app)
                        seen_at = time.monotonic()
                    # A moment without an answer must not end runs of hours.
                    except _OUTAGES as error:
                        if time.monotonic() - seen_at > self._pace.heartbeat_s:
                            # Said before the runs have ended, which may take a while.
                            self._say(f"the queue cannot be used: {_first_line(error)}")
                            raise
                    if running is not None and running.done():
                        running.result()
                        return
                    if self._trouble is not None and running is not None:
                        return
                    await self._wait(self._pace.tick_s)
            finally:
                await self._end(worker, running)

    async def _tend(self, app: App) -> None:
        """Put what is due into the queue, and take out what nobody works on."""
        await self._offer(app)
        await self._fail_stalled(app)
        await self._fail_missed(app)
        await self._sweep(app)

    def _new_worker(self, app: App) -> Worker:
        return Worker(
            app,
            queues=[self._queue],
            concurrency=self._most,
            fetch_job_polling_interval=self._pace.tick_s,
            delete_jobs="always",
            install_signal_handlers=False,
            update_heartbeat_interval=self._pace.heartbeat_s,
            stalled_worker_timeout=self._pace.stalled_s,
        )

    async def _end(self, worker: Worker | None, running: asyncio.Task[None] | None) -> None:
        """Leave the queue; work that is under way finishes its current jobs first."""
        if worker is None or running is None:
            return
        worker.stop()  # type: ignore[no-untyped-call]
        idle_at = time.monotonic()
        while not running.done():
            # Again and again: work may be about to begin, and be missed.
            if self._busy:
                await asyncio.to_thread(self._tasks.interrupt)
                idle_at = time.monotonic()
            # A frozen database does not even let it take its leave. Others give it up.
            elif time.monotonic() - idle_at > _ANSWER_S:
                running.cancel()
                return
            await asyncio.wait([running], timeout=_INTERRUPT_S)
        with suppress(*_OUTAGES):
            running.result()

    async def _look(self, app: App, worker: Worker | None) -> None:
        """Compare the clocks, and notice a worker that no longer says that it lives."""
        before = time.time()
        worker_id = None if worker is None else worker.worker_id
        row = await app.connector.execute_query_one_async(_LOOKED, worker_id=worker_id)
        self._told = row["now"], time.monotonic()
        ahead_s = row["now"] - (before + time.time()) / 2
        if abs(ahead_s) > MAX_CLOCK_SKEW_S:
            way = "behind" if ahead_s > 0 else "ahead of"
            self._say(
                f"the clock of this machine is {abs(ahead_s):.0f} s {way} that of the state's"
                " server: this worker takes no work. Set the clock"
            )
            return
        # It is registered a moment after it begins. One that others gave up has no row any more.
        if worker_id is not None:
            self._worker_id = worker_id
            if row["silent_s"] is None or row["silent_s"] > _ILL * self._pace.stalled_s:
                self._say("this worker was silent for too long and begins again")
                return
        self._say(None)

    async def _offer(self, app: App) -> None:
        """Put into the queue what is due and neither there nor in work."""
        if not self._due:
            return
        # By a clock that was wrong. It would keep the account's place until then.
        await app.connector.execute_query_async(_FORGET_ASTRAY, queue=self._queue, most_s=_LATEST_S)
        rows = await app.connector.execute_query_all_async(_QUEUED, queue=self._queue)
        queued = {row["account"] for row in rows}
        for account in self._due:
            if account not in queued:
                digest = await asyncio.to_thread(self._tasks.digest_of, account)
                if digest is not None:
                    await self._defer(app, account, digest)

    async def _defer(
        self, app: App, account: str, digest: str, *, after_s: float = 0.0, handed_back: int = 0
    ) -> None:
        at = None
        if after_s > 0:
            # By the clock of the database, which compares.
            at = dt.datetime.fromtimestamp(self.database_now + after_s, dt.UTC)
        # An account may be in each of the two queues.
        lock = f"{self._queue}: {account}"
        # AlreadyEnqueued: another worker was faster.
        with suppress(AlreadyEnqueued):
            await app.configure_task(
                _TASK, lock=lock, queueing_lock=lock, queue=self._queue, schedule_at=at
            ).defer_async(account=account, digest=digest, handed_back=handed_back)

    async def _fail_stalled(self, app: App) -> None:
        """Fail the work of dead workers, and put its accounts into the queue again."""
        stalled = await app.job_manager.get_stalled_jobs(
            queue=self._queue, seconds_since_heartbeat=self._pace.stalled_s
        )
        for job in stalled:
            if await self._fail(app, job):
                account = _account_of(job)
                self._log.warning("run.stalled", account=account)
                self._tasks.stalled(account)

    async def _fail_own(self, app: App) -> None:
        """Fail what this process had in work when it lost the database: nobody does it."""
        if self._worker_id is None:
            return
        for job in await self._own_jobs(app):
            await self._fail(app, job)

    async def _fail_missed(self, app: App) -> None:
        """Fail what this worker has in work by the queue, and has not: its end could not be
        written. Nobody else would, as this worker lives.
        """
        if self._worker_id is None:
            return
        now, jobs = time.monotonic(), await self._own_jobs(app)
        missed = {job.id: job for job in jobs if job.id is not None and job.id not in self._in_hand}
        self._missed = {each: self._missed.get(each, now) for each in missed}
        for each, since in self._missed.items():
            # Not at once: it may begin, or end, at this moment.
            if now - since > self._pace.heartbeat_s:
                await self._fail(app, missed[each])

    async def _sweep(self, app: App) -> None:
        """Remove once a day what was failed long ago, of workers that work for months, too."""
        if time.monotonic() - self._swept_at > DAY_S:
            await app.job_manager.delete_old_jobs(
                _KEPT_HOURS, queue=self._queue, include_failed=True
            )
            self._swept_at = time.monotonic()

    async def _own_jobs(self, app: App) -> list[Job]:
        return list(
            await app.job_manager.list_jobs_async(
                queue=self._queue, status="doing", worker_id=self._worker_id
            )
        )

    async def _fail(self, app: App, job: Job) -> bool:
        """Return whether this worker failed it, and no other one."""
        assert job.id is not None
        try:
            await app.job_manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=False)
        except ProcrastinateException:
            return False
        await self._defer(app, _account_of(job), str(job.task_kwargs.get("digest")))
        return True

    # --- one piece of work ------------------------------------------------------------------------

    async def _work(
        self, context: Any, /, account: str, digest: str, handed_back: int = 0, **_newer: object
    ) -> None:
        """Do one job of the queue. That of a newer version may say more than this one knows."""
        self._in_hand.add(context.job.id)
        try:
            await self._work_on(context.app, account, digest, handed_back)
        # The queue is left, and joined again.
        except _OUTAGES:
            raise
        # procrastinate tells nobody. The rounds raise it.
        except Exception as error:
            self._bug = error
            self._wake.set()
            raise
        finally:
            self._in_hand.discard(context.job.id)

    async def _work_on(self, app: App, account: str, digest: str, handed_back: int) -> None:
        own = await asyncio.to_thread(self._tasks.digest_of, account)
        if self._halted.is_set():
            await self._defer(app, account, digest)
            return
        # Two policies must never act side by side while a new configuration reaches all workers.
        if own != digest:
            # Once for each time that it is put into the queue.
            if not handed_back:
                self._log.info("run.handed_back", account=account, why="another configuration")
            if handed_back < _HANDED_BACK_MOST:
                await self._defer(
                    app, account, digest, after_s=_HAND_BACK_S, handed_back=handed_back + 1
                )
            return
        self._busy.add(account)
        again_s = await asyncio.to_thread(self._carry_out, account)
        if again_s is not None:
            await self._defer(app, account, digest, after_s=again_s)

    def _carry_out(self, account: str) -> float | None:
        """Do the work, and wait until the rounds have recorded it: until then it looks due."""
        ended, again_s = _Ended(account, None), None
        try:
            again_s = self._tasks.do(account)
        # Raised by the rounds, as a bug.
        except BaseException as error:  # noqa: BLE001
            ended.failure = error
        self._ended.put(ended)
        self._wake.set()
        # However long they wait for the state: they would take the next work of the account for
        # this one, and a stop would not reach it.
        while not ended.recorded.wait(_INTERRUPT_S) and self._bug is None:
            pass
        return again_s


def _account_of(job: Job) -> str:
    return str(job.task_kwargs.get("account"))


def _first_line(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the database does not answer"
    cause = error.__cause__ or error
    return str(cause).strip().partition("\n")[0] or type(cause).__name__
