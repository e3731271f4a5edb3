"""The jobs of a build, in each shape that was recorded, and however badly the pages behave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import UNKNOWN, JobId
from sauce_janitor.sauce.build_members import BuildMember, each_member, parse_members

SAMPLES = Path(__file__).parents[2] / "data" / "samples"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text())


def member(number: int) -> BuildMember:
    return BuildMember(JobId(f"{number:032x}"), "passed", 1, 2)


def test_the_documented_answer_says_how_each_job_ended() -> None:
    (found,) = parse_members(sample("sauce-docs/builds_v2_samples.json")["jobs_in_build"])
    assert found == BuildMember(
        JobId("ac50bd0253834f78abdee6d5afea89ba"), "passed", 1_632_236_598, 1_632_236_607
    )


@pytest.mark.parametrize(
    "name", ["build_jobs.json", "build_jobs_full.json", "build_jobs_empty.json"]
)
def test_the_older_answers_are_read_too(name: str) -> None:
    answer = sample(f"saucerest-java/{name}")
    found = parse_members(answer)
    assert len(found) == len(answer["jobs"])
    assert {each.status for each in found} <= {"complete", "passed", "failed", "error"}


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ({"running": True, "errored": True}, "running"),
        ({"finished": True, "errored": True}, "error"),
        ({"finished": True, "completed": True}, "complete"),
        ({"new": True}, "queued"),
        ({"finished": "yes"}, UNKNOWN),
    ],
)
def test_the_flags_that_matter_most_come_first(state: dict[str, Any], status: object) -> None:
    (found,) = parse_members({"jobs": [{"id": "ab" * 16, "state": state}]})
    assert found.status == status


@pytest.mark.parametrize("answer", [None, {}, {"jobs": None}, {"errors": "Not Found"}, "x", 7])
def test_anything_else_is_no_list(answer: object) -> None:
    with pytest.raises(AnswerError, match="not a list"):
        parse_members(answer)


def test_rows_without_a_usable_id_are_left_out() -> None:
    assert parse_members([{"id": ".."}, {"id": "AB" * 16}, None, [], {"id": None}]) == ()


def test_pages_end_with_a_short_one_and_no_job_comes_twice() -> None:
    rows = [member(number) for number in range(250)]
    asked: list[int] = []

    def overlapping(offset: int) -> tuple[BuildMember, ...]:
        asked.append(offset)
        return tuple(rows[max(0, offset - 1) : offset + 99])

    found = each_member(overlapping)
    assert found is not None
    assert list(found) == rows
    assert len(asked) < 8


def test_a_server_that_gives_the_same_page_for_ever_is_left_after_two() -> None:
    asked: list[int] = []

    def same(offset: int) -> tuple[BuildMember, ...]:
        asked.append(offset)
        return tuple(member(number) for number in range(100))

    found = each_member(same)
    assert found is not None
    assert (len(list(found)), asked) == (100, [0, 100])


def test_a_server_that_never_ends_is_left() -> None:
    found = each_member(lambda offset: tuple(member(offset + number) for number in range(20)))
    assert found is not None
    with pytest.raises(AnswerError, match="does not end"):
        for _ in found:
            pass


def test_not_offered_is_none() -> None:
    assert each_member(lambda _offset: None) is None
