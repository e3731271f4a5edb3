"""Changes on the console: who may make them, what they do, and what the log and the state say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import structlog
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright

from sauce_janitor.archive import (
    Archive,
    Catalogue,
    DiskReserve,
    HoldMirror,
    PauseMirror,
    WriteSettings,
)
from sauce_janitor.config import Config, load
from sauce_janitor.config.passwords import hashed
from sauce_janitor.config.web_users import WebUser, editing
from sauce_janitor.daemon.daemon import Daemon
from sauce_janitor.model.jobs import JobId
from sauce_janitor.model.roles import Role
from sauce_janitor.state import State
from tests.support.daemon import Driven, Scene, until
from tests.support.stored_plans import APlan
from tests.support.web_client import PASSWORD, WebClient

JOB = JobId(f"{7:032x}")
HASH = hashed(PASSWORD)
TOKEN = "open-sesame-1234567890"
HOSTILE = "<script>document.title='owned'</script>\u202e{{7*1234567}}"


@dataclass
class Console(WebClient):
    """A daemon's console, with a user of each role, named after it."""

    folder: Path = field(kw_only=True)
    clock: Driven = field(kw_only=True)
    config: Config = field(kw_only=True)
    daemon: Daemon = field(kw_only=True)

    def state(self) -> AbstractContextManager[State]:
        """The daemon's own state: its file must not be opened twice in a process."""
        state = self.daemon._access.state
        return nullcontext(state)

    def change(self, kind: str, role: str, **fields: str) -> tuple[int, str, str]:
        """Send a form as a browser does: (status, where it leads, what it says)."""
        session = self.session(role)
        csrf = self.get("/changes", session).csrf
        answer = self.post(f"/changes/{kind}", session, csrf=csrf, **fields)
        said = re.search(r'role="alert">([^<]*)<', answer.text)
        return answer.status, answer.headers.get("Location", ""), said[1] if said else ""


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    with ExitStack() as stack:
        scene = Scene(tmp_path, Driven(), stack)
        (tmp_path / "token").write_text(TOKEN)
        with editing(tmp_path / "users.yaml") as users:
            users.update({str(role): WebUser(str(role), role, HASH) for role in Role})
        scene.configure(
            'web: {listen: "127.0.0.1:0", auth: {users: users.yaml, token: {file: token}}}\n'
        )
        config = load(tmp_path / "config.yaml", environ={"KEY": "x"})
        State.open(tmp_path / "state.db").close()
        daemon = Daemon(config, execute=False, clock=scene.clock)
        daemon.start()
        console = Console(
            daemon.url, folder=tmp_path, clock=scene.clock, config=config, daemon=daemon
        )
        try:
            until(lambda: console.sign_in("viewer").status == 303, "an open state")
            yield console
        finally:
            daemon.stop()
            until(daemon.has_ended, "its end")
            daemon.close()


def with_archive(console: Console) -> Path:
    """Begin the archive, as a run does."""
    settings = WriteSettings(min_free=DiskReserve(percent=0))
    location = console.folder / "archive"
    with (
        console.state() as state,
        Archive.open(location, account="eu", known_uuid=None, settings=settings) as archive,
    ):
        state.identity.remember_archive(str(location), archive.uuid)
    return location


def mirrored(location: Path) -> set[str]:
    with Catalogue.open(location, known_uuid=None) as catalogue:
        return {hold.job_id for hold in HoldMirror(catalogue.root, "eu").holds()}


def test_an_operator_pauses_and_resumes_and_everybody_sees_by_whom(console: Console) -> None:
    location = with_archive(console)
    with structlog.testing.capture_logs() as log:
        done = console.change("pause", "operator", reason="release week")
    assert done == (303, "/changes?done=paused", "")
    (line,) = [each for each in log if each["event"] == "web.change"]
    assert {key: line[key] for key in ("change", "user", "role", "reason", "result")} == {
        "change": "pause",
        "user": "operator",
        "role": "operator",
        "reason": "release week",
        "result": "paused",
    }
    with console.state() as state:
        pause = state.switch.paused()
        assert pause is not None
        assert (pause.by, pause.reason) == ("operator (console)", "release week")
    there = PauseMirror(location).paused()
    assert there is not None
    assert there.by == "operator (console)"
    page = console.get("/changes?done=paused", console.session("viewer")).text
    assert "Nothing is changed until somebody resumes." in page
    assert "release week" in page
    assert (
        console.change("pause", "operator", reason="another one")[1] == "/changes?done=was-paused"
    )
    form = console.get("/changes/resume", console.session("operator")).text
    seen = re.search(r'name="seen" value="([^"]+)"', form)
    assert seen is not None
    done = console.change("resume", "operator", reason="released", seen=seen[1])
    assert done == (303, "/changes?done=resumed", "")
    assert PauseMirror(location).paused() is None
    with console.state() as state:
        assert state.switch.paused() is None
    assert console.change("resume", "operator", reason="again", seen="")[1].endswith("was-running")


