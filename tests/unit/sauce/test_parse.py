"""From the vendor's JSON to the model: every recorded answer, and every oddity that could mislead a
decision.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import UNKNOWN, Job, JobId, JobState, Owner, owner_name
from sauce_janitor.sauce.build_rows import ForeignBuildError, parse_build, parse_builds
from sauce_janitor.sauce.parse import (
    parse_assets,
    parse_batch,
    parse_deleted_assets,
    parse_details,
    parse_rows,
)

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
ME = Owner("jsmith")
ONE = JobId("1" * 32)


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text())


def document(**changes: object) -> dict[str, object]:
    base: dict[str, object] = {
        "id": ONE,
        "owner": ME,
        "name": "login",
        "build": "Release ",
        "tags": ["e2e"],
        "status": "complete",
        "passed": True,
        "error": "",
        "os": "Windows 10",
        "browser": "googlechrome",
        "browser_version": "89.0.4389.72",
        "automation_backend": "webdriver",
        "public": "team",
        "manual": False,
        "custom-data": {"tcd": "true"},
        "creation_time": 1_618_860_861,
        "start_time": 1_618_860_862,
        "end_time": 1_618_860_985,
        "modification_time": 1_618_860_986,
        "team_id": "web",
    }
    return base | changes


def parsed(**changes: object) -> Job:
    page = parse_rows([document(**changes)], ME)
    assert page.rejected == ()
    return page.jobs[0]


def without(key: str) -> Job:
    row = document()
    del row[key]
    return parse_rows([row], ME).jobs[0]


def test_a_full_document_becomes_a_job() -> None:
    assert parsed() == Job(
        id=ONE,
        owner=ME,
        state=JobState.FINISHED,
        name="login",
        build="Release",
        tags=("e2e",),
        status="passed",
        os="Windows 10",
        browser="googlechrome",
        browser_version="89.0.4389.72",
        automation_backend="webdriver",
        public="team",
        error=None,
        manual=False,
        custom_data={"tcd": "true"},
        created_at=1_618_860_861,
        started_at=1_618_860_862,
        ended_at=1_618_860_985,
        modified_at=1_618_860_986,
        team_id="web",
    )


def test_the_recorded_details_are_read() -> None:
    info = sample("saucerest-java/job_info.json")
    found = parse_details(info, Owner("halkeye"), JobId(info["id"]))
    assert found is not None
    assert (found.job.state, found.job.status, found.job.build, found.job.ended_at) == (
        JobState.FINISHED,
        "passed",
        "JAVA-JAVA-3",
        1_448_576_078,
    )
    assert found.document == info, "nothing in it is a secret, so nothing is changed"


def test_a_recorded_job_that_says_passed_while_it_runs_is_running() -> None:
    doc = sample("issues/saucerest-java-56_job_in_progress.json")
    found = parse_details(doc, Owner("rlouvet"), JobId(doc["id"]))
    assert found is not None
    assert (found.job.state, found.job.status, found.job.ended_at) == (JobState.RUNNING, None, None)
    assert found.document["video_secret"] == "[removed]"


def test_the_recorded_lists_are_read_whole() -> None:
    full = parse_rows(sample("saucerest-java/build_jobs_full.json"), Owner("halkeye"))
    assert full.rejected == ()
    assert len(full.jobs) == len(full.ids) > 5
    assert {job.state for job in full.jobs} == {JobState.FINISHED}
    assert {job.status for job in full.jobs} == {"failed"}
    assert parse_rows(sample("saucerest-java/build_jobs_empty.json"), ME).ids == ()


def test_a_recorded_list_that_is_not_in_full_leaves_everything_it_lacks_unknown() -> None:
    page = parse_rows(sample("saucerest-java/build_jobs.json"), Owner("halkeye"))
    assert page.rejected == ()
    assert {job.state for job in page.jobs} == {JobState.UNKNOWN}
    job = page.jobs[0]
    assert (job.name, job.build, job.tags, job.ended_at, job.status) == (UNKNOWN,) * 5
    assert job.created_at == 1_445_299_850


def test_every_recorded_exchange_of_the_ruby_client_is_read() -> None:
    lists = 0
    for exchange in sample("sauce_whisk/jobs_recorded.json"):
        body, path = exchange["body"], exchange["url"]
        if exchange["status"] != 200:
            continue
        if path.endswith("/jobs"):
            page = parse_rows(body, ME)
            assert page.rejected == ()
            assert {job.state for job in page.jobs} == {JobState.UNKNOWN}
            lists += 1
        elif path.endswith("/assets") and exchange["method"] == "GET":
            assert parse_assets(body, ONE).names
        elif isinstance(body, dict) and "creation_time" in body and exchange["method"] == "GET":
            found = parse_details(body, Owner(body["owner"]), JobId(body["id"]))
            assert found is not None
            assert found.job.created_at == body["creation_time"]
    assert lists


def test_the_command_line_tools_recorded_answers_are_read() -> None:
    answers = sample("saucectl/resto_test_responses.json")
    passed_null = answers["/rest/v1.1/test/jobs/1"] | {"id": ONE}
    errored = answers["/rest/v1.1/test/jobs/2"] | {"id": ONE}
    test = Owner("test")
    assert [job.status for job in parse_rows([passed_null, errored], test).jobs] == [
        "complete",
        "error",
    ]
    assert parse_assets(answers["/rest/v1/test/jobs/1/assets"], ONE).names == (
        "console.log",
        "examples__actions.spec.js.mp4",
        "examples__actions.spec.js.json",
        "video.mp4",
        "examples__actions.spec.js.xml",
    )


def test_real_device_answers_are_never_taken_for_jobs() -> None:
    for body in sample("saucectl/rdcservice_test_responses.json").values():
        rows = body if isinstance(body, list) else [body]
        assert parse_rows(rows, ME).jobs == ()


def test_the_recorded_builds_are_read() -> None:
    running, done = parse_builds(sample("saucerest-java/buildsResponses.json"))
    assert (
        running.id,
        running.name,
        running.status,
        running.jobs,
        running.open_jobs,
        running.owner,
    ) == (
        "BUILD_ID_1",
        "Smoke-Tests-1.6620",
        "running",
        32,
        4,
        None,
    )
    assert (done.status, done.jobs, done.open_jobs) == ("success", 4, 0)
    documented = sample("sauce-docs/builds_v2_samples.json")
    assert parse_builds(documented["lookup_builds"])[0].status == "success"
    assert parse_build(documented["get_build"]).status == "failed"


def test_an_older_build_has_its_owner_and_the_newer_words() -> None:
    row = {
        "id": "45d7",
        "name": "Release",
        "owner": "jsmith",
        "status": "errored",
        "jobs": {"finished": 1},
    }
    (build,) = parse_builds([row])
    assert (build.owner, build.status, build.jobs, build.open_jobs) == (
        ME,
        "error",
        UNKNOWN,
        UNKNOWN,
    )


@pytest.mark.parametrize(
    "row", [None, {}, {"id": ""}, {"id": 7}, {"id": "a\nb"}, {"id": "x" * 256}, []]
)
def test_a_build_without_a_usable_id_is_refused(row: object) -> None:
    with pytest.raises(AnswerError):
        parse_builds([row])


FIELDS = {
    "name": "name",
    "build": "build",
    "tags": "tags",
    "os": "os",
    "browser": "browser",
    "browser_version": "browser_version",
    "automation_backend": "automation_backend",
    "public": "public",
    "error": "error",
    "manual": "manual",
    "custom-data": "custom_data",
    "creation_time": "created_at",
    "start_time": "started_at",
    "end_time": "ended_at",
    "modification_time": "modified_at",
    "team_id": "team_id",
    "passed": "status",
    "status": "status",
}


@pytest.mark.parametrize(("key", "field"), FIELDS.items())
def test_an_absent_key_is_unknown(key: str, field: str) -> None:
    assert getattr(without(key), field) is UNKNOWN


@pytest.mark.parametrize(
    ("key", "field"),
    [item for item in FIELDS.items() if item[0] not in {"tags", "passed", "status"}],
)
def test_null_is_none(key: str, field: str) -> None:
    assert getattr(parsed(**{key: None}), field) is None


@pytest.mark.parametrize(("key", "field"), FIELDS.items())
@pytest.mark.parametrize("garbage", [7, -1.5, [{}], {"a": 1}, True])
def test_a_value_of_another_kind_is_unknown(key: str, field: str, garbage: object) -> None:
    if (key == "custom-data" and isinstance(garbage, dict)) or (
        key in {"manual", "passed"} and garbage is True
    ):
        return
    assert getattr(parsed(**{key: garbage}), field) is UNKNOWN


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_build_or_error_is_none(blank: str) -> None:
    assert parsed(build=blank).build is None
    assert parsed(error=blank).error is None
    assert parsed(name=blank).name == blank


def test_no_tags_are_an_empty_tuple_and_one_bad_tag_makes_all_unknown() -> None:
    assert parsed(tags=None).tags == ()
    assert parsed(tags=[]).tags == ()
    assert parsed(tags=["keep", 7]).tags is UNKNOWN
    assert parsed(tags=["keep", "\ud800"]).tags is UNKNOWN
    assert parsed(tags="keep").tags is UNKNOWN


@pytest.mark.parametrize("key", ["creation_time", "start_time", "end_time", "modification_time"])
@pytest.mark.parametrize(
    "value",
    [
        1_618_860_985_000,
        1_618_860_985.0,
        1_618_860_985.5,
        math.nan,
        math.inf,
        -1_618_860_985,
        0,
        True,
        1_199_145_599,
        4_102_444_800,
        10**40,
        "1618860985000",
        " 1618860985",
        "1618860985.0",
        "1_618_860_985",
        "١٦١٨٨٦٠٩٨٥",
        "2021-04-19T19:36:25Z",
        "",
    ],
)
def test_an_implausible_time_is_unknown(key: str, value: object) -> None:
    assert getattr(parsed(**{key: value}), FIELDS[key]) is UNKNOWN


def test_digits_in_a_text_are_a_time() -> None:
    assert parsed(end_time="1618860985").ended_at == 1_618_860_985


@pytest.mark.parametrize("raw", ["complete", "error", "errored", "passed", "failed", "finished"])
@pytest.mark.parametrize("end", [None, "soon", 1_618_860_985_000])
def test_a_final_status_without_a_known_end_is_not_finished(raw: str, end: object) -> None:
    job = parsed(status=raw, end_time=end)
    assert (job.state, job.status) == (JobState.UNKNOWN, UNKNOWN)
    assert parsed(status=raw).state is JobState.FINISHED


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        ("queued", JobState.QUEUED),
        ("new", JobState.QUEUED),
        ("in progress", JobState.RUNNING),
        ("running", JobState.RUNNING),
        ("Complete", JobState.UNKNOWN),
        ("terminated", JobState.UNKNOWN),
        (None, JobState.UNKNOWN),
        (7, JobState.UNKNOWN),
    ],
)
def test_only_known_words_say_where_a_job_stands(raw: object, state: JobState) -> None:
    job = parsed(status=raw, consolidated_status="passed")
    assert job.state is state
    assert job.status is (UNKNOWN if state is JobState.UNKNOWN else None)


@pytest.mark.parametrize(
    ("passed", "raw", "error", "verdict"),
    [
        (True, "complete", None, "passed"),
        (False, "complete", None, "failed"),
        (None, "complete", None, "complete"),
        (None, "complete", "  ", "complete"),
        (None, "complete", "User terminated", "error"),
        (None, "error", None, "error"),
        (None, "errored", None, "error"),
        (True, "error", "late", "passed"),
        (None, "failed", None, "failed"),
        ("true", "complete", None, UNKNOWN),
        (None, "complete", 7, UNKNOWN),
    ],
)
def test_the_verdict_is_what_users_see(
    passed: object, raw: str, error: object, verdict: object
) -> None:
    assert (
        parsed(passed=passed, status=raw, error=error, consolidated_status="complete").status
        == verdict
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": None}, "not a job id"),
        ({"id": ""}, "not a job id"),
        ({"id": "A" * 32}, "not a job id"),
        ({"id": "../" + "a" * 29}, "not a job id"),
        ({"id": 7}, "not a job id"),
        ({"owner": "mallory"}, "mallory"),
        ({"owner": None}, "not a user name"),
        ({"owner": "../x"}, "not a user name"),
        ({"deletion_time": 1_618_860_985}, "deleted already"),
        ({"deletion_time": "whenever"}, "deleted already"),
    ],
)
def test_a_row_that_is_not_the_owners_live_job_is_rejected_with_its_reason(
    change: dict[str, object], said: str
) -> None:
    page = parse_rows([document(**change), document()], ME)
    assert [job.id for job in page.jobs] == [ONE]
    assert len(page.ids) == 2
    assert page.ids[1] == ONE
    (reason,) = page.rejected
    assert reason.startswith("row 0: ")
    assert said in reason


@pytest.mark.parametrize("row", [None, 7, "x", [], {}])
def test_a_row_that_is_no_object_is_rejected_and_keeps_its_place(row: object) -> None:
    page = parse_rows([row, document()], ME)
    assert page.ids == ("", ONE)
    assert len(page.rejected) == 1


def short_row(**changes: object) -> dict[str, object]:
    """As the Jobs API's page shows a row of Get Jobs."""
    asked = {
        "username": ME,
        "name": "demoPageTitle",
        "platform": "macOS 10.12",
        "browserName": "safari",
    }
    return {"status": "complete", "base_config": asked, "deletion_time": None, "id": ONE, **changes}


