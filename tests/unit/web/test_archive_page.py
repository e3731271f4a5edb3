"""The archive's page as an application: what it shows, what it asks for, and that nothing archived
can act in it.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import pytest
from flask.testing import FlaskClient

from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.archive.entries import (
    COUNTED,
    ArchiveBuild,
    ArchiveCursor,
    ArchiveEntry,
    ArchiveQuery,
)
from sauce_janitor.model.jobs import JobId, owner_name
from sauce_janitor.web.archive_page import archive_section
from sauce_janitor.web.archive_query import (
    ShownFile,
    ShownJob,
    ShownReceipt,
    UnstoredAsset,
    kind_of,
)
from sauce_janitor.web.console import make_console
from sauce_janitor.web.job_page import job_section

JOB = JobId(f"{1:032x}")
EVIL = '<script>alert(1)</script>"\u202egnp.exe\x1b[31m'


def entry(number: int = 1, **more: object) -> ArchiveEntry:
    known: dict[str, object] = {
        "account": "eu",
        "owner": owner_name("alice"),
        "job_id": JobId(f"{number:032x}"),
        "place": "eu/alice/x",
        "ended_at": 1_767_225_599,
        "stored_at": 1_767_226_000,
        "policy": "nightly",
        "assets": 2,
        "size_bytes": 4200,
        "name": f"test {number}",
        "build": "nightly-1",
        "status": "passed",
        "duration_s": 75,
    }
    return ArchiveEntry(**(known | more))  # type: ignore[arg-type]  # a test's own words


@dataclass
class Shelf:
    """A shelf of entries and one job's files; keeps what it was asked."""

    entries: list[ArchiveEntry] = field(default_factory=lambda: [entry()])
    files: dict[str, bytes] = field(default_factory=dict)
    remarks: tuple[UnstoredAsset, ...] = ()
    asked: list[ArchiveQuery] = field(default_factory=list)
    opened: list[BinaryIO] = field(default_factory=list)
    wrong: Exception | None = None
    indexing: bool = False
    counted: int | None = None

    def keep_up(self) -> bool:
        return self.indexing

    def search(self, query: ArchiveQuery, /) -> Iterator[ArchiveEntry]:
        self.asked.append(query)
        if self.wrong:
            raise self.wrong
        places = self._places()
        if query.after in places:
            return iter(self.entries[places.index(query.after) + 1 :][: query.limit])
        if query.before in places:
            last = places.index(query.before)
            return iter(self.entries[max(0, last - (query.limit or 0)) : last])
        return iter(self.entries[: query.limit])

    def _places(self) -> list[ArchiveCursor]:
        return [ArchiveCursor(each.ended_at, each.job_id, each.account) for each in self.entries]

    def count(self, query: ArchiveQuery, /) -> tuple[int, int]:
        found = self.counted or len(self.entries)
        return found, sum(each.size_bytes for each in self.entries)

    def builds(self, query: ArchiveQuery, /) -> Sequence[ArchiveBuild]:
        return [
            ArchiveBuild(
                "eu",
                owner_name("alice"),
                "nightly-1",
                3,
                {"passed": 2, "failed": 1},
                1_767_225_599,
                42,
            )
        ]

    def owners(self) -> Sequence[str]:
        return ["alice", "bob"]

    def job(self, account: str, job_id: JobId, /) -> ShownJob | None:
        if (account, job_id) != ("eu", JOB):
            return None
        files = tuple(
            ShownFile(number, name, len(data), "ab" * 32, kind_of(name))
            for number, (name, data) in enumerate(self.files.items())
        )
        receipt = ShownReceipt("receipt.json", 1_767_226_000, "nightly", "cd" * 32)
        return ShownJob(
            self.entries[0], files, self.remarks, (receipt,), (("browser", EVIL),), 1_767_225_500
        )

    def open(self, job: ShownJob, file: ShownFile, /) -> BinaryIO:
        self.opened.append(io.BytesIO(self.files[file.name]))
        return self.opened[-1]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def client(shelf: Shelf) -> FlaskClient:
    return make_console(
        [archive_section(shelf, lambda: "/archive"), job_section(shelf)]
    ).test_client()


