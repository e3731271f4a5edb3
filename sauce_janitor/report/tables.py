"""The table that all commands print. On a terminal it is never wider than the screen.

`show_table` prints one; a command gives its columns and plain values. On a terminal ids are cut to
what is unique, a long name ends in …, a sentence wraps, and columns of a higher `rank` are left out
if there is no room. Without a terminal, and with --wide, nothing is cut, wrapped or left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise, takewhile
from typing import Final, Literal

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from sauce_janitor.model.jobs import UNKNOWN
from sauce_janitor.report.rich_console import is_whole
from sauce_janitor.report.text import size
from sauce_janitor.terminal import printable, wrapped
from sauce_janitor.times import when

_GAP: Final = 2
_SHORTEST_ID: Final = 8
_LEAST_TEXT: Final = 24
"""The width in cells that a name of rank 0 keeps; before it gets less, ranked columns are left out.
"""
_LEAST_RANKED: Final = 16
_LEAST_PROSE: Final = 24
_ROWS_AT_ONCE: Final = 1000
_TO_THE_MINUTE: Final = len("2026-11-29 14:03")
CellKind = Literal["text", "prose", "word", "number", "size", "id", "time"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its header, the kind of its values, and its rank.

    If there is no room, the column of the highest `rank` is left out first, one of rank 0 never.
    The kinds: `text`, a name, which ends in … if there is no room; `prose`, sentences, which wrap
    at words; `word`, one of few short words, never cut; `number` and `size` (bytes), aligned right
    with separated thousands; `id`, cut to what is unique among those shown, at least 8 characters;
    `time`, epoch seconds. None is shown as -, UNKNOWN as ?, and a string as it is in every kind.
    """

    header: str
    kind: CellKind = "text"
    rank: int = 0


def show_table(
    out: Console, columns: Sequence[Column], rows: Iterable[Sequence[object]], *, indent: int = 0,
    footer: Sequence[object] | None = None,
) -> None:  # fmt: skip
    """Print a table of these rows. `footer` is one more row, in bold."""
    # The lines fit already: rich must neither wrap nor cut them again.
    for line in table_lines(out, columns, rows, indent=indent, footer=footer):
        out.print(line, no_wrap=True, overflow="ignore", crop=False)


def table_lines(
    out: Console, columns: Sequence[Column], rows: Iterable[Sequence[object]], *, indent: int = 0,
    footer: Sequence[object] | None = None,
) -> Iterator[Text]:  # fmt: skip
    """Yield the lines of a table, the header first, also when there are no rows.

    If no column has a header, there is no header line. Rows are laid out a thousand at a time,
    because there may be a million. Where a later thousand needs other or wider columns, the header
    is repeated.
    """
    every = chain(rows, () if footer is None else (footer,))
    layout = None
    # The first round also without rows, for the header.
    while (batch := list(islice(every, _ROWS_AT_ONCE))) or layout is None:
        before, layout = layout, _Layout(out, columns, batch, indent=indent, before=layout)
        if before is None or before.headline != layout.headline:
            yield from (Text(line, style="dim") for line in layout.headline)
        for number, row in enumerate(batch):
            style = "bold" if row is footer else ""
            yield from (Text(line, style=style) for line in layout.row(number))


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """Return `text` in at most `width` cells of a terminal.

    Text that is cut ends in …, after a whole word unless that would lose more than half of it.
    """
    if cell_len(text) <= width:
        return text
    head = set_cell_size(text, max(0, width - cell_len(ellipsis)))
    # The cut may lie between two words already.
    word = head if text[len(head)] == " " else head.rpartition(" ")[0]
    kept = word if cell_len(word) > width // 2 else head
    return set_cell_size(kept.rstrip(" ") + ellipsis, width).rstrip(" ")


@dataclass(slots=True)
class _Strip:
    """One column of the current rows: its texts, and its natural and least width in cells."""

    column: Column
    header: str
    cells: list[str]
    natural: int = 0
    least: int = 0

    def measure(self, before: int = 0) -> None:
        """Set both widths. A column never gets narrower than `before`."""
        self.natural = max(before, *map(cell_len, (self.header, *self.cells)))
        words = (
            _longest_word(text)
            for text in (self.header, *(self.cells if self.column.kind == "prose" else ()))
        )
        longest = max(words, default=1)
        match self.column.kind:
            # A name may end in …, but the words of its header are never cut.
            case "text":
                least = _LEAST_RANKED if self.column.rank else _LEAST_TEXT
                self.least = min(self.natural, max(least, longest))
            # Sentences wrap at words. One long word, such as a URL, must not take all the room.
            case "prose":
                self.least = min(self.natural, max(_LEAST_PROSE, min(longest, 2 * _LEAST_PROSE)))
            # A number or a time that is cut would look like another one.
            case _:
                self.least = max(longest, *map(cell_len, ("", *self.cells)))

    def compact(self) -> None:
        """Move the time zone into the header, if all times of the column have the same one."""
        zones = {cell[_TO_THE_MINUTE:] for cell in self.cells if len(cell) > _TO_THE_MINUTE}
        if self.column.kind == "time" and self.column.header and len(zones) == 1:
            self.header = f"{self.column.header} ({zones.pop().strip()})"
            self.cells = [cell[:_TO_THE_MINUTE] for cell in self.cells]
            self.measure()


