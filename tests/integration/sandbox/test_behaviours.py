"""Where only a live account could settle it, a switch does."""

from __future__ import annotations

import pytest

from sauce_janitor.sandbox import Rate
from tests.support.sandbox import NOW, Call, Start, finished, unfinished


@pytest.mark.parametrize(
    ("switch", "status", "rows"), [("clamp", 200, 500), ("reject", 400, None), ("obey", 200, 600)]
)
def test_limit_above_max(
    start: Start, call: Call, switch: str, status: int, rows: int | None
) -> None:
    answer = call(start(jobs=600, behaviours={"limit_above_max": switch})).get(
        "/rest/v1/demo/jobs?limit=900"
    )

    assert answer.status_code == status
    assert rows is None or len(answer.json()) == rows


@pytest.mark.parametrize("field", ["start_time", "end_time"])
def test_window_time(start: Start, call: Call, field: str) -> None:
    ask = call(start(behaviours={"window_time": field}))
    every = ask.get("/rest/v1/demo/jobs?full=true&limit=500").json()
    low, high = NOW - 20 * 86_400, NOW - 10 * 86_400
    found = ask.get(f"/rest/v1/demo/jobs?full=true&limit=500&from={low}&to={high}").json()

    assert found == [job for job in every if job[field] is not None and low <= job[field] <= high]
    assert (
        ask.get(f"/rest/v1/demo/jobs?full=true&limit=3&skip=2&from={low}&to={high}").json()
        == found[2:5]
    )


def test_window_ends(start: Start, call: Call) -> None:
    ask = call(start(behaviours={"window_ends": "exclusive"}))
    times = sorted(row["creation_time"] for row in ask.get("/rest/v1/demo/jobs?limit=500").json())
    low, high = times[100], times[200]
    rows = ask.get(f"/rest/v1/demo/jobs?limit=500&from={low}&to={high}").json()

    assert sorted(row["creation_time"] for row in rows) == [
        time for time in times if low < time < high
    ]


def test_default_row(start: Start, call: Call) -> None:
    assert call(start(behaviours={"default_row": "id"})).get("/rest/v1/demo/jobs?limit=1").json()[
        0
    ].keys() == {"id"}


def test_access_key_in_config(start: Start, call: Call) -> None:
    sandbox = start(access_key="canary-17", behaviours={"access_key_in_config": "plain"})
    config = call(sandbox).get("/rest/v1/demo/jobs?limit=1").json()[0]["base_config"]

    assert (config["accesskey"], config["sauce:options"]["accessKey"]) == ("canary-17", "canary-17")


@pytest.mark.parametrize(
    ("switch", "answer"),
    [
        ("empty", {}),
        ("nulls", {"video": None, "selenium-log": None, "sauce-log": None, "screenshots": []}),
    ],
)
def test_purged_and_deleted_assets(start: Start, call: Call, switch: str, answer: object) -> None:
    sandbox = start(behaviours={"purged_assets": switch, "deleted_assets": switch})
    ask, young = call(sandbox), finished(sandbox)
    ask("DELETE", f"/rest/v1/demo/jobs/{young}/assets")
    for job_id in (young, finished(sandbox, purged=True)):
        assert ask.get(f"/rest/v1/demo/jobs/{job_id}/assets").json() == answer


@pytest.mark.parametrize(("switch", "status"), [("400", 400), ("404", 404), ("200", 200)])
def test_second_asset_delete(start: Start, call: Call, switch: str, status: int) -> None:
    sandbox = start(behaviours={"second_asset_delete": switch})
    path = f"/rest/v1/demo/jobs/{finished(sandbox)}/assets"
    statuses = [call(sandbox)("DELETE", path).status_code for _ in range(2)]

    assert statuses == [200, status]


@pytest.mark.parametrize(("switch", "status"), [("400", 400), ("409", 409), ("obey", 204)])
def test_unfinished_delete(start: Start, call: Call, switch: str, status: int) -> None:
    sandbox = start(behaviours={"unfinished_delete": switch})
    job_id = unfinished(sandbox)

    assert call(sandbox)("DELETE", f"/rest/v1.1/jobs/{job_id}").status_code == status
    assert sandbox.truth(job_id).exists is (switch != "obey")  # type: ignore[union-attr]  # it is one of its own


@pytest.mark.parametrize(
    ("switch", "read", "write"),
    [("all", 200, 204), ("read", 200, 403), ("forbidden", 403, 403), ("hidden", 404, 404)],
)
def test_others_jobs(start: Start, call: Call, switch: str, read: int, write: int) -> None:
    sandbox = start(behaviours={"others_jobs": switch})
    ask, job_id = call(sandbox), next(sandbox.job_ids("alice"))

    assert ask.get("/rest/v1/alice/jobs").status_code == read
    assert ask.get(f"/rest/v1/alice/jobs/{job_id}").status_code == read
    assert ask("DELETE", f"/rest/v1.1/jobs/{job_id}").status_code == write


def test_delete_v1_body(start: Start, call: Call) -> None:
    sandbox = start(behaviours={"delete_v1_body": "empty"})
    answer = call(sandbox)("DELETE", f"/rest/v1/demo/jobs/{finished(sandbox)}")

    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(("switch", "v1", "newer"), [("v1.1", 404, 204), ("off", 404, 404)])
def test_delete_all(start: Start, call: Call, switch: str, v1: int, newer: int) -> None:
    ask = call(start(behaviours={"delete_all": switch}))

    assert [
        ask("DELETE", f"/rest/{version}/demo/jobs").status_code for version in ("v1", "v1.1")
    ] == [v1, newer]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("batch_lookup", "/rest/v1.1/jobs?id=0"),
        ("builds_v2", "/v2/builds/vdc/"),
        ("team_management", "/team-management/v1/users"),
    ],
)
def test_endpoints_that_may_not_be_offered(start: Start, call: Call, key: str, path: str) -> None:
    assert call(start()).get(path).status_code == 200
    assert call(start(behaviours={key: "off"})).get(path).status_code == 404


