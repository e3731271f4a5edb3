"""The console for tables, colors and lines that wrap. Rich, which it needs, is slow to load: what
prints plain lines imports `text` alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from sauce_janitor import terminal
from sauce_janitor.terminal import printable

_PLAIN_WIDTH = 180
"""The width in cells of a console without a terminal."""


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


def say(out: Console, text: str, *, indent: int = 0, style: str = "") -> None:
    """Print one line of text. On a terminal it wraps at words, with the further lines indented."""
    words = " " * indent + printable(text)
    # In a file or a pipe, tools such as grep expect one line a sentence.
    for line in terminal.wrapped(words, out.width) if out.is_terminal else [words]:
        out.print(Text(line), style=style, soft_wrap=True)
