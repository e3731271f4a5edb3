"""An answer of Insights as a table for people, a JSON document and CSV rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from rich.console import Console

from sauce_janitor import report
from sauce_janitor.cli.jobs.insight_items import (
    ITEM_COLUMNS,
    all_builds_cells,
    build_cells,
    build_row,
    item_row,
    known,
    known_time,
    mean_text,
    show_items,
    show_tests,
)
from sauce_janitor.model.jobs import UNKNOWN
from sauce_janitor.sauce.insight_values import (
    BuildsAndTests,
    ErrorItems,
    ErrorTrends,
    InsightItems,
    Summary,
    Trends,
)

_HEADERS: Final = {"os": "System"}


@dataclass(frozen=True, slots=True)
class InsightOutput:
    """One answer: `document` for JSON, `columns` and `rows` for CSV; `show` prints the tables.

    `notes` are printed beside it. `rejected` says why parts of the answer are left out.
    """

    document: Mapping[str, Any]
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    show: Callable[[Console], None]
    notes: Sequence[str] = ()
    rejected: Sequence[str] = ()


def shown_tests(pages: Sequence[InsightItems], limit: int) -> InsightOutput:
    """Return the output of Get Test Results, whose `pages` are in order."""
    items = list(chain.from_iterable(page.items for page in pages))[:limit]
    more = bool(pages) and pages[-1].has_more is True
    rejected = list(chain.from_iterable(page.rejected for page in pages))
    rows = [item_row(item) for item in items]
    return InsightOutput(
        {"items": rows, "has_more": more, "rejected": rejected},
        ITEM_COLUMNS,
        rows,
        lambda out: show_tests(items, out),
        [f"There are more; these are the first {len(items):,}: see --limit."] if more else [],
        rejected,
    )


def shown_metrics(found: Summary) -> InsightOutput:
    """Return the output of Get Summary of Test Metrics."""
    pairs = [
        ("count", known(found.count)),
        *((f"status {name}", count) for name, count in found.statuses),
    ]
    pairs += [
        ("total_queue_time", known(found.queue_time)),
        ("total_run_time", known(found.run_time)),
    ]
    ends = [
        (which, item)
        for which, item in (("fastest", found.fastest), ("slowest", found.slowest))
        if item
    ]
    for which, item in ends:
        row = item_row(item)
        pairs += [(f"{which}_id", row["id"]), (f"{which}_duration_s", row["duration_s"])]

    def show(out: Console) -> None:
        statuses = [report.Column(name.capitalize(), "number") for name, _ in found.statuses]
        columns = (
            report.Column("Test", "word"), report.Column("Runs", "number"), *statuses,
            report.Column("Mean wait", "number"), report.Column("Mean run time", "number"),
        )  # fmt: skip
        times = (mean_text(found.queue_time), mean_text(found.run_time))
        report.show_table(
            out, columns, [("all", found.count, *(count for _, count in found.statuses), *times)]
        )
        if ends:
            out.print()
            show_items([item for _, item in ends], out, labels=[which for which, _ in ends])

    document = {
        "count": known(found.count),
        "statuses": dict(found.statuses),
        "fastest": item_row(found.fastest) if found.fastest else None,
        "slowest": item_row(found.slowest) if found.slowest else None,
        "total_queue_time": known(found.queue_time),
        "total_run_time": known(found.run_time),
    }
    return InsightOutput(
        document,
        ("metric", "value"),
        [{"metric": name, "value": value} for name, value in pairs],
        show,
    )


def shown_trends(found: Trends) -> InsightOutput:
    """Return the output of Get Test Trends."""
    rows: list[dict[str, Any]] = []
    for bucket in found.buckets:
        at, all_tests = report.iso(known_time(bucket.at)), known(bucket.count)
        # A bucket without names is still a row, with the count of all its tests.
        for by, named in (bucket.by or {"": ()}).items():
            rows += [
                {"at": at, "count": all_tests, "by": by, "name": name, "tests": count}
                for name, count in named or (("", all_tests),)
            ]

    def show(out: Console) -> None:
        if not found.buckets:
            out.print("No test ran.")
            return
        by_status = chain.from_iterable(bucket.by.get("status", ()) for bucket in found.buckets)
        statuses = list(dict.fromkeys(name for name, _ in by_status))
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
                    (
                        report.Column(_HEADERS.get(by, by.capitalize())),
                        report.Column("Tests", "number"),
                    ),
                    named,
                )

    document = {
        "buckets": [
            {
                "at": report.iso(known_time(b.at)),
                "count": known(b.count),
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
    """Return the output of Get Builds and Tests: tests without a build are a row with no name."""
    rows = [build_row(build) for build in found.builds]
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
                report.Column("Results", "prose"),
            )
            report.show_table(
                out, columns, map(build_cells, found.builds), footer=all_builds_cells(found.builds)
            )
        if without.items:
            out.print("\nWithout a build" if found.builds else "Without a build", style="bold")
            show_items(without.items, out)
        if not found.builds and not without.items:
            out.print("No test ran.")

    notes = (
        ["There are more builds than Insights returns at once: use a shorter time range."]
        if found.has_more
        else []
    )
    rejected = [
        *found.rejected,
        *chain.from_iterable(build.some.rejected for build in found.builds),
        *without.rejected,
    ]
    document = {
        "builds": [
            {**row, "items": [item_row(item) for item in build.some.items]}
            for row, build in zip(rows, found.builds, strict=True)
        ],
        "has_more": found.has_more,
        "without_build": {
            "items": [item_row(item) for item in without.items],
            "has_more": without.has_more,
        },
        "rejected": rejected,
    }
    return InsightOutput(document, columns, flat, show, notes, rejected)


def shown_errors(found: ErrorTrends) -> InsightOutput:
    """Return the output of Get Error Trends."""

    def row(error: ErrorItems) -> dict[str, Any]:
        return {
            "error": error.error,
            "tests": known(error.count),
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

    rejected = [
        *found.rejected,
        *chain.from_iterable(error.some.rejected for error in found.errors),
    ]
    document = {
        "errors": [
            {
                **row(error),
                "items": [item_row(item) for item in error.some.items],
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
