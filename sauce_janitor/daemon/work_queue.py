"""A worker of a state that several share: it works on what the queue gives it, and puts into the
queue what is due.

Each worker looks at the agenda. An account that is due is put into the queue, where one worker
takes it. Four things are unlike the usual ways of procrastinate, which is the queue:

- Its periodic tasks are not used. They are unique by the time that a worker's own clock shows, so
  one worker whose clock is ahead takes all ticks of the minutes to come.
- The work of a dead worker is failed, never retried: a retry breaks the unique place in the queue
  where the account waits there already, and blocks it for ever (its issues 1446 and 1543). The
  account is put into the queue again instead. A run is a pass over what is due, so nothing is lost.
- Its lock is not what makes deletes safe: a worker that slept may still believe that it works. The
  lease is (state/server/server_lease.py). A run that meets somebody else's lease waits for it here.
- A worker that loses the database stops its runs, and begins again when the database is back.

One module over 300 lines: the life of one worker, from joining the queue to leaving it.
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

import structlog

from sauce_janitor.daemon.agenda import AgendaEntry
from sauce_janitor.daemon.ports import QueueInterval
from sauce_janitor.daemon.queue_client import (
    OUTAGES,
    Membership,
    QueueClient,
    QueuedWork,
    account_of,
    reason_of,
)
from sauce_janitor.errors import JanitorError
from sauce_janitor.model.safety_numbers import DAY_S, MAX_CLOCK_SKEW_S

_HAND_BACK_S: Final = 5.0
"""After how long another worker is offered what this one handed back."""
_HANDED_BACK_MOST: Final = 12
"""So often work is handed back because of its configuration. Then the next look at the agenda
decides with what it is put into the queue: the worker that did so may be gone.
"""
_RECONNECT_S: Final = 2.0
_INTERRUPT_S: Final = 1.0
"""How often work is asked to end, and work that has ended looks for a bug."""
_ILL: Final = 0.8
"""The part of `stalled_s` after which a silent worker begins again, before others give it up."""
_END_S: Final = 5.0
_ANSWER_S: Final = 20.0
"""How long the database may take for one look. A frozen one never answers, and keeps its
connections.
"""


@dataclass(frozen=True, slots=True)
class WorkerTasks:
    """What the rounds do for the queue. It calls them in threads of its own.

    `do` works on an account, and returns after how many seconds it must be tried again, None for
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
                except OUTAGES as error:
                    self._say(f"the queue cannot be used: {reason_of(error)}")
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
        client = QueueClient(self._address(), self._queue, self._work)
        async with client.connected(_ANSWER_S):
            async with asyncio.timeout(_ANSWER_S):
                await self._fail_own(client)
            membership = client.membership(self._most, self._pace)
            try:
                await self._take_part(client, membership)
            finally:
                await self._end(membership)

    async def _take_part(self, client: QueueClient, membership: Membership) -> None:
        seen_at = time.monotonic()
        while not self._halted.is_set():
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await self._look(client, membership)
                    # A worker with a wrong clock would decide by it.
                    if self._trouble is None:
                        membership.begin()
                        await self._tend(client)
                seen_at = time.monotonic()
            # A moment without an answer must not end runs of hours.
            except OUTAGES as error:
                if time.monotonic() - seen_at > self._pace.heartbeat_s:
                    # Said before the runs have ended, which may take a while.
                    self._say(f"the queue cannot be used: {reason_of(error)}")
                    raise
            if membership.has_ended:
                membership.result()
                return
            if self._trouble is not None and membership.has_begun:
                return
            await self._wait(self._pace.tick_s)

    async def _tend(self, client: QueueClient) -> None:
        """Put what is due into the queue, and take out what nobody works on."""
        await self._offer(client)
        await self._fail_stalled(client)
        await self._fail_missed(client)
        # Of workers that work for months, too.
        if time.monotonic() - self._swept_at > DAY_S:
            await client.sweep()
            self._swept_at = time.monotonic()

    async def _end(self, membership: Membership) -> None:
        """Leave the queue; work that is under way finishes its current jobs first."""
        if not membership.has_begun:
            return
        membership.stop()
        idle_at = time.monotonic()
        while not membership.has_ended:
            # Again and again: work may be about to begin, and be missed.
            if self._busy:
                await asyncio.to_thread(self._tasks.interrupt)
                idle_at = time.monotonic()
            # A frozen database does not even let it take its leave. Others give it up.
            elif time.monotonic() - idle_at > _ANSWER_S:
                membership.give_up()
                return
            await membership.wait(_INTERRUPT_S)
        with suppress(*OUTAGES):
            membership.result()

    async def _look(self, client: QueueClient, membership: Membership) -> None:
        """Compare the clocks, and notice a worker that no longer says that it lives."""
        before, worker_id = time.time(), membership.worker_id
        now, silent_s = await client.look(worker_id)
        self._told = now, time.monotonic()
        ahead_s = now - (before + time.time()) / 2
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
            if silent_s is None or silent_s > _ILL * self._pace.stalled_s:
                self._say("this worker was silent for too long and begins again")
                return
        self._say(None)

    async def _offer(self, client: QueueClient) -> None:
        """Put into the queue what is due and neither there nor in work."""
        if not self._due:
            return
        queued = await client.accounts()
        for account in self._due:
            if account not in queued:
                digest = await asyncio.to_thread(self._tasks.digest_of, account)
                if digest is not None:
                    await client.put(account, digest)

    async def _fail_stalled(self, client: QueueClient) -> None:
        """Fail the work of dead workers, and put its accounts into the queue again."""
        for job in await client.stalled(self._pace.stalled_s):
            if await client.fail(job):
                account = account_of(job)
                self._log.warning("run.stalled", account=account)
                self._tasks.stalled(account)

    async def _fail_own(self, client: QueueClient) -> None:
        """Fail what this process had in work when it lost the database: nobody does it."""
        if self._worker_id is None:
            return
        for job in await client.jobs_of(self._worker_id):
            await client.fail(job)

    async def _fail_missed(self, client: QueueClient) -> None:
        """Fail what this worker has in work by the queue, and has not: its end could not be
        written. Nobody else would, as this worker lives.
        """
        if self._worker_id is None:
            return
        now, jobs = time.monotonic(), await client.jobs_of(self._worker_id)
        missed = {job.id: job for job in jobs if job.id is not None and job.id not in self._in_hand}
        self._missed = {each: self._missed.get(each, now) for each in missed}
        for each, since in self._missed.items():
            # Not at once: it may begin, or end, at this moment.
            if now - since > self._pace.heartbeat_s:
                await client.fail(missed[each])

    # --- one piece of work ------------------------------------------------------------------------

    async def _work(self, work: QueuedWork) -> None:
        self._in_hand.add(work.job_id)
        try:
            await self._work_on(work)
        # The queue is left, and joined again.
        except OUTAGES:
            raise
        # procrastinate tells nobody. The rounds raise it.
        except Exception as error:
            self._bug = error
            self._wake.set()
            raise
        finally:
            self._in_hand.discard(work.job_id)

    async def _work_on(self, work: QueuedWork) -> None:
        client, account, digest = work.client, work.account, work.digest
        own = await asyncio.to_thread(self._tasks.digest_of, account)
        if self._halted.is_set():
            await client.put(account, digest)
            return
        # Two policies must never act side by side while a new configuration reaches all workers.
        if own != digest:
            # Once for each time that it is put into the queue.
            if not work.handed_back:
                self._log.info("run.handed_back", account=account, why="another configuration")
            if work.handed_back < _HANDED_BACK_MOST:
                at = self._in_seconds(_HAND_BACK_S)
                await client.put(account, digest, at=at, handed_back=work.handed_back + 1)
            return
        self._busy.add(account)
        again_s = await asyncio.to_thread(self._carry_out, account)
        if again_s is not None:
            await client.put(account, digest, at=self._in_seconds(again_s))

    def _in_seconds(self, seconds: float) -> dt.datetime | None:
        """Return that time by the clock of the database, which compares; None for now."""
        if seconds <= 0:
            return None
        return dt.datetime.fromtimestamp(self.database_now + seconds, dt.UTC)

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
