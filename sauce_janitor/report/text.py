"""What all reports share: the console, the names of actions, units, and single lines of text."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from typing import IO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from sauce_janitor import terminal
from sauce_janitor.model.jobs import Action
from sauce_janitor.terminal import printable

_PLAIN_WIDTH = 180
"""The width in cells of a console without a terminal."""
ACTIONS = {
    Action.ARCHIVE: "archive",
    Action.DELETE_ASSETS: "delete assets",
    Action.DELETE_JOB: "delete job",
    Action.STOP: "stop",
}
"""Each action as people read it."""


def console(*, color: bool | None, error: bool = False, wide: bool = False) -> Console:
    """Return a console for stdout or, with `error`, for stderr.

    There is no color with NO_COLOR or `color` False. Tables are whole without a terminal and with
    `wide`. Lines wrap at words on a terminal only.
    """
    # rich would guess a width of 80 for a file or a pipe, and break lines there.
    stream = terminal.stream(err=error)
    plain = color is False or bool(os.environ.get("NO_COLOR"))
    width = None if stream.isatty() else _PLAIN_WIDTH
    out = _Console(
        file=cast("IO[str]", _Styled(stream)), no_color=plain, width=width, highlight=False,
        soft_wrap=not stream.isatty(), emoji=False, markup=False,
    )  # fmt: skip
    out.is_wide = wide
    return out


def is_whole(out: Console) -> bool:
    """Return whether tables are printed whole: there is no terminal, or --wide is given."""
    return not out.is_terminal or getattr(out, "is_wide", False)


class _Styled:
    """The file of a console. Text that arrives here is printable; its terminal sequences are
    rich's own.
    """

    def __init__(self, stream: terminal.Stream) -> None:
        self._stream = stream
        self.encoding = stream.encoding
        self.isatty = stream.isatty
        self.fileno = stream.fileno
        self.flush = stream.flush

    def write(self, text: str) -> int:
        self._stream.write_styled(text)
        return len(text)


class _Console(Console):
    """A console that makes every piece of text printable before it gets its style."""

    is_wide = False

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            # Control segments are rich's own cursor movements.
            text = segment.text if segment.control else terminal.escaped(segment.text)
            yield segment if text == segment.text else Segment(text, segment.style)


def size(count: float) -> str:
    """Return bytes in the unit that reads best: `512 B`, `1.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def counted(number: int, noun: str) -> str:
    """Return `1 job`, `2 jobs`, `1,000 jobs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def span(seconds: float) -> str:
    """Return a duration in at most two units: `2 h 5 min`."""
    # Rounded up: a wait of 0.4 s is not over in 0 s.
    whole = math.ceil(seconds)
    for unit, name, below, less in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name}" + (f" {rest} {less}" if rest else "")
    return f"{whole} s"


def last_line(totals: Mapping[Action, int]) -> str:
    """Return the last line of a plan, which scripts read too."""
    return actions_line("Plan", totals)


def actions_line(what: str, totals: Mapping[Action, int]) -> str:
    """Return how many of each action there are, in one line that begins with `what`."""
    words = ACTIONS | {Action.ARCHIVE: "to archive"}
    return f"{what}: " + ", ".join(f"{totals.get(action, 0)} {words[action]}" for action in ACTIONS)


def say(out: Console, text: str, *, indent: int = 0, style: str = "") -> None:
    """Print one line of text. On a terminal it wraps at words, with the further lines indented."""
    words = " " * indent + printable(text)
    # In a file or a pipe, tools such as grep expect one line a sentence.
    for line in terminal.wrapped(words, out.width) if out.is_terminal else [words]:
        out.print(Text(line), style=style, soft_wrap=True)
