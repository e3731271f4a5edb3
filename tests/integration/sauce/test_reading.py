"""The reader against a real server: what it asks, what it makes of answers, and what it refuses."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

import pytest

from sauce_janitor.errors import (
    AnswerError,
    CredentialsError,
    ForbiddenError,
    NotReadyError,
    OversizedAnswerError,
    PermitError,
    SourceError,
    SourceUnavailableError,
    StoppedError,
    StrainedError,
)
from sauce_janitor.model.jobs import JobId, JobState, Owner
from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.http.request_events import RequestEvent
from sauce_janitor.sauce.http.transport import HttpRequest
from tests.fakes.vendor import Reply, Vendor, chunked, gzip_reply, json_reply, reply

ME = Owner("jsmith")
ONE = JobId("1" * 32)
TWO = JobId("2" * 32)
DETAILS = f"/rest/v1/jsmith/jobs/{ONE}"
LIST = "/rest/v1/jsmith/jobs"
BATCH = "/rest/v1.1/jobs"


def row(job: JobId = ONE, **changes: object) -> dict[str, object]:
    document: dict[str, object] = {
        "id": job,
        "owner": "jsmith",
        "name": "login",
        "status": "complete",
        "passed": True,
        "error": None,
        "creation_time": 1_700_000_000,
        "start_time": 1_700_000_001,
        "end_time": 1_700_000_100,
        "modification_time": 1_700_000_100,
        "tags": [],
    }
    return document | changes


def test_a_page_is_asked_for_in_full_with_its_window(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(LIST, json_reply([row(), row(TWO)]))
    page = reader.list_jobs(ME, limit=500, skip=7, since=1_600_000_000, until=1_700_000_000)
    path, _, query = vendor.seen[0].target.partition("?")
    assert path == LIST
    assert dict(parse_qsl(query)) == {
        "limit": "500",
        "skip": "7",
        "full": "true",
        "from": "1600000000",
        "to": "1700000000",
    }
    assert page.ids == (ONE, TWO)
    assert [job.state for job in page.jobs] == [JobState.FINISHED, JobState.FINISHED]


def test_the_newer_shape_of_a_list_is_read_too(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(LIST, json_reply({"jobs": [row()]}))
    assert reader.list_jobs(ME).ids == (ONE,)


def test_an_owner_is_percent_encoded(vendor: Vendor, reader: SauceReader) -> None:
    reader.job(Owner("sso-jörg@x?y#z%2F"), ONE)
    assert vendor.seen[0].target == f"/rest/v1/sso-j%C3%B6rg%40x%3Fy%23z%252F/jobs/{ONE}"


def test_every_request_carries_the_credential_our_name_and_nothing_of_a_netrc(
    vendor: Vendor, reader: SauceReader, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login evil password evil\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    reader.job(ME, ONE)
    headers = vendor.seen[0].headers
    assert headers["Authorization"].startswith("Basic anNtaXRoOmNhbmFyeS")
    assert headers["User-Agent"].startswith("sauce-janitor/")
    assert "Cookie" not in headers


def test_a_cookie_is_never_sent_back(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(DETAILS, json_reply(row(), headers={"Set-Cookie": "a=b; Path=/"}))
    reader.job(ME, ONE)
    reader.job(ME, ONE)
    assert "Cookie" not in vendor.seen[1].headers


def test_a_404_in_json_is_none(vendor: Vendor, reader: SauceReader) -> None:
    assert reader.job(ME, ONE) is None
    assert reader.assets(ME, ONE) is None
    assert len(vendor.seen) == 2


def test_a_404_that_is_a_page_proves_nothing(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(
        DETAILS, reply(b"<!doctype html><h1>Not Found</h1>", 404, {"Content-Type": "text/html"})
    )
    with pytest.raises(AnswerError, match=r"HTML page \(404\)"):
        reader.job(ME, ONE)


def test_null_is_not_a_missing_job(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(DETAILS, json_reply(None))
    with pytest.raises(AnswerError, match="not an object"):
        reader.job(ME, ONE)


def test_an_unknown_user_is_said(vendor: Vendor, reader: SauceReader) -> None:
    with pytest.raises(AnswerError, match="knows no user jsmith"):
        reader.list_jobs(ME)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (row(TWO), "answered with job 2222"),
        (row(owner="mallory"), "mallory"),
        (row(id=""), "not a job id"),
        ([], "not an object"),
        ({"error": "oops"}, "not a job id"),
    ],
)
def test_details_of_something_else_are_refused(
    vendor: Vendor, reader: SauceReader, document: object, said: str
) -> None:
    vendor.on(DETAILS, json_reply(document))
    with pytest.raises(AnswerError, match=said):
        reader.job(ME, ONE)


def test_401_ends_at_once(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(DETAILS, json_reply({"errors": "Unauthorized"}, 401))
    with pytest.raises(CredentialsError, match="check username, access_key and region"):
        reader.job(ME, ONE)
    assert len(vendor.seen) == 1


def test_403_is_the_owners_and_400_on_assets_the_jobs(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(LIST, json_reply({"detail": "no"}, 403))
    vendor.on(f"{DETAILS}/assets", json_reply("Job hasn't finished running", 400))
    with pytest.raises(ForbiddenError, match="no"):
        reader.list_jobs(ME)
    with pytest.raises(NotReadyError, match="hasn't finished running"):
        reader.assets(ME, ONE)


@pytest.mark.parametrize(
    "broken",
    [json_reply("x", 500), json_reply("x", 429), reply(b"{", length=5), Reply(b""), Reply(b"!")],
)
def test_a_hiccup_is_retried(vendor: Vendor, reader: SauceReader, broken: Reply) -> None:
    vendor.on(DETAILS, broken, json_reply(row()))
    document = reader.job(ME, ONE)
    assert document is not None
    assert document.job.id == ONE
    assert reader.requests_made == 2


def test_after_all_attempts_it_is_unavailable(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(DETAILS, json_reply({"message": "down for\nmaintenance"}, 503))
    with pytest.raises(
        SourceUnavailableError, match=r"503 for job 1+: down for maintenance \(tried 2 times\)"
    ):
        reader.job(ME, ONE)
    assert len(vendor.seen) == 2


@pytest.mark.parametrize("wait", ["99999999", formatdate(4_000_000_000, usegmt=True), "3600"])
def test_a_wait_longer_than_allowed_ends_the_run(
    vendor: Vendor, reader: SauceReader, wait: str
) -> None:
    vendor.on(DETAILS, json_reply("x", 429, {"Retry-After": wait}), json_reply(row()))
    with pytest.raises(SourceUnavailableError, match="longer than max_wait"):
        reader.job(ME, ONE)
    assert len(vendor.seen) == 1


@pytest.mark.parametrize(
    "wait", ["0", "0.005", formatdate(1_000_000_000, usegmt=True), "-5", "soon", "nan", "inf", ""]
)
def test_a_short_or_senseless_wait_is_survived(
    vendor: Vendor, reader: SauceReader, wait: str
) -> None:
    vendor.on(DETAILS, json_reply("x", 429, {"Retry-After": wait}), json_reply(row()))
    assert reader.job(ME, ONE) is not None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply(b"<html>maintenance</html>"), "HTML page instead of JSON"),
        (
            reply(b"{}", headers={"Content-Type": "text/html; charset=utf-8"}),
            "HTML page instead of JSON",
        ),
        (reply(b""), "empty"),
        (reply(b"id,name\n1,2\n"), "not JSON"),
        (reply(b'{"id": 1} trailing'), "not JSON"),
        (reply(b'{"id": NaN}'), "NaN"),
        (reply(b'{"id": 1e999}'), "too large"),
        (reply(b'{"id": 1, "id": 2}'), "same key twice"),
        (reply(b"[" * 20_000), "nested too deeply"),
        (reply(b'{"a":' * 20_000), "nested too deeply"),
        (reply(b'{"id": "\xff"}'), "not UTF-8"),
        (
            reply(b"{}", headers={"Content-Type": "application/json; charset=latin-1"}),
            "charset latin-1",
        ),
        (reply(b"{}", headers={"Content-Encoding": "br"}), "'br'"),
        (reply(b"{}", headers={"Content-Encoding": "gzip"}), "says it is gzip and is not"),
        (lambda: gzip_reply(b" " * 17_000_000), "unpacks to more than 200 times"),
        (
            lambda: reply(
                gzip.compress(os.urandom(500_000).hex().encode()) * 17,
                headers={"Content-Encoding": "gzip"},
            ),
            "bytes allowed",
        ),
        (lambda: reply(b"1" * 17_000_000), "more than"),
        (reply(b"{}", headers={"X-Big": "x" * 200_000}), "header"),
        (
            reply(b"{}", headers={f"X-{n}": "x" * 3000 for n in range(60)}),
            "a header of more than 64 KiB",
        ),
        (lambda: chunked(b"1", end=b"-1\r\n" + b"1" * 17_000_000), "in one answer"),
        (reply(b"{}", headers={f"X-{n}": "x" for n in range(200)}), "too many headers"),
        (reply(b"{}", headers={"Content-Length": "7"}), "contradicting"),
        (
            reply(b"{}", length=-1, headers={"Transfer-Encoding": "gzip, chunked"}),
            "Transfer-Encoding",
        ),
        (
            reply(b"", 302, {"Location": "http://127.0.0.1:9/x?auth=secret"}),
            "redirect to '127.0.0.1' .302.: not followed",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_answer_that_is_no_honest_json_is_refused(
    vendor: Vendor,
    reader_with: Callable[..., SauceReader],
    answer: Reply | Callable[[], Reply],
    said: str,
) -> None:
    vendor.on(LIST, answer)
    # Millions of bytes take a busy machine longer than the other tests wait.
    patient = reader_with(timeout_s=60, timeout_total_s=60)
    with pytest.raises(AnswerError, match=said) as caught:
        patient.list_jobs(ME)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        gzip_reply(json.dumps([row()]).encode()),
        chunked(json.dumps([row()]).encode()[:5], json.dumps([row()]).encode()[5:]),
        chunked(gzip.compress(json.dumps([row()]).encode()), headers={"Content-Encoding": "gzip"}),
        reply(json.dumps([row()]).encode(), length=-1),
    ],
)
def test_every_honest_framing_is_read(vendor: Vendor, reader: SauceReader, answer: Reply) -> None:
    vendor.on(LIST, answer)
    assert reader.list_jobs(ME).ids == (ONE,)


@pytest.mark.parametrize(
    "answer",
    [
        reply(gzip.compress(b"[]" + b" " * 999)[:-9], headers={"Content-Encoding": "gzip"}),
        chunked(b"[]", end=b""),
        chunked(b"[]", end=b"5\r\nab"),
        chunked(b"[]", end=b"zz\r\n\r\n"),
        reply(b"[]", length=3),
    ],
)
def test_a_body_that_is_cut_is_never_taken_for_a_list(
    vendor: Vendor, reader: SauceReader, answer: Reply
) -> None:
    vendor.on(LIST, answer)
    with pytest.raises(SourceUnavailableError, match="cut short"):
        reader.list_jobs(ME)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Reply(b"", "stall"), "sent nothing for"),
        (reply(b"[", length=9, then="stall"), "sent nothing for"),
        (reply(b"[", length=999, then="drip"), "did not finish its answer within"),
        (Reply(b"HTTP/1.1 200 OK\r\nX: ", "drip"), "did not finish its answer within"),
    ],
)
def test_a_stalled_or_dripping_answer_ends_in_time(
    vendor: Vendor, reader: SauceReader, answer: Reply, said: str
) -> None:
    vendor.on(LIST, answer)
    with pytest.raises(SourceUnavailableError, match=said):
        reader.list_jobs(ME)


@pytest.mark.parametrize("method", ["DELETE", "PUT", "POST", "PATCH", "OPTIONS", "delete"])
def test_a_reader_has_no_connection_that_could_write(
    vendor: Vendor, reader: SauceReader, method: str
) -> None:
    ask = HttpRequest(method, DETAILS, "job", "x")
    with pytest.raises(PermitError, match="a reading connection"):
        reader._transport.send(ask, reader._transport.answer_limits())
    assert vendor.seen == []


def test_a_stop_ends_a_wait_for_a_silent_server(vendor: Vendor, connection: Connection) -> None:
    stop = threading.Event()
    vendor.on(LIST, Reply(b"", "stall"))
    patient = replace(connection, timeout_s=100, timeout_total_s=100)
    with SauceReader(patient, stop=stop) as reader:
        threading.Timer(0.05, stop.set).start()
        with pytest.raises(StoppedError):
            reader.list_jobs(ME)
        with pytest.raises(StoppedError):
            reader.job(ME, ONE)
    assert len(vendor.seen) == 1


def test_no_server_and_no_name_are_said_with_the_host(
    reader_with: Callable[..., SauceReader],
) -> None:
    with pytest.raises(SourceUnavailableError, match=r"127.0.0.1:9 refuses the connection"):
        reader_with(base_url="http://127.0.0.1:9").job(ME, ONE)
    with pytest.raises(SourceUnavailableError, match=r"sauce.invalid cannot be found: no network"):
        reader_with(base_url="https://sauce.invalid").job(ME, ONE)


def test_plain_text_where_tls_is_expected_is_said(
    vendor: Vendor, reader_with: Callable[..., SauceReader]
) -> None:
    with pytest.raises(SourceError, match=r"no TLS connection to 127.0.0.1"):
        reader_with(base_url=vendor.url.replace("http:", "https:")).job(ME, ONE)


def test_our_own_access_key_in_an_answer_is_blotted_out(
    vendor: Vendor, reader: SauceReader, connection: Connection
) -> None:
    key = connection.access_key.get_secret_value()
    vendor.on(
        DETAILS,
        json_reply(
            row(name=f"x {key} y", base_config={"sauce:options": {"accessKey": key}, "q": [key]})
        ),
    )
    document = reader.job(ME, ONE)
    assert document is not None
    assert key not in repr(document)
    assert document.job.name == "x [removed] y"


def test_an_error_text_never_shows_the_access_key(
    vendor: Vendor, reader: SauceReader, connection: Connection
) -> None:
    key = connection.access_key.get_secret_value()
    vendor.on(DETAILS, json_reply({"detail": f"\x1b[31mbad key {key}\n"}, 418))
    with pytest.raises(AnswerError) as caught:
        reader.job(ME, ONE)
    assert key not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_the_batch_look_up_gives_what_is_there(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(BATCH, json_reply({"jobs": [row(TWO)]}))
    found = reader.jobs([ONE, TWO, ONE])
    assert found is not None
    assert list(found) == [TWO]
    assert vendor.seen[0].target == f"{BATCH}?id={ONE}&id={TWO}&full=true"


@pytest.mark.parametrize("rows", [[row(JobId("3" * 32))], [row(), row()], [row(id="../x")], ["x"]])
def test_a_batch_look_up_with_other_jobs_is_refused(
    vendor: Vendor, reader: SauceReader, rows: list[object]
) -> None:
    vendor.on(BATCH, json_reply({"jobs": rows}))
    with pytest.raises(AnswerError):
        reader.jobs([ONE])


def test_a_batch_look_up_that_is_not_offered_is_asked_for_once(
    vendor: Vendor, reader: SauceReader
) -> None:
    vendor.on(BATCH, reply(b"<html>", 404))
    assert reader.jobs([ONE]) is None
    assert reader.jobs([ONE]) is None
    assert len(vendor.seen) == 1


def test_a_large_batch_is_split(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(BATCH, json_reply({"jobs": []}))
    assert reader.jobs([JobId(f"{number:032x}") for number in range(150)]) == {}
    assert len(vendor.seen) == 2


def build_rows(start: int, count: int) -> list[dict[str, object]]:
    counters = {"finished": 3, "running": 0, "queued": 0}
    return [
        {"id": f"b{n}", "name": "Release ", "status": "success", "jobs": counters}
        for n in range(start, start + count)
    ]


def test_builds_v2_are_paged_until_nothing_is_new(vendor: Vendor, reader: SauceReader) -> None:
    pages = [json_reply({"builds": build_rows(start, 50)}) for start in (0, 49, 49)]
    vendor.on("/v2/builds/vdc/", *pages)
    builds = reader.builds(ME)
    assert builds is not None
    assert [build.id for build in builds] == [f"b{n}" for n in range(99)]
    assert [dict(parse_qsl(seen.target.partition("?")[2]))["offset"] for seen in vendor.seen] == [
        "0",
        "50",
        "100",
    ]


def test_builds_fall_back_to_v1_and_then_to_none(vendor: Vendor, reader: SauceReader) -> None:
    assert reader.builds(ME) is None
    vendor.on("/rest/v1/jsmith/builds", json_reply(build_rows(0, 3)))
    builds = reader.builds(ME)
    assert builds is not None
    assert [(build.id, build.name, build.jobs) for build in builds] == [
        ("b0", "Release", 3),
        ("b1", "Release", 3),
        ("b2", "Release", 3),
    ]


def test_one_build_is_the_asked_one(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(
        "/v2/builds/vdc/b1/", json_reply(build_rows(1, 1)[0]), json_reply(build_rows(2, 1)[0])
    )
    build = reader.build("b1")
    assert build is not None
    assert build.id == "b1"
    with pytest.raises(AnswerError, match="b2"):
        reader.build("b1")


def test_the_vendors_clock_is_compared_with_ours(vendor: Vendor, reader: SauceReader) -> None:
    assert reader.clock_skew_s is None
    vendor.on(
        DETAILS, json_reply(row(), headers={"Date": formatdate(time.time() + 3600, usegmt=True)})
    )
    reader.job(ME, ONE)
    assert reader.clock_skew_s == pytest.approx(3600, abs=5)


def test_each_request_is_told_of(vendor: Vendor, connection: Connection) -> None:
    events: list[RequestEvent] = []
    vendor.on(DETAILS, json_reply("x", 500), Reply(b""), json_reply(row()))
    with SauceReader(replace(connection, attempts=3), on_request=events.append) as reader:
        reader.job(ME, ONE)
    assert [(event.method, event.endpoint, event.code) for event in events] == [
        ("GET", "job", 500),
        ("GET", "job", None),
        ("GET", "job", 200),
    ]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_page_that_is_too_much_for_a_gateway_is_tried_twice_and_told_as_such(
    vendor: Vendor, reader_with: Callable[..., SauceReader], status: int
) -> None:
    reader = reader_with(attempts=5, timeout_total_s=5.0)
    vendor.on(LIST, reply(status=status))
    with pytest.raises(StrainedError):
        reader.list_jobs(ME)
    assert len(vendor.seen) == 2
    with pytest.raises(StrainedError):
        reader.list_jobs(ME, limit=1)
    assert len(vendor.seen) == 2 + 5, "of one row there is no less"


def test_a_page_that_is_too_large_is_told_as_such(
    vendor: Vendor, reader_with: Callable[..., SauceReader]
) -> None:
    vendor.on(LIST, reply(b"[]", length=17 << 20))
    with pytest.raises(OversizedAnswerError):
        reader_with().list_jobs(ME)


def test_an_outage_is_no_page_size_for_longer_than_the_patience(
    vendor: Vendor, reader_with: Callable[..., SauceReader]
) -> None:
    reader = reader_with(attempts=1, timeout_total_s=0.05)
    vendor.on(LIST, reply(status=503, then="close"))
    with pytest.raises(StrainedError):
        reader.list_jobs(ME)
    time.sleep(0.06)
    with pytest.raises(SourceUnavailableError) as told:
        reader.list_jobs(ME, limit=250)
    assert not isinstance(told.value, StrainedError)
