"""Does the work: each account's in its own thread, never two pieces of one account at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from sauce_janitor.config import Account
from sauce_janitor.notify import Notification
from sauce_janitor.operations.wiring.progress import ProgressTracker
from sauce_janitor.operations.wiring.run_settings import RunContext

Work: TypeAlias = Callable[[Account, RunContext], list[Notification]]
"""A piece of work on an account; it returns the messages to people."""
_MOST: Final = 64


class RunSteps(ProgressTracker):
    """The progress of a run, which any thread may read. `ended_at`: epoch seconds."""

    ended_at: int | None = None


@dataclass(frozen=True, slots=True)
class RunningWork:
    """Work that is running or has just ended: `stop` ends it early and cleanly; `future` has its
    result.
    """

    account: str
    kind: str
    began_at: int
    steps: RunSteps
    stop: threading.Event
    future: Future[list[Notification]]

    @property
    def ended_at(self) -> int:
        """When it ended, in epoch seconds. It must have ended."""
        return self.began_at if self.steps.ended_at is None else self.steps.ended_at


class Runner:
    """The work that is running."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=_MOST, thread_name_prefix="run")
        self._running: dict[str, RunningWork] = {}

    def begin(self, account: Account, kind: str, work: Work, context: RunContext) -> None:
        """Start the work. Nothing of that account may be running."""
        assert account.name not in self._running
        steps, stop = RunSteps(), threading.Event()
        own = replace(context, progress=steps, stop=stop)
        future = self._pool.submit(_timed, work, account, own, steps)
        self._running[account.name] = RunningWork(
            account.name, kind, int(context.clock()), steps, stop, future
        )

    def under_way(self) -> dict[str, RunningWork]:
        """Return everything that is not collected, by account."""
        return dict(self._running)

    def collect(self) -> list[RunningWork]:
        """Return what has ended since the last call; each piece is returned once."""
        ended = [running for running in self._running.values() if running.future.done()]
        for running in ended:
            del self._running[running.account]
        return ended

    def halt(self) -> None:
        """Ask all of it to finish the current jobs and end."""
        for running in list(self._running.values()):
            running.stop.set()

    def close(self) -> None:
        """Start nothing any more; does not wait."""
        self.halt()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _timed(
    work: Work, account: Account, context: RunContext, steps: RunSteps
) -> list[Notification]:
    """Do the work and record when it ended: what is due later is new work, however late this one is
    collected.
    """
    try:
        return work(account, context)
    finally:
        steps.ended_at = int(context.clock())
