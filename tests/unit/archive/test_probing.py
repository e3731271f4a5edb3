"""Bytes that are not of the kind their name says are found out; true ones pass."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sauce_janitor.archive.probing import what_is_wrong
from sauce_janitor.archive.structure import NotJsonError, check_structure
from tests.fakes.asset_shelf import HAR, LOG, MP4, PNG

PAGE = b"\n<!-- proxy --><!DOCTYPE html><html><body>Back soon</body></html>"


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(zipfile.ZipInfo("0000screenshot.png"), PNG)
    return target.getvalue()


def verdict(name: str, data: bytes, content_type: str | None = None) -> str | None:
    return what_is_wrong(name, io.BytesIO(data), len(data), content_type)


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
    assert verdict(name, data) is None


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        *((name, PAGE, "an HTML page came instead") for name in ("video.mp4", "log.json", "a.log", "junit.xml", "noending")),
        ("a.log", b"<HTML><head>", "an HTML page"),
        ("a.log", b"\xef\xbb\xbf <?xml version='1.0'?>\n<html xmlns=''>", "an HTML page"),
        ("video.mp4", b"RIFF", "no MP4"),
        ("video.mp4", b"ftypmp42", "no MP4"),
        ("a.png", MP4, "no PNG"),
        ("a.png", PNG[: len(PNG) // 2], "the PNG file has no end"),
        ("video.mp4", MP4[:24] + b"\x00\x00\x01\x00moov" + b"x" * 99, "the MP4 file has no end"),
        ("video.mp4", MP4[:24] + b"\x00\x00\x00\x01mdat" + (1 << 40).to_bytes(8, "big") + b"x", "the MP4 file has no end"),
        ("a.jpeg", PNG, "no JPEG"),
        ("a.zip", b"PK\x03\x04" + b"x" * 99, "the zip file has no end"),
        ("a.zip", PNG, "no ZIP"),
        ("a.json.gz", b"{}", "no GZ"),
        ("log.json", b'[{"a": 1}', "no JSON"),
        ("log.json", LOG + LOG, "no JSON"),
        ("log.json", b"Service Unavailable", "no JSON"),
        ("log.json", b'{"errors": "Not found"}', "an error message"),
        ("console.log", b'{"detail": "Not found."}', "an error message"),
        ("network.har", b'{"entries": []}', "no HAR"),
        ("network.har", b"[]", "no HAR"),
        ("network.har", HAR[:-1], "no HAR"),
    ],
)  # fmt: skip
def test_a_foreign_or_cut_body_is_found_out(name: str, data: bytes, sentence: str) -> None:
    assert sentence in (verdict(name, data) or "passed")


def test_markup_called_html_by_the_answer_is_html() -> None:
    assert verdict("a.log", b"<p>Sorry</p>", "text/html; charset=utf-8") == "an HTML page came instead"
    assert verdict("a.log", b"<p>Sorry</p>", "text/plain") is None
    assert verdict("a.log", b"12:00 INFO", "text/html") is None
    assert verdict("junit.xml", b"<testsuites/>", "text/html") is None


def test_a_long_json_is_followed_to_its_end() -> None:
    rows = [
        {"method": "POST", "request": {"script": 'return "[{" + x;\\'}, "n": [1.5, None, True]} for _ in range(30_000)
    ]
    data = json.dumps(rows).encode()
    assert len(data) > 2_000_000
    assert verdict("log.json", data) is None
    assert "it is cut" in (verdict("log.json", data[:-1]) or "")
    assert "it is cut" in (verdict("log.json", data[: len(data) // 2]) or "")
    assert "something follows" in (verdict("log.json", data + b"{}") or "")
    har = json.dumps({"log": {"entries": rows}}).encode()
    assert verdict("network.har", har) is None
    assert "no HAR" in (verdict("network.har", data) or "")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(['"', "\\", '\\"', "[{", "}]"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300)
@given(st.lists(VALUES) | st.dictionaries(st.text(), VALUES), st.integers(1, 40), st.booleans(), st.data())
def test_the_structure_of_true_json_passes_whole_and_fails_cut(
    value: object, step: int, escaped: bool, data: st.DataObject
) -> None:
    text = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")

    def check(text: bytes) -> None:
        check_structure(text[place : place + step] for place in range(0, len(text), step))

    check(text + b"\n")
    for broken in (text[: data.draw(st.integers(0, len(text) - 1))], text + b"x", text + text, text + b'""', text[1:]):
        with pytest.raises(NotJsonError):
            check(broken)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(NotJsonError, match="too deeply"):
        check_structure(b"[" * 60_000 for _ in range(3))
