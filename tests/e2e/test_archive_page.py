"""The archive in a real browser: found, read and played by mouse and keyboard; nothing archived
acts; fit for everybody.
"""

from __future__ import annotations

import json
import re
import signal
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from sauce_janitor.archive import Archive, ArchiveLocation, DiskReserve, StoreOrigin, WriteSettings
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.model.jobs import job_id, owner_name
from sauce_janitor.sauce.parse import parse_details
from tests.fakes.asset_shelf import AssetShelf
from tests.support.backends import Backend
from tests.support.processes import ENVIRONMENT, PROGRAM

FILM = (Path(__file__).parents[1] / "data" / "archive" / "film.mp4").read_bytes()
ENDED_AT = 1_767_225_599
SHOTS = 2000
EVIL = "<img src=x onerror=\"document.title='owned'\"> \u202egnp"
CONFIG = """
version: 1
accounts: {eu: {region: eu-central-1}}
archive: {path: ./archive}
state: {path: ./state.db}
policies: [{name: everything, default: true, then: {archive: 5d}}]
"""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def picture(shade: int) -> bytes:
    """A grey PNG of 8 by 8."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + bytes([shade]) * 8 for _ in range(8)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def har() -> bytes:
    entries = [
        {
            "startedDateTime": f"2025-12-31T23:59:0{number % 10}.000Z",
            "time": 100 * number,
            "request": {
                "method": "POST" if number % 5 == 0 else "GET",
                "url": f"https://shop.example/api/{number}",
            },
            "response": {
                "status": 500 if number == 7 else 200,
                "content": {"size": 10, "mimeType": "application/json"},
            },
            "timings": {"wait": 1},
        }
        for number in range(20)
    ]
    return json.dumps({"log": {"entries": entries}}).encode()


def assets(started_at: int) -> dict[str, bytes]:
    commands = [
        {
            "method": "POST",
            "path": f"element/{number}/click",
            "request": {"value": EVIL},
            "result": None,
            "start_time": started_at + number,
            "duration": 0.1,
            "screenshot": number if number < 3 else None,
        }
        for number in range(4)
    ]
    log = "".join(
        f"line {number} {'needle' if number == 3210 else 'hay'} {EVIL}\n" for number in range(4000)
    )
    return {
        "log.json": json.dumps(commands).encode(),
        "selenium-server.log": log.encode(),
        "network.har": har(),
        "performance.json": (
            json.dumps({"value": {"metrics": {"load": 900}}, "name": EVIL}).encode()
        ),
        "report.html": b"<script>document.title='owned'</script>",
        "video.mp4": FILM,
        **{f"{number:04d}screenshot.png": picture(number * 80) for number in range(3)},
    }


def fill(root: ArchiveLocation) -> None:
    settings = WriteSettings(verify="inline", min_free=DiskReserve(percent=0))
    with Archive.open(root, account="eu", known_uuid=None, settings=settings) as archive:
        for number in range(1, 131):
            ended = ENDED_AT - number * 3600
            row = {
                "id": f"{number:032x}",
                "owner": "alice" if number % 2 else "bob",
                "status": "complete",
                "passed": number % 3 != 0,
                "name": EVIL if number == 1 else f"test {number}",
                "error": None if number % 3 else "Element not found",
                "build": f"nightly-{number // 10}",
                "creation_time": ended - 60,
                "start_time": ended - 50,
                "end_time": ended,
                "modification_time": ended,
                "os": "Linux",
                "browser": "chrome",
                "tags": [EVIL],
            }
            document = parse_details(row, owner_name(row["owner"]), job_id(row["id"]))
            assert document is not None
            files = {
                1: assets(ended - 50),
                2: {f"{n:04d}screenshot.png": picture(n % 250) for n in range(SHOTS)},
            }
            shelf = AssetShelf(files.get(number, {"log.json": b"[]"}))
            archive.store(
                document,
                shelf.listing,
                EVERYTHING,
                shelf.fetch,
                StoreOrigin("nightly", "run-1", "https://x"),
            )


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> Iterator[str]:
    """Where the page is, served by the command as a process."""
    folder = tmp_path_factory.mktemp("archive")
    with backend.storage(folder) as storage:
        fill(storage.archive.location)
        (folder / "config.yaml").write_text(storage.named_in(CONFIG))
        yield from _served(folder, ENVIRONMENT | storage.environment)


def _served(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    process = subprocess.Popen(
        [*PROGRAM, "archive", "open", "--no-browser"],
        cwd=folder,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
    assert found is not None
    yield found[0]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.fixture(scope="module")
def browser(component: Callable[[str], Path]) -> Iterator[Browser]:
    program = component("chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that has seen no error, asked no other host, and still has its own title when the test
    ends.
    """
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    wrong: list[str] = []
    asked: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            wrong.append(message.text)

    opened.on("console", hear)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    yield opened
    assert wrong == []
    assert [url for url in asked if not url.startswith(address)] == []
    assert opened.title() != "owned"
    context.close()


def job(page: Page, number: int = 1) -> None:
    page.goto(f"/jobs/eu/{number:032x}")


