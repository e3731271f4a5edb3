"""Insights for people and machines: one answer as a table, a JSON document and CSV rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.text import Text

from sauce_janitor import report
from sauce_janitor.retention.model import UNKNOWN
from sauce_janitor.sauce.insight_items import (
    BuildItems,
    BuildsAndTests,
    ErrorItems,
    ErrorTrends,
    Item,
    Items,
    Named,
    Summary,
    Trends,
)

ITEM_COLUMNS: Final = tuple(field.name for field in fields(Item))
_TIMES: Final = frozenset({"created_at", "started_at", "ended_at", "at"})
_WIDE: Final = 120


@dataclass(frozen=True, slots=True)
class Shown:
    """One answer: for JSON the `document`, for CSV `columns` and `rows`, and `tables` made for a width.

    `notes` are what there is to say beside it, `rejected` why parts of the answer are not in it.
    """

    document: Mapping[str, Any]
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    tables: Callable[[Console], Iterable[RenderableType]]
    notes: Sequence[str] = ()
    rejected: Sequence[str] = ()


def shown_tests(pages: Sequence[Items], limit: int) -> Shown:
    """Get Test Results, its pages in order."""
    items = [item for page in pages for item in page.items][:limit]
    more = bool(pages) and pages[-1].has_more is True
    rejected = [reason for page in pages for reason in page.rejected]
    rows = [_row(item) for item in items]
    return Shown(
        {"items": rows, "has_more": more, "rejected": rejected},
        ITEM_COLUMNS,
        rows,
        lambda out: [_items_table(items, out)] if items else [_none("No test ran.")],
        [f"There are more; these are the first {len(items):,}: see --limit."] if more else [],
        rejected,
    )


def shown_metrics(found: Summary) -> Shown:
    """Get Summary of Test Metrics."""
    pairs = [("count", _plain(found.count)), *((f"status {name}", count) for name, count in found.statuses)]
    pairs += [("total_queue_time", _plain(found.queue_time)), ("total_run_time", _plain(found.run_time))]
    ends = [(which, item) for which, item in (("fastest", found.fastest), ("slowest", found.slowest)) if item]
    pairs += [(f"{which}_{key}", _row(item)[key]) for which, item in ends for key in ("id", "duration_s")]

    def tables(out: Console) -> Iterator[RenderableType]:
        table = report.plain_table("Test", "Runs", *(name.capitalize() for name, _ in found.statuses), "Mean run time")
        table.add_row(
            "all", _number(found.count), *(f"{count:,}" for _, count in found.statuses), _number(found.run_time)
        )
        yield table
        if ends:
            yield Text()
            yield _items_table([item for _, item in ends], out, labels=[which for which, _ in ends])

    document = {
        "count": _plain(found.count),
        "statuses": dict(found.statuses),
        "fastest": _row(found.fastest) if found.fastest else None,
        "slowest": _row(found.slowest) if found.slowest else None,
        "total_queue_time": _plain(found.queue_time),
        "total_run_time": _plain(found.run_time),
    }
    return Shown(document, ("metric", "value"), [{"metric": name, "value": value} for name, value in pairs], tables)


def shown_trends(found: Trends) -> Shown:
    """Get Test Trends."""
    rows = [
        {"at": report.iso(_time(bucket.at)), "count": _plain(bucket.count), "by": by, "name": name, "tests": count}
        for bucket in found.buckets
        for by, named in (bucket.by or {"": ()}).items()
        for name, count in named or (("", _plain(bucket.count)),)
    ]

    def tables(_out: Console) -> Iterator[RenderableType]:
        if not found.buckets:
            yield _none("No test ran.")
            return
        statuses = list(dict.fromkeys(name for bucket in found.buckets for name, _ in bucket.by.get("status", ())))
        table = report.plain_table("From", "Tests", *(name.capitalize() for name in statuses))
        for bucket in found.buckets:
            counts = dict(bucket.by.get("status", ()))
            table.add_row(
                report.when(_time(bucket.at)), _number(bucket.count), *(f"{counts.get(name, 0):,}" for name in statuses)
            )
        yield table
        for by, named in sorted(found.totals.items()):
            if by != "status":
                yield Text()
                yield _named_table(by.capitalize(), named)

    document = {
        "buckets": [
            {
                "at": report.iso(_time(b.at)),
                "count": _plain(b.count),
                "by": {by: dict(named) for by, named in b.by.items()},
            }
            for b in found.buckets
        ],
        "totals": {by: dict(named) for by, named in found.totals.items()},
        "rejected": list(found.rejected),
    }
    return Shown(document, ("at", "count", "by", "name", "tests"), rows, tables, (), found.rejected)


def shown_builds(found: BuildsAndTests) -> Shown:
    """Get Builds and Tests: the tests without a build are a row with no name."""
    rows = [_build_row(build) for build in found.builds]
    without = found.without_build
    loose: dict[str, Any] = {"name": None, "tests": len(without.items), "statuses": {}, "has_more": without.has_more}
    columns = ("name", "tests", "started_at", "ended_at", "duration_s", "statuses")
    flat = [
        {**row, "statuses": [f"{name} {count}" for name, count in row["statuses"].items()]}
        for row in (*rows, *([loose] if without.items else []))
    ]

    def tables(out: Console) -> Iterator[RenderableType]:
        if not found.builds and not without.items:
            yield _none("No test ran.")
            return
        table = report.plain_table("Build", "Tests", "Started", "Took", "Ended as", numbers=False)
        for build in found.builds:
            took = report.span(build.duration_s) if isinstance(build.duration_s, int | float) else "-"
            ends = ", ".join(f"{count:,} {name}" for name, count in build.statuses)
            cells = (
                _text(build.name),
                _number(build.tests),
                report.when(_time(build.started_at)),
                took,
                report.clean(ends),
            )
            table.add_row(*cells)
        yield table
        if without.items:
            yield Text("\nWithout a build", style="bold")
            yield _items_table(without.items, out)

    notes = ["There are more builds; Insights gives no more at once: ask for a shorter time."] if found.has_more else []
    rejected = [*found.rejected, *(why for build in found.builds for why in build.some.rejected), *without.rejected]
    document = {
        "builds": [
            {**row, "items": [_row(item) for item in build.some.items]}
            for row, build in zip(rows, found.builds, strict=True)
        ],
        "has_more": found.has_more,
        "without_build": {"items": [_row(item) for item in without.items], "has_more": without.has_more},
        "rejected": rejected,
    }
    return Shown(document, columns, flat, tables, notes, rejected)


def shown_errors(found: ErrorTrends) -> Shown:
    """Get Error Trends."""

    def row(error: ErrorItems) -> dict[str, Any]:
        return {"error": error.error, "tests": _plain(error.count), "jobs": [item.id for item in error.some.items]}

    def tables(_out: Console) -> Iterator[RenderableType]:
        if not found.errors:
            yield _none("No test ended by an error.")
            return
        table = report.plain_table("Tests", "Error", "For example", numbers=False)
        for error in found.errors:
            some = error.some.items[0].id if error.some.items else "-"
            table.add_row(_number(error.count), report.clean(" ".join(error.error.split())), report.clean(some))
        yield table

    rejected = [*found.rejected, *(why for error in found.errors for why in error.some.rejected)]
    document = {
        "errors": [
            {**row(error), "items": [_row(item) for item in error.some.items], "has_more": error.some.has_more}
            for error in found.errors
        ],
        "rejected": rejected,
    }
    return Shown(document, ("error", "tests", "jobs"), [row(error) for error in found.errors], tables, (), rejected)


def _row(item: Item) -> dict[str, Any]:
    """An item for machines: times as ISO 8601, null for what there is not and what cannot be read."""
    found = {name: _plain(getattr(item, name)) for name in ITEM_COLUMNS}
    return {name: report.iso(value) if name in _TIMES else value for name, value in found.items()}


def _build_row(build: BuildItems) -> dict[str, Any]:
    return {
        "name": _plain(build.name),
        "tests": _plain(build.tests),
        "started_at": report.iso(_time(build.started_at)),
        "ended_at": report.iso(_time(build.ended_at)),
        "duration_s": _plain(build.duration_s),
        "statuses": dict(build.statuses),
        "has_more": build.some.has_more,
    }


def _items_table(items: Sequence[Item], out: Console, labels: Sequence[str] = ()) -> RenderableType:
    """As many columns as there is room for: the id and how it ended always."""
    columns: list[tuple[str, Callable[[Item], str]]] = [
        ("Job", lambda item: report.clean(item.id)),
        ("Status", lambda item: _text(item.status)),
    ]
    if out.width >= _WIDE:
        columns += [
            ("Owner", lambda item: _text(item.owner)),
            ("Created", lambda item: report.when(_time(item.created_at))),
            ("Took", lambda item: report.span(item.duration_s) if isinstance(item.duration_s, int | float) else "-"),
            ("Build", lambda item: _text(item.build)),
            ("Platform", lambda item: f"{_text(item.os)}, {_text(item.browser)}"),
        ]
    columns.append(("Name", lambda item: _text(item.name)))
    headers = [header for header, _ in columns]
    table = report.plain_table(*([""] if labels else []), *headers, numbers=False)
    for at, item in enumerate(items):
        table.add_row(*labels[at : at + 1], *(value(item) for _, value in columns))
    return table


def _named_table(header: str, named: Named) -> RenderableType:
    table = report.plain_table(report.clean(header), "Tests")
    for name, count in named:
        table.add_row(report.clean(name), f"{count:,}")
    return table


def _none(words: str) -> Text:
    return Text(words)


def _plain(value: object) -> Any:
    return None if value is UNKNOWN else value


def _time(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: object) -> str:
    return "?" if value is UNKNOWN else "-" if value is None else report.clean(value)


def _number(value: object) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else _text(value)