def test_a_short_row_shows_people_its_name_and_status_and_decides_nothing() -> None:
    page = parse_rows([short_row()], ME)
    (job,), glimpse = page.jobs, page.glimpses[ONE]
    assert (job.name, job.status, job.state) == (UNKNOWN, UNKNOWN, JobState.UNKNOWN)
    assert (glimpse.name, glimpse.status, glimpse.state) == (
        "demoPageTitle",
        "complete",
        JobState.UNKNOWN,
    )


@pytest.mark.parametrize(
    ("changes", "name", "status"),
    [
        ({"status": "in progress"}, "demoPageTitle", None),
        ({"status": "no word of theirs"}, "demoPageTitle", UNKNOWN),
        ({"base_config": {"name": 7}}, UNKNOWN, "complete"),
    ],
)
def test_what_a_short_row_does_not_say_stays_unknown(
    changes: dict[str, object], name: object, status: object
) -> None:
    glimpse = parse_rows([short_row(**changes)], ME).glimpses[ONE]
    assert (glimpse.name, glimpse.status) == (name, status)


@pytest.mark.parametrize(
    "row", [document(), document(name=None), short_row(base_config=None), {"id": ONE}]
)
def test_no_other_row_gives_a_glimpse(row: dict[str, object]) -> None:
    assert parse_rows([row], ME).glimpses == {}


