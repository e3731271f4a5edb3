"""Insights for people and machines: one answer as a table, a JSON document and CSV rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from rich.console import Console

from sauce_janitor import report
from sauce_janitor.model.jobs import UNKNOWN
from sauce_janitor.sauce.insight_rows import (
    BuildItems,
    BuildsAndTests,
    ErrorItems,
    ErrorTrends,
    InsightItem,
    InsightItems,
    Summary,
    Trends,
)

_BY: Final = {"os": "System"}
ITEM_COLUMNS: Final = tuple(field.name for field in fields(InsightItem))
_TIMES: Final = frozenset({"created_at", "started_at", "ended_at", "at"})


@dataclass(frozen=True, slots=True)
class InsightOutput:
    """One answer: for JSON the `document`, for CSV `columns` and `rows`, and `show` prints tables.

    `notes` are what there is to say beside it, `rejected` why parts of the answer are not in it.
    """

    document: Mapping[str, Any]
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    show: Callable[[Console], None]
    notes: Sequence[str] = ()
    rejected: Sequence[str] = ()


def shown_tests(pages: Sequence[InsightItems], limit: int) -> InsightOutput:
    """Get Test Results, its pages in order."""
    items = [item for page in pages for item in page.items][:limit]
    more = bool(pages) and pages[-1].has_more is True
    rejected = [reason for page in pages for reason in page.rejected]
    rows = [_row(item) for item in items]
    return InsightOutput(
        {"items": rows, "has_more": more, "rejected": rejected},
        ITEM_COLUMNS,
        rows,
        lambda out: _show_tests(items, out),
        [f"There are more; these are the first {len(items):,}: see --limit."] if more else [],
        rejected,
    )


def shown_metrics(found: Summary) -> InsightOutput:
    """Get Summary of Test Metrics."""
    pairs = [
        ("count", _plain(found.count)),
        *((f"status {name}", count) for name, count in found.statuses),
    ]
    pairs += [
        ("total_queue_time", _plain(found.queue_time)),
        ("total_run_time", _plain(found.run_time)),
    ]
    ends = [
        (which, item)
        for which, item in (("fastest", found.fastest), ("slowest", found.slowest))
        if item
    ]
    pairs += [
        (f"{which}_{key}", _row(item)[key]) for which, item in ends for key in ("id", "duration_s")
    ]

    def show(out: Console) -> None:
        statuses = [report.Column(name.capitalize(), "number") for name, _ in found.statuses]
        columns = (
            report.Column("Test", "word"), report.Column("Runs", "number"), *statuses,
            report.Column("Mean wait", "number"), report.Column("Mean run time", "number"),
        )  # fmt: skip
        times = (_seconds(found.queue_time), _seconds(found.run_time))
        report.show_table(
            out, columns, [("all", found.count, *(count for _, count in found.statuses), *times)]
        )
        if ends:
            out.print()
            _show_items([item for _, item in ends], out, labels=[which for which, _ in ends])

    document = {
        "count": _plain(found.count),
        "statuses": dict(found.statuses),
        "fastest": _row(found.fastest) if found.fastest else None,
        "slowest": _row(found.slowest) if found.slowest else None,
        "total_queue_time": _plain(found.queue_time),
        "total_run_time": _plain(found.run_time),
    }
    return InsightOutput(
        document,
        ("metric", "value"),
        [{"metric": name, "value": value} for name, value in pairs],
        show,
    )


def shown_trends(found: Trends) -> InsightOutput:
    """Get Test Trends."""
    rows = [
        {
            "at": report.iso(_time(bucket.at)),
            "count": _plain(bucket.count),
            "by": by,
            "name": name,
            "tests": count,
        }
        for bucket in found.buckets
        for by, named in (bucket.by or {"": ()}).items()
        for name, count in named or (("", _plain(bucket.count)),)
    ]

    def show(out: Console) -> None:
        if not found.buckets:
            out.print("No test ran.")
            return
        statuses = list(
            dict.fromkeys(
                name for bucket in found.buckets for name, _ in bucket.by.get("status", ())
            )
        )
        headers = ("Tests", *(name.capitalize() for name in statuses))
        rows = []
        for bucket in found.buckets:
            counts = dict(bucket.by.get("status", ()))
            rows.append((bucket.at, bucket.count, *(counts.get(name, 0) for name in statuses)))
        ended = dict(found.totals.get("status", ()))
        tests = [bucket.count for bucket in found.buckets if isinstance(bucket.count, int)]
        whole = sum(tests) if len(tests) == len(found.buckets) else UNKNOWN
        report.show_table(
            out,
            (report.Column("From", "time"), *(report.Column(each, "number") for each in headers)),
            rows,
            footer=("all", whole, *(ended.get(name, 0) for name in statuses)),
        )
        for by, named in sorted(found.totals.items()):
            if by != "status":
                out.print()
                report.show_table(
                    out,
                    (report.Column(_BY.get(by, by.capitalize())), report.Column("Tests", "number")),
                    named,
                )

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
    return InsightOutput(
        document, ("at", "count", "by", "name", "tests"), rows, show, (), found.rejected
    )


def shown_builds(found: BuildsAndTests) -> InsightOutput:
    """Get Builds and Tests: the tests without a build are a row with no name."""
    rows = [_build_row(build) for build in found.builds]
    without = found.without_build
    loose: dict[str, Any] = {
        "name": None,
        "tests": len(without.items),
        "statuses": {},
        "has_more": without.has_more,
    }
    columns = ("name", "tests", "started_at", "ended_at", "duration_s", "statuses")
    flat = [
        {**row, "statuses": [f"{name} {count}" for name, count in row["statuses"].items()]}
        for row in (*rows, *([loose] if without.items else []))
    ]

    def show(out: Console) -> None:
        if found.builds:
            columns = (
                report.Column("Build"),
                report.Column("Tests", "number"),
                report.Column("Started", "time", 1),
                report.Column("Took", "word", 2),
                report.Column("Ended as", "prose"),
            )
            report.show_table(
                out, columns, map(_build_cells, found.builds), footer=_all_builds(found.builds)
            )
        if without.items:
            out.print("\nWithout a build" if found.builds else "Without a build", style="bold")
            _show_items(without.items, out)
        if not found.builds and not without.items:
            out.print("No test ran.")

    notes = (
        ["There are more builds; Insights gives no more at once: ask for a shorter time."]
        if found.has_more
        else []
    )
    rejected = [
        *found.rejected,
        *(why for build in found.builds for why in build.some.rejected),
        *without.rejected,
    ]
    document = {
        "builds": [
            {**row, "items": [_row(item) for item in build.some.items]}
            for row, build in zip(rows, found.builds, strict=True)
        ],
        "has_more": found.has_more,
        "without_build": {
            "items": [_row(item) for item in without.items],
            "has_more": without.has_more,
        },
        "rejected": rejected,
    }
    return InsightOutput(document, columns, flat, show, notes, rejected)


def shown_errors(found: ErrorTrends) -> InsightOutput:
    """Get Error Trends."""

    def row(error: ErrorItems) -> dict[str, Any]:
        return {
            "error": error.error,
            "tests": _plain(error.count),
            "jobs": [item.id for item in error.some.items],
        }

    def show(out: Console) -> None:
        if not found.errors:
            out.print("No test ended by an error.")
            return
        columns = (
            report.Column("Tests", "number"),
            report.Column("Error", "prose"),
            report.Column("For example", "id"),
        )
        rows = (
            (
                error.count,
                " ".join(error.error.split()),
                error.some.items[0].id if error.some.items else None,
            )
            for error in found.errors
        )
        report.show_table(out, columns, rows)

    rejected = [*found.rejected, *(why for error in found.errors for why in error.some.rejected)]
    document = {
        "errors": [
            {
                **row(error),
                "items": [_row(item) for item in error.some.items],
                "has_more": error.some.has_more,
            }
            for error in found.errors
        ],
        "rejected": rejected,
    }
    return InsightOutput(
        document,
        ("error", "tests", "jobs"),
        [row(error) for error in found.errors],
        show,
        (),
        rejected,
    )


def _row(item: InsightItem) -> dict[str, Any]:
    """An item for machines: times as ISO 8601, null for what there is not and what cannot be
    read.
    """
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


def _all_builds(builds: Sequence[BuildItems]) -> tuple[object, ...]:
    """The sums of all builds, as a row."""
    tests = [build.tests for build in builds if isinstance(build.tests, int)]
    ends: Counter[str] = Counter()
    for build in builds:
        ends.update(dict(build.statuses))
    return "all", sum(tests) if len(tests) == len(builds) else UNKNOWN, "", "", _counted(ends)


def _counted(ends: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in ends.items())


def _show_tests(items: Sequence[InsightItem], out: Console) -> None:
    """Print the tests, and how many of them ended how."""
    if not items:
        out.print("No test ran.")
        return
    _show_items(items, out)
    ends = Counter(item.status if isinstance(item.status, str) else "unknown" for item in items)
    report.say(out, f"{len(items):,} tests: {_counted(dict(ends.most_common()))}")


def _build_cells(build: BuildItems) -> tuple[object, ...]:
    return (
        build.name,
        build.tests,
        build.started_at,
        _took(build.duration_s),
        _counted(dict(build.statuses)),
    )


def _show_items(items: Sequence[InsightItem], out: Console, labels: Sequence[str] = ()) -> None:
    """Print as many columns as there is room for: the id, how it ended, its build and its name
    always.
    """
    columns = (
        report.Column("Job", "id"),
        report.Column("Status", "word"),
        report.Column("Owner", rank=3),
        report.Column("Created", "time", 1),
        report.Column("Took", "word", 2),
        report.Column("Build"),
        report.Column("Platform", rank=4),
        report.Column("Name"),
    )
    rows = [
        (
            item.id,
            item.status,
            item.owner,
            item.created_at,
            _took(item.duration_s),
            item.build,
            _platform(item),
            item.name,
        )
        for item in items
    ]
    if not labels:
        report.show_table(out, columns, rows)
        return
    labelled = [(label, *row) for label, row in zip(labels, rows, strict=True)]
    report.show_table(out, (report.Column("", "word"), *columns), labelled)


def _took(duration_s: object) -> str:
    return report.span(duration_s) if isinstance(duration_s, int | float) else "-"


def _platform(item: InsightItem) -> str:
    return ", ".join(str(each) for each in (item.os, item.browser) if isinstance(each, str)) or "-"


def _plain(value: object) -> Any:
    return None if value is UNKNOWN else value


def _time(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _seconds(value: object) -> object:
    """A mean of seconds: exact below a minute, where a rounded one would say nothing."""
    if not isinstance(value, int | float):
        return value
    return f"{value:,.3g} s" if value < 60 else report.span(value)
