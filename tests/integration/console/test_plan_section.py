"""The plan page of the console, over HTTP and in a browser: what the stored plan says, page by page."""

from __future__ import annotations

import csv
import html
import io
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from sauce_janitor.config import Config, load
from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.console.archive import ArchivePages
from sauce_janitor.console.plan import StoredPlans
from sauce_janitor.console.runs import RunRecords
from sauce_janitor.daemon.daemon import Daemon
from sauce_janitor.model.console.stored_plans import PlanFacts, PlanTotal
from sauce_janitor.model.jobs import Action, JobId
from sauce_janitor.state import State
from sauce_janitor.web.console import make_console
from sauce_janitor.web.guard import AccessRules, Guard
from sauce_janitor.web.job_page import job_section
from sauce_janitor.web.plan_page import plan_section
from sauce_janitor.web.run_pages import runs_section
from sauce_janitor.web.server import RunningServer
from tests.fakes.job_list import OWNER, a_job
from tests.support.daemon import Driven, Scene, until
from tests.support.stored_plans import KINDS, NOON, APlan

CONFIG = """
version: 1
accounts:
  eu: {base_url: "http://127.0.0.1:1", username: demo, access_key: {env: KEY}}
  us: {base_url: "http://127.0.0.1:2", username: demo, access_key: {env: KEY}}
archive: {path: ./archive}
state: {path: ./state.db}
policies: [{name: old, match: all, then: {archive: 1h, delete_assets: 20d}}]
"""
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e{{7*7}}\x1b[31m"
TOTALS = (
    PlanTotal("nightly", Action.ARCHIVE, 120, 0, 1234.6, 5e9),
    PlanTotal("late", Action.DELETE_ASSETS, 60, 0, 120.0, 0.0, ("video",)),
    PlanTotal("noise", Action.DELETE_JOB, 60, 60, 123.0, 7e6, ("har",)),
    PlanTotal("noise", Action.DELETE_ASSETS, 60, 60, 123.0, 7e6),
    PlanTotal("runaway", Action.STOP, 60, 0, 180.0, None),
)


@dataclass
class Desk:
    """A console on a state."""

    folder: Path
    state: State
    url: str

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def text(self, path: str) -> str:
        """The text of a page, without tags."""
        status, page = self.get(path)
        assert status == 200, page
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())

    def jobs(self, path: str) -> list[str]:
        """The ids of the list, in its order."""
        table = self.get(path)[1].partition("data-list")[2]
        return re.findall(r"<code>([0-9a-f]{32})</code>", table)

    def store(self, plan: APlan, *, at: int = NOON, **facts: Any) -> PlanFacts:
        made = replace(plan.facts(), **{"totals": TOTALS, **facts})
        self.state.plans.store(made, plan.jobs, at=at)
        return made


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "config.yaml").write_text(CONFIG)

    def config() -> Config:
        return load(tmp_path / "config.yaml", environ={"KEY": "x"})

    with State.open(tmp_path / "state.db") as state:
        for name in ("eu", "us"):
            state.accounts.admit(name, base_url="u", username="demo")
        access = ConsoleAccess(config, lambda: state, lambda: "")
        archive = ArchivePages(lambda: state.archived, access.catalogue, access.keep_up)
        sections = (plan_section(StoredPlans(access)), job_section(archive))
        app = make_console((*sections, runs_section(RunRecords(access))))
        door = AccessRules("127.0.0.1:0")
        with RunningServer(Guard(app, door), "127.0.0.1:0") as server:
            yield Desk(tmp_path, state, server.url)