def test_the_list_shows_every_entry_and_how_many_there_are(
    shelf: Shelf, client: FlaskClient
) -> None:
    shelf.entries = [
        entry(1, error="boom"),
        entry(2, name=None, build=None, status=None, duration_s=None),
    ]
    page = client.get("/archive").text
    assert "test 1" in page
    assert "boom" in page
    assert f"{2:032x}" in page
    assert "2 jobs, 8.4 kB" in page
    assert "2025-12-31 23:59" in page


@pytest.mark.parametrize(
    ("address", "query"),
    [
        ("/archive", ArchiveQuery()),
        (
            "/archive?q=not+found&status=failed&status=error",
            ArchiveQuery(text="not found", status=("failed", "error")),
        ),
        (
            "/archive?owner=bob&build=n-*&account=eu",
            ArchiveQuery("eu", owner_name("bob"), build="n-*"),
        ),
        (
            "/archive?since=2026-01-01&until=2026-01-01",
            ArchiveQuery(since=1_767_225_600, until=1_767_312_000),
        ),
        (
            "/archive?since=yesterday&until=2026-99-99&status=x&owner=a/b&page=x",
            ArchiveQuery(),
        ),
        # Without the entry at which it begins, it is the first page.
        ("/archive?page=3", ArchiveQuery()),
        ("/archive?page=-7&after=x", ArchiveQuery()),
        (f"/archive?after=9.{JOB}.eu&page=2", ArchiveQuery(after=ArchiveCursor(9, JOB, "eu"))),
        (f"/archive?before=9.{JOB}.a.b", ArchiveQuery(before=ArchiveCursor(9, JOB, "a.b"))),
    ],
)
def test_an_address_asks_for_what_it_says_and_leaves_out_what_cannot_be_meant(
    shelf: Shelf, client: FlaskClient, address: str, query: ArchiveQuery
) -> None:
    assert client.get(address).status_code == 200
    assert shelf.asked == [replace(query, limit=101, searched=100_000)]


def link(page: str, rel: str) -> str | None:
    found = re.search(rf'href="([^"]+)" rel="{rel}"', page)
    return None if found is None else html.unescape(found[1])


def shown(page: str) -> list[int]:
    return [int(each) for each in re.findall(r"<bdi>test (\d+)</bdi>", page)]


def test_pages_lead_to_one_another_and_keep_the_filters(shelf: Shelf, client: FlaskClient) -> None:
    shelf.entries = [entry(number) for number in range(1, 251)]
    first = client.get("/archive?status=passed").text
    assert "Page 1 of 3" in first
    assert link(first, "prev") is None
    address = link(first, "next")
    assert address is not None
    assert address.startswith("/archive?status=passed&")
    second = client.get(address).text
    assert "Page 2 of 3" in second
    assert f"from=status%3Dpassed%26after%3D1767225599.{100:032x}.eu%26page%3D2" in second
    third = client.get(link(second, "next") or "").text
    assert "Page 3 of 3" in third
    assert link(third, "next") is None
    assert shown(first) + shown(second) + shown(third) == list(range(1, 251))
    again = client.get(link(third, "prev") or "").text
    assert shown(again) == shown(second)
    assert link(again, "prev") == "/archive?status=passed"
    assert shown(client.get(link(again, "next") or "").text) == shown(third)


def test_a_page_that_begins_after_the_last_job_leads_back(
    shelf: Shelf, client: FlaskClient
) -> None:
    page = client.get(f"/archive?after=1767225599.{JOB}.eu&page=2").text
    assert "No job" in page or "no jobs" in page
    assert "Show all jobs" in page or 'href="/archive"' in page


def test_so_many_jobs_are_not_counted(shelf: Shelf, client: FlaskClient) -> None:
    shelf.entries = [entry(number) for number in range(1, 251)]
    shelf.counted = COUNTED + 1
    page = client.get("/archive?q=test").text
    assert "More than 100,000 jobs" in page
    assert "among the newest 100,000 that the other filters find" in page
    assert "Page 1</span>" in page


