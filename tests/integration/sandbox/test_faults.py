"""Each named fault does on the wire what it says."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest
import requests

from sauce_janitor.sandbox import Sandbox
from tests.support.sandbox import Call, Start, finished, unfinished

LIST = "/rest/v1/demo/jobs?limit=20&full=true"


def raw(sandbox: Sandbox, path: str, *, asks_to_close: bool = True) -> bytes:
    """All bytes of the answer to a GET until the server closes the connection, of itself or because
    it is asked to.
    """
    split = urlsplit(sandbox.base_url)
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ZGVtbzpkZW1vLWtleQ==\r\n"
    end = "Connection: close\r\n\r\n" if asks_to_close else "\r\n"
    with socket.create_connection((split.hostname, split.port), timeout=20) as connection:
        connection.sendall(f"{head}{end}".encode())
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def exists(sandbox: Sandbox, job_id: str) -> bool:
    truth = sandbox.truth(job_id)
    return truth is not None and truth.exists


def test_a_status_is_answered_and_nothing_done(start: Start, call: Call) -> None:
    sandbox = start()
    job_id = finished(sandbox)
    for code in (204, 404, 429, 503):
        sandbox.inject(
            "status", endpoint="job.delete", status=code, times=1, retry_after="99999999"
        )
        answer = call(sandbox)("DELETE", f"/rest/v1.1/jobs/{job_id}")
        assert (answer.status_code, answer.headers["Retry-After"]) == (code, "99999999")
        sandbox.faults.disarm()

    assert exists(sandbox, job_id)
    assert [(entry.status, entry.jobs_deleted, entry.faults) for entry in sandbox.log][-1] == (
        503,
        0,
        ("status",),
    )


def test_a_page_and_a_redirect_come_instead(start: Start, call: Call) -> None:
    sandbox = start()
    sandbox.inject("html", times=1)
    sandbox.inject("redirect", to="http://127.0.0.1:9/x", after=1)
    page, moved = (call(sandbox).get(LIST, allow_redirects=False) for _ in range(2))

    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert (moved.status_code, moved.headers["Location"]) == (302, "http://127.0.0.1:9/x")


@pytest.mark.parametrize(
    ("fault", "done"), [("disconnect", False), ("done_but_disconnected", True)]
)
def test_a_connection_ends_without_an_answer(
    start: Start, call: Call, fault: str, done: bool
) -> None:
    sandbox = start()
    job_id = finished(sandbox)
    sandbox.inject(fault)
    with pytest.raises(requests.ConnectionError):
        call(sandbox)("DELETE", f"/rest/v1.1/jobs/{job_id}")

    assert exists(sandbox, job_id) is not done
    assert (sandbox.log[-1].status, sandbox.log[-1].jobs_deleted) == (None, int(done))


def test_a_delete_answered_500_is_done_all_the_same(start: Start, call: Call) -> None:
    sandbox = start()
    job_id = finished(sandbox)
    sandbox.inject("done_but_status", method="DELETE")

    assert call(sandbox)("DELETE", f"/rest/v1.1/jobs/{job_id}").status_code == 500
    assert not exists(sandbox, job_id)


def test_a_write_without_effect_looks_like_one_with(start: Start, call: Call) -> None:
    sandbox = start()
    ask, job_id, running = call(sandbox), finished(sandbox), unfinished(sandbox)
    sandbox.edit(running, tags=["mine"], build="PR-7")
    before = sandbox.truth(job_id), sandbox.truth(running)
    sandbox.inject("without_effect")

    assert len(ask("DELETE", f"/rest/v1/demo/jobs/{job_id}/assets").json()) > 1
    assert ask("DELETE", f"/rest/v1.1/jobs/{job_id}").status_code == 204
    assert ask("PUT", f"/rest/v1/demo/jobs/{running}/stop").json()["status"] == "complete"
    assert (sandbox.truth(job_id), sandbox.truth(running)) == before
    assert not any(entry.jobs_deleted or entry.destroyed or entry.stopped for entry in sandbox.log)


def test_an_asset_or_a_tag_can_come_right_after_an_answer(start: Start, call: Call) -> None:
    sandbox = start()
    ask, job_id = call(sandbox), finished(sandbox)
    sandbox.inject("late_asset", endpoint="assets.list", times=1)
    sandbox.inject("late_edit", endpoint="job.get", times=1)
    lists = [ask.get(f"/rest/v1/demo/jobs/{job_id}/assets").json() for _ in range(2)]
    tags = [ask.get(f"/rest/v1/demo/jobs/{job_id}").json()["tags"] for _ in range(2)]

    assert ["late.log" in each for each in lists] == [False, True]
    assert tags[0] != tags[1] == ["keep"]


def test_a_cut_body_is_shorter_than_its_length(start: Start) -> None:
    sandbox = start()
    whole = len(raw(sandbox, LIST).partition(b"\r\n\r\n")[2])
    sandbox.inject("truncated", share=0.25)
    head, _, body = raw(sandbox, LIST, asks_to_close=False).partition(b"\r\n\r\n")

    assert f"Content-Length: {whole}".encode() in head
    assert len(body) == whole // 4


def test_cut_chunks_have_no_end_and_a_cut_gzip_has_honest_ones(start: Start, call: Call) -> None:
    sandbox = start()
    true = raw(sandbox, LIST).partition(b"\r\n\r\n")[2]
    sandbox.inject("truncated_chunks", times=1)
    sandbox.inject("short_gzip", after=1)
    cut = raw(sandbox, LIST)
    silently_short = call(sandbox).get(LIST).content

    assert b"chunked" in cut
    assert not cut.endswith(b"0\r\n\r\n")
    assert 0 < len(silently_short) < len(true), "requests does not notice, which is the point"
    assert true.startswith(silently_short)


@pytest.mark.parametrize(("fault", "whole"), [("unframed", True), ("short_unframed", False)])
def test_a_body_can_come_without_any_framing(start: Start, fault: str, whole: bool) -> None:
    sandbox = start()
    sandbox.inject(fault)
    head, _, body = raw(sandbox, LIST, asks_to_close=False).partition(b"\r\n\r\n")

    assert b"Content-Length" not in head
    assert b"chunked" not in head
    assert body.endswith(b"]") is whole


def test_a_small_body_can_be_very_large(start: Start, call: Call) -> None:
    sandbox = start()
    sandbox.inject("gzip_bomb", megabytes=20, times=1)
    sandbox.inject("endless", megabytes=3, after=1)
    bomb, long = (call(sandbox).get(LIST) for _ in range(2))

    assert int(bomb.headers["Content-Length"]) < 50_000
    assert len(bomb.content) == 20 << 20
    assert len(long.content) >= 3 << 20


def test_headers_can_be_long_and_the_clock_wrong(start: Start) -> None:
    sandbox = start()
    sandbox.inject("big_header", kilobytes=100)
    sandbox.inject("clock_skew", seconds=-10_000_000_000 // 10)
    head = raw(sandbox, LIST).partition(b"\r\n\r\n")[0]

    assert len(head) > 100 * 1024
    assert b"Date: " in head
    assert b" 19" in head.partition(b"Date: ")[2][:30]


def test_late_slow_and_silent_answers_come_in_the_end(start: Start, call: Call) -> None:
    sandbox = start()
    for fault, setting in (
        ("delay", "seconds"),
        ("stall", "seconds"),
        ("drip", "bytes_per_second"),
    ):
        sandbox.inject(fault, **{setting: 1e6 if fault == "drip" else 0.01}, times=1)

    assert len(call(sandbox).get(LIST).json()) == 20


def test_stopping_ends_a_stalled_answer(start: Start) -> None:
    sandbox = start()
    sandbox.inject("stall", seconds=3600)
    split = urlsplit(sandbox.base_url)
    with socket.create_connection((split.hostname, split.port), timeout=20) as connection:
        connection.sendall(b"GET /rest/v1/info/status HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        sandbox.stop()


def test_lists_can_repeat_shrink_and_lie(start: Start, call: Call) -> None:
    sandbox = start()
    ask = call(sandbox)
    true = ask.get(LIST).json()

    def told(fault: str, path: str = LIST, **settings: object) -> object:
        sandbox.inject(fault, times=1, **settings)
        return ask.get(path).json()

    assert told("empty_list") == []
    assert told("short_page") == true[:10]
    assert told("duplicate_rows") == [row for row in true for _ in range(2)]
    assert told("same_page", path=f"{LIST}&skip=20") == true
    assert told("capped_page", limit=5) == true[:5]
    assert told("not_a_list") == {"errors": "Something went wrong"}
    assert told("lie", set={"owner": "mallory"}, drop=["tags"], row=1) == [
        true[0],
        {key: value for key, value in {**true[1], "owner": "mallory"}.items() if key != "tags"},
        *true[2:],
    ]
    assert told("milliseconds")[0]["creation_time"] == true[0]["creation_time"] * 1000  # type: ignore[index]  # a list
    assert told("times_as_text")[0]["creation_time"] == str(true[0]["creation_time"])  # type: ignore[index]  # a list
    assert ask.get(LIST).json() == true


def test_bytes_can_be_wrong_though_their_number_is_right(start: Start, call: Call) -> None:
    sandbox = start()
    job_id = finished(sandbox, with_asset="video.mp4")
    sandbox.inject("flipped_byte", endpoint="asset.get")
    answer, true = (
        call(sandbox).get(f"/rest/v1/demo/jobs/{job_id}/assets/video.mp4"),
        sandbox.asset(job_id, "video.mp4"),
    )
    assert true is not None

    assert len(answer.content) == len(true)
    assert sum(one != other for one, other in zip(answer.content, true, strict=True)) == 1


def test_documents_can_be_malformed_or_very_deep(start: Start) -> None:
    sandbox = start()
    sandbox.inject("trailing_garbage", times=1)
    sandbox.inject("deep_json", depth=50_000, after=1)

    with pytest.raises(json.JSONDecodeError, match="Extra data"):
        json.loads(raw(sandbox, LIST).partition(b"\r\n\r\n")[2])
    assert raw(sandbox, LIST).partition(b"\r\n\r\n")[2] == b"[" * 50_000 + b"]" * 50_000


def test_an_asset_list_can_name_what_no_honest_user_would(start: Start, call: Call) -> None:
    sandbox = start()
    sandbox.inject("hostile_assets", endpoint="assets.list")
    listing = call(sandbox).get(f"/rest/v1/demo/jobs/{finished(sandbox)}/assets").json()

    assert {"../../x", "/etc/x", "a\0b", "VIDEO.MP4"} <= set(listing)


@pytest.mark.parametrize(
    ("fault", "field", "told"),
    [
        ("foreign_owner", "owner", "mallory"),
        ("empty_id", "id", ""),
        ("wrong_id", "id", None),
        ("nulls", "build", None),
        ("nan", "end_time", None),
    ],
)
def test_a_named_lie_is_told_of_one_job_or_of_all(
    start: Start, call: Call, fault: str, field: str, told: object
) -> None:
    sandbox = start()
    ask = call(sandbox)
    true = ask.get(LIST).json()
    one = true[2]["id"]
    sandbox.inject(fault, only=one, times=2)
    sandbox.inject(fault, after=2)
    of_one, details, of_all = (
        ask.get(path).json() for path in (LIST, f"/rest/v1/demo/jobs/{one}", LIST)
    )

    assert [row == honest for row, honest in zip(of_one, true, strict=True)] == [
        place != 2 for place in range(20)
    ]
    assert not any(row == honest for row, honest in zip(of_all, true, strict=True))
    for row in (of_one[2], details):
        expected = {"wrong_id": one[::-1], "nan": pytest.approx(float("nan"), nan_ok=True)}.get(
            fault, told
        )
        assert row[field] == expected


def test_a_redirect_can_lead_to_another_job(start: Start, call: Call) -> None:
    sandbox = start()
    newest, second = list(sandbox.job_ids())[:2]
    sandbox.inject("redirect_to_another_job")
    for job_id, other in ((second, newest), (newest, second)):
        answer = call(sandbox).get(f"/rest/v1/demo/jobs/{job_id}/assets?x=1", allow_redirects=False)
        assert answer.headers["Location"] == f"/rest/v1/demo/jobs/{other}/assets?x=1"


def test_insights_and_people_can_be_lied_about_too(start: Start, call: Call) -> None:
    sandbox = start()
    ask = call(sandbox)
    tests, users = "/v1/analytics/tests?time_range=9d", "/team-management/v1/users"
    true = ask.get(tests).json()["items"]
    sandbox.inject("milliseconds", endpoint="insights.*", times=1)
    sandbox.inject("foreign_owner", endpoint="insights.*", after=1, times=1)
    sandbox.inject("duplicate_rows", endpoint="users.list", times=1)
    sandbox.inject("empty_list", endpoint="users.list", after=1, times=1)

    assert ask.get(tests).json()["items"][0]["end_time"] > 1_000_000_000_000
    assert {item["owner"] for item in ask.get(tests).json()["items"]} == {"mallory"}
    assert ask.get(tests).json()["items"] == true
    assert len(ask.get(users).json()["results"]) == 8
    assert ask.get(users).json()["results"] == []
