"""Carries runs out: each account's in a thread of its own, never two of one account at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from sauce_janitor import pipeline
from sauce_janitor.pipeline import Order, Result, Tools


@dataclass(slots=True)
class Steps:
    """How far a run is, as `pipeline.Progress` is told; read by whoever wants to know."""

    phase_name: str = "start"
    done: int = 0
    total: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def phase(self, account: str, phase: str, total: int | None = None) -> None:  # noqa: ARG002 - the protocol's
        with self._lock:
            self.phase_name, self.done, self.total = phase, 0, total

    def step(self, count: int = 1) -> None:
        with self._lock:
            self.done += count


@dataclass(frozen=True, slots=True)
class Under:
    """A run under way, or just ended: `stop` ends it early and cleanly; `future` has what came of it."""

    account: str
    began_at: int
    steps: Steps
    stop: threading.Event
    future: Future[Result]


class Runner:
    """The runs under way."""

    def __init__(self, *, execute: bool, run: Callable[..., Result] = pipeline.run) -> None:
        self._order = Order(execute=execute)
        self._run = run
        self._pool = ThreadPoolExecutor(max_workers=64, thread_name_prefix="run")
        self._under: dict[str, Under] = {}

    def begin(self, account: str, tools: Tools) -> None:
        """Begin a run of that account, which must not be under way."""
        assert account not in self._under
        steps, stop = Steps(), threading.Event()
        own = replace(tools, progress=steps, stop=stop)
        future = self._pool.submit(self._run, tools.config.account(account), own, self._order)
        self._under[account] = Under(account, int(tools.clock()), steps, stop, future)

    def under_way(self) -> dict[str, Under]:
        """Every run that is not collected, by account."""
        return dict(self._under)

    def collect(self) -> list[Under]:
        """The runs that ended since it was last asked; each is told of once."""
        ended = [under for under in self._under.values() if under.future.done()]
        for under in ended:
            del self._under[under.account]
        return ended

    def halt(self) -> None:
        """Ask every run to finish what is in hand and end."""
        for under in list(self._under.values()):
            under.stop.set()

    def close(self) -> None:
        """No run begins any more; does not wait."""
        self.halt()
        self._pool.shutdown(wait=False, cancel_futures=True)