def test_builds_are_counted_by_status(client: FlaskClient) -> None:
    page = client.get("/archive/builds").text
    assert "nightly-1" in page
    assert "2 passed" in page
    assert "1 failed" in page


def test_strangers_names_are_text_wherever_they_stand(shelf: Shelf, client: FlaskClient) -> None:
    shelf.entries = [entry(1, name=EVIL, error=EVIL, build=EVIL, os=EVIL, owner=EVIL)]
    shelf.files = {EVIL + ".log": b"x", "video.mp4": b"v"}
    shelf.remarks = (UnstoredAsset(EVIL, EVIL),)
    for address in ("/archive", "/archive?q=" + EVIL, f"/jobs/eu/{JOB}"):
        page = client.get(address).text
        assert "<script>alert" not in page
        assert "\u202e" not in page
        assert "\x1b" not in page
        assert page.count("<script") == page.count("</script>") <= 2


def test_every_page_forbids_scripts_and_styles_but_its_own(client: FlaskClient) -> None:
    for address in ("/", "/archive", "/archive/builds", f"/jobs/eu/{JOB}", "/nothing"):
        answer = client.get(address)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert "style=" not in answer.text
        assert "http://" not in answer.text
        assert "https://" not in answer.text


@pytest.mark.parametrize(
    ("name", "shown_as", "attached"),
    [
        ("video.mp4", "video/mp4", False),
        ("0001screenshot.png", "image/png", False),
        ("log.json", "text/plain; charset=utf-8", True),
        ("report.html", "text/plain; charset=utf-8", True),
        ("logo.svg", "text/plain; charset=utf-8", True),
        ("page.xhtml", "application/octet-stream", True),
        ("evil\r\nSet-Cookie: a=b.mp4", "video/mp4", False),
    ],
)
def test_nothing_archived_is_answered_as_a_document_that_acts(
    shelf: Shelf, client: FlaskClient, name: str, shown_as: str, attached: bool
) -> None:
    shelf.files = {name: b"<script>alert(1)</script>"}
    answer = client.get(f"/jobs/eu/{JOB}/files/0")
    assert answer.headers["Content-Type"] == shown_as
    assert answer.headers["Content-Disposition"].startswith("attachment" if attached else "inline")
    assert (
        answer.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'none'; sandbox"
    )
    assert "Set-Cookie" not in answer.headers
    answer.close()
    with client.head(f"/jobs/eu/{JOB}/files/0?save") as saved:
        assert saved.headers["Content-Disposition"].startswith("attachment")
    assert all(each.closed for each in shelf.opened)


FILM = bytes(range(256)) * 40


@pytest.mark.parametrize(
    ("asked", "status", "told", "body"),
    [
        (None, 200, None, FILM),
        ("bytes=0-", 206, "bytes 0-10239/10240", FILM),
        ("bytes=100-199", 206, "bytes 100-199/10240", FILM[100:200]),
        ("bytes=10000-99999", 206, "bytes 10000-10239/10240", FILM[10000:]),
        ("bytes=-10", 206, "bytes 10230-10239/10240", FILM[-10:]),
        ("bytes=10240-", 416, "bytes */10240", b""),
        ("bytes=9-3", 416, "bytes */10240", b""),
        ("bytes=-", 200, None, FILM),
        ("bytes=0-1,5-9", 200, None, FILM),
        ("pages=1-2", 200, None, FILM),
        pytest.param(f"bytes={'9' * 5000}-", 200, None, FILM, id="a number of 5000 digits"),
    ],
)
def test_a_film_is_answered_in_ranges(
    shelf: Shelf, client: FlaskClient, asked: str | None, status: int, told: str | None, body: bytes
) -> None:
    shelf.files = {"video.mp4": FILM}
    answer = client.get(f"/jobs/eu/{JOB}/files/0", headers={"Range": asked} if asked else {})
    assert (answer.status_code, answer.headers.get("Content-Range"), answer.data) == (
        status,
        told,
        body,
    )
    answer.close()
    assert all(each.closed for each in shelf.opened)


