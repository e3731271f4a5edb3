"""The columns of Insights as keys of JSON and CSV, and as cells of tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final

from rich.console import Console

from sauce_janitor import report
from sauce_janitor.json_output import Key, Shape, key, spread, time
from sauce_janitor.sauce.insight_columns import (
    BUCKET,
    BUILD,
    ERROR,
    ITEM,
    ITEM_TABLE,
    SUMMARY,
    InsightColumn,
    InsightRow,
)


def _key(column: InsightColumn) -> Key:
    find = itemgetter(column.name)
    match column.kind:
        case "time":
            return time(column.name, find)
        case "named" | "counts":
            return key(column.name, lambda row: dict(find(row)))
        case "by":
            return key(
                column.name, lambda row: {by: dict(named) for by, named in find(row).items()}
            )
        case "item":
            return key(column.name, find, ITEM_SHAPE)
        case _:
            return key(column.name, find)


ITEM_SHAPE: Final = Shape(*map(_key, ITEM))
SUMMARY_SHAPE: Final = Shape(*map(_key, SUMMARY))
BUCKET_SHAPE: Final = Shape(*map(_key, BUCKET))
BUILD_SHAPE: Final = Shape(
    spread("row", Shape(*map(_key, BUILD))), key("has_more", "some.has_more")
)
ERROR_SHAPE: Final = Shape(
    spread("row", Shape(*map(_key, ERROR))),
    key("jobs", lambda error: [item["id"] for item in error.some.items]),
)
BUILD_COLUMNS: Final = tuple(column.name for column in BUILD)
ERROR_COLUMNS: Final = (*(column.name for column in ERROR), "jobs")


def table_column(column: InsightColumn) -> report.Column:
    """Return the column as a table for people has it."""
    kinds: dict[str, report.CellKind] = {
        "id": "id", "text": "text", "word": "word", "number": "number", "time": "time",
        "prose": "prose", "counts": "prose", "span": "word", "platform": "text",
    }  # fmt: skip
    return report.Column(column.heading, kinds[column.cell], column.rank)


def _cell(column: InsightColumn, row: InsightRow) -> object:
    value = row[column.name]
    match column.cell:
        case "span":
            return report.span(value) if isinstance(value, int | float) else "-"
        case "platform":
            parts = (row["os"], row["browser"])
            return ", ".join(each for each in parts if isinstance(each, str)) or "-"
        case "counts":
            return counts_text(dict(value))
        case _:
            return value


def headed(columns: Sequence[InsightColumn], names: Sequence[str] = ()) -> list[InsightColumn]:
    """Return the columns with these names, in their order; all that have a heading without."""
    by_name = {column.name: column for column in columns if column.heading}
    return [by_name[name] for name in names or by_name]


def show_rows_of(
    out: Console,
    columns: Sequence[InsightColumn],
    rows: Iterable[InsightRow],
    footer: Sequence[object] | None = None,
) -> None:
    """Print a table of the rows, with these columns."""
    cells = ([_cell(column, row) for column in columns] for row in rows)
    report.show_table(out, list(map(table_column, columns)), cells, footer=footer)


def show_items(items: Sequence[InsightRow], out: Console, labels: Sequence[str] = ()) -> None:
    """Print the tests. On a narrow terminal, only id, status, build and name are shown."""
    columns = headed(ITEM, ITEM_TABLE)
    if not labels:
        show_rows_of(out, columns, items)
        return
    heads = (report.Column("", "word"), *map(table_column, columns))
    cells = (
        (label, *(_cell(column, item) for column in columns))
        for label, item in zip(labels, items, strict=True)
    )
    report.show_table(out, heads, cells)


def counts_text(ends: Mapping[str, int]) -> str:
    """Return names with how often each occurs, in one line."""
    return ", ".join(f"{count:,} {name}" for name, count in ends.items())
