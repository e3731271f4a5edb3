"""The page of policies: what each says, matches and decides, and the configuration in use."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask.testing import FlaskClient
from playwright.sync_api import sync_playwright

from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.console.sections import console_sections
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.web.console import make_console
from sauce_janitor.web.guard import AccessRules, Guard
from sauce_janitor.web.server import RunningServer
from tests.support.commands import Commands
from tests.support.console import Desk, Idle

EVIL = "<script>alert(1)</script>"
POLICIES = """
limits: {max_percent: null}
holds: [{tag: keep}]
policies:
  - name: noise
    match: {build: "PR-*"}
    then: {archive: none, delete_job: 3d}
  - name: slow-noise
    match: {build: "PR-*"}
    then: {archive: none, delete_job: 10d}
    keep: [{id: green, last: 1, where: {status: passed}}]
    group_by: [name]
  - name: nothing
    match: {build: "never-*"}
    overrides: [noise]
    then: {archive: {after: 1d, assets: [logs], discard: rest}, delete_assets: {after: 4d, keep: [{id: few, last: 2}]}}
  - {name: rest, default: true, then: {archive: 1d}}
tests:
  - name: noise goes
    as_of: 2026-06-01T00:00:00Z
    jobs: [{id: one, build: PR-1, end_time: 2026-05-12T00:00:00Z}]
    expect: {one: {delete_job: slow-noise}}
  - name: wrong on purpose
    as_of: 2026-06-01T00:00:00Z
    jobs: [{id: one, build: main, end_time: 2026-05-12T00:00:00Z}]
    expect: {one: {delete_job: noise}}
"""


@dataclass
class Known:
    """A state that a run has filled, and its console."""

    commands: Commands
    client: FlaskClient

    def text(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())

    def card(self, name: str) -> str:
        """The text of a policy on the page."""
        cards = self.client.get("/policies").text.split('<section class="card"')
        (found,) = [each for each in cards if f"<bdi>{name}</bdi></h2>" in each]
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found)).split())


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Known]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(SandboxOptions(jobs=60)))
        commands = Commands(tmp_path, sandbox, stack)
        commands.configure(POLICIES)
        config = commands.config
        access = ConsoleAccess(lambda: config, lambda: commands.state, lambda: "closed")
        stack.enter_context(closing(access))
        app = make_console(console_sections(access, Idle()))
        yield Known(commands, app.test_client())


def test_each_policy_says_what_it_matches_does_and_keeps_before_any_run(known: Known) -> None:
    page = known.text("/policies")
    assert "No run has stored a plan of this account yet" in page
    card = known.card("slow-noise")
    assert "For jobs with build: PR-* ." in card
    assert "Keep rules count in each group of name." in card
    assert "green last 1 where status: passed every delete" in card
    assert "delete job 10d after the end" in card
    nothing = known.card("nothing")
    assert "only logs; other files are deleted without a copy" in nothing
    assert "few last 2 delete assets" in nothing
    assert "Overrides noise." in nothing
    rest = known.card("rest")
    assert "For every job ." in rest.replace("job.", "job .")
    assert "Decides only what no other policy decides." in rest
    assert "tag: keep" in page


def test_after_a_run_each_policy_has_its_jobs_and_says_if_it_never_wins(known: Known) -> None:
    plan = known.commands.run().plan
    matched = plan.matched["noise"]
    assert matched
    noise = known.card("noise")
    assert f"{matched} known jobs match" in noise
    assert f"Never wins: its delete job time applies to none of its {matched} jobs." in noise
    assert "noise: delete_job 3d is 10d for" in noise
    assert "Matches no known job." in known.card("nothing")
    slow = known.card("slow-noise")
    assert "Never wins" not in slow
    due = plan.counts["slow-noise", next(a for a in plan.totals if a.value == "delete_job")]
    assert slow.rstrip().count(f" {due} ")
    link = re.search(
        r'href="(/plan\?[^"]*policy=slow-noise[^"]*)"', known.client.get("/policies").text
    )
    assert link is not None
    assert f"{due} jobs." in known.text(html.unescape(link[1]))
    assert "policy nothing: `build: never-*` matched nothing in the inventory" in known.text(
        "/policies"
    )


def test_numbers_of_other_policies_are_not_passed_off_as_those_of_these(known: Known) -> None:
    known.commands.run()
    assert "made with other policies" not in known.text("/policies")
    plan = known.commands.state.plans.newest("box")
    assert plan is not None
    known.commands.configure(POLICIES.replace("10d", "11d"))
    config = known.commands.config
    access = ConsoleAccess(lambda: config, lambda: known.commands.state, lambda: "closed")
    with closing(access):
        client = make_console(console_sections(access, Idle())).test_client()
        assert "made with other policies" in client.get("/policies").text


def test_tests_are_run_and_failures_say_what_was_decided(known: Known) -> None:
    page = known.text("/policies")
    assert "noise goes passed" in page
    assert "wrong on purpose failed" in page
    assert "expected delete_job by noise; decided kept" in page


def test_the_effective_configuration_shows_no_secret_and_only_the_one_in_use(known: Known) -> None:
    page = known.client.get("/policies/configuration").text
    assert "delete_job: 10d" in page
    assert known.commands.sandbox.access_key not in page
    file = known.commands.folder / "config.yaml"
    file.write_text(file.read_text().replace("10d", "12d"))
    # What was shown before stays: it is the configuration in use.
    assert "delete_job: 10d" in known.client.get("/policies/configuration").text


def test_a_changed_file_is_not_shown_as_the_configuration_in_use(desk: Desk) -> None:
    file = desk.folder / "config.yaml"
    file.write_text(f"{file.read_text()}# a change\n")
    page = desk.page("/policies/configuration", 500)
    assert "is not the one in use" in page


@pytest.mark.desk(
    f"policies: [{{name: '{EVIL}', match: {{name: '{EVIL}*', build: \"\\u202egnp\"}},"
    f" then: {{archive: none, delete_job: 3d}}, keep: [{{id: 'k-{EVIL}', last: 1}}]}}]\n"
)
def test_names_of_strangers_stay_text(desk: Desk) -> None:
    for path in ("/policies", "/policies?account=us", "/policies/configuration"):
        page = desk.page(path)
        assert "<script>" not in page
        assert "&lt;script&gt;" in page
        assert "\u202e" not in page
    assert "<script>" not in desk.page(f"/policies?account={EVIL}", 404)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1280])
def test_everybody_can_read_it(
    known: Known, component: Callable[[str], Path], width: int, scheme: str
) -> None:
    known.commands.run()
    guard = Guard(known.client.application, AccessRules("127.0.0.1:0"))
    with RunningServer(guard, "127.0.0.1:0") as server, sync_playwright() as browsers:
        browser = browsers.chromium.launch(
            executable_path=str(component("chromium")), args=["--no-sandbox"]
        )
        page = browser.new_page(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": 900},
        )
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        for path in ("/policies", "/policies/configuration"):
            page.goto(f"{server.url}{path}")
            found = Axe().run(page).response["violations"]
            assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], path
            wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{path} is {wide} px wider than the screen"
        browser.close()
    assert said == []
