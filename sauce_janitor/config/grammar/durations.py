"""Types for durations and ages."""

from __future__ import annotations

from typing import Annotated, Final

from sauce_janitor.config.grammar.scalars import Parsed, kind_of
from sauce_janitor.config.source.problems import did_you_mean
from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.policies import Duration

# A shorter age is probably a typing error, such as `21s` for `21d`.
_DELETE_AT_LEAST_S: Final = 3600
# Longer is probably meant as `never`, which says so.
_DELETE_AT_MOST_YEARS: Final = 10
_FOREVER: Final = "forever"
_ALWAYS: Final = "always"
_DURATION_SCHEMA: Final = {
    "type": "string",
    "pattern": "^[0-9]+(s|min|h|d|w|mo|y)$",
    "examples": ["90min", "3d", "6mo"],
}
ELAPSED_SCHEMA: Final = {
    "type": "string",
    "pattern": "^[0-9]+(s|min|h|d|w)$",
    "examples": ["30s", "10min", "24h"],
}


def duration(value: object) -> Duration:
    """Return a duration of zero or more."""
    # A bare number goes on to `parse_duration`, whose message proposes a unit.
    if value is None or isinstance(value, bool | list | dict):
        raise ValueError(f"must be a duration such as 12h or 3d, not {kind_of(value)}")
    return parse_duration(value)


def positive(value: object) -> Duration:
    """Return a duration above zero."""
    read = duration(value)
    if not read.seconds and not read.months:
        raise ValueError(f"{read.text} is too short: write a duration above zero")
    return read


def elapsed(value: object) -> Duration:
    """Return a duration above zero, without months and years, which have no fixed length."""
    read = positive(value)
    if read.months:
        raise ValueError(f"{read.text} has no fixed length: use s, min, h, d or w here")
    return read


def _or_word(value: object, word: str) -> Duration:
    """Return a duration. The error for another text proposes `word` if it is similar."""
    try:
        return duration(value)
    except ValueError as error:
        near = did_you_mean(value, [word]) if isinstance(value, str) else ""
        raise ValueError(f"{error}{near}") from None


def archive_age(value: object) -> Duration:
    """Return the age at which something is stored."""
    return _or_word(value, "none")


def deletion_age(value: object) -> Duration:
    """Return the age at which something is deleted: at least an hour, at most ten years."""
    read = _or_word(value, "never")
    if not read.months and read.seconds < _DELETE_AT_LEAST_S:
        raise ValueError(f"{read.text} is too short for a delete: at least 1h")
    if (
        read.months > _DELETE_AT_MOST_YEARS * 12
        or read.seconds > _DELETE_AT_MOST_YEARS * 366 * 86_400
    ):
        raise ValueError(
            f"{read.text} is too long for a delete: at most {_DELETE_AT_MOST_YEARS}y, or `never`"
        )
    return read


def read_back_trust(value: object) -> Duration | None:
    """Return how long a copy that was read back is trusted; None for `always` reading it again."""
    if value == _ALWAYS:
        return None
    _or_word(value, _ALWAYS)
    return elapsed(value)


def holding_time(value: object) -> Duration | None:
    """Return how long the archive keeps something: at least an hour; None for `forever`."""
    if value == _FOREVER:
        return None
    read = _or_word(value, _FOREVER)
    if not read.months and read.seconds < _DELETE_AT_LEAST_S:
        raise ValueError(f"{read.text} is too short for the archive: at least 1h, or `{_FOREVER}`")
    return read


DurationTerm = Annotated[Duration, Parsed(duration, _DURATION_SCHEMA)]
PositiveDuration = Annotated[Duration, Parsed(positive, _DURATION_SCHEMA)]
ElapsedDuration = Annotated[
    Duration,
    Parsed(elapsed, ELAPSED_SCHEMA),
]
ArchiveAge = Annotated[Duration, Parsed(archive_age, _DURATION_SCHEMA)]
DeletionAge = Annotated[Duration, Parsed(deletion_age, _DURATION_SCHEMA)]
ReadBackTrust = Annotated[
    Duration | None,
    Parsed(
        read_back_trust,
        {"anyOf": [{"const": _ALWAYS}, ELAPSED_SCHEMA], "examples": [_ALWAYS, "7d"]},
    ),
]
HoldingTime = Annotated[
    Duration | None,
    Parsed(
        holding_time,
        {"anyOf": [_DURATION_SCHEMA, {"const": _FOREVER}], "examples": ["2y", _FOREVER]},
    ),
]
