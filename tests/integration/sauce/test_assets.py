"""Streaming assets from a real server: proof of completeness, decoding, limits, and the one
redirect that is followed.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator

import pytest

from sauce_janitor.errors import AnswerError, ForbiddenError, NotReadyError, SourceUnavailableError
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.sauce.http.connection import Connection
from tests.fakes.vendor import Reply, Vendor, chunked, gzip_reply, json_reply, reply

ME = Owner("jsmith")
JOB = JobId("cd" * 16)
FILES = f"/rest/v1/jsmith/jobs/{JOB}/assets"
NOISE = os.urandom(700_000)


def fetched(reader: SauceReader, name: str) -> tuple[bytes, bool, bool]:
    with reader.open_asset(ME, JOB, name) as body:
        chunks = list(body)
        assert all(len(chunk) >= 64 * 1024 for chunk in chunks[:-1])
        return b"".join(chunks), body.framed, body.encoded


@pytest.mark.parametrize(
    ("answer", "framed", "encoded"),
    [
        (reply(NOISE), True, False),
        (
            chunked(*(NOISE[start : start + 1000] for start in range(0, len(NOISE), 1000))),
            True,
            False,
        ),
        (gzip_reply(NOISE), True, True),
        (
            chunked(
                gzip.compress(NOISE[:9]) + gzip.compress(NOISE[9:]),
                headers={"Content-Encoding": "x-gzip"},
            ),
            True,
            True,
        ),
        (reply(zlib.compress(NOISE), headers={"Content-Encoding": "deflate"}), True, True),
        (reply(zlib.compress(NOISE)[2:-4], headers={"Content-Encoding": "deflate"}), True, True),
        (reply(gzip.compress(NOISE), headers={"Content-Encoding": "gzip"}, length=-1), True, True),
        (reply(NOISE, length=-1), False, False),
        (reply(NOISE, headers={"Content-Encoding": "identity"}), True, False),
        *(
            (reply(NOISE, headers={"Content-Encoding": coding}), True, False)
            for coding in (
                "",
                "aws-chunked",
                "utf-8",
                "binary",
                "none",
                "x-made-up",
                "identity, aws-chunked",
            )
        ),
        (reply(gzip.compress(NOISE), headers={"Content-Encoding": "gzip,aws-chunked"}), True, True),
        (reply(NOISE, headers={"Content-Encoding": "utf-8"}, length=-1), False, False),
        (chunked(NOISE, headers={"Content-Encoding": "none"}), False, False),
    ],
)
def test_the_bytes_are_the_vendors_and_unframed_ones_are_called_so(
    vendor: Vendor, reader: SauceReader, answer: Reply, framed: bool, encoded: bool
) -> None:
    vendor.on(f"{FILES}/video.mp4", answer)
    assert fetched(reader, "video.mp4") == (NOISE, framed, encoded)


def test_text_that_compresses_well_comes_in_whole_chunks(
    vendor: Vendor, reader: SauceReader
) -> None:
    text = b"INFO a line of a log file\n" * 40_000
    vendor.on(f"{FILES}/log.json", gzip_reply(text))
    assert fetched(reader, "log.json")[0] == text


def test_an_empty_asset_is_empty(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(f"{FILES}/x.log", reply(b""))
    assert fetched(reader, "x.log") == (b"", True, False)


CUT = gzip.compress(NOISE)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply(NOISE, length=len(NOISE) + 1), "cut short"),
        (reply(CUT[:-1], headers={"Content-Encoding": "gzip"}), "end marker"),
        (reply(CUT[:-1], headers={"Content-Encoding": "gzip"}, length=-1), "end marker"),
        (reply(CUT[:-4] + b"0000", headers={"Content-Encoding": "gzip"}), "is not"),
        (reply(CUT + b"garbage", headers={"Content-Encoding": "gzip"}), "continues after"),
        (
            reply(zlib.compress(NOISE) + b"x", headers={"Content-Encoding": "deflate"}),
            "continues after",
        ),
        (reply(zlib.compress(NOISE)[:-5], headers={"Content-Encoding": "deflate"}), "end marker"),
        (reply(NOISE, headers={"Content-Encoding": "gzip"}), "is not"),
        (reply(NOISE, headers={"Content-Encoding": "gzip, gzip"}), "not asked for"),
        (reply(NOISE, headers={"Content-Encoding": "br"}), "not asked for"),
        (
            reply(NOISE, headers={"Content-Encoding": "aws-chunked"}, length=len(NOISE) + 1),
            "cut short",
        ),
        (lambda: gzip_reply(b"\0" * 50_000_000), "unpacks to more than 200 times"),
        (chunked(NOISE, end=b""), "cut short"),
        (chunked(NOISE, end=b"ff\r\nshort"), "cut short"),
        (chunked(NOISE, end=b"no\r\n"), "cut short"),
        (chunked(NOISE, end=b"-1\r\n\r\n0\r\n\r\n"), "cut short"),
        (reply(NOISE, length=len(NOISE) + 9, then="stall"), "sent nothing"),
        (reply(b"x", 206), "206"),
        (reply(b"", 204), "204"),
    ],
)
def test_a_body_that_is_not_whole_and_true_is_refused(
    vendor: Vendor,
    reader_with: Callable[..., SauceReader],
    answer: Reply | Callable[[], Reply],
    said: str,
) -> None:
    vendor.on(f"{FILES}/a.bin", answer)
    with pytest.raises(AnswerError, match=said):
        fetched(reader_with(timeout_total_s=60), "a.bin")


def test_a_dripping_body_is_given_up_long_before_its_total_time(
    vendor: Vendor, reader_with: Callable[..., SauceReader]
) -> None:
    vendor.on(f"{FILES}/a.bin", reply(NOISE, length=len(NOISE) + 99_999, then="drip"))
    with pytest.raises(AnswerError, match="too slowly"):
        fetched(reader_with(timeout_total_s=100), "a.bin")


def test_a_file_named_gz_is_not_decoded_twice(vendor: Vendor, reader: SauceReader) -> None:
    file = gzip.compress(b"trace" * 100_000)
    vendor.on(f"{FILES}/a.json.gz", reply(file))
    vendor.on(f"{FILES}/b.json.gz", reply(file, headers={"Content-Encoding": "gzip"}))
    vendor.on(f"{FILES}/c.json.gz", gzip_reply(file))
    vendor.on(f"{FILES}/d.json.gz", gzip_reply(gzip.compress(b"")))
    assert fetched(reader, "a.json.gz")[0] == file
    assert fetched(reader, "b.json.gz")[0] == file, "the header only says what the file is"
    assert fetched(reader, "c.json.gz")[0] == file, "the header says how the file was sent"
    assert fetched(reader, "d.json.gz")[0] == gzip.compress(b"")


def test_what_stands_in_the_way_of_opening_is_said(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(f"{FILES}/early.mp4", json_reply("Job hasn't finished running", 400))
    vendor.on(f"{FILES}/theirs.mp4", json_reply({}, 403))
    vendor.on(f"{FILES}/down.mp4", json_reply({}, 502))
    vendor.on(f"{FILES}/late.mp4", json_reply({}, 500), reply(b"video"))
    with pytest.raises(NotReadyError):
        fetched(reader, "early.mp4")
    with pytest.raises(ForbiddenError):
        fetched(reader, "theirs.mp4")
    with pytest.raises(SourceUnavailableError):
        fetched(reader, "down.mp4")
    with pytest.raises(AnswerError, match=r"404 for asset 'gone.mp4'"):
        fetched(reader, "gone.mp4")
    assert fetched(reader, "late.mp4")[0] == b"video"


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a b?c#d%2F.mp4",
        "x\0y",
        "żółw.png",
        "n" * 5000,
        "a\r\nX: y",
    ],
)
def test_a_hostile_name_stays_one_segment_of_the_path(
    vendor: Vendor, reader: SauceReader, name: str
) -> None:
    with pytest.raises(AnswerError, match="404"):
        fetched(reader, name)
    path, _, last = vendor.seen[0].target.rpartition("/")
    assert path == FILES
    assert not set(last) & set("/?# \r\n")
    assert "X" not in vendor.seen[0].headers


@pytest.mark.parametrize("name", ["", ".", "..", "\ud800"])
def test_a_name_that_no_path_can_carry_is_never_asked_for(
    vendor: Vendor, reader: SauceReader, name: str
) -> None:
    with pytest.raises(AnswerError):
        fetched(reader, name)
    assert vendor.seen == []


@pytest.fixture
def stranger() -> Iterator[Vendor]:
    with Vendor() as server:
        yield server


def test_a_redirect_on_the_same_host_to_the_same_file_is_followed(
    vendor: Vendor, reader: SauceReader
) -> None:
    signed = f"/jobs/{JOB}/video.mp4?ts=1&auth=abcdef"
    vendor.on(f"{FILES}/video.mp4", reply(b"moved" * 9, 302, {"Location": signed}))
    vendor.on(signed, reply(b"video"))
    assert fetched(reader, "video.mp4")[0] == b"video"
    assert [seen.target for seen in vendor.seen] == [f"{FILES}/video.mp4", signed]


def test_a_redirect_to_the_regions_asset_host_goes_without_the_credential(
    vendor: Vendor, stranger: Vendor, reader: SauceReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = frozenset({vendor.url, stranger.url})
    monkeypatch.setattr(Connection, "asset_origins", property(lambda _: origins))
    vendor.on(
        f"{FILES}/video.mp4",
        reply(b"", 307, {"Location": f"{stranger.url}/jobs/{JOB}/video.mp4?auth=abcdef"}),
    )
    stranger.on(f"/jobs/{JOB}/video.mp4", reply(b"video"))
    assert fetched(reader, "video.mp4")[0] == b"video"
    assert "Authorization" not in stranger.seen[0].headers
    assert "Cookie" not in stranger.seen[0].headers


@pytest.mark.parametrize(
    "place",
    [
        "{stranger}/jobs/{job}/video.mp4?auth=abcdef",
        "http://169.254.169.254/jobs/{job}/video.mp4",
        "https://assets.saucelabs.com.evil.example/jobs/{job}/video.mp4",
        "ftp://127.0.0.1/jobs/{job}/video.mp4",
        "{vendor}/jobs/{job}/other.mp4",
        "{vendor}/jobs/00000000000000000000000000000000/video.mp4",
        "{vendor}/jobs/{job}/x/video.mp4",
        "http://user@127.0.0.1/jobs/{job}/video.mp4",
        "//[",
    ],
)
def test_any_other_redirect_is_refused_and_the_credential_stays(
    vendor: Vendor, stranger: Vendor, reader: SauceReader, place: str
) -> None:
    location = place.format(stranger=stranger.url, vendor=vendor.url, job=JOB)
    vendor.on(f"{FILES}/video.mp4", reply(b"", 302, {"Location": location}))
    with pytest.raises(AnswerError, match="redirect") as caught:
        fetched(reader, "video.mp4")
    assert "abcdef" not in str(caught.value)
    assert stranger.seen == []
    assert len(vendor.seen) == 1


def test_a_redirect_without_a_place_is_refused(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(f"{FILES}/video.mp4", reply(b"", 302))
    with pytest.raises(AnswerError, match="redirect without a target"):
        fetched(reader, "video.mp4")


def test_a_second_redirect_is_refused(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(f"{FILES}/video.mp4", reply(b"", 302, {"Location": f"/jobs/{JOB}/video.mp4"}))
    vendor.on(f"/jobs/{JOB}/video.mp4", reply(b"", 302, {"Location": f"/jobs/{JOB}/video.mp4"}))
    with pytest.raises(AnswerError, match="redirect"):
        fetched(reader, "video.mp4")
    assert len(vendor.seen) == 2


def test_an_unreachable_asset_host_shows_no_signature_in_the_error_or_its_causes(
    vendor: Vendor, reader_with: Callable[..., SauceReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    import traceback

    origins = frozenset({vendor.url, "http://127.0.0.1:9"})
    monkeypatch.setattr(Connection, "asset_origins", property(lambda _: origins))
    vendor.on(
        f"{FILES}/video.mp4",
        reply(b"", 302, {"Location": f"http://127.0.0.1:9/jobs/{JOB}/video.mp4?auth=abcdef"}),
    )
    with pytest.raises(SourceUnavailableError, match="refuses") as caught:
        fetched(reader_with(), "video.mp4")
    assert "abcdef" not in "".join(traceback.format_exception(caught.value))


def test_an_abandoned_body_does_not_spoil_the_next_one(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(f"{FILES}/a.bin", reply(NOISE))
    with reader.open_asset(ME, JOB, "a.bin") as body:
        next(iter(body))
    assert fetched(reader, "a.bin")[0] == NOISE
