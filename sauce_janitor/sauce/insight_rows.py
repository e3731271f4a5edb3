"""Parses JSON of the Insights API into values for display. Pure.

A field is its value, None where the API says null or nothing, UNKNOWN where it cannot be read. What
these values name may have been deleted since: nothing is changed because of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, TypeVar

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import UNKNOWN, Text, Time
from sauce_janitor.sauce.http.redact import redact_text
from sauce_janitor.sauce.insight_columns import (
    BUCKET,
    BUILD,
    ERROR,
    ITEM,
    SUMMARY,
    InsightColumn,
    InsightRow,
    ValueKind,
)
from sauce_janitor.sauce.insight_values import (
    BuildsAndTests,
    ErrorTrends,
    InsightGroup,
    InsightItems,
    Named,
    Trends,
)
from sauce_janitor.sauce.json_fields import blank_is_none, flag_field, text_field, time_field

_LONGEST_ID: Final = 255
_MOST_ROWS: Final = 100_000
_T = TypeVar("_T")
_Found: TypeAlias = Mapping[str, object]


def parse_items(answer: object, what: str = "the answer") -> InsightItems:
    """Parse an object with `items` and `has_more`; a bad row is rejected with its reason.

    Raises AnswerError for anything else.
    """
    found = _object(answer, what)
    rows = _list(found.get("items"), f"the items of {what}")
    items, rejected = _each(rows, _item)
    return InsightItems(items, len(rows), rejected, _more(found))


def parse_summary(answer: object) -> InsightRow:
    """Parse Get Summary of Test Metrics. Raises AnswerError without readable `aggs`."""
    aggs = _object(_object(answer, "the answer").get("aggs"), "the answer's aggs")
    return _values(aggs, SUMMARY)


def parse_trends(answer: object) -> Trends:
    """Parse Get Test Trends. Raises AnswerError without a list of buckets."""
    found = _object(answer, "the answer")
    buckets, rejected = _each(_list(found.get("buckets"), "the answer's buckets"), _bucket)
    totals = found.get("metrics")
    by = _object({} if totals is None else totals, "the answer's metrics")
    return Trends(
        buckets,
        {str(key): _counts(value, f"the counts by {key!a:.80}") for key, value in by.items()},
        rejected,
    )


def parse_builds_and_tests(answer: object) -> BuildsAndTests:
    """Parse Get Builds and Tests. Raises AnswerError without a list of builds."""
    found = _object(answer, "the answer")
    section = _object(found.get("builds"), "the answer's builds")
    builds, rejected = _each(
        _list(section.get("items"), "the items of the answer's builds"), _build
    )
    without = parse_items(found.get("tests_missing_build"), "the tests without a build")
    return BuildsAndTests(builds, _more(section), without, rejected)


def parse_errors(answer: object) -> ErrorTrends:
    """Parse Get Error Trends. Raises AnswerError without a list of buckets."""
    errors, rejected = _each(
        _list(_object(answer, "the answer").get("buckets"), "the answer's buckets"), _error
    )
    return ErrorTrends(errors, rejected)


def iso_field(row: Mapping[str, object], key: str) -> Time:
    """Return the epoch seconds of a date as Insights writes it, or of epoch seconds.

    A date is `2017-03-01T12:13:39Z`, also with milliseconds.
    """
    value = row.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, str) and not value.isdecimal():
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return UNKNOWN
        # A date without a time zone is no point in time.
        if moment.tzinfo is None:
            return UNKNOWN
        value = int(moment.astimezone(UTC).timestamp())
    return time_field({key: value}, key)


def _values(found: _Found, columns: Sequence[InsightColumn]) -> InsightRow:
    """Return the row's value of each column, or raise ValueError with the reason."""
    row: dict[str, Any] = {}
    for column in columns:
        outer, _, inner = column.path.rpartition(".")
        holder = _object(found.get(outer) or {}, "a build's aggs") if outer else found
        row[column.name] = _READERS[column.kind](holder, inner, column.what)
    return row


def _id(found: _Found, key: str, _: str) -> str:
    identity = found.get(key)
    if (
        not isinstance(identity, str)
        or not identity.strip()
        or len(identity) > _LONGEST_ID
        or not identity.isprintable()
    ):
        raise ValueError(f"no usable id: {identity!a:.80}")
    return identity


def _number(found: _Found, key: str, _: str) -> object:
    """Return a number that is not negative, None for null or nothing."""
    value = found.get(key)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and value >= 0 else UNKNOWN  # type: ignore[operator]  # a number


