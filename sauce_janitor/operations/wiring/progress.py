"""The progress of a run: counted here, shown on the terminal, and stored in the state for
`status`.
"""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self, TypeVar

from sauce_janitor import report
from sauce_janitor.errors import StateError
from sauce_janitor.state import Notes

_T = TypeVar("_T")
_THOUSAND: Final = 1000
_WORDS: Final = {
    "start": "starting",
    "wait": "waiting for what an earlier run sent",
    "list": "listing jobs",
    "plan": "deciding",
    "execute": "carrying out",
    "look": "looking into the archive",
    "prune": "pruning",
    "export": "exporting",
    "verify": "verifying",
}
_RECENT_S: Final = 60.0
"""The rate is measured over this long: budgets, black-outs and large videos change it during
a run.
"""
_SOON_S: Final = 2.0
"""Before this time no rate is shown."""
_FIRST_S: Final = 3.0
_EVERY_S: Final = 5.0
_LASTS_S: Final = 30
"""An older note was left by a run that was killed."""


class Progress(Protocol):
    """Receives the progress of a run, for people only."""

    def phase(self, account: str, phase: str, total: int | None = None) -> None:
        """Start a phase (list, plan, execute) with `total` jobs."""

    def step(self, count: int = 1) -> None:
        """Count this many more as done."""


@dataclass(frozen=True, slots=True)
class PhaseProgress:
    """The progress of a phase: `done` of `total` (None: unknown), at a rate per second (None: too
    early to know).
    """

    phase: str = "start"
    done: int = 0
    total: int | None = None
    per_second: float | None = None

    @property
    def name(self) -> str:
        """The phase in words."""
        return _WORDS.get(self.phase, self.phase)

    @property
    def percent(self) -> int | None:
        """How much is done, at most 100, and 100 only when everything is; None without a total."""
        return self.done * 100 // self.total if self.total else None

    @property
    def left_s(self) -> float | None:
        """Seconds until the rest is done at this rate; None where that is unknown."""
        if self.total is None or not self.per_second or self.done >= self.total:
            return None
        return (self.total - self.done) / self.per_second

    def words(self) -> str:
        """Return the numbers: `1,200 of 4,800 (25 %), 12/min, 5 h left`."""
        count = f"{self.done:,}"
        if self.total is not None:
            share = "" if self.percent is None else f" ({self.percent} %)"
            count = f"{self.done:,} of {self.total:,}{share}"
        left = None if self.left_s is None else f"{report.span(self.left_s)} left"
        rate = None if not self.per_second else _rate(self.per_second)
        return ", ".join(filter(None, (count, rate, left)))


