"""Every column of Insights goes through all uses: read, JSON, CSV and the table for people."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sauce_janitor.cli.jobs.insight_cells import ITEM_SHAPE, headed, show_items
from sauce_janitor.cli.jobs.insight_tables import shown_tests
from sauce_janitor.sauce import insight_columns
from sauce_janitor.sauce.insight_columns import ITEM, ITEM_TABLE, InsightColumn
from sauce_janitor.sauce.insight_rows import parse_items

TABLES = {
    name: table
    for name, table in vars(insight_columns).items()
    if isinstance(table, tuple) and isinstance(table[0], InsightColumn)
}
VALUES = {
    "id": "ab12",
    "text": "words",
    "time": "2017-03-01T12:13:39Z",
    "number": 4,
    "flag": True,
    "address": "https://app.saucelabs.com/tests/ab12",
}
"""A value of each kind that a test can have, as Insights writes it."""

every_column = pytest.mark.parametrize("column", ITEM, ids=lambda column: column.name)


@every_column
def test_it_is_read_and_stands_in_json_and_csv(column: InsightColumn) -> None:
    answer = {"items": [{"id": "ab12", column.path: VALUES[column.kind]}], "has_more": False}
    shown = shown_tests([parse_items(answer)], limit=9)
    (row,) = shown.rows
    assert row[column.name] == VALUES[column.kind]
    assert column.name in shown.columns
    assert shown.document["items"] == [row]


@every_column
def test_people_see_it_if_it_has_a_heading(column: InsightColumn) -> None:
    assert bool(column.heading) == (column.name in ITEM_TABLE)
    answer = {"items": [{"id": "ab12", column.path: VALUES[column.kind]}], "has_more": False}
    out = Console(file=io.StringIO(), width=200)
    show_items(parse_items(answer).items, out)
    assert isinstance(out.file, io.StringIO)
    assert column.heading in out.file.getvalue()


@pytest.mark.parametrize("name", TABLES)
def test_the_names_of_a_table_s_columns_are_different(name: str) -> None:
    names = [column.name for column in TABLES[name]]
    assert len(names) == len(set(names)) > 1
    assert headed(TABLES[name])


def test_json_has_the_columns_in_order() -> None:
    assert ITEM_SHAPE.names == tuple(column.name for column in ITEM)
