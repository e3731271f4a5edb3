"""Days and moments in command options, with the same syntax and meaning as in the file."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sauce_janitor.config.grammar.scalars import last_day_or_moment, unix_time
from sauce_janitor.config.translate import end_of

__all__ = ["end_of_text", "unix_time"]


def end_of_text(text: str, timezone: str) -> int:
    """Return the end of a day such as 2027-01-31 in that zone, a moment, or a Unix timestamp.

    The result is in epoch seconds; the end of a day is the first second after it. Raise ValueError
    for any other text.
    """
    return end_of(last_day_or_moment(text), ZoneInfo(timezone))
