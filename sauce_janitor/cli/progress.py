"""The progress of a run: a moving line on a terminal, otherwise a log line every half minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from sauce_janitor.operations.wiring.progress import ProgressTracker

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_EVERY_S: Final = 30.0


class ProgressDisplay:
    """Shows the progress of a command's runs. A context manager; any thread may report to it."""

    def __init__(
        self, *, color: bool | None, moving: bool, is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._tracker = ProgressTracker()
        self._bar: Progress | None = None
        if moving:
            # Late: without a terminal nothing moves, and the library is slow to load.
            from sauce_janitor.cli.moving_line import moving_line

            self._bar = moving_line(self._tracker, is_stopping, color=color)
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
