"""Carries work out: each account's in a thread of its own, never two pieces of one account at a
time.
"""

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
"""A piece of work on an account; it gives back what there is to tell people."""
_MOST: Final = 64


class RunSteps(ProgressTracker):
    """How far a run is, read by whoever wants to know. `ended_at`: epoch seconds."""

    ended_at: int | None = None


@dataclass(frozen=True, slots=True)
class RunningWork:
    """Work under way, or just ended: `stop` ends it early and cleanly; `future` has what came of
    it.
    """

    account: str
    kind: str
    began_at: int
    steps: RunSteps
    stop: threading.Event
    future: Future[list[Notification]]

    @property
    def ended_at(self) -> int:
        """When it ended, epoch seconds; it must have."""
        return self.began_at if self.steps.ended_at is None else self.steps.ended_at


class Runner:
    """The work under way."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=_MOST, thread_name_prefix="run")
        self._under: dict[str, RunningWork] = {}

    def begin(self, account: Account, kind: str, work: Work, tools: RunContext) -> None:
        """Begin it; nothing of that account may be under way."""
        assert account.name not in self._under
        steps, stop = RunSteps(), threading.Event()
        own = replace(tools, progress=steps, stop=stop)
        future = self._pool.submit(_timed, work, account, own, steps)
        self._under[account.name] = RunningWork(
            account.name, kind, int(tools.clock()), steps, stop, future
        )

    def under_way(self) -> dict[str, RunningWork]:
        """All that is not collected, by account."""
        return dict(self._under)

    def collect(self) -> list[RunningWork]:
        """What ended since it was last asked; each is told of once."""
        ended = [under for under in self._under.values() if under.future.done()]
        for under in ended:
            del self._under[under.account]
        return ended

    def halt(self) -> None:
        """Ask all of it to finish what is in hand and end."""
        for under in list(self._under.values()):
            under.stop.set()

    def close(self) -> None:
        """Nothing begins any more; does not wait."""
        self.halt()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _timed(work: Work, account: Account, tools: RunContext, steps: RunSteps) -> list[Notification]:
    """Do it, and note when it ended: what falls due after that is another piece of work, however
    late this one is collected.
    """
    try:
        return work(account, tools)
    finally:
        steps.ended_at = int(tools.clock())