class _Layout:
    """The layout of some rows: which columns are shown, and how wide each is."""

    def __init__(
        self,
        out: Console,
        columns: Sequence[Column],
        rows: Sequence[Sequence[object]],
        *,
        indent: int,
        before: _Layout | None,
    ) -> None:
        self._margin = " " * indent
        # Other encodings would show an escape of six characters instead of the sign.
        self._ellipsis = "…" if out.encoding.lower().startswith("utf") else "..."
        whole = is_whole(out)
        self._strips = [
            _Strip(column, column.header, _cells(column, [row[at] for row in rows], whole=whole))
            for at, column in enumerate(columns)
        ]
        for at, strip in enumerate(self._strips):
            strip.measure(before.naturals[at] if before else 0)
        self.naturals: list[int] = [strip.natural for strip in self._strips]
        self._widths = [strip.natural for strip in self._strips]
        if not whole:
            self._fit(out.width - indent)
        headers = [strip.header for strip in self._strips]
        self.headline = tuple(self._lines(headers, bottom=True)) if any(headers) else ()

    def _fit(self, room: int) -> None:
        """Make the columns fit into `room` cells: shorten times, drop ranked columns, then shrink.

        Cells that are left over go back to the columns that were shrunk.
        """
        # Shorter times come first: nothing is lost by them.
        if _total(self._widths) > room:
            for strip in self._strips:
                strip.compact()
        while _total([strip.least for strip in self._strips]) > room and any(
            strip.column.rank for strip in self._strips
        ):
            # Of several columns with the highest rank the last one goes first.
            self._strips.remove(max(reversed(self._strips), key=lambda strip: strip.column.rank))
        self._widths = [strip.least for strip in self._strips]
        # The terminal is narrower than even the least widths: no column is protected any more.
        while _total(self._widths) > room and max(self._widths) > 1:
            self._widths[max(range(len(self._widths)), key=self._shrinks)] -= 1
        while _total(self._widths) < room and (growing := self._growing()):
            for at in growing[: room - _total(self._widths)]:
                self._widths[at] += 1

    def _shrinks(self, at: int) -> tuple[int, int]:
        """Return the order in which columns lose a cell, the greatest first.

        Wide names shrink first, then wide sentences, then both below 16 cells, at last the widest
        column of any kind.
        """
        width, kind = self._widths[at], self._strips[at].column.kind
        if kind not in {"text", "prose"} or width <= _SHORTEST_ID:
            return 0, width
        return 1 + (width > _LEAST_RANKED) * (1 + (kind == "text")), width

    def _growing(self) -> list[int]:
        return [at for at, strip in enumerate(self._strips) if self._widths[at] < strip.natural]

    def row(self, number: int) -> Iterator[str]:
        """Yield the lines of that row: several if a sentence wraps."""
        return self._lines([strip.cells[number] for strip in self._strips])

    def _lines(self, texts: Sequence[str], *, bottom: bool = False) -> Iterator[str]:
        wrapped = [self._wrapped(at, text, header=bottom) for at, text in enumerate(texts)]
        height = max(map(len, wrapped))
        for cell in wrapped:
            fill = [""] * (height - len(cell))
            # A short header stands directly above its column.
            cell[:] = [*fill, *cell] if bottom else [*cell, *fill]
        for number in range(height):
            parts = (self._aligned(at, cell[number]) for at, cell in enumerate(wrapped))
            yield f"{self._margin}{(' ' * _GAP).join(parts)}".rstrip(" ")

    def _wrapped(self, at: int, text: str, *, header: bool) -> list[str]:
        width = self._widths[at]
        if cell_len(text) <= width:
            return [text]
        # A header may take several lines; a name stays on one, so that rows are easy to count.
        if self._strips[at].column.kind == "prose" or (header and _longest_word(text) <= width):
            return wrapped(text, width, fold=True)
        return [cut(text, width, self._ellipsis)]

    def _aligned(self, at: int, text: str) -> str:
        fill = " " * (self._widths[at] - cell_len(text))
        return fill + text if self._strips[at].column.kind in {"number", "size"} else text + fill


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=1)


def _cells(column: Column, values: Sequence[object], *, whole: bool) -> list[str]:
    texts = [printable(_text(column, value)) for value in values]
    if column.kind != "id" or whole:
        return texts
    length = _unique_length(texts)
    return [text[:length] for text in texts]


def _unique_length(ids: Sequence[str]) -> int:
    """Return how many characters are needed to tell these ids apart, at least 8."""
    alike = [_alike(*pair) for pair in pairwise(sorted(set(ids)))]
    return max(_SHORTEST_ID, 1 + max(alike, default=0))


def _alike(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _text(column: Column, value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "-"
    if value is UNKNOWN:
        return "?"
    # Before numbers, because a bool is an int in Python.
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and column.kind == "time":
        return when(value)
    if isinstance(value, int | float):
        if column.kind == "size":
            return size(value)
        return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