def test_only_the_pause_that_was_seen_is_lifted(console: Console) -> None:
    console.change("pause", "operator", reason="release week")
    form = console.get("/changes/resume", console.session("operator")).text
    seen = re.search(r'name="seen" value="([^"]+)"', form)
    assert seen is not None
    with console.state() as state:
        state.switch.resume(by="jane", at=2)
        state.switch.pause(by="jane", reason="a leak", at=3)
    status, _, said = console.change("resume", "operator", reason="released", seen=seen[1])
    assert (status, "another pause" in said) == (409, True)
    with console.state() as state:
        assert state.switch.is_paused()


FORMS = ("pause", "resume", "hold", "release", "approve")


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("viewer", set()),
        ("operator", {"pause", "resume", "hold"}),
        ("approver", set(FORMS)),
    ],
)
def test_a_role_sees_and_sends_the_forms_that_it_may(
    console: Console, role: str, allowed: set[str]
) -> None:
    session = console.session(role)
    asked = f"?account=eu&job={JOB}"
    opened = {kind: console.get(f"/changes/{kind}{asked}", session).status for kind in FORMS}
    assert opened == {kind: 200 if kind in allowed else 403 for kind in FORMS}
    with structlog.testing.capture_logs() as log:
        for kind in set(FORMS) - allowed:
            status, _, _ = console.change(kind, role, reason="because", account="eu", job=JOB)
            assert status == 403
    refused = [each for each in log if each["event"] == "web.change"]
    assert {each["change"] for each in refused} == set(FORMS) - allowed
    assert {(each["user"], each["result"]) for each in refused} <= {(role, "refused")}
    with console.state() as state:
        assert not state.switch.is_paused()
        assert state.holds.list() == ()
    page = console.get("/changes", session).text
    assert ("Hold a job</a>" in page, ">Pause</a>" in page) == (("hold" in allowed,) * 2)


def test_the_token_reads_and_changes_nothing(console: Console) -> None:
    token = {"Authorization": f"Bearer {TOKEN}"}
    page = console.get("/changes", **token)
    assert page.status == 200
    assert "<form class" not in page.text
    assert 'class="button"' not in page.text
    assert console.get("/changes/pause", **token).status == 403
    assert console.post("/changes/pause", headers=token, reason="because").status == 403


def test_a_hold_is_in_the_state_and_the_archive_until_an_approver_releases_it(
    console: Console,
) -> None:
    location = with_archive(console)
    done = console.change(
        "hold", "operator", account="eu", job=JOB.upper(), days="7", reason="audit"
    )
    assert done == (303, "/changes?done=held-unknown", "")
    assert mirrored(location) == {JOB}
    with console.state() as state:
        (hold,) = state.holds.list(at=int(console.clock.at))
    assert (hold.by, hold.reason, hold.account) == ("operator (console)", "audit", "eu")
    assert hold.until == console.clock.at + 7 * 86_400
    session = console.session("approver")
    assert "audit" in console.get("/changes", session).text
    form = console.get(f"/changes/release?account=eu&job={JOB}", session).text
    assert "operator (console)" in form
    done = console.change("release", "approver", account="eu", job=JOB, reason="audit is over")
    assert done == (303, "/changes?done=released", "")
    assert mirrored(location) == set()
    with console.state() as state:
        (released,) = state.holds.list()
        assert state.holds.list(at=int(console.clock.at)) == ()
    assert released.released_by == "approver (console)"
    status, _, said = console.change("release", "approver", account="eu", job=JOB, reason="again")
    assert (status, said) == (409, f"job {JOB} of eu has no local hold")


