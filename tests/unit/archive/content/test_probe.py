"""Bytes that are not of the kind their name says are found out; true ones pass."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.archive.content.json_structure import NotJsonError, check_structure
from sauce_janitor.archive.content.probe import SOUND, ProbeResult, TrustLevel, probe, what_is_wrong
from tests.fakes.asset_shelf import HAR, LOG, MP4, PNG

PAGE = b"\n<!-- proxy --><!DOCTYPE html><html><body>Back soon</body></html>"


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(zipfile.ZipInfo("0000screenshot.png"), PNG)
    return target.getvalue()


def judged(name: str, data: bytes, content_type: str | None = None) -> ProbeResult:
    return probe(name, io.BytesIO(data), len(data), content_type)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("video.mp4", MP4),
        ("video.mp4", MP4[:24] + b"\x00\x00\x00\x10moov" + b"x" * 8),
        ("video.flv", b"FLV\x01" + b"x" * 99),
        ("0000screenshot.png", PNG),
        ("log.json", LOG),
        ("log.json", b"\xef\xbb\xbf" + LOG),
        ("uploaded.json", json.dumps({"a": "é"}).encode("utf-16")),
        ("uploaded.json", '{"a": "é"}'.encode("latin-1")),
        ("deep.json", b"[" * 50_000 + b"]" * 50_000),
        ("network.har", HAR),
        ("shots.zip", zipped()),
        ("_lhr_1.json.gz", gzip.compress(b"{}", mtime=0)),
        ("page.html", PAGE),
        ("page.HTM", PAGE),
        ("selenium-server.log", b"12:00 INFO <html> in the middle"),
        ("selenium-server.log", b'{"errors": 1, "and": "more"}\nlines'),
        ("junit.xml", b'<?xml version="1.0"?><testsuites/>'),
        ("anything.xyz", b"\x00\x01"),
        ("empty.png", b""),
        ("mp4", b"no ending, no format"),
    ],
)
def test_a_true_asset_passes(name: str, data: bytes) -> None:
    assert judged(name, data) == SOUND


@pytest.mark.parametrize(
    ("name", "data", "trust", "sentence"),
    [
        ("video.mp4", PAGE, TrustLevel.FOREIGN, "an HTML page"),
        ("shots.zip", PAGE, TrustLevel.FOREIGN, "an HTML page"),
        ("report.pdf", b'{"errors": "Not found"}', TrustLevel.FOREIGN, "an error message"),
        (
            "a.png",
            b"<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code></Error>",
            TrustLevel.FOREIGN,
            "an error message",
        ),
        ("log.json", PAGE, TrustLevel.LATER, "an HTML page"),
        ("a.log", PAGE, TrustLevel.TWICE, "an HTML page"),
        ("a.log", b"<HTML><head>", TrustLevel.TWICE, "an HTML page"),
        (
            "a.log",
            b"\xef\xbb\xbf <?xml version='1.0'?>\n<html xmlns=''>",
            TrustLevel.TWICE,
            "an HTML page",
        ),
        ("noending", PAGE, TrustLevel.TWICE, "an HTML page"),
        ("video.mp4", b"RIFF", TrustLevel.TWICE, "not a MP4"),
        ("video.mp4", b"ftypmp42", TrustLevel.TWICE, "not a MP4"),
        ("a.png", MP4, TrustLevel.TWICE, "not a PNG"),
        ("a.jpeg", PNG, TrustLevel.MARKED, "a PNG file"),
        ("a.png", PNG[: len(PNG) // 2], TrustLevel.TWICE, "the PNG file has no end"),
        ("a.jpeg", PNG[: len(PNG) // 2], TrustLevel.TWICE, "the PNG file has no end"),
        (
            "video.mp4",
            MP4[:24] + b"\x00\x00\x01\x00moov" + b"x" * 99,
            TrustLevel.TWICE,
            "the MP4 file has no end",
        ),
        (
            "video.mp4",
            MP4[:24] + b"\x00\x00\x00\x01mdat" + (1 << 40).to_bytes(8, "big") + b"x",
            TrustLevel.TWICE,
            "no end",
        ),
        ("a.zip", b"PK\x03\x04" + b"x" * 99, TrustLevel.TWICE, "the zip file has no end"),
        ("a.zip", PNG, TrustLevel.TWICE, "not a ZIP"),
        ("a.json.gz", b"{}", TrustLevel.TWICE, "not a GZ"),
        ("log.json", b'[{"a": 1}', TrustLevel.TWICE, "not JSON"),
        ("log.json", LOG + LOG, TrustLevel.TWICE, "not JSON"),
        ("log.json", b'{"errors": "Not found"}', TrustLevel.LATER, "an error message"),
        ("network.har", b'{"message": "Forbidden"}', TrustLevel.LATER, "an error message"),
        ("network.har", b'{"entries": []}', TrustLevel.TWICE, "not a HAR"),
        ("network.har", b"[]", TrustLevel.TWICE, "not a HAR"),
        ("network.har", HAR[:-1], TrustLevel.TWICE, "not HAR"),
    ],
)
def test_what_does_not_look_like_its_name_is_believed_by_degrees(
    name: str, data: bytes, trust: TrustLevel, sentence: str
) -> None:
    judgement = judged(name, data)
    assert (judgement.trust, sentence in judgement.why) == (trust, True), judgement


@pytest.mark.parametrize(
    ("name", "data", "content_type", "trust"),
    [
        ("a.log", PAGE, "text/html", TrustLevel.LATER),
        ("page-source.xml", PAGE, "text/html; charset=utf-8", TrustLevel.LATER),
        ("a.log", b"<p>Sorry</p>", "text/html; charset=utf-8", TrustLevel.LATER),
        ("a.log", b"<p>Sorry</p>", "text/plain", TrustLevel.SOUND),
        ("a.log", b"12:00 INFO", "text/html", TrustLevel.SOUND),
        ("junit.xml", b"<testsuites/>", "text/html", TrustLevel.SOUND),
        ("console.log", b'{"detail": "Not found."}', "application/json", TrustLevel.LATER),
        ("console.log", b'{"detail": "Not found."}', "text/plain", TrustLevel.SOUND),
        (
            "console.log",
            b"<Error><Code>SlowDown</Code></Error>",
            "application/xml",
            TrustLevel.LATER,
        ),
        ("log.json", b"Service Unavailable", "text/plain", TrustLevel.LATER),
        ("log.json", b"Service Unavailable", "application/json", TrustLevel.TWICE),
        ("video.mp4", b"Service Unavailable", "text/plain", TrustLevel.LATER),
        ("video.mp4", b"Service Unavailable", "video/mp4", TrustLevel.TWICE),
        ("video.mp4", PAGE, "text/html", TrustLevel.FOREIGN),
        ("video.mp4", PAGE, "application/octet-stream", TrustLevel.FOREIGN),
        ("video.mp4", PAGE, "video/mp4", TrustLevel.TWICE),
        ("report.html", PAGE, "text/html", TrustLevel.SOUND),
    ],
)
def test_what_the_answer_calls_the_bytes_counts(
    name: str, data: bytes, content_type: str, trust: TrustLevel
) -> None:
    assert judged(name, data, content_type).trust is trust


def test_a_long_json_is_followed_to_its_end() -> None:
    rows = [
        {"method": "POST", "request": {"script": 'return "[{" + x;\\'}, "n": [1.5, None, True]}
        for _ in range(30_000)
    ]
    data = json.dumps(rows).encode()
    assert len(data) > 2_000_000
    assert judged("log.json", data) == SOUND
    assert "it is cut" in judged("log.json", data[:-1]).why
    assert "it is cut" in judged("log.json", data[: len(data) // 2]).why
    assert "data after its end" in judged("log.json", data + b"{}").why
    har = json.dumps({"log": {"entries": rows}}).encode()
    assert judged("network.har", har) == SOUND
    assert "not a HAR" in judged("network.har", data).why


def box(kind: bytes, data: bytes) -> bytes:
    return (len(data) + 8).to_bytes(4, "big") + kind + data


AS_THEY_ARE = (
    ("errors.json", b'{"errors": []}'),
    ("result.json", b'{"code": 0, "message": "ok"}'),
    ("eslint.json", b'{"errors":[],"message":""}'),
    ("app.log", b'{"message":"Server listening on 8080"}'),
    ("app.log", b'{"message":"Server listening on 8080"}\n{"message":"x"}\n'),
    ("events.json", b'{"a":1}\n{"b":2}\n'),
    ("cucumber.json", b'[{"a":1},]'),
    ("tsconfig.json", b'// comment\n{"a":1}'),
    ("config.json", b"{'a': 1}"),
    ("shot.png", b"\xff\xd8\xff\xe0" + b"x" * 50),
    ("shot.png", b"RIFF\x10\0\0\0WEBPVP8 " + b"x" * 50),
    ("shot.jpg", b"\x89PNG\r\n\x1a\n" + b"x" * 50),
    ("shot.png", b"iVBORw0KGgoAAAANSUhEUgAA"),
    ("shot.png", b"\x89PNG\r\n\x1a\n" + b"x" * 500),
    ("video.mp4", box(b"free", b"x" * 20) + box(b"ftyp", b"mp42")),
    ("video.mp4", box(b"moov", b"x" * 20) + box(b"mdat", b"mp42")),
    ("video.mp4", box(b"styp", b"msdh") + box(b"moof", b"mp42")),
    ("video.mp4", b"\x1a\x45\xdf\xa3webm" + b"x" * 50),
    ("video.mp4", box(b"ftyp", b"mp42") + (10**6).to_bytes(4, "big") + b"mdat" + b"v" * 1000),
    ("screen.mov.mp4", box(b"wide", b"") + box(b"mdat", b"x")),
    ("page-source.xml", b'<?xml version="1.0"?><html><body/></html>'),
    ("page.xhtml", b'<?xml version="1.0"?><!DOCTYPE html><html/>'),
    ("page-source.txt", b"<!DOCTYPE html><html><head>"),
    ("page.mht", b"<html>"),
    ("dom.log", b"<html><head></head></html>"),
    ("README.md", b"<h1>Title</h1>\n"),
    ("notes.md", b"<center>x</center>\n"),
    ("Component.vue", b"<script>\nexport default{}</script>"),
    ("email.eml", b"<html>x</html>"),
    ("snapshot.snap", b"<body>\n"),
    ("index.ejs", b"<!doctype html>"),
    ("report", b"<!DOCTYPE html><html>"),
    ("report.html", b"<!DOCTYPE html><html>"),
    ("report.html.gz", gzip.compress(b"<html>", mtime=0)),
    ("trace.zip", b"PK\x03\x04" + b"x" * 100),
    ("out.gz", b"plain text, already decoded"),
    ("network.har", b'{"log": {}}'),
    ("network.har", b"[]"),
    ("network.har", b"{}"),
    ("network.har.gz", gzip.compress(b'{"log":{}}', mtime=0)),
    ("console.json", b"null"),
    ("console.json", b" "),
    ("console.json", b"\n"),
    ("console.json", b"undefined"),
    ("performance.json", b"NaN"),
    ("log.json", "[1]".encode("utf-16")),
    ("log.json", "[1]".encode("utf-16-le")),
    ("log.json", '["caf\xe9"]'.encode("latin-1")),
    ("a.jpeg", b"\x89PNG"),
    ("a.gif", b"GIF89a"),
    ("a.webp", b"x"),
    ("a.pdf", b"x"),
)
"""What people upload and recorders leave, under names that promise something else: small inputs of
public bug reports.
"""


@pytest.mark.parametrize(("name", "data"), AS_THEY_ARE)
def test_what_people_upload_and_recorders_leave_is_stored(name: str, data: bytes) -> None:
    assert what_is_wrong(name, io.BytesIO(data), len(data), None) is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("data.svg", b"<svg/>"),
        ("junit.xml", b"<testsuites/>"),
        ("out.txt", b"<testsuites/>"),
        ("out.txt", b"<a>"),
        ("syslog.log", b"<30>Nov 29 daemon: x"),
    ],
)
def test_a_text_that_is_no_page_is_stored_though_the_answer_calls_it_one(
    name: str, data: bytes
) -> None:
    assert what_is_wrong(name, io.BytesIO(data), len(data), "text/html; charset=utf-8") is None


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(['"', "\\", '\\"', "[{", "}]"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(
    st.lists(VALUES) | st.dictionaries(st.text(), VALUES),
    st.integers(1, 40),
    st.booleans(),
    st.data(),
)
def test_the_structure_of_true_json_passes_whole_and_fails_cut(
    value: object, step: int, escaped: bool, data: st.DataObject
) -> None:
    text = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")

    def check(text: bytes) -> None:
        check_structure(text[place : place + step] for place in range(0, len(text), step))

    check(text + b"\n")
    for broken in (
        text[: data.draw(st.integers(0, len(text) - 1))],
        text + b"x",
        text + text,
        text + b'""',
        text[1:],
    ):
        with pytest.raises(NotJsonError):
            check(broken)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(NotJsonError, match="too deeply"):
        check_structure(b"[" * 60_000 for _ in range(3))
