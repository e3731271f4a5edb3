"""APScheduler, set up for the daemon: one of its jobs for each account, for the next time in the
account's agenda, in a thread of its pool.

Three things stay outside it:

- Waiting. Its own schedulers wait with a timer, which ignores a change of the date and stands still
  while the machine is suspended (APScheduler issues 351, 794). So this one has no thread of its
  own: the daemon's rounds call `process`, after a heartbeat at the latest.
- Times that have passed. It would walk through each of them, for hours after a jump of many years
  (issue 1066), and after a jump back it would wait for a time in the far future. So each round
  updates the times of what is not running (`plan`), and one run makes up for all that have passed.
  A job has one time and is gone once it is started: what runs cannot be started again.
- Storing times. Its stores hold pickles; the agenda keeps two numbers for each account in the
  state.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from queue import SimpleQueue
from typing import Any, Final

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_SUBMITTED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.date import DateTrigger

from sauce_janitor.daemon.agenda import AgendaEntry

_MOST: Final = 64
"""How many accounts can be worked on at once; others wait for a thread."""


class _Pool(ThreadPoolExecutor):  # type: ignore[misc]  # APScheduler has no types
    """The threads. `error` is why work could not be handed to them, None if that never happened."""

    error: BaseException | None = None

    def _do_submit_job(self, job: Any, run_times: Any) -> None:
        try:
            super()._do_submit_job(job, run_times)
        # The system may have no thread left. APScheduler only logs that, and the work, which is
        # queued nevertheless, would be started again and again: `process` raises it.
        except BaseException as error:
            self.error = error
            raise


class Scheduler(BaseScheduler):  # type: ignore[misc]  # APScheduler has no types
    """Starts what is due, never two pieces of work of one account at once.

    One thread, that of the rounds, calls all methods but `wakeup`. `do` is called with the name of
    an account, in a thread of the pool.
    """

    trouble = None
    """Nothing but a bug keeps it from starting what is due."""

    def __init__(self, do: Callable[[str], object], wake: threading.Event) -> None:
        self._do, self._wake = do, wake
        self._busy: set[str] = set()
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._pool = _Pool(_MOST, {"thread_name_prefix": "run"})
        logger = logging.getLogger("apscheduler.scheduler")
        # It warns of each time that passes during a run, which is nothing unusual here.
        logger.setLevel(logging.ERROR)
        super().__init__(
            logger=logger,
            # The agenda computes in the configured zone; APScheduler compares instants only, and
            # would otherwise fail where it cannot find out the zone of the machine.
            timezone=dt.UTC,
            executors={"default": self._pool},
            # No grace time: what is late, such as after a downtime, is done however late it is.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self.add_listener(lambda event: self._busy.add(event.job_id), EVENT_JOB_SUBMITTED)
        self.add_listener(self._on_ended, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        self.start()

    def wakeup(self) -> None:
        """End the wait of the rounds. APScheduler calls this, in any thread, when times change."""
        self._wake.set()

    def halt(self) -> None:
        """Start nothing any more: it does so in `process` only, which is not called again."""

    def shutdown(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002 - APScheduler's signature
        """Start nothing any more. Does not wait for what runs unless told so."""
        if self.running:
            super().shutdown(wait)

    def plan(self, entries: Mapping[str, AgendaEntry], now: int) -> None:
        """Set the next time of each account that is not worked on, and forget accounts that are
        gone.
        """
        for job in self.get_jobs():
            if job.id not in entries:
                job.remove()
        for name, entry in entries.items():
            # While it is worked on, its times pass; its next one is known at the end.
            if name in self._busy:
                continue
            at = dt.datetime.fromtimestamp(entry.next_at(now), dt.UTC)
            job = self.get_job(name)
            if job is None or job.next_run_time != at:
                once = DateTrigger(at, dt.UTC)
                self.add_job(self._do, once, [name], id=name, replace_existing=True)

    def process(self) -> float:
        """Start what is due, and return the seconds until the next time (infinity for none).

        Raise what kept work from its thread.
        """
        wait_s: float | None = self._process_jobs()
        if self._pool.error is not None:
            raise self._pool.error
        return math.inf if wait_s is None else wait_s

    def ended(self) -> Iterator[str]:
        """Yield each account whose work has ended since the last call.

        Raise what `do` raised: it catches the errors of the work, so that is a bug.
        """
        while not self._ended.empty():
            event = self._ended.get()
            self._busy.discard(event.job_id)
            if event.exception is not None:
                raise event.exception
            yield event.job_id

    def busy(self) -> frozenset[str]:
        """Return the accounts of which work was started and not yet returned by `ended`. It may
        still wait for a thread. Any thread may call this.
        """
        return frozenset(self._busy)

    def _on_ended(self, event: Any) -> None:
        # In the thread that did the work, which must change nothing here: the rounds take it.
        self._ended.put(event)
        self._wake.set()
