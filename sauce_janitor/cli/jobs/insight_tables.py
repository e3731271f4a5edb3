"""An answer of Insights as a table for people, a JSON document and CSV rows.

Which values there are, and their headings, is said once, in `sauce.insight_columns`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, Final

from rich.console import Console

from sauce_janitor import report
from sauce_janitor.cli.jobs.insight_cells import (
    BUCKET_SHAPE,
    BUILD_COLUMNS,
    BUILD_SHAPE,
    ERROR_COLUMNS,
    ERROR_SHAPE,
    ITEM_SHAPE,
    SUMMARY_SHAPE,
    counts_text,
    headed,
    show_items,
    show_rows_of,
    table_column,
)
from sauce_janitor.json_output import Shape, key, to_json
from sauce_janitor.model.jobs import UNKNOWN
from sauce_janitor.sauce.insight_columns import (
    BUCKET,
    BUILD,
    ERROR,
    SUMMARY,
    InsightRow,
)
from sauce_janitor.sauce.insight_values import BuildsAndTests, ErrorTrends, InsightItems, Trends

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
    rows = list(ITEM_SHAPE.rows(items))
    return InsightOutput(
        {"items": rows, "has_more": more, "rejected": rejected},
        ITEM_SHAPE.names,
        rows,
        partial(_show_tests, items),
        [f"There are more than {len(items):,}: see --limit."] if more else [],
        rejected,
    )


def _show_tests(items: Sequence[InsightRow], out: Console) -> None:
    """Print the tests, and how many have each status."""
    if not items:
        out.print("No test ran.")
        return
    show_items(items, out)
    statuses = (item["status"] for item in items)
    ends = Counter(each if isinstance(each, str) else "unknown" for each in statuses)
    report.say(
        out, f"{report.counted(len(items), 'test')}: {counts_text(dict(ends.most_common()))}"
    )


def shown_metrics(found: InsightRow, test: str) -> InsightOutput:
    """Return the output of Get Summary of Test Metrics for the test of this name."""
    document = SUMMARY_SHAPE.row(found)
    pairs = {"count": document["count"]}
    pairs |= {f"status {name}": count for name, count in found["statuses"]}
    pairs |= {name: document[name] for name in ("total_queue_time", "total_run_time")}
    for which in ("fastest", "slowest"):
        if item := document[which]:
            pairs |= {f"{which}_id": item["id"], f"{which}_duration_s": item["duration_s"]}
    rows = [{"metric": name, "value": value} for name, value in pairs.items()]
    return InsightOutput(document, ("metric", "value"), rows, partial(_show_metrics, found, test))


def _show_metrics(found: InsightRow, test: str, out: Console) -> None:
    # Means of no runs would be zeros.
    if not found["count"]:
        report.say(out, f"No test named {test!r} ran in this time.")
        return
    runs, *means = map(table_column, headed(SUMMARY))
    statuses = [report.Column(name.capitalize(), "number") for name, _ in found["statuses"]]
    counts = (count for _, count in found["statuses"])
    times = (_mean_text(found["total_queue_time"]), _mean_text(found["total_run_time"]))
    columns = (report.Column("Test"), runs, *statuses, *means)
    report.show_table(out, columns, [(test, found["count"], *counts, *times)])
    ends = [which for which in ("fastest", "slowest") if found[which]]
    if ends:
        out.print()
        show_items([found[which] for which in ends], out, labels=ends)


def _mean_text(value: object) -> object:
    """Return a mean of seconds as text, with three digits below a minute."""
    if not isinstance(value, int | float):
        return value
    return f"{value:,.3g} s" if value < 60 else report.span(value)


def shown_trends(found: Trends) -> InsightOutput:
    """Return the output of Get Test Trends."""
    buckets = list(BUCKET_SHAPE.rows(found.buckets))
    rows: list[dict[str, Any]] = []
    for bucket in buckets:
        at, all_tests = bucket["at"], bucket["count"]
        # A bucket without names is still a row, with the count of all its tests.
        for by, named in (bucket["by"] or {"": {}}).items():
            rows += [
                {"at": at, "count": all_tests, "by": by, "name": name, "tests": count}
                for name, count in (named or {"": all_tests}).items()
            ]
    document = {
        "buckets": buckets,
        "totals": {by: dict(named) for by, named in found.totals.items()},
        "rejected": list(found.rejected),
    }
    columns = ("at", "count", "by", "name", "tests")
    return InsightOutput(document, columns, rows, partial(_show_trends, found), (), found.rejected)


def _show_trends(found: Trends, out: Console) -> None:
    if not found.buckets:
        out.print("No test ran.")
        return
    by_status = chain.from_iterable(bucket["by"].get("status", ()) for bucket in found.buckets)
    statuses = list(dict.fromkeys(name for name, _ in by_status))
    rows = []
    for bucket in found.buckets:
        counts = dict(bucket["by"].get("status", ()))
        rows.append((bucket["at"], bucket["count"], *(counts.get(name, 0) for name in statuses)))
    ended = dict(found.totals.get("status", ()))
    tests = [each["count"] for each in found.buckets]
    columns = [*map(table_column, headed(BUCKET))]
    columns += [report.Column(name.capitalize(), "number") for name in statuses]
    footer = ("Total", _total(tests), *(ended.get(name, 0) for name in statuses))
    report.show_table(out, columns, rows, footer=footer)
    for by, named in sorted(found.totals.items()):
        if by != "status":
            out.print()
            heading = report.Column(_HEADERS.get(by, by.capitalize()))
            report.show_table(out, (heading, report.Column("Tests", "number")), named)


def _total(counts: Sequence[object]) -> object:
    """Return the sum, UNKNOWN when any part is: a sum of a part of them would be wrong."""
    known = [count for count in counts if isinstance(count, int)]
    return sum(known) if len(known) == len(counts) else UNKNOWN


def shown_builds(found: BuildsAndTests) -> InsightOutput:
    """Return the output of Get Builds and Tests: tests without a build are a row with no name."""
    without = found.without_build
    rows = list(BUILD_SHAPE.rows(found.builds))
    flat = [*rows]
    if without.items:
        flat.append({"name": None, "tests": len(without.items), "statuses": {}})
    cells = [
        {**row, "statuses": [f"{name} {count}" for name, count in row["statuses"].items()]}
        for row in flat
    ]
    rejected = [
        *found.rejected,
        *chain.from_iterable(build.some.rejected for build in found.builds),
        *without.rejected,
    ]
    notes = ["There are more builds than Insights returns at once: use a shorter time range."]
    items = key("items", "some.items", ITEM_SHAPE)
    document = {
        "builds": to_json(found.builds, Shape(*BUILD_SHAPE.keys, items)),
        "has_more": found.has_more,
        "without_build": to_json(without, Shape(key("items", shape=ITEM_SHAPE), "has_more")),
        "rejected": rejected,
    }
    shown = partial(_show_builds, found)
    said = notes if found.has_more else []
    return InsightOutput(document, BUILD_COLUMNS, cells, shown, said, rejected)


def _show_builds(found: BuildsAndTests, out: Console) -> None:
    rows, items = [build.row for build in found.builds], found.without_build.items
    if rows:
        ends: Counter[str] = Counter()
        for row in rows:
            ends.update(dict(row["statuses"]))
        whole = _total([row["tests"] for row in rows])
        show_rows_of(out, headed(BUILD), rows, ("Total", whole, "", "", counts_text(ends)))
    if items:
        out.print("\nWithout a build" if rows else "Without a build", style="bold")
        show_items(items, out)
    if not rows and not items:
        out.print("No test ran.")


def shown_errors(found: ErrorTrends) -> InsightOutput:
    """Return the output of Get Error Trends."""
    rejected = [
        *found.rejected,
        *chain.from_iterable(error.some.rejected for error in found.errors),
    ]
    more = (key("items", "some.items", ITEM_SHAPE), key("has_more", "some.has_more"))
    document = {
        "errors": to_json(found.errors, Shape(*ERROR_SHAPE.keys, *more)),
        "rejected": rejected,
    }
    rows = list(ERROR_SHAPE.rows(found.errors))
    return InsightOutput(document, ERROR_COLUMNS, rows, partial(_show_errors, found), (), rejected)


def _show_errors(found: ErrorTrends, out: Console) -> None:
    if not found.errors:
        out.print("No test ended by an error.")
        return
    error, tests = headed(ERROR)
    columns = (table_column(tests), table_column(error), report.Column("For example", "id"))
    rows = []
    for each in found.errors:
        example = each.some.items[0]["id"] if each.some.items else None
        rows.append((each.row["tests"], " ".join(each.row["error"].split()), example))
    report.show_table(out, columns, rows)
