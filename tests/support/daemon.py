"""A daemon in this process: a clock that the test drives, and a folder with its configuration, state and archive."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from sauce_janitor.config import Account, load
from sauce_janitor.daemon.rounds import LookInterval, Rounds
from sauce_janitor.daemon.work import RUN, UPKEEP, Work, WorkResult
from sauce_janitor.metrics import Metrics
from sauce_janitor.operations.wiring.run_settings import RunContext

FAST = LookInterval(round_s=0.01, watch_s=0.01, follow_s=0.0, reopen_s=0.0, token_s=0.0)
START = 1_795_000_000 // 3600 * 3600  # a full hour

HEAD = """
accounts: {eu: {base_url: "http://127.0.0.1:1", username: demo, access_key: {env: KEY}, retries: {attempts: 1}}}
archive: {path: ./archive, min_free: 1kB}
state: {path: ./state.db}
"""
POLICIES = """
policies: [{name: old, match: all, then: {archive: 1h, delete_assets: 20d}}]
"""


@dataclass
class Driven:
    """A clock that stands still until the test lets time pass."""

    at: float = START

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(min(seconds, 0.01))


@contextmanager
def scheduled_by(clock: Driven) -> Iterator[None]:
    """APScheduler goes by that clock. It has no other way in."""

    class DrivenDatetime(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return dt.datetime.fromtimestamp(clock.at, tz)

    with (
        mock.patch("apscheduler.schedulers.base.datetime", DrivenDatetime),
        mock.patch("apscheduler.executors.base.datetime", DrivenDatetime),
    ):
        yield


@dataclass
class Worked:
    """Stands in for what the daemon does: notes when, and waits where it is told to."""

    clock: Driven
    began: list[tuple[str, str, float]] = field(default_factory=list)
    states: set[str] = field(default_factory=set)
    wait: bool = False
    waiting: set[str] = field(default_factory=set)
    stopped: list[str] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None
    is_cut_off: bool = False

    def of(self, kind: str) -> Work:
        def work(account: Account, tools: RunContext) -> WorkResult:
            self.began.append((kind, account.name, self.clock.at - START))
            self.states.add(Path(str(tools.config.state)).name)
            while self.wait and not self.go_on.is_set():
                self.waiting.add(account.name)
                if tools.stop.wait(0.01):
                    self.stopped.append(account.name)
                    break
            self.waiting.discard(account.name)
            if self.error is not None:
                raise self.error
            return WorkResult(is_cut_off=self.is_cut_off)

        return work

    @property
    def runs(self) -> list[float]:
        """When runs began, in seconds since START."""
        return [at for kind, _, at in self.began if kind == RUN]


@dataclass
class Scene:
    """One daemon's rounds, without its threads: the test makes them one after the other."""

    folder: Path
    clock: Driven
    stack: ExitStack
    worked: Worked = field(init=False)
    metrics: Metrics = field(default_factory=Metrics)
    environ: dict[str, str] = field(default_factory=lambda: {"KEY": "x"})

    def __post_init__(self) -> None:
        self.worked = Worked(self.clock)
        self.stack.enter_context(scheduled_by(self.clock))

    def configure(self, text: str = "", head: str = HEAD) -> Path:
        file = self.folder / "config.yaml"
        file.write_text(head + POLICIES + text)
        return file

    def rounds(self, *, execute: bool = False, pace: LookInterval = FAST) -> Rounds:
        """A daemon that begins, as after a restart."""
        works = {RUN: self.worked.of(RUN), UPKEEP: self.worked.of(UPKEEP)}
        config = load(self.folder / "config.yaml", environ=self.environ)
        made = Rounds(config, self.clock, self.metrics, execute=execute, pace=pace, works=works)
        self.stack.callback(made.close)
        self.stack.callback(self.worked.go_on.set)
        return made

    def go(self, rounds: Rounds, seconds: float = 0, *, step: float = 60) -> None:
        """So much time passes, a round each step; every round waits for what it began, unless that
        is to wait.
        """
        passed = 0.0
        while True:
            rounds.go()
            if self.worked.wait:
                until(lambda: self.worked.waiting or self._is_idle(rounds), "work that waits")
            else:
                self.settle(rounds)
            if passed >= seconds:
                return
            passed += step
            self.clock.at += step

    def settle(self, rounds: Rounds) -> None:
        """Wait until all that began has ended, and have it collected."""
        until(lambda: self._is_idle(rounds), "an end of the work")

    def _is_idle(self, rounds: Rounds) -> bool:
        rounds.collect()
        return rounds.is_idle()


def until(true: Callable[[], object], what: str) -> None:
    """Wait for something that happens in another thread, as long as it takes and a minute at
    most.
    """
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.01)
