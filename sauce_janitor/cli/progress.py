"""The progress of a run: a moving line on a terminal, otherwise a log line every half minute."""

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
"""The bar's width, so that the numbers fit beside it at 80 columns."""
_STOPPING: Final = "stopping; Ctrl-C again ends at once"
"""Shown after Ctrl-C. A second one is safe, too."""


class _Numbers(ProgressColumn):
    """The count, the speed and the time left, also while the count does not change.

    Once the run is stopping, the column says so instead.
    """

    def __init__(self, tracker: ProgressTracker, is_stopping: Callable[[], bool]) -> None:
        super().__init__(Column(no_wrap=True))
        self._tracker, self._is_stopping = tracker, is_stopping

    def render(self, task: Task) -> Text:  # noqa: ARG002 - rich's signature
        return Text(_STOPPING if self._is_stopping() else self._tracker.now().words())


class ProgressDisplay:
    """Shows the progress of a command's runs. A context manager; any thread may report to it."""

    def __init__(
        self, *, color: bool | None, moving: bool, is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        out = report.console(color=color, error=True)
        self._tracker = ProgressTracker()
        self._bar: Progress | None = None
        if moving:
            # The spinner "dots" is made of Braille characters.
            spinner = "dots" if out.encoding.startswith("utf") else "line"
            columns = (
                SpinnerColumn(spinner),
                TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
                BarColumn(_BAR),
                _Numbers(self._tracker, is_stopping),
            )
            # stdout has the results, perhaps for a pipe: the bar leaves it alone.
            self._bar = Progress(*columns, console=out, transient=True, redirect_stdout=False)
        self._task: TaskID | None = None
        self._lock = threading.Lock()
        self._phase, self._logged_at = "", time.monotonic()

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
        """Remove the moving line for good."""
        if self._bar:
            self._bar.stop()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Remove the moving line while the block prints something else."""
        if self._bar:
            self._bar.stop()
        try:
            yield
        finally:
            if self._bar:
                self._bar.start()

    def phase(self, account: str, phase: str, total: int | None = None) -> None:
        """Begin a phase of `total` steps, or of an unknown number."""
        with self._lock:
            self._tracker.phase(account, phase, total)
            self._phase = f"{account}: {self._tracker.now().name}"
            if self._bar:
                # A phase has a bar of its own, because its total differs.
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._task = self._bar.add_task(self._phase, total=total)

    def step(self, count: int = 1) -> None:
        """Count `count` more steps as done."""
        with self._lock:
            self._tracker.step(count)
            now = self._tracker.now()
            if self._bar and self._task is not None:
                self._bar.update(self._task, completed=now.done)
            # Without a terminal, a line for each step would flood the log.
            elif time.monotonic() - self._logged_at >= _EVERY_S:
                self._logged_at = time.monotonic()
                import structlog

                structlog.get_logger().info(
                    "run.progress", phase=self._phase, done=now.done, total=now.total,
                    per_second=now.per_second, left_s=now.left_s,
                )  # fmt: skip
