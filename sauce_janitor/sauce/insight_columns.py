"""The columns of what the Insights API answers: one table for parsing, tables, JSON and CSV.

A new value is one row here. These values are shown and decide about no job, so they have no types
of their own: a row is a mapping from a column's name to its value, None where the API says null or
nothing, UNKNOWN where it cannot be read. Only `owner` is also read elsewhere: `people` finds those
who ran tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

InsightRow: TypeAlias = Mapping[str, Any]
ValueKind: TypeAlias = Literal[
    "id", "text", "time", "number", "count", "flag", "address", "named", "counts", "item", "by"
]
"""How a value is read. `time` is epoch seconds UTC and `number` is not negative; `count` is a whole
number, UNKNOWN when absent; `named` is an array and `counts` an object of names with how often each
occurs; `by` is an object of such arrays; `address` is one without secrets."""


@dataclass(frozen=True, slots=True)
class InsightColumn:
    """One value of a row.

    `name` is its key in JSON and CSV, `path` its name in the answer, with a dot for a name inside
    another. With a `heading` people see it, too: `cell` says how, as in `report.Column`, or `span`
    for seconds, `platform` for system and browser, and `counts` for names with numbers. `rank` says
    what a narrow terminal leaves out first. `what` names it in an error.
    """

    name: str
    path: str
    kind: ValueKind = "text"
    heading: str = ""
    cell: str = "text"
    rank: int = 0
    what: str = ""


ITEM: Final = (
    InsightColumn("id", "id", "id", "Job", "id"),
    InsightColumn("owner", "owner", "text", "Owner", rank=3),
    InsightColumn("name", "name", "text", "Name"),
    InsightColumn("build", "build", "text", "Build"),
    InsightColumn("status", "status", "text", "Status", "word"),
    InsightColumn("error", "error"),
    InsightColumn("os", "os", "text", "Platform", "platform", 4),
    InsightColumn("browser", "browser"),
    InsightColumn("created_at", "creation_time", "time", "Created", "time", 1),
    InsightColumn("started_at", "start_time", "time"),
    InsightColumn("ended_at", "end_time", "time"),
    InsightColumn("duration_s", "duration", "number", "Took", "span", 2),
    # Sauce Labs does not have the assets, or the job, any more.
    InsightColumn("expired", "is_expired", "flag"),
    # The account that the owner's account belongs to.
    InsightColumn("ancestor", "ancestor"),
    InsightColumn("os_normalized", "os_normalized"),
    InsightColumn("browser_normalized", "browser_normalized"),
    InsightColumn("details_url", "details_url", "address"),
)
"""One test that ran."""
ITEM_TABLE: Final = ("id", "status", "owner", "created_at", "duration_s", "build", "os", "name")
"""What people see of a test, in order."""

SUMMARY: Final = (
    InsightColumn("count", "count", "count", "Runs", "number"),
    InsightColumn("statuses", "statuses", "counts", what="the statuses"),
    InsightColumn("fastest", "fastestRun", "item"),
    InsightColumn("slowest", "slowestRun", "item"),
    # Both are means in seconds, whatever their names say. Source: the API's sample, where 1,008
    # runs of 25 to 1,858 s have a totalRunTime of 33.2.
    InsightColumn("total_queue_time", "totalQueueTime", "number", "Mean wait", "number"),
    InsightColumn("total_run_time", "totalRunTime", "number", "Mean run time", "number"),
)
"""The runs of one test, counted."""

BUCKET: Final = (
    InsightColumn("at", "timestamp", "time", "From", "time"),
    InsightColumn("count", "count", "count", "Tests", "number"),
    InsightColumn("by", "aggs", "by", what="a bucket's"),
)
"""The tests that ran in one interval, from `at` on, counted by owner, os and status."""

BUILD: Final = (
    InsightColumn("name", "name", "text", "Build"),
    InsightColumn("tests", "tests_count", "count", "Tests", "number"),
    InsightColumn("started_at", "start_time", "time", "Started", "time", 1),
    InsightColumn("ended_at", "end_time", "time"),
    InsightColumn("duration_s", "duration", "number", "Took", "span", 2),
    InsightColumn(
        "statuses", "aggs.status", "named", "Results", "counts", what="a build's statuses"
    ),
)
"""One build's tests: how many, from when to when, and how they ended."""

ERROR: Final = (
    InsightColumn("error", "name", "text", "Error", "prose"),
    InsightColumn("tests", "count", "count", "Tests", "number"),
)
"""One error, and how many tests ended with it."""
