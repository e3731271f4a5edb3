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
    AccountView,
    LabeledFact,
    LeaseLine,
    Overview,
    PolicyLine,
    Readiness,
    RunLine,
    SharedWork,
    WorkerLine,
)
from sauce_janitor.web.pages import OPEN_PATHS, overview_section, probe_routes
from sauce_janitor.web.server import RunningServer

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e{{7*7}}"
AT = 1_795_000_000
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
    tags = Tags()
    page = get(Told(view), "/")[1]
    tags.feed(page)
    assert tags.found.isdisjoint({"script", "img"})
    assert "49" not in page.replace("1795000000", "")


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


@pytest.mark.parametrize("view", [VIEW, BAD, SHARED], ids=["well", "bad", "shared"])
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
        for scheme, width in (("light", 1200), ("dark", 1200), ("light", 360)):
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
