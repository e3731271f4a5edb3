"""Reads one field of a document: its value, None for null, UNKNOWN for absent or unreadable.
Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import UNKNOWN, Flag, Text, Time, Unknown
from sauce_janitor.sauce.http.redact import redact_mapping

# 2008-01-01: Sauce Labs did not exist before, so an earlier number cannot be a time.
_EARLIEST: Final = 1_199_145_600
# 2100-01-01: larger numbers are milliseconds.
_LATEST: Final = 4_102_444_800
_MISSING: Final = object()
_EPOCH_SECONDS = re.compile(r"[0-9]{10}")


def text_field(row: Mapping[str, object], key: str) -> Text:
    """Return a text.

    UNKNOWN when it is none, or holds half a surrogate pair, which no file, database or terminal
    can.
    """
    value = row.get(key, UNKNOWN)
    if value is None:
        return None
    if not isinstance(value, str):
        return UNKNOWN
    return value if value.isascii() or encodable(value) else UNKNOWN


def encodable(text: str) -> bool:
    """Tell whether a text has no half surrogate pairs, which JSON can hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def trimmed(value: Text) -> Text:
    """Return the text without surrounding white space; None when nothing is left."""
    return value.strip() or None if isinstance(value, str) else value


def blank_is_none(value: Text) -> Text:
    """Return the value as it is, but None when it is only white space."""
    return None if isinstance(value, str) and not value.strip() else value


def flag_field(row: Mapping[str, object], key: str) -> Flag:
    """Return true, false or null; anything else is UNKNOWN."""
    value = row.get(key, UNKNOWN)
    return value if value is None or isinstance(value, bool) else UNKNOWN


def time_field(row: Mapping[str, object], key: str) -> Time:
    """Return whole epoch seconds UTC, written as a number or as digits; milliseconds are UNKNOWN.

    Source: Jobs API (all recorded answers).
    """
    value = row.get(key, UNKNOWN)
    if value is None:
        return None
    # Some answers write the number as a text.
    if isinstance(value, str) and _EPOCH_SECONDS.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and _EARLIEST <= value < _LATEST:
        return value
    return UNKNOWN


def tags_field(row: Mapping[str, object]) -> tuple[str, ...] | Literal[Unknown.UNKNOWN]:
    """Return the tags, () for null; UNKNOWN as a whole when any of them is not a text."""
    value = row.get("tags", UNKNOWN)
    if value is None:
        return ()
    if not isinstance(value, list):
        return UNKNOWN
    tags = tuple(tag for tag in value if isinstance(tag, str) and encodable(tag))
    return tags if len(tags) == len(value) else UNKNOWN


def custom_data_field(
    row: Mapping[str, object],
) -> Mapping[str, object] | Literal[Unknown.UNKNOWN] | None:
    """Return the mapping under custom-data (with the hyphen), without secrets.

    UNKNOWN when it is no mapping, or nested too deeply.
    """
    value = row.get("custom-data", UNKNOWN)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return UNKNOWN
    try:
        return redact_mapping(value)
    except AnswerError:
        return UNKNOWN


def counter(
    row: Mapping[str, object], name: str, *, absent: int | None = None
) -> int | Literal[Unknown.UNKNOWN]:
    """Return one of a build's job counters, `absent` when its key is missing."""
    counters = row.get("jobs")
    value = counters.get(name, absent) if isinstance(counters, Mapping) else None
    return (
        value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else UNKNOWN
    )


def total(*parts: int | Literal[Unknown.UNKNOWN]) -> int | Literal[Unknown.UNKNOWN]:
    """Return the sum, UNKNOWN when any part is."""
    known = [part for part in parts if isinstance(part, int)]
    return sum(known) if len(known) == len(parts) else UNKNOWN


def list_in(answer: object, key: str) -> list[object]:
    """Return the list under `key`, or the answer if it is a list itself.

    Raises AnswerError for anything else.
    """
    if isinstance(answer, Mapping):
        answer = answer.get(key, _MISSING)
    if not isinstance(answer, list):
        raise AnswerError(f"the answer is not a list of {key}")
    return answer