@pytest.mark.parametrize(
    "answer", [None, {}, {"jobs": None}, {"jobs": {}}, {"error": "x"}, "[]", 0, {"builds": []}]
)
def test_a_list_that_is_none_is_refused(answer: object) -> None:
    with pytest.raises(AnswerError, match="not a list of jobs"):
        parse_rows(answer, ME)


def test_details_of_a_deleted_job_are_none() -> None:
    assert parse_details(document(deletion_time=1_618_860_985), ME, ONE) is None


def test_details_without_an_owner_prove_nothing() -> None:
    row = document()
    del row["owner"]
    with pytest.raises(AnswerError, match="not a user name"):
        parse_details(row, ME, ONE)


def test_a_batch_in_short_rows_is_not_offered() -> None:
    assert parse_batch({"jobs": [{"id": ONE}]}, [ONE]) is None
    assert parse_batch({"jobs": [document(deletion_time=1_618_860_985)]}, [ONE]) == {}


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ({}, ()),
        ({"screenshots": [], "video": None, "sauce-log": None}, ()),
        (
            {
                "video.mp4": "video.mp4",
                "video": "video.mp4",
                "screenshots": ["1.png", "0.png", None],
            },
            ("video.mp4", "1.png", "0.png"),
        ),
        ({"errors": "errors", "message": "message"}, ("errors", "message")),
        (
            {"x": "../../etc/passwd", "y": "a\0b", "z": "VIDEO.mp4"},
            ("../../etc/passwd", "a\0b", "VIDEO.mp4"),
        ),
    ],
)
def test_asset_names_are_flattened_and_each_given_once(
    answer: object, names: tuple[str, ...]
) -> None:
    assert parse_assets(answer, ONE).names == names


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "video.mp4",
        7,
        [],
        ["a.log"],
        {"error": "went wrong"},
        {"errors": []},
        {"detail": None},
        {"a": 7},
        {"a": {"b": "c"}},
        {"a": ["b", 7]},
        {"a": [["b"]]},
        {"a": ""},
    ],
)
def test_an_asset_list_that_cannot_be_read_whole_is_refused(answer: object) -> None:
    with pytest.raises(AnswerError, match="asset list of job"):
        parse_assets(answer, ONE)


