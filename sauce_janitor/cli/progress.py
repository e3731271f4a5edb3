"""How far a run is: a moving line on a terminal's stderr, a log line a minute otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import structlog
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn

from sauce_janitor import report

_WORDS = {
    "list": "listing jobs",
    "plan": "deciding",
    "execute": "carrying out",
    "look": "looking into the archive",
    "prune": "pruning",
    "export": "exporting",
    "verify": "verifying",
}
_EVERY_S = 60.0


class Shown:
    """The progress of the runs of one command; any thread may tell it. A context manager."""

    def __init__(self, *, color: bool | None, moving: bool) -> None:
        out = report.console(color=color, error=True)
        spinner = "dots" if out.encoding.startswith("utf") else "line"  # dots are Braille
        bar = (SpinnerColumn(spinner), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(*bar, console=out, transient=True, redirect_stdout=False) if moving else None
        self._task: TaskID | None = None
        self._lock = threading.Lock()
        self._phase, self._done, self._told_at = "", 0, time.monotonic()
        self._total: int | None = None

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """No moving line any more."""
        if self._bar:
            self._bar.stop()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """No moving line while something else is printed."""
        if self._bar:
            self._bar.stop()
        try:
            yield
        finally:
            if self._bar:
                self._bar.start()

    def phase(self, account: str, phase: str, total: int | None = None) -> None:
        """A phase begins."""
        with self._lock:
            self._phase, self._done, self._total = f"{account}: {_WORDS[phase]}", 0, total
            if self._bar:
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._task = self._bar.add_task(self._phase, total=total)

    def step(self, count: int = 1) -> None:
        """So many more are done."""
        with self._lock:
            self._done += count
            if self._bar and self._task is not None:
                self._bar.advance(self._task, count)
            elif time.monotonic() - self._told_at >= _EVERY_S:
                self._told_at = time.monotonic()
                structlog.get_logger().info("run.progress", phase=self._phase, done=self._done, total=self._total)
