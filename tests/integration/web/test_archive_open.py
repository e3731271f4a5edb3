"""The archive's page on a real archive, behind its wall and over HTTP: whatever is asked of it, it
changes nothing.
"""

from __future__ import annotations

import hashlib
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sauce_janitor.archive import Archive, DiskReserve, WriteSettings
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.archive.view import open_archive_view
from sauce_janitor.console.archive import ArchivePages
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.web.archive_page import archive_section
from sauce_janitor.web.console import make_console
from sauce_janitor.web.guard import AccessRules, Guard
from sauce_janitor.web.job_page import job_section
from sauce_janitor.web.server import RunningServer, ServerLimits
from tests.fakes.asset_shelf import LOG, MP4, AssetShelf, document
from tests.support.archive import ORIGIN

CONFIG = """\
version: 1
accounts: {eu: {region: eu-central-1}}
archive: {path: ./archive}
state: {path: ./state.db}
policies: [{name: everything, default: true, then: {archive: 5d}}]
"""
JOB = f"{1:032x}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    settings = WriteSettings(min_free=DiskReserve(percent=0))
    with Archive.open(
        tmp_path / "archive", account="eu", known_uuid=None, settings=settings
    ) as archive:
        shelf = AssetShelf(
            {"video.mp4": MP4, "log.json": LOG, "../../evil.html": b"<script>alert(1)</script>"}
        )
        archive.store(document(1, name="checkout"), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def address(folder: Path) -> Iterator[tuple[str, int]]:
    with open_archive_view(Session(folder / "config.yaml", None, "info", None)) as shelf:
        pages = ArchivePages(lambda: shelf.entries, lambda: shelf.catalogue, shelf.keep_up)
        view = make_console([archive_section(pages, lambda: "/archive"), job_section(pages)])
        with RunningServer(
            Guard(view, AccessRules("127.0.0.1:0")), "127.0.0.1:0", ServerLimits(threads=2)
        ) as serving:
            yield serving.address


def ask(
    address: tuple[str, int],
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    **headers: str,
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*address, timeout=20)
    try:
        connection.request(
            method, path, body, {name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


PATHS = [
    "/",
    "/archive",
    "/archive/builds",
    f"/jobs/eu/{JOB}",
    f"/jobs/eu/{JOB}/files/0",
    f"/jobs/eu/{JOB}/files/1/lines?q=x",
    "/nothing",
    "/static/job/job.js",
    "/%2e%2e/%2e%2e/etc/passwd",
    f"/jobs/eu/{JOB}/files/0?save",
    "/archive?page=999999999999999999999",
]


def test_no_method_path_host_or_body_changes_anything(
    folder: Path, address: tuple[str, int]
) -> None:
    before = tree(folder)
    for path in PATHS:
        for method in (
            "GET",
            "HEAD",
            "POST",
            "PUT",
            "DELETE",
            "PATCH",
            "OPTIONS",
            "TRACE",
            "PROPFIND",
        ):
            status, _, _ = ask(address, path, method, b"x=1" if method == "POST" else None)
            assert status == 405 if method not in {"GET", "HEAD"} else status in {200, 302, 404}, (
                method,
                path,
            )
        assert ask(address, path, Host="evil.example:80")[0] == 421
    assert tree(folder) == before
    assert not (folder / "state.db").exists()


def test_a_film_comes_in_ranges_through_the_server(address: tuple[str, int]) -> None:
    status, headers, body = ask(address, f"/jobs/eu/{JOB}/files/0", Range="bytes=10-19")
    assert (status, headers["Content-Range"], body) == (206, f"bytes 10-19/{len(MP4)}", MP4[10:20])
    status, headers, body = ask(address, f"/jobs/eu/{JOB}/files/0", "HEAD", Range="bytes=10-19")
    assert (status, headers["Content-Length"], body) == (206, "10", b"")


def test_every_answer_keeps_a_browser_from_doing_more_than_showing(
    address: tuple[str, int],
) -> None:
    for path in PATHS:
        _, headers, _ = ask(address, path)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["Content-Security-Policy"]


def test_a_hostile_file_is_text_to_be_saved_and_belongs_to_no_origin(
    address: tuple[str, int],
) -> None:
    status, headers, body = ask(address, f"/jobs/eu/{JOB}/files/2")
    assert (status, headers["Content-Type"], body) == (
        200,
        "text/plain; charset=utf-8",
        b"<script>alert(1)</script>",
    )
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["Content-Security-Policy"].endswith("sandbox")


def test_a_job_whose_receipt_is_damaged_is_said_and_others_still_show(
    folder: Path, address: tuple[str, int]
) -> None:
    assert ask(address, f"/jobs/eu/{JOB}")[0] == 200
    (receipt,) = folder.rglob("receipt.json")
    receipt.write_bytes(receipt.read_bytes()[:-9])
    receipt.with_name("touched").touch()  # its folder is another now
    status, _, body = ask(address, f"/jobs/eu/{JOB}")
    assert status == 500
    assert b"receipt" in body
    assert ask(address, "/archive")[0] == 200


def test_a_file_that_is_not_there_any_more_is_said(folder: Path, address: tuple[str, int]) -> None:
    (film,) = folder.rglob("video.mp4")
    film.unlink()
    status, _, body = ask(address, f"/jobs/eu/{JOB}/files/0")
    assert status == 500
    assert b"No such file" in body


def test_a_request_that_is_none_is_no_harm(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=20) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\n")
        assert b" 200 " not in raw.recv(100)
    assert ask(address, "/archive")[0] == 200