def test_the_documented_answer_of_delete_job_assets_is_read() -> None:
    assert parse_deleted_assets([["0000screenshot.png", 11305], ["_crmuxdriver.log", 0]]) == (
        ("0000screenshot.png", 11305),
        ("_crmuxdriver.log", 0),
    )
    assert parse_deleted_assets([]) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*FIELDS, "owner", "id", "deletion_time"]), JSON))
def test_no_document_makes_parsing_fail(changes: dict[str, object]) -> None:
    page = parse_rows([document() | changes], ME)
    assert len(page.jobs) + len(page.rejected) == 1


@given(st.sampled_from([*FIELDS]), JSON)
def test_garbage_in_one_field_never_finishes_an_unfinished_job(key: str, garbage: object) -> None:
    row = document(status="in progress", end_time=None) | {key: garbage}
    if key != "status":
        assert parse_rows([row], ME).jobs[0].state is JobState.RUNNING


def test_builds_of_one_user_are_nobody_else_s() -> None:
    mine, other = {"id": "b1", "owner_id": "0F8F-AB"}, {"id": "b2", "owner_id": "77"}
    assert [build.id for build in parse_builds({"builds": [mine]}, user_id="0f8fab")] == ["b1"]
    for rows in (
        [mine, other],
        [{"id": "b1"}],
        [{"id": "b1", "owner_id": None}],
        [{"id": "b1", "owner_id": ["0f8fab"]}],
    ):
        with pytest.raises(ForeignBuildError):
            parse_builds({"builds": rows}, user_id="0f8fab")
    assert parse_builds([{"id": "b1", "owner": "jsmith"}, {"id": "b2"}], owner=owner_name("jsmith"))
    with pytest.raises(ForeignBuildError):
        parse_builds([{"id": "b1", "owner": "mallory"}], owner=owner_name("jsmith"))
