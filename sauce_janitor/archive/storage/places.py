"""Where jobs are below the archive's root: which folders lead to them, and in what order."""

from __future__ import annotations

import re

from sauce_janitor.archive.storage.ports import Place

_LEVELS = (r"[^.].*", r"[^.].*", r"\d{4}", r"\d{2}", r"\d{2}", r"[0-9a-f]{32}")


def fits_level(level: int, name: str) -> bool:
    """Tell whether a folder at this level, 0 for accounts, may have this name."""
    return re.fullmatch(_LEVELS[level], name, re.DOTALL) is not None


def is_before(place: Place, after: Place) -> bool:
    """Tell whether a folder comes before the place to resume after, and need not be searched."""
    return place < after[: len(place)] or place == after


def is_job(place: Place) -> bool:
    """Tell whether a place is a job's folder, and not one above it."""
    return len(place) == len(_LEVELS)
