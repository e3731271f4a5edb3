"""Changes by hand: merged into what the job has, and nothing sent that the API would take for
something else.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.model.job_changes import JobChange, fields_of, has_come, is_body
from sauce_janitor.model.jobs import UNKNOWN, Job, JobDocument, JobId, JobState, Owner
from sauce_janitor.sauce.http.redact import REMOVED, redact_mapping

tags = st.lists(st.text("abc", min_size=1, max_size=2), unique=True, max_size=4)


def document(**fields: Any) -> JobDocument:
    job = Job(JobId("ab" * 16), Owner("demo"), JobState.FINISHED, **fields)
    return JobDocument(job, {"id": job.id, "passed": None})


@given(tags, tags, tags)
def test_adding_and_removing_keeps_every_other_tag_in_its_place(
    old: list[str], add: list[str], drop: list[str]
) -> None:
    drop = [tag for tag in drop if tag not in add]
    sent = (
        JobChange(add=tuple(add), remove=tuple(drop)).of(document(tags=tuple(old))).get("tags", old)
    )
    assert isinstance(sent, list)
    assert set(sent) == (set(old) | set(add)) - set(drop)
    assert [tag for tag in sent if tag in old] == [tag for tag in old if tag in sent]
    assert len(sent) == len(set(sent))


@given(tags, tags)
def test_what_is_there_already_is_not_sent(old: list[str], add: list[str]) -> None:
    change = JobChange(add=tuple(add))
    sent = change.of(document(tags=tuple(old)))
    assert ("tags" in sent) is bool(set(add) - set(old))
    if "tags" in sent:
        assert change.of(document(tags=tuple(sent["tags"]))) == {}  # type: ignore[arg-type]


def test_every_field_is_sent_whole_and_only_where_it_differs() -> None:
    before = document(
        name="checkout",
        build="rc-1",
        public="team",
        tags=("a",),
        custom_data={"team": "qa", "run": 7},
    )
    change = JobChange(
        tags=("x",),
        add=("y",),
        name="checkout",
        build="rc-2",
        public="private",
        passed=True,
        custom_data=(("run", "8"),),
    )
    sent = change.of(before)
    assert sent == {
        "tags": ["x", "y"],
        "build": "rc-2",
        "public": "private",
        "passed": True,
        "custom-data": {"team": "qa", "run": "8"},
    }
    assert is_body(json.dumps(sent))
    assert "name" not in sent


def test_what_cannot_be_read_is_not_merged_into() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        JobChange(add=("keep",)).of(document(tags=UNKNOWN))
    with pytest.raises(ValueError, match="cannot be read"):
        JobChange(custom_data=(("a", "b"),)).of(document(custom_data=UNKNOWN))
    assert JobChange(tags=("keep",)).of(document(tags=UNKNOWN)) == {"tags": ["keep"]}


def test_custom_data_with_a_credential_in_them_are_left_alone() -> None:
    secret = redact_mapping({"access_key": "k", "team": "qa"})
    with pytest.raises(ValueError, match="would be lost"):
        JobChange(custom_data=(("team", "dev"),)).of(document(custom_data=secret))
    replaced = JobChange(custom_data=(("access_key", "new"),)).of(
        document(custom_data={"access_key": REMOVED})
    )
    assert replaced == {"custom-data": {"access_key": "new"}}


def test_a_credential_that_was_set_is_read_back_unseen() -> None:
    assert has_come("custom-data", {"password": REMOVED, "a": "b"}, {"password": "x", "a": "b"})
    assert not has_come("custom-data", {"password": REMOVED, "a": "c"}, {"password": "x", "a": "b"})
    assert not has_come("custom-data", {"a": "b"}, {"a": "b", "c": "d"})
    assert has_come("tags", ["b", "a"], ["a", "b"])


def test_custom_data_take_any_json_value_and_lose_a_key() -> None:
    before = document(custom_data={"team": "qa", "run": 1, "old": {"a": [1]}})
    change = JobChange(
        custom_data=(("run", True), ("more", {"a": [1, None]})), drop_custom_data=("old", "absent")
    )
    wanted = {"team": "qa", "run": True, "more": {"a": [1, None]}}
    assert change.of(before) == {"custom-data": wanted}
    assert is_body(json.dumps(change.of(before)))
    assert change.of(document(custom_data=wanted)) == {}
    assert JobChange(drop_custom_data=("team",)).of(document(custom_data={"team": "qa"})) == {
        "custom-data": {}
    }
    assert JobChange(drop_custom_data=("absent",)).of(before) == {}


def test_true_and_1_are_two_values_of_custom_data() -> None:
    assert JobChange(custom_data=(("run", True),)).of(document(custom_data={"run": 1})) == {
        "custom-data": {"run": True}
    }
    assert JobChange(custom_data=(("run", 1.0),)).of(document(custom_data={"run": 1})) == {}
    assert not has_come("custom-data", {"a": [0]}, {"a": [False]})


def test_a_credential_inside_a_value_is_read_back_unseen() -> None:
    wanted = {"db": {"url": "https://jo:x@host/a", "password": "x"}}
    assert has_come("custom-data", redact_mapping(wanted), wanted)
    assert not has_come(
        "custom-data", redact_mapping(wanted), {"db": {"url": "https://other/a", "password": "x"}}
    )


def test_several_roles_are_set_and_compared_in_any_order() -> None:
    change = JobChange(public="team,share")
    assert is_body(json.dumps(change.of(document(public="team"))))
    assert change.of(document(public="share, team")) == {}
    assert has_come("public", "share,team", "team,share")
    assert not has_come("public", "team", "team,share")
    assert not is_body('{"public": "team,everybody"}')
    assert not is_body('{"public": "team,"}')


@pytest.mark.parametrize(
    "wanted",
    [
        {"add": ("",)},
        {"add": (" keep",)},
        {"remove": ("a\nb",)},
        {"tags": ("x" * 256,)},
        {"public": "all"},
        {"public": "team,all"},
        {"name": " "},
        {"build": "a\x1bb"},
        {"add": ("a",), "remove": ("a",)},
        {"custom_data": ((" ", "x"),)},
        {"drop_custom_data": ("",)},
        {"custom_data": (("a", 1),), "drop_custom_data": ("a",)},
        {"custom_data": (("a", json.loads("[" * 33 + "]" * 33)),)},
    ],
)
def test_what_no_job_can_have_is_refused(wanted: dict[str, Any]) -> None:
    said = r"is not a tag|one of|cannot be|a name before|nested deeper"
    with pytest.raises(ValueError, match=said):
        JobChange(**wanted)


def test_fields_that_cannot_be_read_are_not_told() -> None:
    before = document(name=UNKNOWN, tags=UNKNOWN, public="team")
    assert fields_of(before) == {"passed": None, "public": "team", "build": None, "custom-data": {}}
    assert fields_of(replace(before, document={})) == {
        "public": "team",
        "build": None,
        "custom-data": {},
    }


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4))
def test_no_body_but_an_object_of_known_fields_passes(value: object) -> None:
    assert not is_body(json.dumps(value))
    assert not is_body(json.dumps({"status": value}))
    assert not is_body(value)