def test_serve_has_the_page_in_its_navigation(tmp_path: Path) -> None:
    with ExitStack() as stack:
        scene = Scene(tmp_path, Driven(), stack)
        scene.configure('web: {listen: "127.0.0.1:0"}\n')
        with State.open(tmp_path / "state.db") as state:
            state.plans.store(APlan(60).facts(), APlan(60).jobs, at=NOON)
        config = load(tmp_path / "config.yaml", environ={"KEY": "x"})
        daemon = Daemon(config, execute=False, clock=scene.clock)
        daemon.start()
        try:
            served = Desk(tmp_path, state, daemon.url)
            until(lambda: served.get("/plan")[0] == 200, "the open state")
            assert len(served.jobs("/plan")) == 50
            assert '<a href="/plan">Plan</a>' in served.get("/")[1]
        finally:
            daemon.stop()
            until(daemon.has_ended, "its end")
            daemon.close()


def order(plan: APlan) -> list[str]:
    """The ids of a plan as the page has them: what is destroyed without a copy comes first."""
    jobs = list(plan.jobs())
    lost = [job[0].hex() for job in jobs if plan.kinds[job[1]].loss]
    return lost + [job[0].hex() for job in jobs if not plan.kinds[job[1]].loss]


def test_without_a_plan_it_says_how_to_get_one(desk: Desk) -> None:
    text = desk.text("/plan")
    assert "No run has stored a plan of this account yet. The next run stores one" in text
    assert "sauce-janitor plan" in text
    desk.store(APlan(3))
    assert "No run has stored a plan" not in desk.text("/plan")
    assert "No run has stored a plan" in desk.text("/plan?account=us")


def test_a_plan_without_jobs_says_that_nothing_is_due(desk: Desk) -> None:
    desk.store(APlan(0), totals=(), done_in_s=0.0)
    text = desk.text("/plan")
    assert "Nothing is due for any job." in text
    # Nothing takes no time.
    assert "Due for 0 of 0 known jobs; 0 requests. " in text


def test_it_says_what_the_plan_does_as_a_whole(desk: Desk) -> None:
    facts = desk.store(
        APlan(300),
        done_in_s=7 * 3600.0,
        limits_broken=("max_percent is 25 %: this would change 40 %",),
        gaps=("The jobs of jane are not in it",),
    )
    text = desk.text("/plan")
    assert '<a href="/runs/r1">an executing run</a>' in desk.get("/plan")[1]
    assert "Due for 300 of 600 known jobs; 900 requests, about 7 h with the request budget" in text
    assert "The plan breaks a limit, so no run carries it out max_percent is 25 %" in text
    assert "Jobs may be missing The jobs of jane are not in it" in text
    assert f"Destroyed without a copy: {facts.unstored} jobs. They come first" in text
    assert "nightly archive 120 0 5.0 GB 1,235" in text
    # At least so many bytes, or a size that nobody knows yet; a stop has none.
    assert "noise delete job 60 60 > 7.0 MB 123" in text
    assert "late delete assets 60 0 unknown 120" in text
    assert "runaway stop 60 0 – 180" in text


def test_each_row_says_what_happens_why_since_when_and_what_the_job_is_now(desk: Desk) -> None:
    plan = APlan(5)
    first, second, third, *_ = (JobId(each) for each in order(plan))
    listed = [
        replace(a_job(1, name="checkout", build="PR-7", status="failed"), id=first),
        replace(a_job(2, name="login"), id=second),
    ]
    desk.state.jobs.of("eu", OWNER).put(listed, unreadable=(), mark=1, now=1, bookmark=None)
    desk.store(plan)
    text = desk.text("/plan")
    assert f"checkout PR-7 · {first} delete job noise: due Destroyed without a copy:" in text
    assert "copy: nothing is archived 2026-06-01 11:59 user-0 failed" in text
    assert f"login {second} delete assets noise: due" in text
    # A job with two actions, and one that the inventory does not know.
    assert f"{third} {third} archive nightly: due" in text
    assert "archive nightly: due delete assets late: due 2026-06-01 11:59 2026-06-01 11:59" in text
    assert "gone" in text
    assert f'href="/jobs/eu/{first}"' in desk.get("/plan")[1]


