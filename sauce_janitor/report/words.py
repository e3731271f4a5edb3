"""The words, units and tables that every report shares."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import IO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sauce_janitor.retention.model import Action

_PLAIN_WIDTH = 180
ACTIONS = {
    Action.ARCHIVE: "archive",
    Action.DELETE_ASSETS: "delete assets",
    Action.DELETE_JOB: "delete job",
    Action.STOP: "stop",
}
"""Each action in words."""


def console(*, color: bool | None, error: bool = False) -> Console:
    """Where to print: wide and plain without a terminal, no colour with NO_COLOR or `color` False."""
    stream = sys.stderr if error else sys.stdout
    plain = color is False or bool(os.environ.get("NO_COLOR"))
    width = None if stream.isatty() else _PLAIN_WIDTH
    return Console(file=stream, no_color=plain, width=width, highlight=False, soft_wrap=True, emoji=False, markup=False)


def when(epoch_s: int | None) -> str:
    """Epoch seconds as people read it, in UTC."""
    return "-" if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


def iso(epoch_s: int | None) -> str | None:
    """Epoch seconds as machines read it: ISO 8601 in UTC."""
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clean(value: object) -> str:
    """One line of printable text."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))


def size(count: float) -> str:
    """Bytes in the unit that reads best."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def span(seconds: float) -> str:
    """A duration in at most two units."""
    whole = math.ceil(seconds)
    for unit, name, below, less in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name}" + (f" {rest} {less}" if rest else "")
    return f"{whole} s"


def last_line(totals: Mapping[Action, int]) -> str:
    """The line that a plan ends with, for people and scripts."""
    return "Plan: " + ", ".join(
        f"{totals.get(action, 0)} {words}" if action is not Action.ARCHIVE else f"{totals.get(action, 0)} to archive"
        for action, words in ACTIONS.items()
    )


def say(out: Console, text: str, *, indent: int = 0, style: str = "") -> None:
    """One line of printable text; on a terminal as many as its words need, each indented."""
    words = Text(clean(text))
    if out.is_terminal:
        out.print(Padding(words, (0, 0, 0, indent), expand=False), style=style, soft_wrap=False)
    else:
        out.print(Text(" " * indent) + words, style=style)


def plain_table(*headers: str, numbers: bool = True) -> Table:
    """A table without lines; all columns but the first are numbers, unless not."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for number, header in enumerate(headers):
        table.add_column(
            Text(header), justify="right" if numbers and number else "left", overflow="fold", no_wrap=not number
        )
    return table


def json_text(value: object) -> str:
    """JSON for people and machines."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def write_all(stream: IO[str], pieces: Iterable[str]) -> None:
    """Write text piece by piece."""
    for piece in pieces:
        stream.write(piece)
    stream.flush()
