"""Assets are listed, fetched and destroyed as the API does it, and are real files."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import pytest

from sauce_janitor.sandbox import Sandbox
from tests.support.sandbox import Call, Start, finished, unfinished


def names_in(listing: dict[str, object]) -> set[str]:
    flat = [
        name
        for value in listing.values()
        for name in (value if isinstance(value, list) else [value])
    ]
    return {str(name) for name in flat if name is not None}


def visible(sandbox: Sandbox, job_id: str) -> set[str]:
    truth = sandbox.truth(job_id)
    assert truth is not None
    return {name for name in truth.assets if not name.startswith("_")}


def test_the_list_names_every_file_but_the_hidden_ones(start: Start, call: Call) -> None:
    sandbox = start()
    ask, job_id = call(sandbox), finished(sandbox, with_asset="network.har")
    listing = ask.get(f"/rest/v1/demo/jobs/{job_id}/assets").json()

    assert names_in(listing) == visible(sandbox, job_id)
    assert listing["video"] == listing["video.mp4"] == "video.mp4"
    assert (listing["sauce-log"], listing["selenium-log"]) == ("log.json", "selenium-server.log")
    assert listing == ask.get(f"/rest/v1/jobs/{job_id}/assets").json()


def test_a_cypress_job_lists_null_where_logs_would_be(start: Start, call: Call) -> None:
    sandbox = start()
    job_id = finished(sandbox, with_asset="console.log")
    listing = call(sandbox).get(f"/rest/v1/demo/jobs/{job_id}/assets").json()

    assert (listing["selenium-log"], listing["sauce-log"], listing["screenshots"]) == (
        None,
        None,
        [],
    )


def test_every_listed_file_can_be_had_with_the_bytes_that_are_true(
    start: Start, call: Call
) -> None:
    sandbox = start()
    ask = call(sandbox)
    for kind in ("network.har", "console.log", "logcat.log"):
        job_id = finished(sandbox, with_asset=kind)
        for name in visible(sandbox, job_id):
            answer = ask.get(f"/rest/v1/demo/jobs/{job_id}/assets/{name}")
            assert answer.content == sandbox.asset(job_id, name)
            if name.endswith((".json", ".har")):
                json.loads(answer.content)


def test_text_travels_compressed_and_chunked_and_video_with_its_length(
    start: Start, call: Call
) -> None:
    sandbox = start()
    ask, job_id = call(sandbox), finished(sandbox, with_asset="video.mp4")
    path = f"/rest/v1/demo/jobs/{job_id}/assets"
    listing, log, film = ask.get(path), ask.get(f"{path}/log.json"), ask.get(f"{path}/video.mp4")
    plain = ask.get(path, headers={"Accept-Encoding": "identity"})

    assert [each.headers.get("Content-Encoding") for each in (listing, log, film, plain)] == [
        "gzip",
        "gzip",
        None,
        None,
    ]
    assert [each.headers.get("Transfer-Encoding") for each in (listing, log)] == [
        "chunked",
        "chunked",
    ]
    assert int(film.headers["Content-Length"]) == len(film.content)
    assert plain.json() == listing.json()


def test_the_screenshots_come_in_one_file_too(start: Start, call: Call) -> None:
    sandbox = start()
    job_id = finished(sandbox, with_asset="0001screenshot.png")
    answer = call(sandbox).get(f"/rest/v1/demo/jobs/{job_id}/assets/screenshots.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == {
            name: sandbox.asset(job_id, name)
            for name in visible(sandbox, job_id)
            if name.endswith("screenshot.png")
        }


@pytest.mark.parametrize("name", ["nope.log", "_crmuxdriver.log", "..%2F..%2Fx"])
def test_a_file_that_is_not_listed_is_not_found(start: Start, call: Call, name: str) -> None:
    sandbox = start()
    job_id = finished(sandbox, with_asset="_crmuxdriver.log")

    assert call(sandbox).get(f"/rest/v1/demo/jobs/{job_id}/assets/{name}").status_code == 404


def test_a_running_job_has_no_assets_yet(start: Start, call: Call) -> None:
    sandbox = start()
    path = f"/rest/v1/demo/jobs/{unfinished(sandbox)}/assets"
    for method, each in [("GET", path), ("GET", f"{path}/video.mp4"), ("DELETE", path)]:
        answer = call(sandbox)(method, each)
        assert (answer.status_code, answer.json()) == (400, "Job hasn't finished running")


def test_deleting_assets_names_them_all_with_their_sizes_and_keeps_the_job(
    start: Start, call: Call
) -> None:
    sandbox = start()
    ask, job_id = call(sandbox), finished(sandbox, with_asset="network.har")
    truth = sandbox.truth(job_id)
    assert truth is not None
    path = f"/rest/v1/demo/jobs/{job_id}/assets"
    answer = ask("DELETE", path)

    assert answer.status_code == 200
    assert dict(answer.json()) == truth.assets
    assert {name for name, _ in answer.json() if name.startswith("_")} >= {"_crmuxdriver.log"}
    assert ask.get(path).status_code == 404
    assert ask.get(f"{path}/video.mp4").status_code == 404
    assert ask("DELETE", path).status_code == 400
    assert ask.get(f"/rest/v1/demo/jobs/{job_id}").json() == truth.document


def test_assets_of_jobs_that_ended_thirty_days_ago_are_gone(start: Start, call: Call) -> None:
    sandbox = start()
    job_id = finished(sandbox, purged=True)

    assert call(sandbox).get(f"/rest/v1/demo/jobs/{job_id}/assets").status_code == 404


def test_a_signed_link_needs_no_credentials_and_a_wrong_one_does(start: Start, call: Call) -> None:
    sandbox = start()
    ask, job_id = call(sandbox), finished(sandbox, with_asset="video.mp4")
    del ask.session.headers["Authorization"]
    token = sandbox.world.organisation.main.link_token(job_id)
    link = f"/jobs/{job_id}/video.mp4"

    assert ask.get(f"{link}?auth={token}").content == sandbox.asset(job_id, "video.mp4")
    assert ask.get(f"{link}?auth=demo:{token}").status_code == 200
    assert [
        ask.get(each).status_code for each in (link, f"{link}?auth=0", f"{link}?auth=alice:{token}")
    ] == [401] * 3
    assert token not in str([entry.line() for entry in sandbox.log])


def test_an_uploaded_asset_is_listed_whatever_its_name(start: Start, call: Call) -> None:
    sandbox = start()
    ask, job_id = call(sandbox), finished(sandbox)
    sandbox.upload(job_id, "../../x", b"evil")

    assert ask.get(f"/rest/v1/demo/jobs/{job_id}/assets").json()["../../x"] == "../../x"
    assert ask.get(f"/rest/v1/demo/jobs/{job_id}/assets/..%2F..%2Fx").content == b"evil"
    assert ["../../x", 4] in ask("DELETE", f"/rest/v1/demo/jobs/{job_id}/assets").json()


def test_a_hidden_trace_is_real_gzip(start: Start) -> None:
    sandbox = start()
    job_id = finished(sandbox, with_asset="network.har")
    truth = sandbox.truth(job_id)
    assert truth is not None
    (name,) = [name for name in truth.assets if name.startswith("_tracelog_")]

    assert json.loads(gzip.decompress(sandbox.asset(job_id, name) or b""))["traceEvents"]


def test_the_same_seed_makes_the_same_bytes(start: Start) -> None:
    one, other = start(), start()
    job_id = finished(one, with_asset="network.har")
    truth = one.truth(job_id)
    assert truth is not None

    assert all(one.asset(job_id, name) == other.asset(job_id, name) for name in truth.assets)
