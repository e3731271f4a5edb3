"""Charts as geometry: from series of numbers to bars, paths, ticks and labels, which the macros of
templates/charts.html draw as SVG. Pure.

None is a day of which nothing is known: a gap and not a zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from sauce_janitor.web.charts.axes import (
    BOTTOM,
    LEFT,
    RIGHT,
    WIDTH,
    Format,
    axis,
    day_labels,
    day_name,
    height_of,
    levels,
)
from sauce_janitor.web.charts.values import (
    Bar,
    BarChart,
    BarRow,
    BarStack,
    Caption,
    DataTable,
    Gauge,
    Legend,
    LineChart,
    Point,
    RowChart,
    Series,
)

_WIDEST_BAR: Final = 28.0
_ROW_HEIGHT: Final = 34.0


def day_bars(caption: Caption, days: Sequence[int], series: Sequence[Series]) -> BarChart:
    """Return stacked bars, one for each day (days since 1970), the first series at the bottom."""
    table = _day_table(caption, days, series)
    legend = _legend(caption, series)
    if not days or not any(each.total for each in series):
        return BarChart(caption, table, legend, is_empty=True)
    sums = [sum(each.values[n] or 0 for each in series) for n in range(len(days))]
    top, step = axis(max(sums), caption.on_axis)
    slot = (RIGHT - LEFT) / len(days)
    width = min(_WIDEST_BAR, slot * 0.8 if slot < 8 else slot - 2)
    stacks = []
    for number, day in enumerate(days):
        x = LEFT + slot * number
        values = [(each, each.values[number]) for each in series]
        stacks.append(
            BarStack(
                round(x, 2),
                round(slot, 2),
                _words(day_name(day), values, caption.in_full),
                _pile(values, x + (slot - width) / 2, width, top),
            )
        )
    middles = [LEFT + slot * (number + 0.5) for number in range(len(days))]
    return BarChart(
        caption,
        table,
        legend,
        is_empty=False,
        stacks=tuple(stacks),
        levels=levels(top, step, caption.on_axis),
        labels=day_labels(days, middles),
    )


def _pile(
    values: Sequence[tuple[Series, float | None]], x: float, width: float, top: float
) -> tuple[Bar, ...]:
    bars, below = [], 0.0
    for each, value in values:
        if not value:
            continue
        y = height_of(below + value, top)
        # A single job beside a million still shows.
        height = max(1.0, height_of(below, top) - y)
        bars.append(Bar(round(x, 2), round(y, 2), round(width, 2), round(height, 2), each.tone))
        below += value
    return tuple(bars)


def day_line(caption: Caption, days: Sequence[int], series: Series) -> LineChart:
    """Return a line over days (days since 1970). A day without a value interrupts it."""
    table = _day_table(caption, days, (series,))
    known = [value for value in series.values if value is not None]
    if not known:
        return LineChart(caption, table, series.tone, is_empty=True)
    top, step = axis(max(known), caption.on_axis)
    slot = (RIGHT - LEFT) / max(1, len(days) - 1)
    places = [LEFT + slot * number for number in range(len(days))]
    # A single day stands in the middle, as a single bar does.
    if len(days) == 1:
        places = [(LEFT + RIGHT) / 2]
    points: list[Point | None] = []
    for place, day, value in zip(places, days, series.values, strict=True):
        if value is None:
            points.append(None)
            continue
        words = f"{day_name(day)}: {caption.in_full(value)}"
        points.append(Point(round(place, 2), height_of(value, top), words))
    stretches = _stretches(points)
    return LineChart(
        caption,
        table,
        series.tone,
        is_empty=False,
        lines=tuple(_path(each) for each in stretches if len(each) > 1),
        areas=tuple(_area(each) for each in stretches if len(each) > 1),
        points=tuple(point for point in points if point is not None),
        levels=levels(top, step, caption.on_axis),
        labels=day_labels(days, places),
    )


def _stretches(points: Sequence[Point | None]) -> list[list[Point]]:
    found: list[list[Point]] = [[]]
    for point in points:
        if point is not None:
            found[-1].append(point)
        elif found[-1]:
            found.append([])
    return [each for each in found if each]


def _path(points: Sequence[Point]) -> str:
    first, *rest = points
    return f"M{first.x} {first.y}" + "".join(f"L{each.x} {each.y}" for each in rest)


def _area(points: Sequence[Point]) -> str:
    return f"{_path(points)}L{points[-1].x} {BOTTOM}L{points[0].x} {BOTTOM}Z"


def rows(caption: Caption, names: Sequence[str], series: Sequence[Series]) -> RowChart:
    """Return a horizontal bar for each name, the first series at the left. The longest one takes
    the whole width.
    """
    body = []
    for number, name in enumerate(names):
        cells = [_cell(each.values[number], caption.in_full) for each in series]
        body.append((name, *cells))
    table = DataTable(("", *(each.name for each in series)), tuple(body))
    legend = _legend(caption, series)
    sums = [sum(each.values[n] or 0 for each in series) for n in range(len(names))]
    if not names or not any(sums):
        return RowChart(caption, table, legend, is_empty=True)
    longest, drawn = max(sums), []
    for number, name in enumerate(names):
        y = _ROW_HEIGHT * number
        values = [(each, each.values[number]) for each in series]
        drawn.append(
            BarRow(
                name,
                caption.in_full(sums[number]),
                y + 12,
                _words(name, values, caption.in_full),
                _line_of_bars(values, y + 18, longest),
            )
        )
    height = _ROW_HEIGHT * len(names)
    return RowChart(caption, table, legend, is_empty=False, rows=tuple(drawn), height=height)


def _line_of_bars(
    values: Sequence[tuple[Series, float | None]], y: float, longest: float
) -> tuple[Bar, ...]:
    bars, x = [], 0.0
    for each, value in values:
        if not value:
            continue
        # A piece of one job beside a million still shows.
        width = max(1.5, WIDTH * value / longest)
        # Such pieces must not push the last one out of the picture.
        width = min(width, WIDTH - x)
        bars.append(Bar(round(x, 2), y, round(width, 2), 10, each.tone))
        x += width
    return tuple(bars)


def gauge(caption: Caption, left: float, whole_amount: float) -> Gauge:
    """Return how much is left of a whole, as a half circle that empties."""
    share = min(1.0, max(0.0, left / whole_amount)) if whole_amount > 0 else 0.0
    tone = "good"
    if share <= 0.05:
        tone = "bad"
    elif share <= 0.25:
        tone = "warn"
    return Gauge(
        caption,
        caption.in_full(left),
        _arc(1.0),
        _arc(share) if share > 0 else "",
        tone,
    )


def _arc(share: float) -> str:
    """Return a path from the left end of a half circle over this share of it."""
    radius, x, y = 50.0, 60.0, 62.0
    angle = math.pi * (1 - share)
    end_x, end_y = x + radius * math.cos(angle), y - radius * math.sin(angle)
    return f"M{x - radius:g} {y:g}A{radius:g} {radius:g} 0 0 1 {end_x:.2f} {end_y:.2f}"


# --- words ----------------------------------------------------------------------------------------


def _words(name: str, values: Sequence[tuple[Series, float | None]], written: Format) -> str:
    known = [(each, value) for each, value in values if value is not None]
    if not known:
        return f"{name}: no data"
    parts = [f"{each.name} {written(value)}" for each, value in known if value]
    return f"{name}: {', '.join(parts) or written(0)}"


def _cell(value: float | None, written: Format) -> str:
    return "–" if value is None else written(value)


def _legend(caption: Caption, series: Sequence[Series]) -> tuple[Legend, ...]:
    return tuple(Legend(each.name, each.tone, caption.in_full(each.total)) for each in series)


def _day_table(caption: Caption, days: Sequence[int], series: Sequence[Series]) -> DataTable:
    """Return the newest day first, as people read it."""
    body = []
    for number in range(len(days) - 1, -1, -1):
        cells = [_cell(each.values[number], caption.in_full) for each in series]
        body.append((day_name(days[number]), *cells))
    return DataTable(("Day", *(each.name for each in series)), tuple(body))
