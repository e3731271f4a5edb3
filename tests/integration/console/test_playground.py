"""The playground: what an edit of the policies would change, and that nothing else can be tried."""

from __future__ import annotations

import html
import http.client
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask.testing import FlaskClient
from playwright.sync_api import sync_playwright

from sauce_janitor.config import load
from sauce_janitor.config.passwords import hashed
from sauce_janitor.config.web_users import WebUser, editing
from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.console.policies import playground
from sauce_janitor.console.sections import console_sections
from sauce_janitor.daemon.daemon import Daemon
from sauce_janitor.model.roles import Role
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.state import State
from sauce_janitor.web.access.sign_in import sign_in_section
from sauce_janitor.web.console import make_console
from sauce_janitor.web.guard import CSRF
from tests.support.commands import Commands
from tests.support.console import Idle
from tests.support.daemon import Driven, Scene, until
from tests.support.web_client import PASSWORD, WebClient

PATH = "/policies/playground"
POLICIES = """
limits: {max_percent: null}

# What people ask about first.
policies:
  - name: noise   # a comment that stays
    match: {build: "PR-*"}
    then: {archive: none, delete_job: 3d}
  - {name: rest, default: true, then: {archive: 1d}}
"""
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\npolicies: [*b, *b]\n"


@dataclass
class Trying:
    """The playground of a state that a run has filled."""

    commands: Commands
    client: FlaskClient

    @property
    def file(self) -> Path:
        return self.commands.folder / "config.yaml"

    def text(self) -> str:
        """What the page offers to edit."""
        found = re.search(
            r"<textarea[^>]*>\n(.*)</textarea>", self.client.get(PATH).text, re.DOTALL
        )
        assert found is not None
        return html.unescape(found[1])

    def post(self, text: str, status: int = 200, kind: str = "") -> str:
        answer = self.client.post(
            PATH, data={"text": text, "as": kind}, environ_overrides={CSRF: "signed in"}
        )
        assert answer.status_code == status, answer.text
        return answer.text

    def said(self, text: str, status: int = 200) -> str:
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", self.post(text, status))).split())

    def faults(self, text: str) -> str:
        """What is wrong with an edit."""
        said = self.said(text, 400)
        return said.partition("The edit is not valid")[2].partition("Policies, as in the file")[0]

    def everything(self) -> dict[str, bytes]:
        """All that is on the disk, but the state's own notes of being open."""
        return {
            str(path): path.read_bytes()
            for path in self.commands.folder.rglob("*")
            if path.is_file() and "state" not in path.name
        }


@pytest.fixture
def trying(tmp_path: Path) -> Iterator[Trying]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(SandboxOptions(jobs=60)))
        commands = Commands(tmp_path, sandbox, stack)
        commands.configure(POLICIES)
        config = commands.config
        access = ConsoleAccess(lambda: config, lambda: commands.state, lambda: "closed")
        stack.enter_context(closing(access))
        # Nobody signs in here: the tests say that somebody has.
        door = sign_in_section(cast("Any", None))
        app = make_console((*console_sections(access, Idle()), door))
        yield Trying(commands, app.test_client())


def test_it_shows_the_jobs_that_change_and_a_patch_and_leaves_everything_as_it_is(
    trying: Trying,
) -> None:
    matched = trying.commands.run().plan.matched["noise"]
    before, asked = trying.everything(), len(trying.commands.sandbox.log)
    text = trying.text()
    assert text.startswith("limits: {max_percent: null}\n")
    assert "accounts" not in text
    assert "The edit does not differ from the file." in trying.said(text)
    page = trying.post(text.replace("delete_job: 3d", "delete_job: never"))
    said = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())
    assert re.search(rf"the edit changes {matched} of \d+ known jobs", said)
    assert "job newly kept noise" in said
    (job, *_) = re.findall(r'href="(/jobs/box/[0-9a-f]{32})"', page)
    assert trying.client.get(job).status_code == 200
    assert "\n-    then: {archive: none, delete_job: 3d}\n" in page
    assert trying.everything() == before
    assert len(trying.commands.sandbox.log) == asked


