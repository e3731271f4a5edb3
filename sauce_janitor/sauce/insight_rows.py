"""Parses JSON of the Insights API into values for display. Pure.

A field is its value, None where the API says null or nothing, UNKNOWN where it cannot be read. What
these values name may have been deleted since: nothing is changed because of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import UNKNOWN, Text, Time
from sauce_janitor.sauce.http.redact import redact_text
from sauce_janitor.sauce.insight_values import (
    Bucket,
    BuildItems,
    BuildsAndTests,
    Count,
    ErrorItems,
    ErrorTrends,
    InsightItem,
    InsightItems,
    Named,
    Number,
    Summary,
    Trends,
)
from sauce_janitor.sauce.json_fields import blank_is_none, flag_field, text_field, time_field

_ITEM_TEXTS: Final = (
    "owner",
    "name",
    "build",
    "status",
    "error",
    "os",
    "browser",
    "ancestor",
    "os_normalized",
    "browser_normalized",
)
_LONGEST_ID: Final = 255
_MOST_ROWS: Final = 100_000
_T = TypeVar("_T")


def parse_items(answer: object, what: str = "the answer") -> InsightItems:
    """Parse an object with `items` and `has_more`; a bad row is rejected with its reason.

    Raises AnswerError for anything else.
    """
    found = _object(answer, what)
    rows = _list(found.get("items"), f"the items of {what}")
    items, rejected = _each(rows, _item)
    return InsightItems(items, len(rows), rejected, _more(found))


def parse_summary(answer: object) -> Summary:
    """Parse Get Summary of Test Metrics. Raises AnswerError without readable `aggs`."""
    aggs = _object(_object(answer, "the answer").get("aggs"), "the answer's aggs")
    return Summary(
        count=_count(aggs),
        statuses=_counts(aggs.get("statuses"), "the statuses"),
        fastest=_one_item(aggs.get("fastestRun")),
        slowest=_one_item(aggs.get("slowestRun")),
        queue_time=number_field(aggs, "totalQueueTime"),
        run_time=number_field(aggs, "totalRunTime"),
    )


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


def number_field(row: Mapping[str, object], key: str) -> Number:
    """Return a number that is not negative, None for null or nothing."""
    value = row.get(key)
    if value is None:
        return None
    return (
        value
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        else UNKNOWN
    )


def _item(row: object) -> InsightItem:
    """Return the item, or raise ValueError with the reason."""
    found = _row(row)
    identity = found.get("id")
    if (
        not isinstance(identity, str)
        or not identity.strip()
        or len(identity) > _LONGEST_ID
        or not identity.isprintable()
    ):
        raise ValueError(f"no usable id: {identity!a:.80}")
    texts = {key: blank_is_none(_text(found, key)) for key in _ITEM_TEXTS}
    url = blank_is_none(_text(found, "details_url"))
    return InsightItem(
        id=identity,
        **texts,
        created_at=iso_field(found, "creation_time"),
        started_at=iso_field(found, "start_time"),
        ended_at=iso_field(found, "end_time"),
        duration_s=number_field(found, "duration"),
        expired=flag_field(found, "is_expired") if "is_expired" in found else None,
        details_url=redact_text(url) if isinstance(url, str) else url,
    )


def _one_item(value: object) -> InsightItem | None:
    if value is None or value == {}:
        return None
    try:
        return _item(value)
    except ValueError as error:
        raise AnswerError(f"the answer's fastest or slowest run cannot be read: {error}") from None


def _bucket(row: object) -> Bucket:
    found = _row(row)
    aggs = found.get("aggs")
    by = _object({} if aggs is None else aggs, "a bucket's aggs")
    return Bucket(
        at=iso_field(found, "timestamp"),
        count=_count(found),
        by={
            str(key): _named(value, f"a bucket's counts by {key!a:.80}")
            for key, value in by.items()
        },
    )


def _build(row: object) -> BuildItems:
    found = _row(row)
    aggs = _object(found.get("aggs") or {}, "a build's aggs")
    return BuildItems(
        name=blank_is_none(_text(found, "name")),
        tests=_count(found, "tests_count"),
        duration_s=number_field(found, "duration"),
        started_at=iso_field(found, "start_time"),
        ended_at=iso_field(found, "end_time"),
        statuses=_named(aggs.get("status") or [], "a build's statuses"),
        some=parse_items(
            {"items": found.get("tests"), "has_more": found.get("has_more")}, "a build"
        ),
    )


def _error(row: object) -> ErrorItems:
    found = _row(row)
    error = _text(found, "name")
    if not isinstance(error, str):
        raise ValueError(f"no readable error: {error!a:.80}")  # noqa: TRY004 - a bad row is a bad value, whatever its type
    return ErrorItems(error, _count(found), parse_items(found, "an error"))


def _text(row: Mapping[str, object], key: str) -> Text:
    """Return a text; Insights leaves out a field without a value."""
    return text_field(row, key) if key in row else None


def _count(row: Mapping[str, object], key: str = "count") -> Count:
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
        name, count = _text(found, "name"), _count(found)
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
