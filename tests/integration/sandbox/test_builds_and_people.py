"""Builds in both generations, and who is in the organisation."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.support.sandbox import Call, Start, finished

SAMPLES = Path(__file__).parents[2] / "data" / "samples"


def test_a_build_has_the_fields_of_the_recorded_one(start: Start, call: Call) -> None:
    recorded = json.loads((SAMPLES / "saucerest-java" / "buildsResponse.json").read_text())[
        "builds"
    ][0]
    build = call(start()).get("/v2/builds/vdc/?limit=1").json()["builds"][0]

    assert build.keys() == recorded.keys()
    assert build["jobs"].keys() == recorded["jobs"].keys()


def test_builds_are_paged_to_the_end_without_gap_or_repeat(start: Start, call: Call) -> None:
    ask = call(start())
    pages = [
        ask.get(f"/v2/builds/vdc/?limit=40&offset={offset}").json()["builds"]
        for offset in range(0, 400, 40)
    ]
    ids = [build["id"] for page in pages for build in page]

    assert len(ids) == len(set(ids)) > 60
    assert ids == [build["id"] for build in ask.get("/v2/builds/vdc/?limit=500").json()["builds"]]
    assert ids == [build["id"] for build in ask.get("/rest/v1/demo/builds?limit=500").json()]


def test_counters_and_status_agree_with_the_jobs(start: Start, call: Call) -> None:
    ask = call(start(jobs=1500))
    seen: Counter[str] = Counter()
    for build in ask.get("/v2/builds/vdc/?limit=200").json()["builds"]:
        states = [
            job["state"] for job in ask.get(f"/v2/builds/vdc/{build['id']}/jobs/").json()["jobs"]
        ]
        counted = Counter(word for state in states for word, is_so in state.items() if is_so)
        seen[build["status"]] += 1
        for word in ("completed", "errored", "failed", "finished", "passed", "running"):
            assert build["jobs"][word] == counted[word], (build, word)
        assert build["jobs"]["queued"] == counted["queued"] + counted["new"]

    assert seen.keys() == {"running", "error", "failed", "complete", "success"}


def test_builds_are_filtered_by_status_name_and_time(start: Start, call: Call) -> None:
    ask = call(start())
    every = ask.get("/v2/builds/vdc/?limit=500").json()["builds"]
    middle = every[len(every) // 2]["creation_time"]

    assert ask.get("/v2/builds/vdc/?limit=500&status=failed&status=error").json()["builds"] == [
        build for build in every if build["status"] in {"failed", "error"}
    ]
    assert ask.get(f"/v2/builds/vdc/?name={every[3]['name']}").json()["builds"] == [every[3]]
    assert ask.get(f"/v2/builds/vdc/?limit=500&start={middle}&end={middle + 1}").json()[
        "builds"
    ] == [build for build in every if middle <= build["creation_time"] <= middle + 1]


def test_a_job_leads_to_its_build_and_the_build_to_the_job(start: Start, call: Call) -> None:
    ask = call(start())
    row = next(row for row in ask.get("/rest/v1/demo/jobs?full=true").json() if row["build"])
    build = ask.get(f"/v2/builds/vdc/jobs/{row['id']}/build/").json()

    assert build["name"] == row["build"].strip()
    assert build == ask.get(f"/v2/builds/vdc/{build['id']}/").json()
    assert row["id"] in {
        job["id"] for job in ask.get(f"/v2/builds/vdc/{build['id']}/jobs/").json()["jobs"]
    }
    assert row in ask.get(f"/rest/v1/builds/{build['id']}/jobs?full=true").json()["jobs"]
    assert row in ask.get(f"/rest/v1/demo/build/{build['name']}/jobs?full=1").json()["jobs"]


def test_the_faulty_jobs_of_a_build_are_those_that_failed_or_errored(
    start: Start, call: Call
) -> None:
    ask = call(start(jobs=1500))
    build = ask.get("/v2/builds/vdc/?status=failed&limit=1").json()["builds"][0]
    path = f"/v2/builds/vdc/{build['id']}/jobs/"
    every = ask.get(path).json()["jobs"]
    old = ask.get(f"/rest/v1/demo/builds/{build['id']}/failed-jobs").json()["jobs"]

    faulty = [job for job in every if job["state"]["failed"] or job["state"]["errored"]]
    assert 0 < len(faulty) < len(every)
    assert ask.get(f"{path}?faulty=true").json()["jobs"] == faulty
    assert [job["id"] for job in old] == [job["id"] for job in faulty]
    assert ask.get(f"{path}?limit=1&offset=1").json()["jobs"] == every[1:2]


def test_a_job_without_a_build_leads_nowhere(start: Start, call: Call) -> None:
    ask = call(start())
    row = next(
        row for row in ask.get("/rest/v1/demo/jobs?full=true").json() if row["build"] is None
    )

    assert ask.get(f"/v2/builds/vdc/jobs/{row['id']}/build/").status_code == 404
    assert ask.get(f"/v2/builds/vdc/{'0' * 32}/").json() == {"detail": "Not found."}


def test_deleting_and_moving_jobs_changes_the_counters(start: Start, call: Call) -> None:
    sandbox = start()
    ask = call(sandbox)
    rows = [
        row
        for row in ask.get("/rest/v1/demo/jobs?full=true").json()
        if row["build"] and row["end_time"]
    ]
    first, second = rows[0], rows[1]
    build = ask.get(f"/v2/builds/vdc/jobs/{first['id']}/build/").json()
    ask("PUT", f"/rest/v1/demo/jobs/{second['id']}", json={"build": build["name"]})
    ask("PUT", f"/rest/v1/demo/jobs/{second['id']}", json={"build": "brand-new"})
    ask("DELETE", f"/rest/v1.1/jobs/{first['id']}")
    moved = ask.get(f"/v2/builds/vdc/jobs/{second['id']}/build/").json()
    kept = ask.get(f"/v2/builds/vdc/{build['id']}/").json()

    assert (moved["name"], moved["jobs"]["finished"]) == ("brand-new", 1)
    assert ask.get(f"/v2/builds/vdc/{moved['id']}/").json() == moved
    assert ask.get("/v2/builds/vdc/?limit=1").json()["builds"] == [moved]
    assert kept["jobs"]["finished"] < build["jobs"]["finished"] + 1


def test_builds_of_another_user_are_asked_for_by_uuid(start: Start, call: Call) -> None:
    ask = call(start())
    (alice,) = ask.get("/team-management/v1/users?username=alice").json()["results"]
    builds = ask.get(f"/v2/builds/vdc/?user_id={alice['id']}").json()["builds"]

    assert {build["owner_id"] for build in builds} == {alice["id"]}
    assert ask.get("/v2/builds/vdc/?user_id=0").json() == {"builds": []}
    assert ask.get("/v2/builds/rdc/").json() == {"builds": []}


def test_users_are_paged_and_found_by_prefix_without_service_accounts(
    start: Start, call: Call
) -> None:
    sandbox = start()
    ask = call(sandbox)
    first = ask.get("/team-management/v1/users?limit=3").json()
    rest = ask.get(first["links"]["next"].removeprefix(sandbox.base_url)).json()
    service = ask.get("/team-management/v1/service-accounts").json()["results"]
    names = [user["username"] for page in (first, rest) for user in page["results"]]

    assert first["count"] == len(names) == 4
    assert rest["links"]["next"] is None
    assert {*names, *(each["username"] for each in service)} == set(sandbox.owners)
    assert [
        user["username"]
        for user in ask.get("/team-management/v1/users?username=a").json()["results"]
    ] == ["alice"]
    assert [
        user["username"]
        for user in ask.get("/team-management/v1/users?status=inactive").json()["results"]
    ] == ["bob"]


def test_everybody_learns_who_they_are(start: Start, call: Call) -> None:
    sandbox = start()
    for name in sandbox.owners:
        assert call(sandbox, name).get("/team-management/v1/users/me").json()["username"] == name


def test_teams_and_their_members_are_listed(start: Start, call: Call) -> None:
    ask = call(start())
    teams = ask.get("/team-management/v1/teams").json()["results"]
    members = [
        ask.get(f"/team-management/v1/teams/{team['id']}/members/").json()["count"]
        for team in teams
    ]

    assert sum(members) == 4


@pytest.mark.parametrize(
    "path", ["/rest/v1/users/demo", "/rest/v1.1/users/demo/siblings", "/rest/v1/demo/activity"]
)
def test_the_look_ups_that_older_clients_begin_with_answer(
    start: Start, call: Call, path: str
) -> None:
    assert "demo" in call(start()).get(path).text


def test_no_answer_tells_an_access_key(start: Start, call: Call) -> None:
    sandbox = start()
    ask = call(sandbox)
    paths = [
        "/rest/v1/demo/jobs",
        "/rest/v1/demo/jobs?full=true",
        "/team-management/v1/users",
        "/rest/v1/users/demo",
    ]
    paths.append(f"/rest/v1/demo/jobs/{finished(sandbox)}")

    assert not any("demo-key" in ask.get(path).text for path in paths)


def test_an_organisation_can_have_many_pages_of_users_and_links_keep_the_filter(
    start: Start, call: Call
) -> None:
    sandbox = start(colleagues=230)
    ask = call(sandbox)
    seen: list[str] = []
    url: str | None = "/team-management/v1/users?limit=500&status=active"
    while url is not None:
        page = ask.get(url.removeprefix(sandbox.base_url)).json()
        assert len(page["results"]) <= 100
        seen += [user["username"] for user in page["results"]]
        url = page["links"]["next"]

    assert len(seen) == len(set(seen)) == 3 + 230
    assert "bob" not in seen
    assert len(list(sandbox.job_ids("colleague-230"))) == 5


def test_users_are_filtered_by_role_team_and_phrase(start: Start, call: Call) -> None:
    ask = call(start())

    def names(query: str) -> list[str]:
        return [
            user["username"]
            for user in ask.get(f"/team-management/v1/users?{query}").json()["results"]
        ]

    (web,) = ask.get("/team-management/v1/teams?name=we").json()["results"]
    assert names("roles=1,4") == ["demo", "alice"]
    assert (
        names(f"teams={web['id']}")
        == names("team-name=web")
        == ["demo", "bob", "jörg.weiß+qa@example.com"]
    )
    assert names("phrase=Ali") == ["alice"]


def test_a_service_account_cannot_ask_who_there_is(start: Start, call: Call) -> None:
    ask = call(start(), "sso-nightly-bot")

    assert {
        ask.get(f"/team-management/v1/{what}").status_code
        for what in ("users", "teams", "service-accounts")
    } == {403}