def test_team_management_may_be_forbidden_but_not_the_own_name(start: Start, call: Call) -> None:
    ask = call(start(behaviours={"team_management": "forbidden"}))

    assert ask.get("/team-management/v1/users").status_code == 403
    assert ask.get("/team-management/v1/users/me").status_code == 200


@pytest.mark.parametrize(("switch", "status"), [("keep", 200), ("hide", 404)])
def test_empty_builds(start: Start, call: Call, switch: str, status: int) -> None:
    ask = call(start(behaviours={"empty_builds": switch}))
    build = ask.get("/v2/builds/vdc/?limit=100").json()["builds"][50]
    for job in ask.get(f"/v2/builds/vdc/{build['id']}/jobs/").json()["jobs"]:
        ask("DELETE", f"/rest/v1.1/jobs/{job['id']}")

    assert ask.get(f"/v2/builds/vdc/{build['id']}/").status_code == status


def test_asset_redirect(start: Start, call: Call) -> None:
    sandbox = start(behaviours={"asset_redirect": "on"})
    ask, job_id = call(sandbox), finished(sandbox)
    answer = ask.get(f"/rest/v1/demo/jobs/{job_id}/assets/log.json", allow_redirects=False)
    followed = ask.get(f"/rest/v1/demo/jobs/{job_id}/assets/log.json")

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"{sandbox.base_url}/jobs/{job_id}/log.json?auth=")
    assert followed.content == sandbox.asset(job_id, "log.json")


def test_asset_range(start: Start, call: Call) -> None:
    sandbox = start(behaviours={"asset_range": "on"})
    ask, job_id = call(sandbox), finished(sandbox, with_asset="video.mp4")
    path, whole = (
        f"/rest/v1/demo/jobs/{job_id}/assets/video.mp4",
        sandbox.asset(job_id, "video.mp4") or b"",
    )
    part = ask.get(path, headers={"Range": "bytes=100-199"})
    tail = ask.get(path, headers={"Range": f"bytes={len(whole) - 5}-"})

    assert (part.status_code, part.content, tail.content) == (206, whole[100:200], whole[-5:])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    assert ask.get(path, headers={"Range": "bytes=999999999-"}).status_code == 416


@pytest.mark.parametrize(
    ("switch", "asked", "encoding"), [("always", "identity", "gzip"), ("never", "gzip", None)]
)
def test_compression(
    start: Start, call: Call, switch: str, asked: str, encoding: str | None
) -> None:
    ask = call(start(behaviours={"compression": switch}))
    answer = ask.get("/rest/v1/demo/jobs?limit=1", headers={"Accept-Encoding": asked})

    assert answer.headers.get("Content-Encoding") == encoding
    assert len(answer.json()) == 1


def test_the_rate_limit_answers_429_and_is_each_users_own(start: Start, call: Call) -> None:
    sandbox = start(rate=Rate(per_hour=3))
    ask, other = call(sandbox), call(sandbox, "alice")
    answers = [ask.get("/rest/v1/demo/jobs?limit=1") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["X-Ratelimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert 3500 < int(answers[3].headers["Retry-After"]) <= 3600
    assert other.get("/rest/v1/demo/jobs?limit=1").status_code == 200
    assert ask.get("/rest/v1/info/status").status_code == 429


def test_rate_dialects(start: Start, call: Call) -> None:
    words = {
        "rate_bucket": "endpoint",
        "rate_reset": "epoch",
        "rate_body": "empty",
        "retry_after": "absent",
    }
    ask = call(start(rate=Rate(per_hour=1), behaviours=words))
    first, second = ask.get("/rest/v1/demo/jobs"), ask.get("/rest/v1/demo/jobs")

    assert ask.get("/rest/v1/demo/builds").status_code == 200
    assert (second.status_code, second.content, "Retry-After" in second.headers) == (
        429,
        b"",
        False,
    )
    assert int(first.headers["X-Ratelimit-Reset"]) > 1_700_000_000


def test_rate_reset_may_be_in_milliseconds_and_the_headers_absent(start: Start, call: Call) -> None:
    def reset(**words: str) -> str | None:
        answer = call(start(rate=Rate(per_hour=9), behaviours=words)).get(
            "/rest/v1/demo/jobs?limit=1"
        )
        return answer.headers.get("X-Ratelimit-Reset")

    assert 3_000_000 < int(reset(rate_reset="milliseconds") or 0) <= 3_600_000
    assert int(reset(rate_reset="epoch_milliseconds") or 0) > 1_700_000_000_000
    assert reset(rate_headers="off") is None


@pytest.mark.parametrize(
    ("key", "endpoint"),
    [
        ("builds_v1", "/rest/v1/demo/builds"),
        ("service_accounts", "/team-management/v1/service-accounts"),
    ],
)
def test_an_older_or_dearer_endpoint_may_not_be_offered(
    start: Start, call: Call, key: str, endpoint: str
) -> None:
    assert call(start()).get(endpoint).status_code == 200
    assert call(start(behaviours={key: "off"})).get(endpoint).status_code == 404


def test_screenshots_zip_may_not_be_offered(start: Start, call: Call) -> None:
    for switch, status in (("on", 200), ("off", 404)):
        sandbox = start(behaviours={"screenshots_zip": switch})
        job_id = finished(sandbox, with_asset="0001screenshot.png")
        assert (
            call(sandbox).get(f"/rest/v1/demo/jobs/{job_id}/assets/screenshots.zip").status_code
            == status
        )