class ProgressTracker:
    """Counts the steps of a phase and measures their rate. Any thread may use it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._phase, self._done = "start", 0
        self._total: int | None = None
        self._seen: deque[tuple[float, int]] = deque()

    def phase(self, account: str, phase: str, total: int | None = None) -> None:  # noqa: ARG002 - the protocol's
        """Start a phase."""
        with self._lock:
            self._phase, self._done, self._total = phase, 0, total
            self._seen = deque([(self._clock(), 0)])

    def step(self, count: int = 1) -> None:
        """Count this many more as done."""
        with self._lock:
            self._done += count
            at = self._clock()
            # At most one point a second, however many steps there are.
            if self._seen and at - self._seen[-1][0] >= 1.0:
                self._seen.append((at, self._done))
            while len(self._seen) > 1 and at - self._seen[1][0] >= _RECENT_S:
                self._seen.popleft()

    def now(self) -> PhaseProgress:
        """Return the progress."""
        with self._lock:
            rate = None
            if self._seen:
                began, before = self._seen[0]
                took_s = self._clock() - began
                # Too early to say: one slow first answer would show as hours.
                rate = (self._done - before) / took_s if took_s >= _SOON_S else None
            # More steps than announced are a bug here, and must not show as 101 %.
            done = self._done if self._total is None else min(self._done, self._total)
            return PhaseProgress(self._phase, done, self._total, rate)


def stepping(
    records: Callable[[], Iterable[_T]], step: Callable[[int], None]
) -> Callable[[], Iterator[_T]]:
    """Pass records through and call `step` for every thousand, however often they are read."""

    def each() -> Iterator[_T]:
        for number, record in enumerate(records(), start=1):
            if number % _THOUSAND == 0:
                step(_THOUSAND)
            yield record

    return each


class PublishedProgress:
    """One run's progress, passed on to `shown` and stored in the state every 5 s by its own thread.
    A context manager.

    A note that cannot be written is skipped: nobody waits for it, and no run fails because of it.
    """

    def __init__(
        self, shown: Progress, notes: Notes, account: str, *, run_id: str, mode: str
    ) -> None:
        self._shown, self._notes = shown, notes
        self._account, self._run_id, self._mode = account, run_id, mode
        self._tracker, self._began_at = ProgressTracker(), int(time.time())
        self._ended, self._is_noted = threading.Event(), False
        self._thread = threading.Thread(
            target=self._publish, name=f"progress-{run_id}", daemon=True
        )

    def phase(self, account: str, phase: str, total: int | None = None) -> None:
        """Start a phase."""
        self._tracker.phase(account, phase, total)
        self._shown.phase(account, phase, total)

    def step(self, count: int = 1) -> None:
        """Count this many more as done."""
        self._tracker.step(count)
        self._shown.step(count)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        # A state that hangs must not keep the run from ending.
        self._thread.join(_EVERY_S)
        if self._is_noted:
            with suppress(StateError):
                self._notes.forget(_key(self._account, self._run_id))

    def _publish(self) -> None:
        wait_s = _FIRST_S
        while not self._ended.wait(wait_s):
            wait_s = _EVERY_S
            with suppress(StateError):
                # Once, before the first note. A run that is over within seconds removes nothing.
                if not self._is_noted:
                    self._sweep()
                self._notes.write(_key(self._account, self._run_id), self._note())
                self._is_noted = True

    def _note(self) -> str:
        now = self._tracker.now()
        note = {
            "run_id": self._run_id,
            "mode": self._mode,
            "began_at": self._began_at,
            "at": int(time.time()),
            "phase": now.phase,
            "done": now.done,
            "total": now.total,
            "per_second": now.per_second,
            "process": _this_process(),
        }
        return json.dumps(note)

    def _sweep(self) -> None:
        """Remove the notes of the account's runs that were killed."""
        for key in self._notes.starting(_key(self._account, "")):
            if _read(self._notes.read(key), now=int(time.time())) is None:
                self._notes.forget(key)


def under_way(notes: Notes, account: str, *, now: int) -> list[dict[str, Any]]:
    """Return the progress of the account's runs, the oldest first, as in JSON; a run that was
    killed is left out.

    `at` (epoch seconds) is the time of the note. Raise StateError.
    """
    found = (_read(notes.read(key), now=now) for key in notes.starting(_key(account, "")))
    return sorted(
        (each for each in found if each is not None),
        key=lambda each: (each["began_at"], each["run_id"]),
    )


def _read(text: str | None, *, now: int) -> dict[str, Any] | None:
    """Return the content of a note; None for one of a run that is over, or in another format."""
    try:
        note = json.loads(text or "")
        at, process = int(note["at"]), list(note["process"])
        progress = PhaseProgress(
            str(note["phase"]), note["done"], note["total"], note["per_second"]
        )
        # Also a note from the future: the clock was set back since.
        if abs(now - at) > _LASTS_S or _is_dead(process):
            return None
        return {
            "run_id": str(note["run_id"]),
            "mode": str(note["mode"]),
            "began_at": int(note["began_at"]),
            "at": at,
            "phase": progress.phase,
            "done": progress.done,
            "total": progress.total,
            "percent": progress.percent,
            "per_second": progress.per_second,
            "left_s": progress.left_s,
            "words": f"{progress.name}: {progress.words()}",
        }
    # A note of another release.
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _this_process() -> list[Any]:
    """Return where a process number means this process: the host, its process namespace, and the
    number.
    """
    space = 0
    with suppress(OSError):
        space = Path("/proc/self/ns/pid").stat().st_ino
    return [socket.gethostname(), space, os.getpid()]


def _is_dead(process: list[Any]) -> bool:
    """Return whether a process is certainly gone; for another host or container that is unknown."""
    *where, pid = process
    # A process number means nothing on another host or in another container.
    if where != _this_process()[:-1]:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    # It exists, and belongs to another user.
    except PermissionError:
        return False
    return False


def _rate(per_second: float) -> str:
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        if per_second * seconds >= 1:
            return f"{math.floor(per_second * seconds):,}/{unit}"
    return "less than 1/h"


def _key(account: str, run_id: str) -> str:
    return f"progress {account} {run_id}"
