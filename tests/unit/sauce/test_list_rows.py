"""One row that no JSON parser takes spoils itself alone; a text of which it cannot be told where
rows end spoils the page.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import JobId, Oddness, Owner
from sauce_janitor.sauce.list_rows import BadRow, load_rows
from sauce_janitor.sauce.parse import parse_rows

ME = Owner("jsmith")
IDS = [JobId(f"{number:032x}") for number in range(3)]
BAD = {
    "NaN": b"NaN",
    "1e999": b"1e999",
    "2,000 levels": b"[" * 2000 + b"]" * 2000,
    "5,000 digits": b"9" * 5000,
    "a key twice": b'{"a": 1, "a": 2}',
    "no text": b'"\xff"',
    "half a number": b"1.",
    "brackets in a text and NaN": b'["]}],[{\\"", NaN]',
}


VALUES = st.recursive(
    st.none() | st.text(),
    lambda kids: st.lists(kids) | st.dictionaries(st.text(), kids),
    max_leaves=8,
)


def page_with(bad: bytes, *, frame: bytes = b"[%s]") -> bytes:
    rows = [
        json.dumps({"id": one, "owner": ME, "name": 'a, "b" ]}', "extra": "HERE"}).encode()
        for one in IDS
    ]
    rows[1] = rows[1].replace(b'"HERE"', bad)
    return frame % b", ".join(rows)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize(
    "frame", [b"[%s]", b'{"jobs": [%s]}', b' {"x": {"jobs": [1]}, "jobs" : [%s], "more": false}\n']
)
def test_a_bad_row_is_set_aside_with_its_id_and_the_others_are_read(
    bad: bytes, frame: bytes
) -> None:
    page = parse_rows(load_rows(page_with(bad, frame=frame), what="the list"), ME)
    assert [job.id for job in page.jobs] == [IDS[0], IDS[2]]
    assert page.ids == tuple(IDS)
    assert [(row.place, row.id, row.kind) for row in page.odd] == [(1, IDS[1], Oddness.UNREADABLE)]


@pytest.mark.parametrize(
    "text",
    [
        page_with(b"NaN")[:-1],
        page_with(b"NaN") + b"]",
        page_with(b"NaN") + b"x",
        page_with(b"NaN", frame=b'{"jobs": [%s]'),
        page_with(b"NaN", frame=b'{"jobs": [%s], "a": NaN}'),
        page_with(b'"no end'),
        b'{"errors": NaN}',
        b"[",
        b"NaN",
    ],
)
def test_a_page_whose_rows_have_no_sure_ends_is_refused(text: bytes) -> None:
    with pytest.raises(AnswerError, match="the list"):
        load_rows(text, what="the list")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b'{"x": NaN}', ""),
        (b'{"id": "%s", "x": NaN, "id": "%s"}' % (b"a" * 32, b"b" * 32), ""),
        (b'{"x": {"id": "%s"}, "y": NaN}' % (b"a" * 32), ""),
        (b'{"x": {"id": "%s"}, "y": NaN, "id" : "%s"}' % (b"a" * 32, b"b" * 32), "b" * 32),
    ],
)
def test_the_id_of_a_bad_row_is_read_where_it_names_one_at_its_top(row: bytes, said: str) -> None:
    answer = load_rows(b"[%s]" % row, what="the list")
    assert isinstance(answer, list)
    assert [each.id for each in answer if isinstance(each, BadRow)] == [said]


def test_our_own_key_is_blotted_out_of_rows_read_one_by_one() -> None:
    answer = load_rows(b'[{"a": "the-key"}, NaN]', what="the list", secrets=["the-key"])
    assert isinstance(answer, list)
    assert answer[0] == {"a": "[removed]"}


@given(
    st.lists(
        st.recursive(
            st.none() | st.text(),
            lambda kids: st.lists(kids) | st.dictionaries(st.text(), kids),
            max_leaves=8,
        )
    )
)
def test_rows_read_one_by_one_are_what_the_whole_would_be(rows: list[object]) -> None:
    text = json.dumps([*rows, "LAST"]).encode().replace(b'"LAST"', b"NaN")
    answer = load_rows(text, what="the list")
    assert isinstance(answer, list)
    assert answer[:-1] == rows
    assert isinstance(answer[-1], BadRow)


@pytest.mark.parametrize(
    ("owners", "spelling"),
    [(["JSMITH"] * 3, "JSMITH"), (["JSMITH", "jsmith", "JSMITH"], None), (["jsmith"] * 3, None)],
)
def test_a_name_in_other_letters_case_is_the_same_user(
    owners: list[str], spelling: str | None
) -> None:
    page = parse_rows(
        [{"id": one, "owner": owner} for one, owner in zip(IDS, owners, strict=True)], ME
    )
    assert {job.owner for job in page.jobs} == {ME}
    assert page.spelling == spelling