def test_of_a_long_film_only_so_much_is_answered_at_once(shelf: Shelf, client: FlaskClient) -> None:
    shelf.files = {"video.mp4": bytes(9 * 2**20)}
    answer = client.get(f"/jobs/eu/{JOB}/files/0", headers={"Range": "bytes=0-"})
    assert len(answer.data) == 4 * 2**20
    assert answer.headers["Content-Range"] == f"bytes 0-{4 * 2**20 - 1}/{9 * 2**20}"


def test_a_file_that_the_browser_has_is_not_sent_again(shelf: Shelf, client: FlaskClient) -> None:
    shelf.files = {"0001screenshot.png": b"png"}
    first = client.get(f"/jobs/eu/{JOB}/files/0")
    again = client.get(f"/jobs/eu/{JOB}/files/0", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_log_is_shown_by_the_line_and_searched(shelf: Shelf, client: FlaskClient) -> None:
    shelf.files = {
        "server.log": b"".join(b"line %d\r\n" % number for number in range(2500)) + b"\xff end"
    }
    lines = client.get(f"/jobs/eu/{JOB}/files/0/lines").get_json()
    assert (lines["first"], len(lines["lines"]), lines["lines"][1], lines["more"]) == (
        0,
        1000,
        "line 1",
        True,
    )
    rest = client.get(f"/jobs/eu/{JOB}/files/0/lines?first=2000").get_json()
    assert (len(rest["lines"]), rest["lines"][-1], rest["more"]) == (
        501,
        "\N{REPLACEMENT CHARACTER} end",
        False,
    )
    found = client.get(f"/jobs/eu/{JOB}/files/0/lines?q=LINE+24").get_json()
    assert found["found"][0] == [24, "line 24"]
    assert (len(found["found"]), found["more"]) == (111, False)
    many = client.get(f"/jobs/eu/{JOB}/files/0/lines?q=line").get_json()
    assert (len(many["found"]), many["more"]) == (500, True)
    assert all(each.closed for each in shelf.opened)


def test_a_line_without_an_end_is_cut(shelf: Shelf, client: FlaskClient) -> None:
    shelf.files = {"server.log": b"x" * 3_000_000 + b"\nnext\n"}
    lines = client.get(f"/jobs/eu/{JOB}/files/0/lines").get_json()["lines"]
    assert [len(line) for line in lines] == [4008, 4]


@pytest.mark.parametrize(
    "address",
    [
        f"/jobs/eu/{2:032x}",
        f"/jobs/us/{JOB}",
        "/jobs/eu/xyz",
        "/jobs/eu/../../etc/passwd",
        f"/jobs/eu/{JOB}/files/1",
        f"/jobs/eu/{JOB}/files/-1",
        f"/jobs/eu/{JOB}/files/99999999999999999999",
        f"/jobs/eu/{JOB}/files/0/lines",
        f"/jobs/eu/{JOB}/files/a",
        "/static/../archive_view.py",
        "/static/archive/../../guard.py",
    ],
)
def test_what_is_not_there_is_not_found(shelf: Shelf, client: FlaskClient, address: str) -> None:
    shelf.files = {"video.mp4": b"v"}
    assert client.get(address).status_code == 404


def test_an_archive_that_cannot_be_read_is_said_in_a_sentence(
    shelf: Shelf, client: FlaskClient
) -> None:
    shelf.wrong = ArchiveError("the archive is gone <b>")
    answer = client.get("/archive")
    assert answer.status_code == 500
    assert "the archive is gone &lt;b&gt;" in answer.text


@pytest.mark.parametrize(
    "back", ["javascript:alert(1)", "//evil.example", "a b", "x" * 601, "<script>"]
)
def test_the_way_back_leads_only_to_the_list(client: FlaskClient, back: str) -> None:
    page = client.get(f"/jobs/eu/{JOB}", query_string={"from": back}).text
    assert 'data-back href="/archive"' in page


def test_the_way_back_keeps_the_filters(client: FlaskClient) -> None:
    page = client.get(f"/jobs/eu/{JOB}", query_string={"from": "status=failed&page=2"}).text
    assert 'data-back href="/archive?status=failed&amp;page=2"' in page


def test_what_is_not_stored_any_more_is_named(shelf: Shelf, client: FlaskClient) -> None:
    shelf.files = {"log.json": b"[]"}
    shelf.remarks = (UnstoredAsset("video.mp4", "pruned from the archive (nightly: keep_for 90d)"),)
    page = client.get(f"/jobs/eu/{JOB}").text
    assert "keep_for 90d" in page
    assert "cd" * 32 in page


def test_a_list_that_is_not_complete_yet_says_so(shelf: Shelf, client: FlaskClient) -> None:
    assert "are being read" not in client.get("/archive").text
    shelf.indexing = True
    assert "More jobs appear as they are found" in client.get("/archive").text
    shelf.entries = []
    assert "No job is known yet" in client.get("/archive").text


def test_a_test_has_its_runs_by_platform_and_the_newest_failure_beside_the_last_pass(
    shelf: Shelf, client: FlaskClient
) -> None:
    shelf.entries = [
        entry(5, status="passed", os="Linux", browser="chrome 130", ended_at=500),
        entry(4, status="failed", os="Linux", browser="chrome 129", ended_at=400, error=EVIL),
        entry(3, status="passed", os="Linux", browser="chrome 129", ended_at=300, build="b-3"),
        entry(2, status="passed", os="Mac 13", browser="safari 17", ended_at=200),
        entry(1, status=None, os=None, browser=None, ended_at=100),
    ]
    page = client.get("/archive/test?name=test+1&account=eu").text
    assert shelf.asked[-1] == ArchiveQuery(account="eu", test="test 1", limit=200)
    rows = re.findall(r'<th scope="row"><bdi>(.*?)</bdi></th>', page)
    assert rows == ["Linux · chrome", "Mac 13 · safari", "unknown platform"]
    cells = re.findall(r'<a class="(\w+)" href="/jobs/eu/0*(\d)"', page)
    assert cells[:3] == [("passed", "3"), ("failed", "4"), ("passed", "5")]
    assert re.findall(r'<option value="eu/0*(\d)" selected>', page) == ["4", "3"]
    assert "Build (differs)" in page
    assert "Owner (differs)" not in page
    assert "<script>" not in page
    shown = client.get(f"/archive/test?name=test+1&left=eu/{2:032x}&right=eu/{5:032x}").text
    assert re.findall(r'<option value="eu/0*(\d)" selected>', shown) == ["2", "5"]
    # What is no run of this test is not compared.
    odd = client.get("/archive/test?name=test+1&left=x&right=eu/0").text
    assert re.findall(r'<option value="eu/0*(\d)" selected>', odd) == ["4", "3"]


def test_a_failure_is_compared_with_a_pass_on_the_same_platform_where_there_is_one(
    shelf: Shelf, client: FlaskClient
) -> None:
    shelf.entries = [
        entry(4, status="failed", os="Mac 13", browser="safari 17", ended_at=400),
        entry(3, status="passed", os="Linux", browser="chrome 129", ended_at=300),
        entry(2, status="passed", os="Mac 13", browser="safari 16", ended_at=200),
    ]
    page = client.get("/archive/test?name=test+1").text
    assert re.findall(r'<option value="eu/0*(\d)" selected>', page) == ["4", "2"]


def test_a_test_with_one_run_is_compared_with_nothing_and_one_without_is_not_found(
    shelf: Shelf, client: FlaskClient
) -> None:
    page = client.get("/archive/test?name=test+1").text
    assert "1 archived run." in page
    assert "Side by side" not in page
    shelf.entries = []
    for path in ("/archive/test?name=test+1", "/archive/test", "/archive/test?name=%00"):
        answer = client.get(path)
        assert (answer.status_code, "No run of this test" in answer.text) == (404, True)


def test_two_runs_have_their_videos_beside_each_other(shelf: Shelf, client: FlaskClient) -> None:
    shelf.files = {"video.mp4": b"x", "0001screenshot.png": b"x"}
    shelf.entries = [entry(1), entry(2)]
    page = client.get("/archive/test?name=test+1").text
    assert page.count("<video") == 1
    assert "No video or screenshot of it is archived." in page