def test_the_jobs_are_read_page_by_page_to_the_end(desk: Desk) -> None:
    plan = APlan(130)
    desk.store(plan)
    path, found, pages = "/plan", list[str](), 0
    while path:
        page = desk.get(path)[1]
        assert ("/plan?account=eu" in page) == (pages > 0 or "Clear" in page or "First" in page)
        found += desk.jobs(path)
        pages += 1
        following = re.search(r'<a href="([^"]+)" rel="next">', page)
        path = html.unescape(following[1]) if following else ""
    assert (pages, found) == (3, order(plan))
    assert "There are no more jobs." in desk.text("/plan?after=999")


def test_filters_show_the_jobs_that_they_name(desk: Desk) -> None:
    plan = APlan(60)
    desk.store(plan)
    ids = order(plan)
    kinds = {job[0].hex(): (plan.kinds[job[1]], job[2]) for job in plan.jobs()}
    emptied = [each for each in ids if kinds[each][0] is KINDS[2]]
    assert desk.jobs("/plan?policy=late") == emptied
    assert desk.jobs("/plan?policy=nightly&action=delete_assets") == []
    assert "12 jobs." in desk.text("/plan?policy=late&action=delete_assets")
    assert desk.jobs("/plan?unstored=1") == ids[:24]
    mine = [each for each in ids if kinds[each][1] == 3]
    assert desk.jobs("/plan?owner=user-3") == mine
    assert desk.jobs(f"/plan?job={ids[40][:9].upper()}") == [ids[40]]
    assert "No job of the plan matches." in desk.text("/plan?owner=nobody")
    # What makes no sense is left out of the form and of the filter.
    assert len(desk.jobs("/plan?action=explode&job=xyz&after=-99")) == 50
    assert 'value="late" selected' in desk.get("/plan?policy=late")[1]


def test_a_link_into_a_plan_that_was_replaced_begins_the_new_one(desk: Desk) -> None:
    desk.store(APlan(130))
    number = desk.state.plans.newest("eu")
    assert number is not None
    desk.store(APlan(131), at=NOON + 60)
    text = desk.text(f"/plan?plan={number.number}&after=49")
    assert "A newer plan has replaced the one that you were reading." in text
    assert desk.jobs(f"/plan?plan={number.number}&after=49")[0] == order(APlan(131))[0]


def test_the_difference_to_the_plan_before_has_its_first_jobs(desk: Desk) -> None:
    desk.store(APlan(100))
    assert "Since the plan" not in desk.text("/plan")
    desk.store(APlan(100), at=NOON + 60)
    assert "Since the plan of 2026-06-01 12:00 UTC Nothing changed." in desk.text("/plan")
    without = frozenset(range(12))
    desk.store(APlan(101, without=without), at=NOON + 120)
    text = desk.text("/plan")
    assert "New: 1 job " in text
    assert "No longer in it: 12 jobs" in text
    assert "And 2 more." in text
    assert "Other actions: 0 jobs" in text
    assert APlan.id_of(100).hex() in text.partition("No longer")[0]


def test_all_jobs_of_a_filter_are_one_csv_file(desk: Desk) -> None:
    plan = APlan(1300)
    job = replace(a_job(1, name="=HYPERLINK(1)", build="a,b"), id=JobId(order(plan)[0]))
    desk.state.jobs.of("eu", OWNER).put([job], unreadable=(), mark=1, now=1, bookmark=None)
    desk.store(plan)
    status, text = desk.get("/plan/jobs.csv?policy=noise")
    assert status == 200
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["job_id"] for row in rows] == order(plan)[:520]
    assert {row["destroyed_without_copy"] for row in rows} == {"nothing is archived"}
    assert (rows[0]["name"], rows[0]["build"]) == ("'=HYPERLINK(1)", "a,b")
    assert rows[0]["due_since"] == "2026-06-01T11:59:59Z"
    assert desk.get("/plan/jobs.csv?account=us")[0] == 404


