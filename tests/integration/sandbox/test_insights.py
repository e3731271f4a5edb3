"""Insights: the same jobs, counted; in both generations of its parameters."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.sandbox import Sandbox
from tests.support.sandbox import NOW, Call, Caller, Start, finished

PAGE = Path(__file__).parents[2] / "data" / "samples" / "sauce-docs" / "insights_samples.json"
WEEK = "time_range=7d"
ALL = "time_range=60d"


def items_of(ask: Caller, query: str) -> list[dict[str, Any]]:
    answer = ask.get(f"/v1/analytics/tests?size=1000&{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def documents(sandbox: Sandbox, owner: str = "demo") -> list[dict[str, Any]]:
    """The finished jobs, newest first."""
    truths = (sandbox.truth(job_id) for job_id in sandbox.job_ids(owner))
    return [
        dict(each.document)
        for each in truths
        if each is not None and each.document["end_time"] is not None
    ]


@pytest.mark.parametrize(
    ("path", "sample"),
    [
        ("/tests?size=1&", "tests"),
        ("/insights/test-metrics?query=login: with password&", "test-metrics"),
        ("/trends/tests?interval=1d&", "trends-tests"),
        ("/trends/builds_tests?", "trends-builds_tests"),
        ("/trends/errors?", "trends-errors"),
    ],
)
def test_an_answer_has_the_shape_of_the_documented_one(
    start: Start, call: Call, path: str, sample: str
) -> None:
    documented = json.loads(PAGE.read_text(encoding="utf-8"))[sample]
    answer = call(start(jobs=900)).get(f"/v1/analytics{path}{ALL}").json()

    assert not missing(documented, answer)


def missing(documented: object, answer: object, place: str = "") -> list[str]:
    """Where the answer lacks a key that the documentation shows, or has something of another type
    there.
    """
    if isinstance(documented, dict) and isinstance(answer, dict):
        if re.search(r"/(statuses|metrics/\w+)$", place):  # their keys are data
            return []
        lacking = [f"{place}/{key}" for key in documented if key not in answer]
        return lacking + [
            fault
            for key in documented
            if key in answer
            for fault in missing(documented[key], answer[key], f"{place}/{key}")
        ]
    if isinstance(documented, list) and isinstance(answer, list):
        return missing(documented[0], answer[0], f"{place}/0") if documented and answer else []
    numbers = isinstance(documented, int | float) and isinstance(answer, int | float)
    return [] if numbers or type(documented) is type(answer) else [f"{place}: {answer!r}"]


def test_the_items_are_the_finished_jobs_and_page_without_gap_or_repeat(
    start: Start, call: Call
) -> None:
    sandbox = start()
    ask = call(sandbox)
    pages: list[dict[str, Any]] = []
    while not pages or pages[-1]["has_more"]:
        pages.append(ask.get(f"/v1/analytics/tests?{ALL}&size=70&from={70 * len(pages)}").json())
    ids = [item["id"] for page in pages for item in page["items"]]

    assert ids == [document["id"] for document in documents(sandbox)]
    assert ids == [item["id"] for item in items_of(ask, ALL)]


def test_items_say_of_a_job_what_the_jobs_api_says(start: Start, call: Call) -> None:
    sandbox = start()
    found = {item["id"]: item for item in items_of(call(sandbox), ALL)}
    for document in documents(sandbox):
        item = found[document["id"]]
        assert (item["owner"], item["name"] or None) == (document["owner"], document["name"])
        assert item["build"] == (document["build"] or "").strip()
        assert datetime.fromisoformat(item["end_time"]).timestamp() == document["end_time"]
        verdict = document["consolidated_status"]
        assert item["status"] == ("errored" if verdict == "error" else verdict)


def test_items_outlive_their_jobs_unless_told_otherwise(start: Start, call: Call) -> None:
    outlives, follows = start(), start(behaviours={"insights_items": "follow"})
    for sandbox in (outlives, follows):
        sandbox.remove(finished(sandbox))
    gone = next(
        job_id
        for job_id in outlives.job_ids(even_deleted=True)
        if not outlives.truth(job_id).exists  # type: ignore[union-attr]
    )  # it is one of its own

    assert [
        item["is_expired"] for item in items_of(call(outlives), WEEK) if item["id"] == gone
    ] == [True]
    assert gone not in {item["id"] for item in items_of(call(follows), WEEK)}


def test_the_scope_says_whose_tests(start: Start, call: Call) -> None:
    sandbox = start()
    ask, alice = call(sandbox), call(sandbox, "alice")

    def owners(caller: Caller, query: str) -> set[str]:
        return {item["owner"] for item in items_of(caller, f"{ALL}&{query}")}

    assert owners(ask, "") == owners(ask, "scope=me") == {"demo"}
    assert owners(alice, "scope=organization") == set(sandbox.owners)
    assert owners(ask, "scope=single&owner=alice&owner=bob") == {"alice", "bob"}
    assert owners(ask, "owner=alice") == {"alice"}
    assert owners(ask, "scope=single&owner=nobody") == set()
    assert ask.get(f"/v1/analytics/tests?{ALL}&scope=single").status_code == 422
    assert ask.get(f"/v1/analytics/tests?{ALL}&scope=team").status_code == 422


def test_whoever_may_not_see_others_jobs_does_not_see_their_tests(start: Start, call: Call) -> None:
    ask = call(start(behaviours={"others_jobs": "forbidden"}))

    assert {item["owner"] for item in items_of(ask, f"{ALL}&scope=organization")} == {"demo"}


def test_items_are_filtered_by_time_status_build_name_error_system_and_browser(
    start: Start, call: Call
) -> None:
    sandbox = start(jobs=900)
    ask = call(sandbox)
    every = items_of(ask, ALL)
    middle = every[len(every) // 2]
    at, error = middle["creation_time"], next(item["error"] for item in every if item["error"])

    def filtered(key: str, value: str) -> list[dict[str, Any]]:
        return [item for item in every if item[key] == value]

    assert [item["id"] for item in items_of(ask, f"start={at}&end={at}")] == [
        item["id"] for item in filtered("creation_time", at)
    ]
    unix = int(datetime.fromisoformat(at).timestamp())
    assert items_of(ask, f"start={unix}&end={NOW}")[-1]["creation_time"] == at
    for key, name in (
        ("status", "status"),
        ("build", "build"),
        ("os", "os"),
        ("browser", "browser"),
        ("name", "name"),
    ):
        if middle[key]:
            assert items_of(ask, f"{ALL}&{name}={middle[key]}") == filtered(key, middle[key])
    assert items_of(ask, f"{ALL}&error={error}") == filtered("error", error)
    assert items_of(ask, f"{ALL}&build_missing=true") == filtered("build", "")
    assert ask.get(f"/v1/analytics/tests?{ALL}&status=error").status_code == 422, (
        "Insights says errored"
    )


def test_the_two_generations_know_other_names_and_have_another_order(
    start: Start, call: Call
) -> None:
    newer, older = (
        call(start(behaviours={"insights_parameters": word})) for word in ("newer", "older")
    )
    name = next(item["name"] for item in items_of(newer, ALL) if item["name"])

    assert items_of(newer, ALL) == list(reversed(items_of(newer, f"{ALL}&descending=false")))
    assert [item["id"] for item in items_of(older, ALL)] == [
        item["id"] for item in items_of(newer, f"{ALL}&descending=false")
    ]
    assert [item["id"] for item in items_of(older, f"{ALL}&desc=true")] == [
        item["id"] for item in items_of(newer, ALL)
    ]
    assert {item["name"] for item in items_of(newer, f"{ALL}&name={name}")} == {name}
    assert {item["name"] for item in items_of(older, f"{ALL}&query={name}")} == {name}
    assert len(items_of(newer, f"{ALL}&query={name}&missing_build")) == len(items_of(newer, ALL)), (
        "unknown names are ignored"
    )
    assert {item["build"] for item in items_of(older, f"{ALL}&missing_build")} == {""}


@pytest.mark.parametrize("word", ["newer", "older"])
def test_a_call_without_times_or_with_unreadable_ones_is_refused(
    start: Start, call: Call, word: str
) -> None:
    ask = call(start(behaviours={"insights_parameters": word}))
    newer = word == "newer"
    codes = {
        path: {
            ask.get(f"/v1/analytics/{path}{query}").status_code
            for query in ("&start=1", "&time_range=7", "&start=yesterday&end=now", "&time_range=0d")
        }
        for path in (
            "tests?",
            "trends/tests?interval=1d",
            "trends/errors?",
            "trends/builds_tests?",
            "insights/test-metrics?query=a",
        )
    }

    assert codes == {
        path: {422 if newer and path.split("?")[0] in {"tests", "trends/tests"} else 400}
        for path in codes
    }


def test_trends_count_every_item_once(start: Start, call: Call) -> None:
    sandbox = start()
    ask = call(sandbox)
    every = items_of(ask, ALL)
    for interval in ("1h", "1d", "30d"):
        answer = ask.get(f"/v1/analytics/trends/tests?{ALL}&interval={interval}").json()
        assert sum(bucket["count"] for bucket in answer["buckets"]) == len(every)
        assert answer["metrics"]["status"] == Counter(item["status"] for item in every)
    assert ask.get(f"/v1/analytics/trends/tests?{ALL}&interval=2h").status_code == 422
    older = call(start(behaviours={"insights_parameters": "older"}))
    assert older.get(f"/v1/analytics/trends/tests?{ALL}&interval=2h").status_code == 200
    assert older.get(f"/v1/analytics/trends/tests?{ALL}").status_code == 400


def test_builds_and_errors_show_at_most_what_the_page_says(start: Start, call: Call) -> None:
    ask = call(start(jobs=900))
    builds = ask.get(f"/v1/analytics/trends/builds_tests?{ALL}").json()["builds"]
    errors = ask.get(f"/v1/analytics/trends/errors?{ALL}").json()["buckets"]

    assert (len(builds["items"]), builds["has_more"]) == (25, True)
    assert all(len(build["tests"]) == min(10, build["tests_count"]) for build in builds["items"])
    assert {bucket["name"]: bucket["count"] for bucket in errors} == Counter(
        item["error"] for item in items_of(ask, ALL) if item["error"]
    )


def test_insights_may_be_forbidden_not_offered_or_shallow(start: Start, call: Call) -> None:
    path = f"/v1/analytics/tests?{ALL}"

    assert call(start(behaviours={"insights": "forbidden"})).get(path).status_code == 403
    assert call(start(behaviours={"insights": "off"})).get(path).status_code == 404
    assert (
        call(start(behaviours={"insights_depth": "10000"})).get(f"{path}&from=9995").status_code
        == 422
    )
    assert call(start()).get(f"{path}&from=9995").json() == {
        "meta": {"status": 200},
        "items": [],
        "has_more": False,
    }


def test_the_older_prefix_leads_to_the_same(start: Start, call: Call) -> None:
    ask = call(start())

    assert (
        ask.get(f"/rest/v1/analytics/tests?{WEEK}").json()
        == ask.get(f"/v1/analytics/tests?{WEEK}").json()
    )
