"""What the Insights API may answer, and what is made of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import UNKNOWN
from sauce_janitor.sauce.http.answers import load_json
from sauce_janitor.sauce.insight_rows import (
    parse_builds_and_tests,
    parse_errors,
    parse_items,
    parse_summary,
    parse_trends,
)

# Source: Insights API Methods, the samples of all five methods (dates, names and numbers as there).
ITEM: dict[str, Any] = {
    "id": "50fdd2369eer3031ad912kib57b12440",
    "owner": "USERNAME",
    "ancestor": "USERNAME",
    "name": "TestGet",
    "build": "build-123",
    "creation_time": "2017-03-01T12:13:39Z",
    "end_time": "2017-03-01T12:16:22Z",
    "status": "complete",
    "error": "",
    "os": "OS X El Capitan (10.11)",
    "browser": "iPhone 10.0",
    "details_url": "https://saucelabs.com/rest/v1.1/a-team/jobs/50fdd2369eer3031ad912kib57b12440",
}
TESTS = {"meta": {"status": 200}, "items": [ITEM], "has_more": True}
METRICS = {
    "meta": {"status": 200},
    "aggs": {
        "count": 1008,
        "fastestRun": {
            **ITEM,
            "build": "",
            "start_time": "2017-03-01T12:13:40Z",
            "duration": 25,
            "status": "passed",
        },
        "slowestRun": {**ITEM, "duration": 1858, "status": "errored"},
        "statuses": {"errored": 7, "failed": 1, "passed": 1000},
        "totalQueueTime": 0.3843098311817279,
        "totalRunTime": 33.18867924528302,
    },
}
BUCKET = {
    "timestamp": "2017-03-09T12:00:00.000Z",
    "count": 204,
    "aggs": {
        "os": [{"name": "OS X El Capitan (10.11)", "count": 98}, {"name": "Linux", "count": 106}],
        "owner": [{"name": "a-team", "count": 204}],
        "status": [{"name": "complete", "count": 133}, {"name": "passed", "count": 71}],
    },
}
TRENDS = {
    "buckets": [BUCKET],
    "metrics": {"owner": {"a-team": 748}, "status": {"complete": 496, "passed": 252}},
}
BUILDS = {
    "builds": {
        "items": [
            {
                "name": "build-123",
                "tests_count": 34,
                "duration": 1916,
                "start_time": "2017-03-01T12:09:16Z",
                "end_time": "2017-03-01T12:41:25Z",
                "tests": [ITEM],
                "has_more": True,
                "aggs": {
                    "status": [{"name": "complete", "count": 23}, {"name": "failed", "count": 11}]
                },
            }
        ],
        "has_more": True,
    },
    "tests_missing_build": {"items": [], "has_more": False},
}
ERRORS = {
    "buckets": [
        {"name": "Selenium didn't\ncomplete", "count": 1, "items": [ITEM], "has_more": False}
    ]
}

WRONG: list[object] = [
    None,
    True,
    -1,
    1e300,
    "",
    "x",
    "\ud800",
    [],
    {},
    [None],
    {"a": None},
    [[]],
    [{"name": 1, "count": "1"}],
]

PARSERS: list[tuple[Callable[[object], object], dict[str, Any]]] = [
    (parse_items, TESTS),
    (parse_summary, METRICS),
    (parse_trends, TRENDS),
    (parse_builds_and_tests, BUILDS),
    (parse_errors, ERRORS),
]


def test_a_sample_of_the_api_s_page_is_read_whole() -> None:
    found = parse_items(TESTS)
    (item,) = found.items
    assert (item["owner"], item["name"], item["status"], item["error"]) == (
        "USERNAME",
        "TestGet",
        "complete",
        None,
    )
    assert (item["created_at"], item["ended_at"], item["started_at"]) == (
        1488370419,
        1488370582,
        None,
    )
    assert (found.has_more, found.rejected, item["expired"]) == (True, (), None)


def test_every_method_s_sample_is_read() -> None:
    metrics = parse_summary(METRICS)
    assert (metrics["count"], metrics["statuses"][0], metrics["total_run_time"]) == (
        1008,
        ("errored", 7),
        33.18867924528302,
    )
    assert metrics["fastest"] is not None
    assert metrics["fastest"]["duration_s"] == 25
    trends = parse_trends(TRENDS)
    assert (trends.buckets[0]["at"], trends.buckets[0]["by"]["owner"]) == (
        1489060800,
        (("a-team", 204),),
    )
    assert trends.totals["status"] == (("complete", 496), ("passed", 252))
    builds = parse_builds_and_tests(BUILDS)
    assert (builds.builds[0].row["tests"], builds.builds[0].some.has_more, builds.has_more) == (
        34,
        True,
        True,
    )
    assert builds.without_build.items == ()
    assert parse_errors(ERRORS).errors[0].row["error"] == "Selenium didn't\ncomplete"


@pytest.mark.parametrize(("parse", "sample"), PARSERS)
@pytest.mark.parametrize(
    "answer",
    [None, [], "no", 7, {}, {"items": {}}, {"aggs": []}, {"buckets": {"0": {}}}, {"builds": []}],
)
def test_an_answer_of_another_shape_is_no_answer(
    parse: Callable[[object], object], sample: object, answer: object
) -> None:
    with pytest.raises(AnswerError):
        parse(answer)


@pytest.mark.parametrize(("parse", "sample"), PARSERS)
def test_whatever_stands_in_a_field_s_place_is_read_or_refused_and_never_a_crash(
    parse: Callable[[object], object], sample: object
) -> None:
    for wrong in WRONG:
        for broken in _broken(sample, wrong):
            with suppress(AnswerError):
                parse(broken)


def _broken(value: object, wrong: object) -> list[object]:
    """Copies of the value with `wrong` in the place of each of its parts in turn."""
    found: list[object] = [wrong]
    if isinstance(value, dict):
        found += [
            {**value, key: broken} for key, part in value.items() for broken in _broken(part, wrong)
        ]
    if isinstance(value, list):
        found += [
            [*value[:at], broken, *value[at + 1 :]]
            for at, part in enumerate(value)
            for broken in _broken(part, wrong)
        ]
    return found


def test_a_row_that_is_none_is_rejected_and_the_others_are_read() -> None:
    found = parse_items(
        {"items": [None, {**ITEM, "id": " "}, {**ITEM, "id": 7}, ITEM], "has_more": False}
    )
    assert (len(found.items), found.rows, len(found.rejected)) == (1, 4, 3)


@pytest.mark.parametrize(
    "time", ["2017-03-01", "2017-03-01T12:13:39", "tomorrow", 1488370419000, "1e9", True, [], -1, 0]
)
def test_a_time_that_cannot_be_told_is_unknown(time: object) -> None:
    assert (
        parse_items({"items": [{**ITEM, "end_time": time}], "has_more": False}).items[0]["ended_at"]
        is UNKNOWN
    )


def test_an_owner_that_is_null_or_no_text_is_no_owner() -> None:
    rows = [{**ITEM, "owner": owner} for owner in (None, "", 7, ["a"])]
    found = parse_items({"items": rows, "has_more": False})
    assert [item["owner"] for item in found.items] == [None, None, UNKNOWN, UNKNOWN]


def test_counts_of_which_one_cannot_be_read_are_not_summed_up() -> None:
    broken = {
        **BUCKET,
        "aggs": {"owner": [{"name": "a", "count": 1}, {"name": "b", "count": "many"}]},
    }
    with pytest.raises(AnswerError, match="owner"):
        parse_trends({"buckets": [broken], "metrics": {}})


@pytest.mark.parametrize(
    "text",
    [
        '{"items": [], "has_more": NaN}',
        '{"items": [], "items": [], "has_more": false}',
        '{"items": ' + "[" * 20_000 + "]" * 20_000 + "}",
        json.dumps(TESTS) + "}",
        "<html>sorry</html>",
        "",
    ],
)
def test_json_that_is_none_never_comes_to_be_read(text: str) -> None:
    with pytest.raises(AnswerError):
        parse_items(load_json(text.encode(), what="the test results"))


def test_the_address_of_an_item_keeps_no_secret() -> None:
    url = "https://saucelabs.com/rest/v1.1/a-team/jobs/5?auth=abcdef"
    (item,) = parse_items({"items": [{**ITEM, "details_url": url}], "has_more": False}).items
    assert item["details_url"] == "https://saucelabs.com/rest/v1.1/a-team/jobs/5?auth=[removed]"
