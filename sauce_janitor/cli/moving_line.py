"""The line that moves on a terminal while a command works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from sauce_janitor import report
from sauce_janitor.operations.wiring.progress import ProgressTracker

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


def moving_line(
    tracker: ProgressTracker, is_stopping: Callable[[], bool], *, color: bool | None
) -> Progress:
    """Return the line on stderr that shows what the tracker counts. It is not started yet."""
    out = report.console(color=color, error=True)
    # The spinner "dots" is made of Braille characters.
    spinner = "dots" if out.encoding.startswith("utf") else "line"
    columns = (
        SpinnerColumn(spinner),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(_BAR),
        _Numbers(tracker, is_stopping),
    )
    # stdout has the results, perhaps for a pipe: the line leaves it alone.
    return Progress(*columns, console=out, transient=True, redirect_stdout=False)
