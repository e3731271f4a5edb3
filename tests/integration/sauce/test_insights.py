"""Asking the Insights API page by page, in both generations of its parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sauce_janitor.errors import AnswerError, ForbiddenError, NotOfferedError
from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.sauce.insights import Filter, Insights, Period
from tests.fakes.vendor import Vendor, json_reply, reply

TESTS = "/v1/analytics/tests"
FIXED = Period(1_600_000_000, 1_600_086_400)


def _page(*ids: str, more: bool) -> dict[str, Any]:
    return {"items": [{"id": each, "owner": "jsmith"} for each in ids], "has_more": more}


def _asked(vendor: Vendor) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(seen.target).query, keep_blank_values=True) for seen in vendor.seen]


@pytest.fixture
def insights(reader: SauceReader) -> Insights:
    return reader.insights


def test_pages_are_asked_for_until_there_are_no_more(vendor: Vendor, insights: Insights) -> None:
    vendor.on(
        TESTS, json_reply(_page("a", "b", more=True)), json_reply(_page("b", "c", more=False))
    )
    found = [
        item["id"] for page in insights.tests(FIXED, Filter(), most=1000) for item in page.items
    ]
    assert found == ["a", "b", "c"]
    assert [query["from"] for query in _asked(vendor)] == [["0"], ["2"]]


def test_no_more_is_asked_for_than_is_wanted(vendor: Vendor, insights: Insights) -> None:
    vendor.on(
        TESTS, json_reply(_page("a", "b", "c", more=True)), json_reply(_page("d", "e", more=True))
    )
    rows = sum(page.rows for page in insights.tests(FIXED, Filter(), most=5))
    assert (rows, [query["size"] for query in _asked(vendor)]) == (5, [["5"], ["2"]])


def test_a_list_that_gives_the_same_page_for_ever_is_not_believed(
    vendor: Vendor, insights: Insights
) -> None:
    vendor.on(TESTS, json_reply(_page("a", more=True)))
    with pytest.raises(AnswerError, match="same page"):
        list(insights.tests(FIXED, Filter(), most=1000))
    assert len(vendor.seen) == 2


def test_more_that_never_comes_is_not_believed(vendor: Vendor, insights: Insights) -> None:
    vendor.on(TESTS, json_reply(_page("a", more=True)), json_reply(_page(more=True)))
    with pytest.raises(AnswerError, match="same page"):
        list(insights.tests(FIXED, Filter(), most=1000))


def test_without_a_word_on_more_the_end_is_an_empty_page(
    vendor: Vendor, insights: Insights
) -> None:
    vendor.on(TESTS, json_reply({"items": [{"id": "a"}]}), json_reply({"items": []}))
    assert [page.rows for page in insights.tests(FIXED, Filter(), most=1000)] == [1, 0]


def test_parameters_that_changed_their_names_are_sent_under_both(
    vendor: Vendor, insights: Insights
) -> None:
    vendor.on(TESTS, json_reply(_page(more=False)))
    which = Filter(
        name="a b&c",
        without_build=True,
        owners=("jörg", "x/y"),
        os=("Linux", "Windows 10"),
        status="failed",
    )
    list(insights.tests(Period(back="7d"), which, most=10))
    (asked,) = _asked(vendor)
    assert asked == {
        "time_range": ["7d"],
        "scope": ["single"],
        "owner": ["jörg", "x/y"],
        "status": ["failed"],
        "os": ["Linux", "Windows 10"],
        "query": ["a b&c"],
        "name": ["a b&c"],
        "missing_build": [""],
        "build_missing": ["true"],
        "desc": ["true"],
        "descending": ["true"],
        "from": ["0"],
        "size": ["10"],
    }


@pytest.mark.parametrize(("refusals", "left"), [(1, "descending"), (2, "desc")])
def test_a_server_that_refuses_one_spelling_is_asked_with_the_other(
    vendor: Vendor, insights: Insights, refusals: int, left: str
) -> None:
    refused = json_reply(
        {"detail": [{"loc": ["query"], "msg": "extra parameter", "type": "extra"}]}, 422
    )
    vendor.on(
        TESTS,
        *[refused] * refusals,
        json_reply(_page("a", more=True)),
        json_reply(_page("b", more=False)),
    )
    assert sum(page.rows for page in insights.tests(FIXED, Filter(), most=10)) == 2
    spellings = [{"desc", "descending"} & set(query) for query in _asked(vendor)]
    assert spellings[refusals:] == [{left}, {left}]


def test_a_refusal_of_every_spelling_is_told_in_the_server_s_words(
    vendor: Vendor, insights: Insights
) -> None:
    vendor.on(TESTS, json_reply({"errors": "start and end parameters are required."}, 400))
    with pytest.raises(AnswerError, match=r"400.*start and end parameters are required"):
        list(insights.tests(FIXED, Filter(), most=10))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (json_reply({"detail": "Forbidden"}, 403), ForbiddenError),
        (json_reply({"detail": "Not found."}, 404), NotOfferedError),
        (reply(b"<html>no such page</html>", 404, {"Content-Type": "text/html"}), NotOfferedError),
        (json_reply([]), AnswerError),
    ],
)
def test_every_method_says_what_it_was_refused(
    vendor: Vendor, insights: Insights, answer: Any, error: type[Exception]
) -> None:
    calls: list[tuple[str, Callable[[], object]]] = [
        (TESTS, lambda: list(insights.tests(FIXED, Filter(), most=1))),
        (
            "/v1/analytics/insights/test-metrics",
            lambda: insights.metrics(FIXED, Filter(), test="t"),
        ),
        ("/v1/analytics/trends/tests", lambda: insights.trends(FIXED, Filter(), interval="1h")),
        ("/v1/analytics/trends/builds_tests", lambda: insights.builds(FIXED, Filter())),
        ("/v1/analytics/trends/errors", lambda: insights.errors(FIXED, Filter())),
    ]
    for path, call in calls:
        vendor.on(path, answer)
        with pytest.raises(error):
            call()
    assert {seen.method for seen in vendor.seen} == {"GET"}


def test_a_fixed_period_is_sent_as_dates(vendor: Vendor, insights: Insights) -> None:
    vendor.on("/v1/analytics/trends/errors", json_reply({"buckets": []}))
    insights.errors(FIXED, Filter(scope="organization"))
    assert _asked(vendor) == [
        {
            "start": ["2020-09-13T12:26:40Z"],
            "end": ["2020-09-14T12:26:40Z"],
            "scope": ["organization"],
        }
    ]