def test_jobs_are_found_by_search_and_filter_and_opened_by_the_keyboard_alone(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("status")).to_contain_text("130 jobs")
    page.keyboard.press("/")
    page.keyboard.type("not found")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("43 jobs")
    page.wait_for_load_state()  # the keys and the filters work when the scripts have run
    page.get_by_label("Owner").select_option("bob")
    expect(page.get_by_role("status")).to_contain_text("21 jobs")
    page.wait_for_load_state()
    page.get_by_role("checkbox", name="passed").check()
    expect(page.get_by_text("No job matches")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("Escape")
    page.wait_for_url("**/archive")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    page.keyboard.press("j")
    expect(page.locator("tr.here")).to_contain_text("test 2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("test 2")
    page.wait_for_load_state()
    page.keyboard.press("Escape")
    expect(page.get_by_role("status")).to_contain_text("130 jobs")
    page.wait_for_load_state()
    page.keyboard.press("n")
    expect(page.get_by_text("Page 2 of 2")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_builds_lead_to_their_jobs(page: Page) -> None:
    page.goto("/archive/builds")
    page.get_by_role("link", name="nightly-12").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("nightly-12")
    expect(page.get_by_role("status")).to_contain_text("5 jobs")


def test_a_command_leads_to_its_second_of_the_film_and_to_its_picture(page: Page) -> None:
    job(page)
    page.wait_for_function("document.querySelector('video').readyState >= 1")
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(4, abs=0.6)
    page.get_by_role("row", name="element/2/click").click()
    page.wait_for_function("Math.abs(document.querySelector('video').currentTime - 2) < 0.3")
    expect(page.locator("[data-picture-name]")).to_have_text("0002screenshot.png")
    page.locator("body").click(position={"x": 5, "y": 400})
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-picture-name]")).to_have_text("0001screenshot.png")
    page.keyboard.press(" ")
    page.wait_for_function("!document.querySelector('video').paused")


def test_a_log_is_searched_where_it_is_stored_and_a_find_leads_to_its_neighbours(
    page: Page,
) -> None:
    job(page)
    page.keyboard.press("2")
    expect(page.get_by_text("1,000 lines so far")).to_be_visible()
    page.get_by_label("selenium-server.log").locator(".log").evaluate(
        "log => log.parentElement.scrollTo(0, 1e9)"
    )
    expect(page.get_by_text("2,000 lines so far")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("NEEDLE")
    expect(page.get_by_text("1 matching lines")).to_be_visible()
    expect(page.locator(".log mark")).to_have_text("needle")
    page.get_by_role("button", name="3211").click()
    expect(page.locator(".log .here")).to_contain_text("line 3210 needle")


def test_the_requests_of_a_har_are_filtered(page: Page) -> None:
    job(page)
    page.get_by_role("tab", name="network.har").click()
    told = page.locator(".told")
    expect(told).to_have_text("20 of 20 requests")
    page.get_by_label("Method").select_option("POST")
    expect(told).to_have_text("4 of 20 requests")
    page.get_by_label("Method").select_option("")
    page.locator("#har-status").select_option("5")
    expect(told).to_have_text("1 of 20 requests")
    page.locator("#har-status").select_option("")
    page.get_by_label("At least ms").fill("1500")
    expect(told).to_have_text("5 of 20 requests")
    page.get_by_label("URL or type").fill("api/19")
    expect(told).to_have_text("1 of 20 requests")
    page.get_by_role("row", name="api/19").click()
    expect(page.get_by_role("region", name="Request", exact=True)).to_contain_text("response")


def test_json_is_a_tree_and_html_is_text(page: Page) -> None:
    job(page)
    page.get_by_role("tab", name="performance.json").click()
    page.get_by_text("value: {1}").click()
    page.get_by_text("metrics: {1}").click()
    expect(page.get_by_text("load: 900")).to_be_visible()
    page.get_by_role("tab", name="report.html").click()
    expect(page.locator(".log")).to_contain_text("<script>document.title='owned'</script>")


def test_two_thousand_pictures_are_not_fetched_before_they_are_looked_at(page: Page) -> None:
    asked: list[str] = []
    page.on(
        "request", lambda request: asked.append(request.url) if "/files/" in request.url else None
    )
    job(page, 2)
    expect(page.locator("[data-picture]")).to_contain_text("of 2,000")
    page.wait_for_load_state("networkidle")
    assert 0 < len(set(asked)) < 100
    page.locator("[data-strip]").evaluate("strip => strip.scrollTo(1e9, 0)")
    expect(page.locator("[data-strip] li")).to_have_count(120)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 480])
def test_everybody_can_use_it(browser: Browser, address: str, width: int, scheme: Any) -> None:
    context = browser.new_context(
        base_url=address,
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        bypass_csp=True,
    )
    page = context.new_page()
    for place, tab in (
        ("/", None),
        ("/archive/builds", None),
        (f"/jobs/eu/{1:032x}", None),
        (f"/jobs/eu/{1:032x}", "network.har"),
    ):
        page.goto(place)
        if tab:
            page.get_by_role("tab", name=tab).click()
            expect(page.locator(".told")).to_be_visible()
        found = Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], place
        wide = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{place} is {wide} px wider than the screen"
    context.close()


def test_without_scripts_everything_is_still_there(browser: Browser, address: str) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("searchbox", name="Name or error").fill("test 7")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="test 7", exact=True).click()
    expect(page.get_by_role("link", name="Save log.json")).to_be_visible()
    context.close()


@pytest.mark.one_backend("nothing is read")
def test_it_listens_for_this_machine_alone(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    said = subprocess.run(
        [*PROGRAM, "archive", "open", "--no-browser", "--listen", "0.0.0.0:0"],
        cwd=tmp_path,
        env=dict(ENVIRONMENT),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 2
    assert "is not a loopback address" in said.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
