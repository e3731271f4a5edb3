"""The axes of charts: round numbers, days, and how values are written beside them. Pure.

A chart is 360 units wide, so that its text has its usual size in a card of that many pixels, which
is what a phone has.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

WIDTH: Final = 360
HEIGHT: Final = 168
TOP: Final = 10.0
LEFT: Final = 40.0
RIGHT: Final = 356.0
BOTTOM: Final = 144.0
_MOST_LABELS: Final = 4
_EPOCH: Final = dt.date(1970, 1, 1)
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_THOUSANDS: Final = ("", "k", "M", "G", "T", "P")
_BYTES: Final = ("B", "kB", "MB", "GB", "TB", "PB")

Format: TypeAlias = Callable[[float], str]
"""Writes a value for people."""


def whole(value: float) -> str:
    """Return a number in full: `12,345`."""
    return f"{value:,.0f}"


def short(value: float) -> str:
    """Return a number for an axis: `950`, `12k`, `2.5M`."""
    return _scaled(value, _THOUSANDS, "")


def size(value: float) -> str:
    """Return bytes for people: `950 B`, `1.2 MB`."""
    return _scaled(value, _BYTES, " ")


def _scaled(value: float, units: Sequence[str], blank: str) -> str:
    at = 0
    while abs(value) >= 999.5 and at < len(units) - 1:
        value, at = value / 1000, at + 1
    digits = f"{value:.1f}" if abs(value) < 9.95 and value != int(value) else f"{value:.0f}"
    return f"{digits.removesuffix('.0')}{blank}{units[at]}"


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, what it says, and how the text is anchored there."""

    at: float
    text: str
    anchor: str = "middle"


def nice_top(value: float) -> tuple[float, float]:
    """Return the end of an axis that includes the value, and the step of its ticks: round numbers,
    two to five steps, at least 1 each.
    """
    rough = max(value, 1.0) / 4
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(each * magnitude for each in _STEPS if each * magnitude >= rough)
    # Half a job is no job.
    step = max(step, 1.0)
    return math.ceil(max(value, 1.0) / step - 1e-9) * step, step


def day_name(day: int) -> str:
    """Return a day (days since 1970) as `2026-11-30`."""
    return (_EPOCH + dt.timedelta(day)).isoformat()


def short_day(day: int) -> str:
    """Return a day for an axis: `30 Nov`."""
    date = _EPOCH + dt.timedelta(day)
    return f"{date.day} {_MONTHS[date.month - 1]}"


def axis(value: float, written: Format) -> tuple[float, float]:
    """Return the end of an axis that includes the value, and its step, round in the unit in which
    it is written.
    """
    unit = 1.0
    if written is size:
        while value / unit >= 999.5 and unit < 1000.0 ** (len(_BYTES) - 1):
            unit *= 1000
    top, step = nice_top(value / unit)
    return top * unit, step * unit


def levels(top: float, step: float, written: Format) -> tuple[Tick, ...]:
    """Return the ticks of a vertical axis from 0 to its top."""
    count = round(top / step)
    return tuple(Tick(height_of(step * n, top), written(step * n), "end") for n in range(count + 1))


def height_of(value: float, top: float) -> float:
    """Return where on a vertical axis the value is."""
    return round(BOTTOM - (BOTTOM - TOP) * value / top, 2)


def day_labels(days: Sequence[int], places: Sequence[float]) -> tuple[Tick, ...]:
    """Return a few days in equal steps, counted from the last one, which a reader looks for."""
    every = max(1, math.ceil(len(days) / _MOST_LABELS))
    numbers = range(len(days) - 1, -1, -every)
    ticks = []
    for number in numbers:
        anchor = "middle"
        # At the edges the text would be cut.
        if places[number] > RIGHT - 18:
            anchor = "end"
        elif places[number] < LEFT + 12:
            anchor = "start"
        ticks.append(Tick(places[number], short_day(days[number]), anchor))
    return tuple(reversed(ticks))
