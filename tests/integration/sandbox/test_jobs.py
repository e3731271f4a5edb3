"""The Jobs API's methods on jobs answer as their page says."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection

import pytest

from tests.support.sandbox import NOW, Call, Start, finished, unfinished

SEED_ROW = {
    "status",
    "base_config",
    "command_counts",
    "deletion_time",
    "url",
    "org_id",
    "creation_time",
    "id",
    "team_id",
    "performance_enabled",
    "assigned_tunnel_id",
    "container",
    "group_id",
    "public",
    "breakpointed",
}
DETAILS = {
    "browser_short_version",
    "video_url",
    "creation_time",
    "custom-data",
    "browser_version",
    "owner",
    "automation_backend",
    "id",
    "collects_automator_log",
    "record_screenshots",
    "record_video",
    "build",
    "passed",
    "public",
    "assigned_tunnel_id",
    "status",
    "log_url",
    "start_time",
    "proxied",
    "modification_time",
    "tags",
    "name",
    "commands_not_successful",
    "consolidated_status",
    "selenium_version",
    "manual",
    "end_time",
    "error",
    "os",
    "breakpointed",
    "browser",
}


def test_the_main_user_owns_exactly_as_many_jobs_as_asked_for(start: Start, call: Call) -> None:
    sandbox = start(jobs=1234)
    ask = call(sandbox)
    pages = [
        ask.get(f"/rest/v1/demo/jobs?limit=500&skip={skip}").json() for skip in range(0, 2000, 500)
    ]

    assert [len(page) for page in pages] == [500, 500, 234, 0]
    assert len({row["id"] for page in pages for row in page}) == 1234


def test_a_list_has_a_hundred_rows_unless_told_and_never_more_than_five_hundred(
    start: Start, call: Call
) -> None:
    ask = call(start(jobs=600))

    assert len(ask.get("/rest/v1/demo/jobs").json()) == 100
    assert len(ask.get("/rest/v1/demo/jobs?limit=7").json()) == 7
    assert len(ask.get("/rest/v1/demo/jobs?limit=9999").json()) == 500


def test_rows_come_newest_first_and_skip_counts_from_there(start: Start, call: Call) -> None:
    ask = call(start())
    rows = ask.get("/rest/v1/demo/jobs?limit=300").json()
    times = [row["creation_time"] for row in rows]

    assert times == sorted(times, reverse=True)
    assert ask.get("/rest/v1/demo/jobs?limit=10&skip=20").json() == rows[20:30]


def test_v1_answers_an_array_and_v1_1_an_object(start: Start, call: Call) -> None:
    ask = call(start())

    assert ask.get("/rest/v1.1/demo/jobs?limit=3").json() == {
        "jobs": ask.get("/rest/v1/demo/jobs?limit=3").json()
    }


def test_rows_without_full_lack_what_policies_need_and_rows_with_it_are_the_details(
    start: Start, call: Call
) -> None:
    ask = call(start())
    (plain,) = ask.get("/rest/v1/demo/jobs?limit=1&skip=30").json()
    (full,) = ask.get("/rest/v1/demo/jobs?limit=1&skip=30&full=true").json()

    assert plain.keys() == SEED_ROW
    assert full.keys() >= DETAILS
    assert full == ask.get(f"/rest/v1/demo/jobs/{full['id']}").json()
    assert ask.get("/rest/v1/demo/jobs?limit=1&skip=30&full=True").json() == [full], (
        "as sauceclient writes it"
    )


def test_a_window_holds_the_jobs_created_in_it_borders_included(start: Start, call: Call) -> None:
    ask = call(start())
    times = sorted(row["creation_time"] for row in ask.get("/rest/v1/demo/jobs?limit=500").json())
    low, high = times[100], times[200]
    rows = ask.get(f"/rest/v1/demo/jobs?limit=500&from={low}&to={high}").json()

    assert sorted(row["creation_time"] for row in rows) == [
        time for time in times if low <= time <= high
    ]
    assert ask.get(f"/rest/v1/demo/jobs?from={NOW + 1}").json() == []
    assert ask.get("/rest/v1/demo/jobs?to=0").json() == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "limit=-1", "skip=-1", "from=yesterday", "to=x"]
)
def test_a_query_that_cannot_be_read_is_a_bad_request(start: Start, call: Call, query: str) -> None:
    assert call(start()).get(f"/rest/v1/demo/jobs?{query}").status_code == 400


def test_jobs_are_found_by_name_and_told_as_csv(start: Start, call: Call) -> None:
    ask = call(start())
    rows = ask.get("/rest/v1/demo/jobs?full=true&limit=500&name=login: with password").json()
    text = ask.get("/rest/v1/demo/jobs?format=csv&limit=5").text

    assert {row["name"] for row in rows} == {"login: with password"}
    assert len(text.splitlines()) == 6


def test_several_jobs_are_looked_up_at_once_and_unknown_ones_left_out(
    start: Start, call: Call
) -> None:
    sandbox = start()
    ask = call(sandbox)
    wanted = list(sandbox.job_ids())[10:13]
    answer = ask.get("/rest/v1.1/jobs", params={"id": [*wanted, "0" * 32], "full": "true"}).json()

    assert [row["id"] for row in answer["jobs"]] == wanted
    assert answer["jobs"][0].keys() >= DETAILS


def test_a_job_is_found_on_every_path_that_clients_use(start: Start, call: Call) -> None:
    sandbox = start()
    ask, job_id = call(sandbox), finished(sandbox)
    paths = [
        f"/rest/{version}/{middle}jobs/{job_id}"
        for version in ("v1", "v1.1")
        for middle in ("", "demo/")
    ]

    assert {ask.get(path).text for path in paths} == {ask.get(paths[0]).text}


@pytest.mark.parametrize(
    "path", ["/rest/v1/demo/jobs/" + "0" * 32, "/rest/v1/demo/jobs/nope", "/rest/v1/nobody/jobs"]
)
def test_what_is_not_there_is_not_found(start: Start, call: Call, path: str) -> None:
    answer = call(start()).get(path)

    assert (answer.status_code, answer.json()) == (404, {"errors": "Not Found"})


def test_a_job_is_not_found_under_another_owner(start: Start, call: Call) -> None:
    sandbox = start()

    assert call(sandbox).get(f"/rest/v1/alice/jobs/{finished(sandbox)}").status_code == 404


def test_an_update_replaces_what_it_names(start: Start, call: Call) -> None:
    sandbox = start()
    ask, job_id = call(sandbox), finished(sandbox)
    before = ask.get(f"/rest/v1/demo/jobs/{job_id}").json()
    wanted = {
        "tags": ["a"],
        "name": "n",
        "passed": False,
        "build": "hotfix",
        "custom-data": {"k": "v"},
        "public": "team,share",
    }
    after = ask("PUT", f"/rest/v1/demo/jobs/{job_id}", json={**wanted, "owner": "mallory"}).json()

    changed = {key for key in after if after[key] != before[key]} - set(wanted)
    assert {key: after[key] for key in wanted} == wanted
    assert changed <= {"modification_time", "consolidated_status"}
    assert ask.get("/rest/v1/demo/jobs?full=1&limit=300").json().count(after) == 1


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"tags": "a"}', b'{"passed": "true"}', b'{"name": 5}', b'{"public": "x"}'],
)
def test_an_update_that_cannot_be_meant_changes_nothing(
    start: Start, call: Call, body: bytes
) -> None:
    sandbox = start()
    job_id = finished(sandbox)
    before = sandbox.truth(job_id)

    assert call(sandbox)("PUT", f"/rest/v1/demo/jobs/{job_id}", data=body).status_code == 400
    assert sandbox.truth(job_id) == before


def test_a_running_job_is_stopped_and_stopping_again_is_no_error(start: Start, call: Call) -> None:
    sandbox = start()
    ask, job_id = call(sandbox), unfinished(sandbox)
    first = ask("PUT", f"/rest/v1/demo/jobs/{job_id}/stop")
    second = ask("PUT", f"/rest/v1/demo/jobs/{job_id}/stop")

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert (first.json()["status"], first.json()["end_time"], first.json()["error"]) == (
        "complete",
        NOW,
        "User terminated",
    )
    assert [entry.stopped for entry in sandbox.log] == [True, False]
    assert ask("PUT", "/rest/v1/demo/jobs/job_id/stop").json() == {"errors": "Not Found"}


def test_a_deleted_job_is_gone_everywhere_and_the_rows_close_up(start: Start, call: Call) -> None:
    sandbox = start()
    ask, job_id = call(sandbox), finished(sandbox)
    before = [row["id"] for row in ask.get("/rest/v1/demo/jobs?limit=500").json()]
    answer = ask("DELETE", f"/rest/v1.1/jobs/{job_id}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert ask.get(f"/rest/v1/demo/jobs/{job_id}").status_code == 404
    assert ask.get(f"/rest/v1/demo/jobs/{job_id}/assets").status_code == 404
    assert ask.get(f"/rest/v1.1/jobs?id={job_id}").json() == {"jobs": []}
    assert ask("DELETE", f"/rest/v1.1/jobs/{job_id}").status_code == 404
    assert [row["id"] for row in ask.get("/rest/v1/demo/jobs?limit=500").json()] == [
        i for i in before if i != job_id
    ]


def test_the_older_path_of_delete_answers_200_with_the_document(start: Start, call: Call) -> None:
    sandbox = start()
    job_id = finished(sandbox)
    answer = call(sandbox)("DELETE", f"/rest/v1/demo/jobs/{job_id}")

    assert (answer.status_code, answer.json()["id"]) == (200, job_id)


def test_a_job_that_runs_is_not_deleted(start: Start, call: Call) -> None:
    sandbox = start()
    answer = call(sandbox)("DELETE", f"/rest/v1.1/jobs/{unfinished(sandbox)}")

    assert (answer.status_code, answer.json(), answer.reason) == (400,) + (
        "Job hasn't finished running",
    ) * 2


@pytest.mark.parametrize(
    "path",
    [
        "/rest/v1.1/demo/jobs",
        "/rest/v1.1/demo/jobs/",
        "/rest/v1/demo/jobs/",
        "//rest/v1/demo//jobs/%2e",
        "/rest/v1/demo/jobs/x/..",
    ],
)
def test_an_empty_id_deletes_everything_which_is_the_trap(
    start: Start, call: Call, path: str
) -> None:
    sandbox = start()
    ask = call(sandbox)

    connection = HTTPConnection(
        sandbox.base_url.removeprefix("http://"), timeout=20
    )  # requests would tidy the path
    connection.request(
        "DELETE", path, headers={"Authorization": str(ask.session.headers["Authorization"])}
    )
    status = connection.getresponse().status
    connection.close()

    assert status == 204
    assert ask.get("/rest/v1/demo/jobs").json() == []
    assert sandbox.log[0].jobs_deleted == 300
    assert len(ask.get("/rest/v1/alice/jobs").json()) == 30


def test_wrong_or_no_credentials_are_refused(start: Start, call: Call) -> None:
    sandbox = start()
    ask = call(sandbox)
    for auth in [("demo", "wrong"), ("nobody", "demo-key"), ("", "")]:
        answer = ask.get("/rest/v1/demo/jobs", auth=auth)
        assert (answer.status_code, "Basic" in answer.headers["WWW-Authenticate"]) == (401, True)


def test_the_state_of_the_service_needs_no_credentials(start: Start, call: Call) -> None:
    ask = call(start())
    del ask.session.headers["Authorization"]

    assert ask.get("/rest/v1/info/status").json()["service_operational"] is True
    assert ask.get("/rest/v1/demo/jobs").status_code == 401


def test_an_unknown_url_is_a_page_and_a_wrong_method_a_405(start: Start, call: Call) -> None:
    ask = call(start())

    assert "<h1>Not Found</h1>" in ask.get("/rest/v9/demo").text
    assert ask("POST", "/rest/v1/demo/jobs").status_code == 405


def test_a_name_that_needs_percent_encoding_works_in_paths(start: Start, call: Call) -> None:
    sandbox = start()
    name = next(owner for owner in sandbox.owners if "@" in owner)
    rows = (
        call(sandbox, name)
        .get("/rest/v1/j%C3%B6rg.wei%C3%9F%2Bqa%40example.com/jobs?full=true")
        .json()
    )

    assert {row["owner"] for row in rows} == {name}


def test_a_member_may_see_but_not_delete_what_is_another_persons(start: Start, call: Call) -> None:
    sandbox = start()
    job_id = finished(sandbox)
    ask = call(sandbox, "alice")

    assert ask.get(f"/rest/v1/demo/jobs/{job_id}").status_code == 200
    assert ask("DELETE", f"/rest/v1.1/jobs/{job_id}").status_code == 403
    assert sandbox.truth(job_id).exists  # type: ignore[union-attr]  # it is one of its own


def test_the_date_header_is_true(start: Start, call: Call) -> None:
    answer = call(start()).get("/rest/v1/info/status")

    assert abs(parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()) < 30


def test_two_sandboxes_of_one_seed_are_the_same_world(start: Start, call: Call) -> None:
    one, other, third = start(), start(), start(seed=2)

    def told(sandbox: object) -> str:
        text: str = call(sandbox).get("/rest/v1/demo/jobs?limit=300&full=true").text
        return text.replace(sandbox.base_url, "")  # type: ignore[attr-defined]  # a Sandbox

    assert told(one) == told(other)
    assert told(one) != told(third)