def test_while_the_archive_is_away_jobs_can_be_held_and_not_released(console: Console) -> None:
    location = with_archive(console)
    location.rename(location.with_name("away"))
    done = console.change("hold", "operator", account="eu", job=JOB, reason="audit")
    assert done == (303, "/changes?done=held-unmirrored", "")
    status, _, said = console.change("release", "approver", account="eu", job=JOB, reason="over")
    assert (status, "archive" in said) == (500, True)
    with console.state() as state:
        assert state.holds.protects("eu", JOB, at=int(console.clock.at))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"job": "1234"}, "whole id"),
        ({"job": f"../{JOB}"}, "whole id"),
        ({"job": JOB, "days": "0"}, "1 to 3,650 days"),
        ({"job": JOB, "days": "-1"}, "1 to 3,650 days"),
        ({"job": JOB, "days": "9" * 50}, "1 to 3,650 days"),
        ({"job": JOB, "days": "000000001" + "9" * 11}, "1 to 3,650 days"),
        ({"job": JOB, "days": "000000001" + "9" * 5000}, "1 to 3,650 days"),
        ({"job": JOB, "reason": ""}, "Write a reason"),
        ({"job": JOB, "reason": "  x  "}, "Write a reason"),
        ({"job": JOB, "reason": "x" * 301}, "Write a reason"),
    ],
)
def test_a_form_with_a_mistake_comes_back_as_it_was_typed(
    console: Console, fields: dict[str, str], said: str
) -> None:
    sent = {"account": "eu", "reason": "audit of <b>May</b>", **fields}
    status, _, alert = console.change("hold", "operator", **sent)
    assert status == 400
    assert said in alert
    with console.state() as state:
        assert state.holds.list() == ()


def test_an_account_that_is_not_configured_is_refused(console: Console) -> None:
    for kind, role in (("hold", "operator"), ("release", "approver"), ("approve", "approver")):
        sent = {"account": HOSTILE, "job": JOB, "number": "1", "reason": "because"}
        status, _, said = console.change(kind, role, **sent)
        assert status == (404 if kind == "release" else 409)
        assert "<script>" not in said


def stored_plan(console: Console, *, digest: str | None = None, size: int = 50) -> int:
    plan = APlan(size)
    facts = replace(
        plan.facts(),
        policy_digest=digest or console.config.policy_digest("eu"),
        limits_broken=("max_percent: 40 of 50 jobs are 80 %, and 25 % are allowed",),
    )
    with console.state() as state:
        state.plans.store(facts, plan.jobs, at=int(console.clock.at))
        newest = state.plans.newest("eu")
    assert newest is not None
    return newest.number


def test_an_approver_approves_what_was_seen_for_a_day_and_not_for_more_jobs(
    console: Console,
) -> None:
    number = stored_plan(console)
    session = console.session("approver")
    form = console.get("/changes/approve?account=eu", session).text
    # 4 of the 5 kinds of that plan delete or stop.
    assert "<dd>40</dd>" in form
    assert "25 % are allowed" in form
    assert "20 jobs lose files or records that have no copy." in form
    assert "lifts all limits for any plan of up to 44 jobs: the 40 of this plan" in form
    done = console.change(
        "approve", "approver", account="eu", number=str(number), reason="reviewed with the team"
    )
    assert done == (303, "/changes?done=approved", "")
    digest, now = console.config.policy_digest("eu"), int(console.clock.at)
    with console.state() as state:
        (approval,) = state.approvals.in_force("eu", digest, at=now)
        assert state.approvals.in_force("eu", digest, at=now + 86_400) == ()
    assert (approval.by, approval.reason) == ("approver (console)", "reviewed with the team")
    assert approval.lifts == {"max_percent", "max_growth", "max_jobs"}
    assert approval.max_jobs == 44
    page = console.get("/changes", session).text
    assert "reviewed with the team" in page
    assert '<span class="badge good">approved</span>' in page
    plan = console.get("/plan?account=eu", session).text
    assert "is approved by <bdi>approver (console)</bdi> until" in plan
    assert "/changes/approve" not in plan


def test_a_plan_that_a_run_has_carried_out_waits_for_nobody(console: Console) -> None:
    stored_plan(console)
    session = console.session("approver")
    assert "so no run carries it out" in console.get("/plan?account=eu", session).text
    with console.state() as state:
        at = int(console.clock.at) + 60
        state.accounts.admit("eu", base_url="https://api.example", username="demo")
        for run_id, summary in (("dry", {}), ("real", {"outcomes": {"archive_done": 3}})):
            state.runs.begin(run_id, "eu", mode="execute", at=at)
            state.runs.finish(run_id, result="done", at=at, summary=summary)
    plan = console.get("/plan?account=eu", session).text
    assert "A run has carried out a plan since then" in plan
    assert 'href="/runs/real"' in plan
    assert "so no run carries it out" not in plan
    assert "/changes/approve" not in plan
    assert "None." in console.get("/changes", session).text


