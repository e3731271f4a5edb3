"""Whole build records of both builds APIs, and what is asked for them."""

from __future__ import annotations

from typing import Any

import pytest

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import UNKNOWN
from sauce_janitor.sauce.builds import BuildFilter, parse_record

# Source: Jobs API, Get Builds, the sample (the older API).
OLDER: dict[str, Any] = {
    "status": "failed",
    "jobs": {
        "completed": 0,
        "finished": 44,
        "queued": 0,
        "failed": 22,
        "running": 0,
        "passed": 22,
        "errored": 0,
        "public": 0,
    },
    "name": "Release",
    "deletion_time": None,
    "org_id": "******",
    "start_time": 1618847969,
    "creation_time": 1618847979,
    "number": None,
    "public": False,
    "modification_time": 1618860999,
    "prefix": None,
    "end_time": 1618860985,
    "passed": False,
    "owner": "jsmith",
    "run": 9,
    "team_id": "******",
    "group_id": "******",
    "id": "45d7c21d1df748abbe9c425ab0ecbe4b",
}


def test_the_older_apis_build_is_kept_whole() -> None:
    record = parse_record({**OLDER, "number": 12, "prefix": "v"})
    assert (record.build.owner, record.passed, record.public, record.run) == (
        "jsmith",
        False,
        False,
        9,
    )
    assert (record.number, record.prefix, record.org_id, record.team_id) == (
        12,
        "v",
        "******",
        "******",
    )
    assert (record.owner_id, record.source, record.deleted_at) == (None, None, None)
    assert record.counters == OLDER["jobs"]
    assert (record.created_at, record.ended_at) == (1618847979, 1618860985)


def test_what_cannot_be_read_of_a_build_is_unknown_and_no_other_field_with_it() -> None:
    record = parse_record(
        {
            **OLDER,
            "run": "9",
            "public": "team",
            "end_time": 1618860985000,
            "jobs": {"passed": -1, "failed": 2},
        }
    )
    assert (record.run, record.public, record.ended_at) == (UNKNOWN, UNKNOWN, UNKNOWN)
    assert record.counters == {"failed": 2}
    assert record.created_at == 1618847979


@pytest.mark.parametrize("row", [None, [], {"id": ""}, {"id": 7}])
def test_a_build_without_an_id_is_refused(row: object) -> None:
    with pytest.raises(AnswerError):
        parse_record(row)


@pytest.mark.parametrize(
    ("which", "query"),
    [
        (BuildFilter(), []),
        (
            BuildFilter("rc 1", ("failed", "error")),
            [("status", "failed"), ("status", "error"), ("name", "rc 1")],
        ),
        (BuildFilter(since=5), [("start", 5), ("end", 4102444799)]),
        (BuildFilter(until=9), [("start", 0), ("end", 9 + 7 * 86_400)]),
    ],
)
def test_a_start_is_never_sent_without_an_end(
    which: BuildFilter, query: list[tuple[str, object]]
) -> None:
    """The API may refuse one of them alone, and may compare `end` with the end of a build that took
    days.
    """
    assert which.query() == query
