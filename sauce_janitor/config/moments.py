"""Days and moments as people give them to a command: with the same words, and the same meaning, as
in the file.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sauce_janitor.config.grammar.scalars import last_day_or_moment, unix_time
from sauce_janitor.config.translate import end_of

__all__ = ["end_of_text", "unix_time"]


def end_of_text(text: str, timezone: str) -> int:
    """Return the first second after a day such as 2027-01-31 in that zone, else the moment or Unix
    timestamp itself.

    ValueError for anything else.
    """
    return end_of(last_day_or_moment(text), ZoneInfo(timezone))
