"""Days and moments as people give them to a command: with the same words, and the same meaning, as in the file."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sauce_janitor.config.grammar.terms import last_day_or_moment
from sauce_janitor.config.translating import end_of


def end_of_text(text: str, timezone: str) -> int:
    """The first second after a day such as 2027-01-31 in that zone, or the moment itself. ValueError for anything else."""
    return end_of(last_day_or_moment(text), ZoneInfo(timezone))
