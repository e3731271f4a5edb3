"""The values of charts: what they are made from, and the geometry that templates/charts.html draws.

They name no color: a series has a tone, which the style sheet colors for light and dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sauce_janitor.web.charts.axes import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    WIDTH,
    Format,
    Tick,
    short,
    whole,
)


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers under one name. `tone` is the last part of a class of the style sheet: good, bad,
    warn, calm, link or faint.
    """

    name: str
    tone: str
    values: Sequence[float | None]

    @property
    def total(self) -> float:
        """The sum of what is known."""
        return sum(value for value in self.values if value is not None)


@dataclass(frozen=True, slots=True)
class Caption:
    """What a chart is called, what it shows as a sentence, and how its values are written on the
    axis and in full.
    """

    title: str
    about: str
    on_axis: Format = short
    in_full: Format = whole


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a bar."""

    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True)
class BarStack:
    """All pieces of one bar, and the area that shows `words` to a mouse."""

    x: float
    width: float
    words: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class DataTable:
    """The table behind a chart. The first cell of a row names it."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Legend:
    """A name and its tone, with what it adds up to."""

    name: str
    tone: str
    total: str


@dataclass(frozen=True, slots=True)
class BarChart:
    """Stacked bars over days. Without a value it `is_empty`, and only the caption is shown."""

    caption: Caption
    table: DataTable
    legend: tuple[Legend, ...]
    is_empty: bool
    stacks: tuple[BarStack, ...] = ()
    levels: tuple[Tick, ...] = ()
    labels: tuple[Tick, ...] = ()
    left: float = LEFT
    right: float = RIGHT
    bottom: float = BOTTOM
    width: float = WIDTH
    height: float = HEIGHT


@dataclass(frozen=True, slots=True)
class Point:
    """A value of a line, and its words."""

    x: float
    y: float
    words: str


@dataclass(frozen=True, slots=True)
class LineChart:
    """One line over days, with the area below it; `lines` and `areas` are SVG paths, one for each
    stretch without a gap.
    """

    caption: Caption
    table: DataTable
    tone: str
    is_empty: bool
    lines: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()
    levels: tuple[Tick, ...] = ()
    labels: tuple[Tick, ...] = ()
    left: float = LEFT
    right: float = RIGHT
    bottom: float = BOTTOM
    width: float = WIDTH
    height: float = HEIGHT


@dataclass(frozen=True, slots=True)
class BarRow:
    """One horizontal bar: its name and total above it, and its pieces."""

    name: str
    total: str
    y: float
    words: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class RowChart:
    """Horizontal stacked bars, one for each name."""

    caption: Caption
    table: DataTable
    legend: tuple[Legend, ...]
    is_empty: bool
    rows: tuple[BarRow, ...] = ()
    width: float = WIDTH
    height: float = 0


@dataclass(frozen=True, slots=True)
class Gauge:
    """How much is left of a whole, as an arc: `track` is the whole, `arc` what is left; both are
    SVG paths. `arc` is empty where nothing is left.
    """

    caption: Caption
    value: str
    track: str
    arc: str
    tone: str
    width: float = 120
    height: float = 72
