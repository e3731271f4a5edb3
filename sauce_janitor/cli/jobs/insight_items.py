"""Insights' items as rows and tables, and its values as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from rich.console import Console

from sauce_janitor import report
from sauce_janitor.model.jobs import UNKNOWN
from sauce_janitor.sauce.insight_values import BuildItems, InsightItem

ITEM_COLUMNS: Final = tuple(field.name for field in fields(InsightItem))
_TIMES: Final = frozenset({"created_at", "started_at", "ended_at", "at"})


def item_row(item: InsightItem) -> dict[str, Any]:
    """Return an item for JSON and CSV: times in ISO 8601, null for an unreadable value."""
    found = {name: known(getattr(item, name)) for name in ITEM_COLUMNS}
    return {name: report.iso(value) if name in _TIMES else value for name, value in found.items()}


def counts_text(ends: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in ends.items())


def show_items(items: Sequence[InsightItem], out: Console, labels: Sequence[str] = ()) -> None:
    """Print the items. On a narrow terminal, only id, status, build and name are shown."""
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
            duration_text(item.duration_s),
            item.build,
            _platform(item),
            item.name,
        )
        for item in items
    ]
    if not labels:
        report.show_table(out, columns, rows)
        return
    # `insights metrics` shows two tests, and says which one was the slowest.
    labelled = [(label, *row) for label, row in zip(labels, rows, strict=True)]
    report.show_table(out, (report.Column("", "word"), *columns), labelled)


def duration_text(duration_s: object) -> str:
    return report.span(duration_s) if isinstance(duration_s, int | float) else "-"


def _platform(item: InsightItem) -> str:
    return ", ".join(str(each) for each in (item.os, item.browser) if isinstance(each, str)) or "-"


def known(value: object) -> Any:
    return None if value is UNKNOWN else value


def known_time(value: object) -> int | None:
    return value if isinstance(value, int) else None


def mean_text(value: object) -> object:
    """Return a mean of seconds as text, with three digits below a minute."""
    if not isinstance(value, int | float):
        return value
    return f"{value:,.3g} s" if value < 60 else report.span(value)


def build_row(build: BuildItems) -> dict[str, Any]:
    return {
        "name": known(build.name),
        "tests": known(build.tests),
        "started_at": report.iso(known_time(build.started_at)),
        "ended_at": report.iso(known_time(build.ended_at)),
        "duration_s": known(build.duration_s),
        "statuses": dict(build.statuses),
        "has_more": build.some.has_more,
    }


def all_builds_cells(builds: Sequence[BuildItems]) -> tuple[object, ...]:
    """Return the table's last row: the sums of all builds."""
    tests = [build.tests for build in builds if isinstance(build.tests, int)]
    ends: Counter[str] = Counter()
    for build in builds:
        ends.update(dict(build.statuses))
    # Without the count of one build, the sum would be too small.
    return "all", sum(tests) if len(tests) == len(builds) else UNKNOWN, "", "", counts_text(ends)


def build_cells(build: BuildItems) -> tuple[object, ...]:
    return (
        build.name,
        build.tests,
        build.started_at,
        duration_text(build.duration_s),
        counts_text(dict(build.statuses)),
    )


def show_tests(items: Sequence[InsightItem], out: Console) -> None:
    """Print the tests, and how many have each status."""
    if not items:
        out.print("No test ran.")
        return
    show_items(items, out)
    ends = Counter(item.status if isinstance(item.status, str) else "unknown" for item in items)
    report.say(out, f"{len(items):,} tests: {counts_text(dict(ends.most_common()))}")
