"""The daemon's pages: what they say to whom, what they look like to a browser, and that they change
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import ConsoleMessage, sync_playwright

from sauce_janitor.web.console import make_console
from sauce_janitor.web.guard import TRUSTED, AccessRules, Guard
from sauce_janitor.web.overview import (
    AccountFigures,
    AccountView,
    BudgetLeft,
    DaySeries,
    LabeledFact,
    LatePromise,
    LeaseLine,
    NamedSeries,
    Overview,
    PolicyLine,
    PurgeClock,
    Readiness,
    RunLine,
    SharedWork,
    WorkerLine,
)
from sauce_janitor.web.overview_page import overview_section
from sauce_janitor.web.pages import OPEN_PATHS, probe_routes
from sauce_janitor.web.server import RunningServer

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e{{7*7}}"
AT = 1_795_000_000
DAY = AT // 86_400
STATUSES = ("passed", "failed", "error", "other")
DONE = ("deleted jobs", "deleted assets", "archived jobs", "archived bytes", "lost jobs")
FIGURES = AccountFigures(
    created=DaySeries(STATUSES, DAY - 59, tuple((n, n % 3, 0, 1) for n in range(60))),
    age_names=("under 1 day", "over 1 year"),
    ages=NamedSeries(STATUSES, ((4321, 1, 0, 0), (0, 7, 0, 0))),
    done=DaySeries(DONE, DAY - 29, tuple((n, 2 * n, n, 1000 * n, n // 29) for n in range(30))),
    archive=DaySeries(("jobs", "bytes"), DAY - 9, tuple((n, 10**9 * n) for n in range(10))),
    forecast=DaySeries(
        ("archive", "delete assets", "delete job", "stop", "lost"), DAY, ((55, 44, 33, 0, 0),) * 30
    ),
    forecast_at=AT - 3600,
)
ACCOUNT = AccountView(
    name="eu",
    identity="demo at https://api.eu-central-1.saucelabs.com",
    now="carrying out, 12 of 1,300 done",
    next_run_at=AT + 600,
    dark="until 2026-11-19 06:00 UTC: releases",
    facts=(LabeledFact("Jobs known", "12,345"), LabeledFact("Undecided", "3", bad=True)),
    plan_as_of=AT - 60,
    actions=("archive", "delete assets", "delete job", "stop"),
    policies=(PolicyLine("old", (1300, 1200, 0, 0)), PolicyLine("(hold)", (4, 0, 0, 0))),
    runs=(
        RunLine(AT - 60, "execute", "incomplete", 42, "archive done 9"),
        RunLine(AT - 4000, "dry run", "done", None, ""),
    ),
    purge=PurgeClock(3, 17, 230),
    budget=BudgetLeft("10/s, 3,600/h", 3600, 2_871),
    late=(LatePromise("privacy", (("kept by a rule", 30), ("held", 1))),),
    figures=FIGURES,
)
VIEW = Overview(
    at=AT,
    version="1.2.3",
    executes=True,
    paused=None,
    troubles=(),
    faults=(),
    warnings=(),
    accounts=(ACCOUNT,),
)
SHARED = replace(
    VIEW,
    sharing=SharedWork(
        "1 running, 2 waiting; the oldest has waited for 3 min",
        (
            WorkerLine("janitor-7d9f-x2, process 1", "execute", "1.2.3", "eu"),
            WorkerLine("janitor-7d9f-k8, process 1", "execute", "1.2.3", "nothing"),
        ),
        (
            LeaseLine("eu", 1_204, "run 60ce55ca2402 on janitor-7d9f-x2, process 1", "2 s ago"),
            LeaseLine("us", 7, "free", ""),
        ),
    ),
)
BAD = replace(
    VIEW,
    executes=False,
    paused="By jane: audit",
    troubles=("the archive is not there",),
    faults=("config.yaml:3: wokers: unknown key",),
    warnings=("config.yaml:1: nothing is deleted",),
)

MANY = replace(
    SHARED,
    accounts=tuple(
        replace(ACCOUNT, name=f"team-{n:03d}")
        if n == 207
        else replace(ACCOUNT, name=f"team-{n:03d}", late=(), runs=(), purge=PurgeClock(0, 17, 230))
        for n in range(250)
    ),
)
NEW = replace(
    VIEW,
    accounts=(
        AccountView("eu", "demo at https://x", None, AT, None, (), None, (), (), (), figures=None),
    ),
)
READY = Readiness(())


@dataclass
class Told:
    """What there is to show."""

    view: Overview = VIEW
    ready: Readiness = READY
    rounds: bool = True

    def alive(self) -> bool:
        return self.rounds

    def readiness(self) -> Readiness:
        return self.ready

    def metrics(self) -> bytes:
        return b"# HELP x y\n"

    def overview(self) -> Overview:
        return self.view


def console(told: Told) -> Flask:
    return make_console([overview_section(told)], probe_routes(told))


def client(told: Told) -> FlaskClient:
    return console(told).test_client()


def get(told: Told, path: str, *, trusted: bool = True) -> tuple[int, str]:
    answer = client(told).get(path, environ_overrides={TRUSTED: trusted})
    return answer.status_code, answer.get_data(as_text=True)


def test_health_says_whether_the_daemon_does_its_rounds() -> None:
    assert get(Told(), "/healthz") == (200, "ok\n")
    assert get(Told(rounds=False), "/healthz")[0] == 503


def test_readiness_gives_reasons_to_the_trusted_alone() -> None:
    told = Told(ready=Readiness(("the archive /srv is not there",)))
    assert get(told, "/readyz", trusted=False) == (503, "not ready\n")
    assert get(told, "/readyz") == (
        503,
        '{"ready":false,"reasons":["the archive /srv is not there"]}\n',
    )
    assert get(Told(), "/readyz", trusted=False) == (200, "ready\n")
    assert get(Told(), "/readyz") == (200, '{"ready":true,"reasons":[]}\n')


def test_metrics_are_in_prometheus_text_format() -> None:
    answer = client(Told()).get("/metrics")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_the_page_says_all_that_there_is_to_know() -> None:
    _, page = get(Told(BAD), "/")
    for words in (
        "DRY RUN",
        "By jane: audit",
        "the archive is not there",
        "wokers",
        "nothing is deleted",
        "1,300",
        "12,345",
        "carrying out, 12 of 1,300 done",
        "until 2026-11-19 06:00 UTC: releases",
        "incomplete",
        "(hold)",
    ):
        assert words in page
    assert "DRY RUN" not in get(Told(), "/")[1]


def test_what_needs_attention_comes_first_and_says_what_blocks_it() -> None:
    page = get(Told(BAD), "/")[1]
    told = page.partition('class="one-account"')[0]
    for words in (
        "Not ready",
        "the archive is not there",
        "Paused",
        "<code>serve --execute</code>",
        "31 jobs are past the deadline privacy",
        "30 kept by a rule, 1 held",
        "Sauce Labs purges assets of 3 jobs within 24 h",
        "The last run (execute) ended as incomplete",
        "Undecided: 3",
    ):
        assert words in told
    assert "Nothing needs attention." not in told
    assert "within 72 h" not in told
    assert told.index("Configuration warnings") > told.index("Undecided: 3")
    well = replace(ACCOUNT, facts=(), dark=None, runs=(), late=(), purge=PurgeClock(0, 0, 9))
    assert "Nothing needs attention." in get(Told(replace(VIEW, accounts=(well,))), "/")[1]


def test_assets_that_expire_within_72_h_are_a_warning_until_it_is_24_h() -> None:
    soon = replace(ACCOUNT, purge=PurgeClock(0, 17, 230))
    page = get(Told(replace(VIEW, accounts=(soon,))), "/")[1]
    assert "purges assets of 17 jobs within 72 h" in page
    assert "within 24 h" not in page


@pytest.mark.parametrize(
    ("view", "badge"),
    [
        (VIEW, "executing"),
        (replace(VIEW, executes=False), "dry run"),
        (replace(BAD, executes=True), "paused"),
        (BAD, "paused"),
    ],
)
def test_a_badge_says_whether_anything_is_changed(view: Overview, badge: str) -> None:
    page = get(Told(view), "/")[1]
    found = re.findall(
        r'<h2 id="account">.*?<span class="badge [a-z]+">([a-z ]+)<', page, re.DOTALL
    )
    assert found == [badge]


def test_the_card_has_budget_purge_clock_and_charts_with_their_tables() -> None:
    page = get(Told(), "/")[1]
    for words in (
        "Request budget: 2,871",
        "2,871 of 3,600 requests are left in this hour.",
        "<dd>230</dd><dt>7 days</dt>",
        "old: archive 1,300, delete assets 1,200",
        '<td class="number">4,321</td>',
        "2026-11-18: archive 55, delete assets 44, delete job 33",
        "Made 2026-11-18 10:06 UTC.",
        "2026-11-18: assets 58, jobs 29",
        "2026-11-18: bytes 29 kB",
        "2026-11-18: 9 GB",
        "2026-11-18: jobs 1",
    ):
        assert words in page
    assert page.count('<svg class="plot"') == page.count("<details>") == 8
    assert len(re.findall(r'id="([^"]+)"', page)) == len(set(re.findall(r'id="([^"]+)"', page)))


def test_before_the_first_run_there_are_no_empty_charts() -> None:
    page = get(Told(NEW), "/")[1]
    assert "The charts appear after the first run." in page
    assert "<svg" not in page


def test_without_a_forecast_it_says_why() -> None:
    why = "rules with pick need a pass for each day"
    lacking = replace(FIGURES, forecast=replace(FIGURES.forecast, values=()), forecast_missing=why)
    view = replace(VIEW, accounts=(replace(ACCOUNT, figures=lacking),))
    assert f"No forecast: {why}" in get(Told(view), "/")[1]


def accounts_of(page: str) -> list[str]:
    return re.findall(r'<th scope="row" class="name">.*?<bdi>(.*?)</bdi>', page)


def test_of_many_accounts_the_table_shows_a_page() -> None:
    first = get(Told(MANY), "/")[1]
    assert accounts_of(first) == [f"team-{n:03d}" for n in (207, *range(99))]
    assert first.count('class="matter ') <= 11
    assert len(first) < 200_000
    assert "<svg" not in first
    assert 'href="/?page=2"' in first
    assert 'href="/?page=2&amp;refresh=off"' in get(Told(MANY), "/?refresh=off")[1]
    for page, count in (("2", 100), ("3", 50), ("999", 50), ("0", 100), ("-1", 100), ("x", 100)):
        assert len(accounts_of(get(Told(MANY), f"/?page={page}")[1])) == count


def test_accounts_that_need_attention_come_first() -> None:
    well = replace(ACCOUNT, facts=(), dark=None, runs=(), late=(), purge=None)
    soon = replace(well, name="soon", purge=PurgeClock(0, 4, 9))
    view = replace(VIEW, accounts=(well, soon, replace(ACCOUNT, name="zz")))
    assert accounts_of(get(Told(view), "/")[1]) == ["zz", "soon", "eu"]


def test_each_account_has_a_page_of_its_own() -> None:
    status, page = get(Told(MANY), "/accounts/team-207")
    assert status == 200
    assert "31 jobs are past the deadline privacy" in page
    assert page.count('<svg class="plot"') == 8
    assert client(Told(MANY)).get("/accounts/team-207").headers["Refresh"] == "60"
    status, page = get(Told(MANY), "/accounts/nobody")
    assert status == 404
    assert "The configuration has no account nobody." in page


def test_workers_that_share_a_state_are_shown_with_their_queue_and_leases() -> None:
    page = get(Told(SHARED), "/")[1]
    for words in (
        "Queue: 1 running, 2 waiting; the oldest has waited for 3 min.",
        "janitor-7d9f-k8, process 1",
        "1,204",
        "run 60ce55ca2402 on janitor-7d9f-x2, process 1",
    ):
        assert words in page
    assert "Workers" not in get(Told(VIEW), "/")[1]
    many = replace(SHARED.sharing, leases=(LeaseLine("eu", 1, "free", ""),) * 500)  # type: ignore[type-var]
    assert "400 more" in get(Told(replace(VIEW, sharing=many)), "/")[1]


def test_it_reloads_by_itself_unless_told_not_to_and_needs_no_script() -> None:
    assert client(Told()).get("/").headers["Refresh"] == "60"
    assert "Refresh" not in client(Told()).get("/?refresh=off").headers
    page = get(Told(BAD), "/")[1]
    assert not re.search(
        r"<script|<style|\son\w+=|\sstyle=|javascript:|https?://",
        page.replace(ACCOUNT.identity, ""),
    )


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)


def test_hostile_text_stays_text() -> None:
    account = replace(
        ACCOUNT,
        name=HOSTILE,
        identity=HOSTILE,
        now=HOSTILE,
        dark=HOSTILE,
        facts=(LabeledFact(HOSTILE, HOSTILE, bad=True),),
        actions=(HOSTILE,),
        policies=(PolicyLine(HOSTILE, (1,)),),
        runs=(RunLine(AT, HOSTILE, HOSTILE, 1, HOSTILE),),
        budget=BudgetLeft(HOSTILE, None, None),
        late=(LatePromise(HOSTILE, ((HOSTILE, 1),)),),
        figures=replace(
            FIGURES, forecast=replace(FIGURES.forecast, values=()), forecast_missing=HOSTILE
        ),
    )
    view = replace(
        BAD,
        version=HOSTILE,
        paused=HOSTILE,
        troubles=(HOSTILE,),
        faults=(HOSTILE,),
        warnings=(HOSTILE,),
        accounts=(account,),
        upkeep=(LabeledFact(HOSTILE, HOSTILE),),
        sharing=SharedWork(
            HOSTILE,
            (WorkerLine(HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
            (LeaseLine(HOSTILE, 1, HOSTILE, HOSTILE),),
        ),
    )
    for shown in (view, replace(view, accounts=(account, replace(account, name="b")))):
        tags = Tags()
        page = get(Told(shown), "/")[1]
        tags.feed(page)
        assert tags.found.isdisjoint({"script", "img"})
        # Pictures and tables are made of numbers.
        words = re.sub(r"<(svg|tbody).*?</\1>", "", page, flags=re.DOTALL)
        assert "{{7*7}}" in words
        assert "49" not in words
        assert "\u202e" not in page


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static",
        "/static/../pages.py",
        "/static/..%2fpages.py",
        "/nothing",
        "//",
        "/metrics/",
    ],
)
def test_nothing_else_is_there_and_no_folder_is_listed(path: str) -> None:
    status, body = get(Told(), path)
    assert status in {404, 308}
    assert "pages" not in body


def _listener(said: list[str]) -> Callable[[ConsoleMessage], None]:
    return lambda message: said.append(message.text)


@pytest.mark.parametrize(
    "view",
    [VIEW, BAD, SHARED, MANY, NEW],
    ids=["well", "bad", "shared", "many", "before the first run"],
)
def test_people_who_cannot_see_it_or_use_a_mouse_can_read_it(
    view: Overview, component: Callable[[str], Path]
) -> None:
    chromium = component("chromium")
    door = AccessRules("127.0.0.1:0", open_paths=OPEN_PATHS)
    with (
        RunningServer(Guard(console(Told(view)), door), "127.0.0.1:0") as serving,
        sync_playwright() as browsers,
    ):
        browser = browsers.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        for scheme, width in (("light", 1280), ("dark", 768), ("light", 360)):
            page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})  # type: ignore[arg-type]  # one of the words
            said: list[str] = []
            page.on("console", _listener(said))
            page.goto(f"{serving.url}/?refresh=off")
            found = Axe().run(page)
            assert [violation["id"] for violation in found.response["violations"]] == []
            assert said == []
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            page.close()
        browser.close()
