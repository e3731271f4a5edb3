"""`insights`: what ran, for people and for machines, and what happens when Insights has nothing
good to say.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable

import pytest

from sauce_janitor.sandbox.core.options import Behaviours
from tests.support.commands import Commands

METHODS = (("tests",), ("metrics", "login: with password"), ("trends",), ("builds",), ("errors",))
POLICIES = "policies: [{name: old, match: all, then: {archive: none, delete_assets: 5d}}]"


@pytest.fixture
def open_box(open_desk: Callable[..., Commands]) -> Callable[..., Commands]:
    def make(**behaviours: str) -> Commands:
        desk = open_desk(jobs=120, behaviours=Behaviours().changed(behaviours))
        desk.configure(POLICIES)
        return desk

    return make


@pytest.mark.parametrize("parameters", ["older", "newer"])
def test_every_method_answers_in_both_generations_of_parameters(
    open_box: Callable[..., Commands], parameters: str
) -> None:
    desk = open_box(insights_parameters=parameters)
    for method in METHODS:
        table = desk.say("insights", *method, "--time-range", "40d").stdout
        document = json.loads(
            desk.say("insights", *method, "--time-range", "40d", "--format", "json").stdout
        )
        rows = list(
            csv.reader(
                io.StringIO(
                    desk.say("insights", *method, "--time-range", "40d", "--format", "csv").stdout
                )
            )
        )
        assert table.strip()
        assert document["account"] == "box"
        assert len(rows) > 1 or method == ("errors",)
        assert len({len(row) for row in rows}) == 1
    assert {entry.method for entry in desk.sandbox.log} == {"GET"}


@pytest.mark.parametrize("parameters", ["older", "newer"])
def test_tests_are_found_by_what_both_generations_call_differently(
    open_box: Callable[..., Commands], parameters: str
) -> None:
    desk = open_box(insights_parameters=parameters)

    def found(*options: str) -> list[dict[str, str]]:
        said = desk.say("insights", "tests", "--time-range", "40d", "--format", "json", *options)
        items: list[dict[str, str]] = json.loads(said.stdout)["items"]
        return items

    everything = found("--limit", "1000")
    name = everything[0]["name"]
    assert found("--name", name) == [item for item in everything if item["name"] == name]
    assert found("--missing-build") == [item for item in everything if item["build"] is None]
    assert [item["created_at"] for item in everything] == sorted(
        (i["created_at"] for i in everything), reverse=True
    )
    assert found("--oldest-first", "--limit", "1")[0]["created_at"] == everything[-1]["created_at"]
    assert found("--owner", "alice", "--limit", "1")[0]["owner"] == "alice"
    assert {item["owner"] for item in found("--scope", "organization", "--limit", "1000")} > {
        "demo",
        "alice",
        "bob",
    }


def test_tables_sum_up_by_status_and_give_times_with_their_units(
    open_box: Callable[..., Commands],
) -> None:
    desk, back = open_box(), ("--time-range", "40d")
    document = json.loads(desk.say("insights", "trends", *back, "--format", "json").stdout)
    table = desk.say("insights", "trends", *back).stdout.splitlines()
    statuses = [word.lower() for word in table[0].split()[2:]]
    ended = document["totals"]["status"]
    whole = [line.split() for line in table if line.startswith("Total ")]
    counts = [str(sum(ended.values())), *(str(ended[status]) for status in statuses)]
    assert whole == [["Total", *counts]]
    builds = json.loads(desk.say("insights", "builds", *back, "--format", "json").stdout)["builds"]
    sums = next(
        line
        for line in desk.say("insights", "builds", *back).stdout.splitlines()
        if line.startswith("Total ")
    )
    for status in ("passed", "failed"):
        assert f"{sum(build['statuses'].get(status, 0) for build in builds)} {status}" in sums
    ended = json.loads(desk.say("insights", "tests", *back, "--format", "json").stdout)["items"]
    passed = sum(item["status"] == "passed" for item in ended)
    assert re.search(
        rf"^{len(ended)} tests: .*{passed} passed",
        desk.say("insights", "tests", *back).stdout,
        re.MULTILINE,
    )
    said = desk.say("insights", "metrics", "login: with password", *back).stdout.splitlines()
    assert said[1].startswith("login: with password ")
    assert said[0].split()[-5:] == ["Mean", "wait", "Mean", "run", "time"]
    assert re.search(r" [0-9.]+ s +([0-9.]+ s|[0-9]+ min.*)$", said[1].rstrip())


def test_an_item_is_told_whole(open_box: Callable[..., Commands]) -> None:
    said = open_box().say(
        "insights", "tests", "--time-range", "40d", "--limit", "1", "--format", "json"
    )
    (item,) = json.loads(said.stdout)["items"]
    assert item["details_url"].endswith(f"/rest/v1.1/demo/jobs/{item['id']}")
    assert (item["ancestor"], item["os_normalized"]) == ("demo", item["os"])
    assert item["browser_normalized"] == item["browser"]


def test_more_than_is_shown_is_said(open_box: Callable[..., Commands]) -> None:
    said = open_box().say("insights", "tests", "--time-range", "40d", "--limit", "3")
    assert len(said.stdout.splitlines()) == 5
    assert "There are more than 3" in said.stderr


def test_what_strangers_wrote_reaches_neither_terminal_nor_spreadsheet(
    open_box: Callable[..., Commands],
) -> None:
    desk = open_box()
    newest = next(iter(desk.sandbox.job_ids()))
    desk.sandbox.edit(
        newest,
        name='=HYPERLINK("http://evil")\x1b[31m\u202e',
        status="complete",
        end_time=desk.sandbox.world.now,
    )
    assert "\x1b" not in desk.say("insights", "tests").stdout
    rows = list(
        csv.DictReader(io.StringIO(desk.say("insights", "tests", "--format", "csv").stdout))
    )
    assert [row["name"][:11] for row in rows if row["id"] == newest] == ["'=HYPERLINK"]


@pytest.mark.parametrize(("switch", "said"), [("forbidden", "403"), ("off", "does not offer")])
def test_an_insights_that_is_not_to_be_had_is_said_in_one_sentence(
    open_box: Callable[..., Commands], switch: str, said: str
) -> None:
    desk = open_box(insights=switch)
    for method in METHODS:
        with pytest.raises(
            AssertionError, match=said
        ):  # `say` tells what was said when the code is another
            desk.say("insights", *method)
        desk.say("insights", *method, code=4)


def test_rows_that_cannot_be_read_are_left_out_and_said(open_box: Callable[..., Commands]) -> None:
    desk = open_box()
    desk.sandbox.inject("lie", endpoint="insights.tests", row=1, set={"id": 7})
    said = desk.say("insights", "tests", "--format", "json", code=4)
    assert len(json.loads(said.stdout)["rejected"]) == 1
    assert "cannot be read: 1 row: " in said.stderr


@pytest.mark.parametrize(
    "fault", ["not_a_list", "deep_json", "trailing_garbage", "html", "truncated"]
)
def test_an_answer_that_lies_ends_with_4_and_one_sentence(
    open_box: Callable[..., Commands], fault: str
) -> None:
    desk = open_box()
    desk.sandbox.inject(fault, endpoint="insights.*")
    for method in METHODS:
        desk.say("insights", *method, code=4)


@pytest.mark.parametrize(
    "options",
    [
        ("--time-range", "7"),
        ("--time-range", "7d", "--start", "2026-06-01"),
        ("--end", "2026-06-01"),
        ("--start", "2026-06-02", "--end", "2026-06-01"),
        ("--start", "soon"),
        ("--scope", "single"),
        ("--scope", "me", "--owner", "alice"),
        ("--status", "great"),
    ],
)
def test_a_question_that_makes_no_sense_is_not_asked(
    open_box: Callable[..., Commands], options: tuple[str, ...]
) -> None:
    desk = open_box()
    desk.say("insights", "tests", *options, code=2)
    assert len(desk.sandbox.log) == 0
