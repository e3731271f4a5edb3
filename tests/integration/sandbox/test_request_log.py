"""The request log says what was asked and what it really did."""

from __future__ import annotations

import json
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path

from tests.support.sandbox import Call, Start, finished


def test_a_delete_is_logged_with_the_files_that_it_destroyed(start: Start, call: Call) -> None:
    sandbox = start()
    job_id = finished(sandbox, with_asset="network.har")
    truth = sandbox.truth(job_id)
    har = sandbox.asset(job_id, "network.har")
    assert truth is not None
    assert har is not None
    call(sandbox)("DELETE", f"/rest/v1.1/jobs/{job_id}")
    (entry,) = sandbox.log.writes()

    assert (entry.method, entry.path, entry.endpoint) == (
        "DELETE",
        f"/rest/v1.1/jobs/{job_id}",
        "job.delete",
    )
    assert (entry.status, entry.job_id, entry.jobs_deleted, entry.user) == (204, job_id, 1, "demo")
    assert {asset.name: asset.size for asset in entry.destroyed} == truth.assets
    assert {asset.name for asset in entry.destroyed if not asset.is_listed} >= {"_crmuxdriver.log"}
    (destroyed,) = [asset for asset in entry.destroyed if asset.name == "network.har"]
    assert destroyed.sha256() == sha256(har).hexdigest()


def test_the_path_is_logged_as_it_came(start: Start) -> None:
    sandbox = start()
    paths = [
        "//rest/v1/demo/jobs/",
        "/rest/v1/demo/jobs/..%2fx?a=%2F",
        "/rest/v1/demo/jobs/../../x",
        "/rest/v1/j%C3%B6/jobs",
    ]
    connection = HTTPConnection(sandbox.base_url.removeprefix("http://"), timeout=20)
    for path in paths:
        connection.request("DELETE", path)
        connection.getresponse().read()
    connection.close()

    assert [entry.path for entry in sandbox.log] == paths


def test_whoever_sends_wrong_credentials_is_nobody_but_is_seen_to_have_sent_some(
    start: Start, call: Call
) -> None:
    sandbox = start()
    ask = call(sandbox)
    ask.session.headers["Authorization"] = "Basic eDp5"
    ask.get("/rest/v1/demo/jobs")
    del ask.session.headers["Authorization"]
    ask.get("/rest/v1/demo/jobs")

    assert [(entry.user, entry.has_credentials, entry.status) for entry in sandbox.log] == [
        (None, True, 401),
        (None, False, 401),
    ]


def test_the_file_has_a_line_a_request_as_soon_as_it_is_answered(
    start: Start, call: Call, tmp_path: Path
) -> None:
    path = tmp_path / "requests.jsonl"
    sandbox = start(request_log=path)
    ask, job_id = call(sandbox), finished(sandbox)
    ask.get("/rest/v1/demo/jobs?limit=1")
    ask("DELETE", f"/rest/v1/demo/jobs/{job_id}/assets")
    listed, deleted = (json.loads(line) for line in path.read_text().splitlines())

    assert (listed["method"], listed["endpoint"], listed["status"]) == ("GET", "jobs.list", 200)
    assert deleted["job_id"] == job_id
    assert {"name", "size", "listed"} == deleted["destroyed"][0].keys()


def test_the_log_can_be_cleared_between_two_acts(start: Start, call: Call) -> None:
    sandbox = start()
    call(sandbox).get("/rest/v1/info/status")
    sandbox.log.clear()

    assert list(sandbox.log) == []