def test_the_patch_is_one_that_git_applies(trying: Trying) -> None:
    edited = trying.text().replace("3d", "5d") + "holds: [{tag: keep}]\n"
    patch = trying.post(edited, kind="patch")
    folder = trying.commands.folder / "repository"
    folder.mkdir()
    before = trying.file.read_text()
    (folder / "config.yaml").write_text(before)
    subprocess.run(["git", "apply", "-"], cwd=folder, input=patch.encode(), check=True)
    after = (folder / "config.yaml").read_text()
    assert after == before.replace("3d", "5d") + "\nholds: [{tag: keep}]\n"
    assert "# What people ask about first." in after


def test_problems_have_the_line_of_the_edit(trying: Trying) -> None:
    text = trying.text()
    line = text[: text.index("delete_job: 3d")].count("\n") + 1
    assert f"Line {line}: policies[0].then.delete_job" in trying.faults(
        text.replace("delete_job: 3d", "delete_job: soon")
    )
    assert f"Line {line}:" in trying.faults(text.replace("delete_job: 3d", "delete_job: [3d"))
    page = trying.post(text.replace("delete_job: 3d", "delete_job: soon"), 400)
    assert "delete_job: soon" in page


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("include: [/etc/passwd]\n", "`include` cannot be tried here"),
        ("accounts: {eu: {access_key: {env: HOME}}}\n", "`accounts` cannot be tried here"),
        ("web: {auth: {token: {file: /etc/passwd}}}\n", "`web` cannot be tried here"),
        ("notify: [{url: {command: [touch, owned]}}]\n", "`notify` cannot be tried here"),
        ("approvals: []\n", "`approvals` cannot be tried here"),
        (
            "policies: [{name: {file: /etc/passwd}, match: all, then: {archive: 1d}}]\n",
            "policies[0].name",
        ),
        ("holds: [{tag: {env: HOME}}]\n", "holds[0].tag"),
        ("---\npolicies: []\n", "Line 1: begins with ---"),
        ("policies: []\n---\ninclude: [/etc/passwd]\n", "Line 2: begins with ---"),
        ("policies: []\n...\n", "Line 2: begins with ..."),
        ("{policies: [], include: [/etc/passwd]}\n", "does not begin a line"),
        (BOMB, "is an anchor"),
        ("policies: !!python/object/apply:os.system [touch owned]\n", "is a YAML tag"),
        ("policies: " + "[" * 5000 + "\n", "nested deeper"),
        ("# \N{RIGHT-TO-LEFT OVERRIDE}\npolicies: []\n", "Line 1: has an invisible character"),
        ("policies: []\x00\n", "invisible character"),
        ("policies: []\n" + "#\n" * 5001, "more than 5,000 lines"),
        (
            "policies:\n"
            + "".join(f"- {{name: p{n}, match: all, then: {{archive: 1d}}}}\n" for n in range(201)),
            "there would be 201 policies",
        ),
        ("just text", "is not a mapping"),
        ("policies: [{name: <script>alert(1)</script>}]\n", "policies[0]"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_a_sentence(
    trying: Trying, text: str, sentence: str
) -> None:
    before = trying.everything()
    page = trying.post(text, 400)
    assert "<script>alert" not in page
    assert "root:" not in page
    assert sentence in html.unescape(re.sub(r"<[^>]*>", "", page))
    assert trying.everything() == before
    assert not (trying.commands.folder / "owned").exists()


def test_bytes_that_are_no_text_are_no_harm(trying: Trying) -> None:
    answer = trying.client.post(
        PATH,
        data=b"text=policies%3A+%FF%FE%00",
        content_type="application/x-www-form-urlencoded",
        environ_overrides={CSRF: "signed in"},
    )
    assert answer.status_code == 400


def test_an_edit_that_another_file_or_another_account_does_not_fit_says_so(trying: Trying) -> None:
    assert trying.client.get(f"{PATH}?account=nobody").status_code == 404
    assert "No job of account box is known yet" in trying.said(trying.text())
    text = trying.text()
    trying.file.write_text(f"{trying.file.read_text()}# a change\n")
    answer = trying.client.post(PATH, data={"text": text}, environ_overrides={CSRF: "x"})
    assert answer.status_code >= 400
    assert "is not the one in use" in answer.text


def test_an_inventory_that_is_too_large_for_a_page_names_the_command(
    trying: Trying, monkeypatch: pytest.MonkeyPatch
) -> None:
    trying.commands.run()
    monkeypatch.setattr(playground, "MOST_JOBS", 10)
    said = trying.said(trying.text().replace("3d", "5d"))
    assert "a page compares 10 at most" in said
    assert "sauce-janitor diff OLD NEW" in said
    assert "+ then: {archive: none, delete_job: 5d}" in said
    monkeypatch.setattr(playground, "MOST_JOBS", 1000)
    monkeypatch.setattr(playground, "_WITHIN_S", 0.0)
    assert "takes too long for a page" in trying.said(trying.text().replace("3d", "5d"))


def test_without_a_session_nothing_is_tried(trying: Trying) -> None:
    page = trying.client.get(PATH).text
    assert "Sign in to try an edit." in page
    assert trying.client.post(PATH, data={"text": "policies: []"}).status_code == 403


def test_any_role_may_try_through_the_door_of_serve_and_only_this_form_may_be_large(
    tmp_path: Path, component: Callable[[str], Path]
) -> None:
    with ExitStack() as stack:
        scene = Scene(tmp_path, Driven(), stack)
        with editing(tmp_path / "users.yaml") as users:
            users.update({str(role): WebUser(str(role), role, hashed(PASSWORD)) for role in Role})
        scene.configure('web: {listen: "127.0.0.1:0", auth: {users: users.yaml}}\n')
        config = load(tmp_path / "config.yaml", environ={"KEY": "x"})
        State.open(tmp_path / "state.db").close()
        daemon = Daemon(config, execute=False, clock=scene.clock)
        daemon.start()
        web = WebClient(daemon.url)
        try:
            until(lambda: web.sign_in("viewer").status == 303, "an open state")
            for role in Role:
                session = web.session(str(role))
                csrf = web.get(PATH, session).csrf
                large = "policies: []\n" + 3_000 * f"#{'x' * 70}\n"
                tried = web.post(PATH, session, csrf=csrf, text=large)
                assert tried.status == 200, tried.text
                assert "No job of account" in tried.text
            assert web.post(PATH, session, csrf="wrong", text="policies: []").status == 403
            foreign = (("Origin", "http://evil.example"),)
            sent = web.post(PATH, session, foreign, csrf=csrf, text="policies: []")
            assert sent.status == 403
            assert web.post(PATH, csrf=csrf, text="policies: []").status in {303, 401}
            assert _status_of_size(web, PATH, 256 * 1024 + 1) == 413
            assert _status_of_size(web, "/changes/pause", 20_000) == 413
            assert _status_of_size(web, f"{PATH}/", 20_000) == 413
            _look(web, session, component("chromium"))
        finally:
            daemon.stop()
            until(daemon.has_ended, "its end")
            daemon.close()


def _status_of_size(web: WebClient, path: str, size: int) -> int:
    """The answer to a form that says that it is so large."""
    with closing(http.client.HTTPConnection(web.url.removeprefix("http://"), timeout=60)) as client:
        client.putrequest("POST", path)
        client.putheader("Content-Length", str(size))
        client.endheaders()
        return client.getresponse().status


def _look(web: WebClient, session: str, chromium: Path) -> None:
    """Try a wrong and a right edit in a browser, small and large, light and dark."""
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        for width, scheme in ((380, "light"), (380, "dark"), (1280, "light"), (1280, "dark")):
            context = browser.new_context(
                color_scheme="dark" if scheme == "dark" else "light",
                viewport={"width": width, "height": 900},
                java_script_enabled=True,
            )
            page = context.new_page()
            page.goto(f"{web.url}/sign-in?next={PATH}")
            page.fill("[name=name]", "viewer")
            page.fill("[name=password]", PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(f"**{PATH}")
            for text, heading in (("policies: nonsense\n", "faults"), ("policies: []\n", "patch")):
                page.fill("textarea", text)
                page.get_by_role("button", name="Try", exact=True).click()
                page.wait_for_selector(f"#{heading}")
                page.locator("summary").click()
                found = Axe().run(page).response["violations"]
                assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
                wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
                assert wide <= 0, f"{wide} px wider than the screen"
            context.close()
        browser.close()