def _flag(found: _Found, key: str, _: str) -> object:
    return flag_field(found, key) if key in found else None


def _address(found: _Found, key: str, _: str) -> object:
    url = blank_is_none(_text(found, key))
    return redact_text(url) if isinstance(url, str) else url


def _by(found: _Found, key: str, what: str) -> Mapping[str, Named]:
    value = found.get(key)
    by = _object({} if value is None else value, f"{what} aggs")
    return {str(name): _named(each, f"{what} counts by {name!a:.80}") for name, each in by.items()}


def _item(row: object) -> InsightRow:
    """Return the item, or raise ValueError with the reason."""
    return _values(_row(row), ITEM)


def _one_item(value: object) -> InsightRow | None:
    if value is None or value == {}:
        return None
    try:
        return _item(value)
    except ValueError as error:
        raise AnswerError(f"the answer's fastest or slowest run cannot be read: {error}") from None


def _bucket(row: object) -> InsightRow:
    return _values(_row(row), BUCKET)


def _build(row: object) -> InsightGroup:
    found = _row(row)
    tests = {"items": found.get("tests"), "has_more": found.get("has_more")}
    return InsightGroup(_values(found, BUILD), parse_items(tests, "a build"))


def _error(row: object) -> InsightGroup:
    found = _row(row)
    error = _text(found, "name")
    # The text is what the row is about: here it is never absent, and a blank one stays.
    if not isinstance(error, str):
        raise ValueError(f"no readable error: {error!a:.80}")  # noqa: TRY004 - a bad row is a bad value, whatever its type
    values = {**_values(found, ERROR), "error": error}
    return InsightGroup(values, parse_items(found, "an error"))


def _text(row: Mapping[str, object], key: str) -> Text:
    """Return a text; Insights leaves out a field without a value."""
    return text_field(row, key) if key in row else None


def _count(row: _Found, key: str) -> object:
    value = row.get(key)
    return (
        value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else UNKNOWN
    )


def _counts(value: object, what: str) -> Named:
    """Return an object of names and counts."""
    return _named(
        [{"name": key, "count": count} for key, count in _object(value or {}, what).items()], what
    )


def _named(value: object, what: str) -> Named:
    """Return an array of objects with `name` and `count`.

    Raises AnswerError for anything else: a sum over a part of them would be wrong.
    """
    pairs = []
    for row in _list(value, what):
        found = _object(row, f"one of {what}")
        name, count = _text(found, "name"), _count(found, "count")
        if not isinstance(name, str) or not isinstance(count, int):
            raise AnswerError(f"{what} cannot be read: {row!a:.80}")
        pairs.append((name, count))
    return tuple(pairs)


def _more(found: Mapping[str, object]) -> bool | None:
    value = found.get("has_more")
    if value is None or isinstance(value, bool):
        return value
    raise AnswerError(f"the answer says neither yes nor no of whether there is more: {value!a:.80}")


def _each(
    rows: list[object], parse: Callable[[object], _T]
) -> tuple[tuple[_T, ...], tuple[str, ...]]:
    found: list[_T] = []
    rejected: list[str] = []
    for number, row in enumerate(rows):
        try:
            found.append(parse(row))
        except ValueError as error:
            rejected.append(f"row {number}: {error}")
    return tuple(found), tuple(rejected)


def _row(row: object) -> Mapping[str, object]:
    if not isinstance(row, Mapping):
        raise ValueError("not an object")  # noqa: TRY004 - a bad row is a bad value, whatever its type
    return row


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise AnswerError(f"{what} is not an object: {value!a:.80}")
    return value


def _list(value: object, what: str) -> list[object]:
    if not isinstance(value, list):
        raise AnswerError(f"{what} is not a list: {value!a:.80}")
    if len(value) > _MOST_ROWS:
        raise AnswerError(f"{what} has {len(value):,} rows, more than {_MOST_ROWS:,}")
    return value


_READERS: Final[Mapping[ValueKind, Callable[[_Found, str, str], object]]] = {
    "id": _id,
    "text": lambda found, key, _: blank_is_none(_text(found, key)),
    "time": lambda found, key, _: iso_field(found, key),
    "number": _number,
    "count": lambda found, key, _: _count(found, key),
    "flag": _flag,
    "address": _address,
    "named": lambda found, key, what: _named(found.get(key) or [], what),
    "counts": lambda found, key, what: _counts(found.get(key), what),
    "item": lambda found, key, _: _one_item(found.get(key)),
    "by": _by,
}
"""How a value of each kind is read: from which object, by which key, and its name in an error."""
