"""A job survives being a row, whatever the vendor wrote into it, and UNKNOWN stays apart from
null.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sauce_janitor.model.jobs import UNKNOWN, Job, JobState, Owner, job_id
from sauce_janitor.state.rows import BITS, COLUMNS, FIELDS, JobReader, id_bytes, plain, row_of

texts = st.one_of(st.none(), st.just(UNKNOWN), st.text(st.characters(exclude_categories=())))
times = st.one_of(st.none(), st.just(UNKNOWN), st.integers(-(2**62), 2**62))
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()), st.lists, max_leaves=5
)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    named: dict[str, Any] = {
        name: draw(texts)
        for name in FIELDS
        if name not in {"tags", "manual", "custom_data"} and name[-3:] != "_at"
    }
    named |= {name: draw(times) for name in FIELDS if name.endswith("_at")}
    return Job(
        id=job_id(draw(st.text("0123456789abcdef", min_size=32, max_size=32))),
        owner=Owner("demo"),
        state=draw(st.sampled_from(JobState)),
        tags=draw(
            st.one_of(
                st.just(UNKNOWN), st.lists(st.text(st.characters(exclude_categories=()))).map(tuple)
            )
        ),
        manual=draw(st.sampled_from([None, True, False, UNKNOWN])),
        custom_data=draw(
            st.one_of(st.none(), st.just(UNKNOWN), st.dictionaries(st.text(), json_values))
        ),
        **named,
    )


@given(jobs())
def test_a_job_comes_back_as_it_went(job: Job) -> None:
    assume(job.team_id != "")  # parsing has no such team
    row = row_of(job)
    assert JobReader().job_of([row[column] for column in COLUMNS]) == job


@given(jobs())
def test_no_column_holds_what_a_database_cannot(job: Job) -> None:
    for value in row_of(job).values():
        if isinstance(value, str):
            assert "\x00" not in value
            value.encode("utf-8")


def test_a_time_beyond_what_a_database_holds_is_unknown() -> None:
    row = row_of(Job(job_id("a" * 32), Owner("demo"), JobState.FINISHED, ended_at=10**30))
    assert JobReader().job_of([row[column] for column in COLUMNS]).ended_at is UNKNOWN


def test_a_job_read_from_a_row_is_a_job_in_every_respect() -> None:
    made = Job(job_id("a" * 32), Owner("demo"), JobState.FINISHED, tags=("a",), ended_at=5)
    row = row_of(made)
    read = JobReader().job_of([row[column] for column in COLUMNS])
    assert type(read) is Job
    assert hash(read) == hash(made)
    assert replace(read, name="other").name == "other"


def test_every_field_of_a_job_is_stored() -> None:
    assert {field.name for field in fields(Job)} == {"id", "owner", "state", *FIELDS}
    assert [BITS[field] for field in FIELDS] == [1 << place for place in range(len(FIELDS))]


def test_what_people_type_is_made_storable() -> None:
    assert plain("a\x00b\udcffc") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    with pytest.raises(ValueError, match="hexadecimal"):
        id_bytes("not an id")


def test_a_row_from_before_teams_were_kept_does_not_know_its_team() -> None:
    row = row_of(Job(job_id("0" * 32), Owner("demo"), JobState.FINISHED, team_id="web"))
    read = JobReader().job_of
    assert read([row[column] for column in COLUMNS]).team_id == "web"
    assert read([(row | {"team_id": ""})[column] for column in COLUMNS]).team_id is None
    for marks in (0, BITS["name"]):
        before = row | {"team_id": None, "marks": marks}
        assert read([before[column] for column in COLUMNS]).team_id is UNKNOWN
