"""Values as the pages show them: times in UTC, sizes, durations, and text from strangers."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

from sauce_janitor.times import iso

_HARMFUL: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that a page never shows: controls, formats, line separators."""


def clean(text: object) -> str:
    """Return one line without control characters and those that change the writing direction."""
    shown = str(text)
    # Nearly every text. Python prints no character of these categories as it is.
    if shown.isprintable():
        return shown
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(each) in _HARMFUL else each
        for each in shown
    )


# In UTC, as the pages say. `times.when` has the zone of the command that serves them.
def moment(at: int) -> str:
    """Return a time (epoch seconds) in UTC for a column whose heading names the zone."""
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M}"


def second(at: int) -> str:
    """Return a time (epoch seconds) in UTC to the second, for a column that names the zone."""
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M:%S}"


def when(at: int) -> str:
    """Return a time (epoch seconds) in UTC, with its zone."""
    return f"{moment(at)} UTC"


def size(count: float) -> str:
    """Return bytes in the largest decimal unit that leaves a whole number before the point."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def span(seconds: int) -> str:
    """Return a duration as a player shows it: `1:15`, `2:01:15`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def number(count: int) -> str:
    """Return a number with a comma between thousands."""
    return f"{count:,}"


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "clean": clean,
    "iso": iso,
    "moment": moment,
    "number": number,
    "second": second,
    "size": size,
    "span": span,
    "when": when,
}
"""The filters of all templates, by name."""