def test_other_pages_lead_to_what_a_role_may_change(console: Console) -> None:
    stored_plan(console)
    for role in Role:
        session = console.session(str(role))
        overview = console.get("/", session).text
        assert ("Pause, resume, hold</a>" in overview) == role.includes(Role.OPERATOR)
        page = console.get("/plan?account=eu", session).text
        assert ("/changes/hold?account=eu&amp;job=" in page) == role.includes(Role.OPERATOR)
        assert ("/changes/approve?account=eu" in page) == (role is Role.APPROVER)


def test_a_plan_that_was_not_seen_or_has_other_policies_is_not_approved(console: Console) -> None:
    seen = stored_plan(console)
    number = stored_plan(console, size=500)
    sent = {"account": "eu", "reason": "reviewed"}
    status, _, said = console.change("approve", "approver", number=str(seen), **sent)
    assert (status, "newer plan" in said) == (409, True)
    number = stored_plan(console, digest="sha256:former")
    form = console.get("/changes/approve?account=eu", console.session("approver")).text
    assert "policies have changed" in form
    status, _, said = console.change("approve", "approver", number=str(number), **sent)
    assert (status, "policies of eu have changed" in said) == (409, True)
    with console.state() as state:
        for digest in ("sha256:former", console.config.policy_digest("eu")):
            assert state.approvals.in_force("eu", digest, at=int(console.clock.at)) == ()


def test_text_of_others_stays_text_and_a_link_can_say_nothing(console: Console) -> None:
    console.change("pause", "operator", reason=HOSTILE)
    session = console.session("operator")
    for path in ("/changes", "/changes/resume", f"/changes?done={HOSTILE}", "/changes?done="):
        page = console.get(path.replace("\u202e", ""), session).text
        assert "<script>document" not in page
        assert "\u202e" not in page
        assert "8641969" not in page
    assert 'role="status"' not in console.get("/changes?done=anything", session).text


@pytest.fixture
def page(console: Console, component: Callable[[str], Path]) -> Iterator[Page]:
    """A browser at the console, which has seen no error when the test ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=component("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_context(base_url=console.url).new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        yield page
        browser.close()
    assert wrong == []


def enter(page: Page, name: str, path: str) -> None:
    page.goto(path)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    # Who goes on before the page is there breaks off the way to it.
    page.wait_for_url(f"**{path}")


def test_in_a_browser_a_plan_is_approved_and_a_pause_set_and_lifted(
    console: Console, page: Page
) -> None:
    stored_plan(console)
    enter(page, "approver", "/changes")
    page.get_by_role("link", name="Pause").click()
    page.get_by_label("Reason").fill("release week")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Paused.")
    # The back button leads to the form, and a reload of the page repeats nothing.
    page.reload()
    page.get_by_role("link", name="Resume").click()
    page.get_by_label("Reason").fill("released")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status")).to_contain_text("Resumed.")
    page.get_by_role("link", name="Approve").click()
    # Without a reason the browser does not send it.
    page.get_by_role("button", name="Approve").click()
    expect(page).to_have_title("Approve a plan · sauce-janitor")
    page.get_by_label("Reason").fill("reviewed with the team")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status")).to_contain_text("The plan is approved")
    page.get_by_role("link", name="Hold a job").click()
    page.get_by_label("Job").fill(JOB)
    page.get_by_label("Reason").fill("audit")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The job is held.")
    page.get_by_role("link", name="Release").click()
    page.get_by_label("Reason").fill("over")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The job is released.")


def test_the_pages_are_fit_for_everybody_and_for_a_phone(console: Console, page: Page) -> None:
    stored_plan(console)
    console.change("hold", "operator", account="eu", job=JOB, reason=HOSTILE + "x" * 200)
    console.change("pause", "operator", reason="release week")
    enter(page, "approver", "/changes")
    asked = f"?account=eu&job={JOB}"
    for scheme, width in (("light", 380), ("dark", 1280)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 800})
        for path in ("", *(f"/{kind}{asked}" for kind in FORMS)):
            page.goto(f"/changes{path}")
            found = Axe().run(page)
            assert found.response["violations"] == [], f"{path}: {found.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
