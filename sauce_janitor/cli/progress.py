"""How far a run is: a moving line on a terminal's stderr, a log line each half minute otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from sauce_janitor import report
from sauce_janitor.operations.wiring.progress import ProgressTracker

_EVERY_S: Final = 30.0
_BAR: Final = 12
"""As wide as leaves room for the numbers at 80 columns."""
_STOPPING: Final = "stopping; Ctrl-C again ends at once"
"""Who has pressed Ctrl-C sees that it was heard, and that a second one is safe, too."""


class _Numbers(ProgressColumn):
    """How much of it, how fast, and how long still; as of now, also where nothing moves. Once it is
    to stop, that.
    """

    def __init__(self, tracker: ProgressTracker, is_stopping: Callable[[], bool]) -> None:
        super().__init__(Column(no_wrap=True))
        self._tracker, self._is_stopping = tracker, is_stopping

    def render(self, task: Task) -> Text:  # noqa: ARG002 - rich's signature
        return Text(_STOPPING if self._is_stopping() else self._tracker.now().words())


class ProgressDisplay:
    """The progress of the runs of one command; any thread may tell it. A context manager."""

    def __init__(
        self, *, color: bool | None, moving: bool, is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        out = report.console(color=color, error=True)
        spinner = "dots" if out.encoding.startswith("utf") else "line"  # dots are Braille
        self._tracker = ProgressTracker()
        words = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))
        columns = (
            SpinnerColumn(spinner),
            words,
            BarColumn(_BAR),
            _Numbers(self._tracker, is_stopping),
        )
        self._bar = (
            Progress(*columns, console=out, transient=True, redirect_stdout=False)
            if moving
            else None
        )
        self._task: TaskID | None = None
        self._lock = threading.Lock()
        self._phase, self._told_at = "", time.monotonic()

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
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
            self._tracker.phase(account, phase, total)
            self._phase = f"{account}: {self._tracker.now().name}"
            if self._bar:
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._task = self._bar.add_task(self._phase, total=total)

    def step(self, count: int = 1) -> None:
        """So many more are done."""
        with self._lock:
            self._tracker.step(count)
            now = self._tracker.now()
            if self._bar and self._task is not None:
                self._bar.update(self._task, completed=now.done)
            elif time.monotonic() - self._told_at >= _EVERY_S:
                self._told_at = time.monotonic()
                import structlog

                structlog.get_logger().info(
                    "run.progress", phase=self._phase, done=now.done, total=now.total,
                    per_second=now.per_second, left_s=now.left_s,
                )  # fmt: skip