def test_an_account_that_is_not_configured_is_not_found(desk: Desk) -> None:
    status, page = desk.get("/plan?account=" + urllib.parse.quote(HOSTILE))
    assert status == 404
    assert "The configuration has no account" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]


def hostile(desk: Desk) -> None:
    """A plan in which all that can be somebody else's text is hostile."""
    plan = APlan(120)
    ids = order(plan)
    listed = [
        replace(a_job(each, name=HOSTILE * 3, build=HOSTILE, status=HOSTILE), id=JobId(ids[each]))
        for each in range(60)
    ]
    desk.state.jobs.of("eu", OWNER).put(listed, unreadable=(), mark=1, now=1, bookmark=None)
    kinds = tuple(
        replace(
            kind,
            loss=kind.loss and HOSTILE,
            actions=tuple(
                replace(each, policy=HOSTILE, reasons=(HOSTILE, HOSTILE)) for each in kind.actions
            ),
        )
        for kind in KINDS
    )
    owners = tuple(f"{HOSTILE} {number}" for number in range(7))
    desk.store(APlan(100, kinds=kinds), owners=owners)
    desk.store(
        replace(plan, kinds=kinds, without=frozenset(range(9))),
        at=NOON + 60,
        owners=owners,
        totals=tuple(replace(each, policy=HOSTILE) for each in TOTALS),
        limits_broken=(HOSTILE,),
        gaps=(HOSTILE,),
        done_in_s=30.0,
    )


@pytest.mark.parametrize("path", ["/plan", "/plan?owner={0}&policy={0}&job={0}&account=eu"])
def test_hostile_text_stays_text(desk: Desk, path: str) -> None:
    hostile(desk)
    tags = Tags()
    status, page = desk.get(path.format(urllib.parse.quote(HOSTILE)))
    assert status == 200
    tags.feed(page)
    assert tags.found.isdisjoint({"img", "style"})
    assert page.count("<script") == 1
    assert "{{7*7}}" in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_names_are_found_as_they_are_shown(desk: Desk) -> None:
    hostile(desk)
    shown = HOSTILE.replace("\u202e", "\ufffd").replace("\x1b", "\ufffd")
    assert len(desk.jobs(f"/plan?owner={urllib.parse.quote(f'{shown} 3')}")) == 18
    assert len(desk.jobs(f"/plan?policy={urllib.parse.quote(shown)}")) == 50


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 768, 1280])
def test_everybody_can_use_it(
    desk: Desk, component: Callable[[str], Path], scheme: Any, width: int
) -> None:
    hostile(desk)
    said: list[str] = []
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(
            executable_path=str(component("chromium")), args=["--no-sandbox"]
        )
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
        page.on("console", lambda message: said.append(message.text))
        for path in ("/plan", "/plan?unstored=1", "/plan?job=ffffff", "/plan?account=us"):
            page.goto(f"{desk.url}{path}")
            for summary in page.locator("summary").all():
                summary.click()
            found = Axe().run(page).response["violations"]
            assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], path
            wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{path} is {wide} px wider than the screen"
        browser.close()
    assert said == []


def test_it_is_filtered_and_read_by_the_keyboard_alone(
    desk: Desk, component: Callable[[str], Path]
) -> None:
    plan = APlan(130)
    desk.store(plan)
    ids = order(plan)
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(
            executable_path=str(component("chromium")), args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.goto(f"{desk.url}/plan")
        page.keyboard.press("n")
        page.wait_for_url("**after=49**")
        assert page.locator("[data-list] code").first.inner_text() == ids[50]
        page.keyboard.press("/")
        page.keyboard.type(ids[70][:8])
        page.keyboard.press("Enter")
        page.wait_for_url("**job=**")
        assert page.locator("[data-list] code").all_inner_texts() == [ids[70]]
        page.locator("#main").focus()
        page.keyboard.press("Escape")
        page.wait_for_url("**/plan?account=eu")
        assert page.locator("[data-list] code").count() == 50
        browser.close()
