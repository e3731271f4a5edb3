"""What team management may answer."""

from __future__ import annotations

import pytest

from sauce_janitor.errors import AnswerError
from sauce_janitor.sauce.people_pages import parse_people

ROW = {
    "id": "u1",
    "username": "alice",
    "is_active": True,
    "organization": {"id": "o", "name": "Shop"},
}


def test_a_page_is_its_names_and_what_it_says_of_how_much_there_is() -> None:
    page = parse_people(
        {"links": {"next": "http://evil.example/2", "previous": None}, "count": 2, "results": [ROW]}
    )
    assert (page.names, page.rows, page.count, page.has_more, page.rejected) == (
        ("alice",),
        1,
        2,
        True,
        (),
    )


@pytest.mark.parametrize(
    "answer", [None, [ROW], {}, {"results": None}, {"results": {"0": ROW}}, "alice", 7]
)
def test_an_answer_without_a_list_is_no_answer(answer: object) -> None:
    with pytest.raises(AnswerError):
        parse_people(answer)


UNUSABLE = [
    {},
    {"username": None},
    {"username": ["alice"]},
    {"username": "a/b"},
    {"username": ".."},
]


@pytest.mark.parametrize("row", [None, 7, [], "alice", *UNUSABLE])
def test_a_row_without_a_usable_name_is_rejected(row: object) -> None:
    page = parse_people({"count": 2, "results": [ROW, row]})
    assert (page.names, page.rows, len(page.rejected)) == (("alice",), 2, 1)


def test_ids_are_known_where_they_could_be_one() -> None:
    rows = [
        {"username": f"u{at}", "id": wrong}
        for at, wrong in enumerate([None, 7, "", "a&b=c", "../x", "x" * 65, ["u"]])
    ]
    page = parse_people(
        {"results": [{"username": "alice", "id": "0f8f-ab"}, *rows, {"username": "bob"}]}
    )
    assert page.ids == {"alice": "0f8f-ab"}
    assert len(page.names) == 9


@pytest.mark.parametrize("count", [None, True, -1, "2", 1.5, []])
def test_a_count_that_is_none_says_nothing(count: object) -> None:
    assert parse_people({"count": count, "links": [], "results": []}).count is None
