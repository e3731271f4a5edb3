"""Signing in over HTTP: who gets a session, how long it lasts, and what it is protected by."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import structlog
from axe_playwright_python.sync_playwright import Axe
from flask import Blueprint, request
from playwright.sync_api import Page, expect, sync_playwright

from sauce_janitor.config.passwords import hashed
from sauce_janitor.config.web_users import WebUser
from sauce_janitor.console import sign_ins as sessions
from sauce_janitor.console.sign_ins import SessionTimes, SignIns
from sauce_janitor.errors import StateError
from sauce_janitor.model.roles import Role
from sauce_janitor.state import State
from sauce_janitor.web.access.sign_in import sign_in_section
from sauce_janitor.web.console import Section, make_console, posts_of
from sauce_janitor.web.guard import PRINCIPAL, AccessRules, Guard
from sauce_janitor.web.server import RunningServer, ServerLimits
from tests.support.daemon import Driven, until
from tests.support.web_client import COOKIE, HTML, PASSWORD, WebClient

HASH = hashed(PASSWORD)
TOKEN = "open-sesame-1234567890"
HOSTILE = "<script>alert(1)</script>\u202e{{7*7}}"


@dataclass
class Site(WebClient):
    """The console, served; its users, its state and its clock are in the test's hands."""

    clock: Driven = field(kw_only=True)
    state: State = field(kw_only=True)
    users: dict[str, WebUser] = field(default_factory=dict)
    is_state_away: bool = False
    goes_on: threading.Event = field(default_factory=threading.Event)
    sign_ins: SignIns | None = None
    done: list[str] = field(default_factory=list)

    def open_state(self) -> State:
        assert self.goes_on.wait(60)
        if self.is_state_away:
            raise StateError("the disk of /srv/secret-place is gone")
        return self.state


def home(site: Site) -> Section:
    pages = Blueprint("home", __name__)

    @pages.get("/")
    def index() -> str:
        from flask import render_template_string

        return render_template_string(
            "{% extends 'base.html' %}{% block main %}hello{% endblock %}"
        )

    @pages.get("/healthz")
    def healthz() -> str:
        return "ok"

    @pages.post("/change")
    def change() -> str:
        who = request.environ[PRINCIPAL]
        site.done.append(f"{who.name} {who.role} {request.form.get('reason')}")
        return "changed"

    return Section(pages, "home.index", "Home")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with State.open(tmp_path / "state.db") as state:
        site = Site(clock=Driven(), state=state)
        site.goes_on.set()
        for name, role in (("jane", Role.APPROVER), ("vic", Role.VIEWER)):
            site.users[name] = WebUser(name, role, HASH)
        sign_ins = SignIns(
            lambda: site.users, site.open_state, site.clock, SessionTimes(12 * 3600, 3600)
        )
        site.sign_ins = sign_ins
        app = make_console([home(site), sign_in_section(sign_ins)])
        rules = AccessRules(
            "127.0.0.1:0",
            token=lambda: TOKEN,
            open_paths=frozenset({"/healthz"}),
            session=sign_ins.find,
            accepts_post=posts_of(app),
        )
        with RunningServer(Guard(app, rules), "127.0.0.1:0", ServerLimits(threads=8)) as serving:
            site.url = serving.url
            yield site


def test_a_browser_without_a_session_is_sent_to_the_form_and_back(site: Site) -> None:
    asked = site.get("/?q=a%20b&page=2")
    assert (asked.status, asked.headers["Location"]) == (
        303,
        "/sign-in?next=/%3Fq%3Da%2520b%26page%3D2",
    )
    form = site.get(asked.headers["Location"])
    assert form.status == 200
    assert 'name="next" value="/?q=a%20b&amp;page=2"' in form.text
    assert "form-action 'self'" in form.headers["Content-Security-Policy"]
    # Not before somebody is there: the pages' names are nobody else's business.
    assert 'aria-label="Console"' not in form.text
    signed_in = site.sign_in(next="/?q=a%20b&page=2")
    assert (signed_in.status, signed_in.headers["Location"]) == (303, "/?q=a%20b&page=2")
    page = site.get("/", signed_in.session)
    assert page.status == 200
    assert "jane" in page.text
    assert "approver" in page.text


def test_a_program_without_token_and_session_gets_401(site: Site) -> None:
    for headers in ({"Accept": "*/*"}, {**HTML, "Authorization": "Bearer wrong-token-0123456"}):
        answer = site.ask("GET", "/", None, **headers)
        assert answer.status == 401
        # `Basic` would make a browser's script ask for a password in a window.
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert site.ask("GET", "/", None, Authorization=f"Bearer {TOKEN}").status == 200


def test_the_cookie_cannot_be_read_or_sent_by_anybody_else(site: Site) -> None:
    (cookie,) = site.sign_in().cookies
    name_value, *flags = cookie.split("; ")
    assert re.fullmatch(rf"{COOKIE}=[A-Za-z0-9_-]{{43}}", name_value)
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=43200"} <= set(flags)
    assert not [flag for flag in flags if flag.startswith("Domain")]


def test_neither_the_session_nor_the_password_is_in_the_state(site: Site, tmp_path: Path) -> None:
    session = site.session()
    site.state.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"jane" in stored
    for secret in (session, PASSWORD, HASH):
        # No part of it either.
        assert secret.encode()[:16] not in stored


@pytest.mark.parametrize(
    ("name", "password"),
    [("jane", "wrong password"), ("jane", ""), ("nobody", PASSWORD), (HOSTILE, PASSWORD), ("", "")],
)
def test_a_wrong_name_or_password_gives_one_and_the_same_answer(
    site: Site, name: str, password: str
) -> None:
    with structlog.testing.capture_logs() as log:
        answer = site.sign_in(name, password)
    assert (answer.status, answer.session) == (403, "")
    assert "The name or the password is wrong." in answer.text
    assert "<script>" not in answer.text
    assert "49" not in answer.text.replace(name, "")
    (line,) = [each for each in log if each["event"] == "web.sign_in_refused"]
    # What somebody types as a name may be a password.
    assert line["user"] == ("jane" if name == "jane" else "(unknown)")


def test_each_sign_in_is_logged(site: Site) -> None:
    with structlog.testing.capture_logs() as log:
        site.session()
    (line,) = [each for each in log if each["event"] == "web.signed_in"]
    assert (line["user"], line["role"], line["address"]) == ("jane", "approver", "127.0.0.1")


def test_an_unknown_user_costs_as_many_checks_as_a_known_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer takes as long, so that nobody learns which names exist."""
    checked: list[str] = []

    def check(password_hash: str, password: str) -> bool:
        checked.append(password_hash)
        return False

    monkeypatch.setattr("sauce_janitor.console.sign_ins.matches", check)
    site.sign_in("jane")
    site.sign_in("nobody")
    assert [each[:30] for each in checked] == [HASH[:30], HASH[:30]]
    assert checked[0] != checked[1]


def test_a_client_that_fails_ten_times_waits_and_others_do_not(site: Site) -> None:
    behind = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}

    def tried(password: str, address: str) -> int:
        headers = {**behind, "X-Forwarded-For": address}
        return site.post("/sign-in", headers=headers, name="jane", password=password).status

    for _ in range(10):
        assert tried("wrong password", "203.0.113.1, 198.51.100.7") == 403
    assert tried(PASSWORD, "198.51.100.7") == 429
    # The client chooses what stands before the proxy's own entry.
    assert tried(PASSWORD, "192.0.2.99, 198.51.100.7") == 429
    assert tried(PASSWORD, "198.51.100.8") == 303
    site.clock.at += 601
    assert tried(PASSWORD, "198.51.100.7") == 303


@pytest.mark.parametrize(
    ("guesser", "same", "other"),
    [
        ("::ffff:198.51.100.7", "198.51.100.7", "::ffff:198.51.100.8"),
        ("198.51.100.7:40001", "198.51.100.7:40002", "198.51.100.8:40001"),
        ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"),
        ("[2001:db8::1]:40001", "[2001:db8::2]:40002", "[2001:db8:0:1::1]:40001"),
    ],
)
def test_a_client_is_known_as_whatever_its_proxy_writes(
    site: Site, guesser: str, same: str, other: str
) -> None:
    def tried(address: str, password: str = PASSWORD) -> int:
        headers = {"X-Forwarded-For": address}
        return site.post("/sign-in", headers=headers, name="jane", password=password).status

    assert {tried(guesser, "wrong password") for _ in range(10)} == {403}
    assert (tried(same), tried(other)) == (429, 303)


def test_a_user_whom_many_clients_guess_is_closed_for_a_while(site: Site) -> None:
    def tried(number: int, name: str = "jane", password: str = "wrong password") -> int:
        headers = {"X-Forwarded-For": f"198.51.100.{number}"}
        return site.post("/sign-in", headers=headers, name=name, password=password).status

    assert {tried(number) for number in range(30)} == {403}
    assert tried(99, password=PASSWORD) == 429
    assert tried(99, name="vic", password=PASSWORD) == 303


def test_successes_are_not_counted(site: Site) -> None:
    assert {site.sign_in().status for _ in range(12)} == {303}


def test_a_session_ends_when_it_is_idle_or_old(site: Site) -> None:
    session = site.session()
    site.clock.at += 3599
    assert site.get("/", session).status == 200
    site.clock.at += 3599
    assert site.get("/", session).status == 200
    site.clock.at += 3600
    assert site.get("/", session).status == 303
    session, began = site.session(), site.clock.at
    while site.clock.at < began + 12 * 3600 - 1800:
        site.clock.at += 1800
        assert site.get("/", session).status == (200 if site.clock.at < began + 12 * 3600 else 303)
    site.clock.at = began + 12 * 3600
    assert site.get("/", session).status == 303


def test_other_processes_know_that_a_session_is_used(site: Site) -> None:
    assert site.sign_ins is not None
    other = SignIns(lambda: site.users, site.open_state, site.clock, SessionTimes(43_200, 3600))
    session = site.session()
    site.clock.at += 3000
    assert site.get("/", session).status == 200
    site.is_state_away = True
    site.sign_ins.store_seen()
    site.is_state_away = False
    site.sign_ins.store_seen()
    site.clock.at += 3000
    found = other.find(session)
    assert found is not None
    assert found.name == "jane"
    # A page that reloads itself is nobody's request.
    site.clock.at += 600 - 1
    assert site.get("/", session, **{"Sec-Fetch-Mode": "navigate"}).status == 200
    site.clock.at += 1
    site.sign_ins.store_seen()
    assert other.find(session) is not None
    assert site.get("/", session, **{"Sec-Fetch-Mode": "navigate"}).status == 303


def test_another_role_counts_at_once_and_a_removed_user_or_changed_password_ends_it(
    site: Site,
) -> None:
    session = site.session()
    site.users["jane"] = replace(site.users["jane"], role=Role.VIEWER)
    assert "viewer" in site.get("/", session).text
    jane = site.users.pop("jane")
    assert site.get("/", session).status == 303
    site.users["jane"] = jane
    assert site.get("/", session).status == 200
    site.users["jane"] = replace(jane, password_hash=hashed(PASSWORD))
    assert site.get("/", session).status == 303


def test_signing_out_ends_the_session_everywhere(site: Site) -> None:
    session, other = site.session(), site.session("vic")
    answer = site.post("/sign-out", session, csrf=site.get("/", session).csrf)
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
    assert "Max-Age=0" in answer.cookies[0]
    # The cookie may have been copied before.
    assert site.get("/", session).status == 303
    assert site.get("/", other).status == 200


def test_signing_in_again_ends_the_session_before(site: Site) -> None:
    first = site.session()
    second = site.post("/sign-in", first, name="jane", password=PASSWORD)
    assert second.status == 303
    assert site.get("/", first).status == 303
    assert site.get("/", second.session).status == 200


def test_a_browser_keeps_no_page_for_its_back_button(site: Site) -> None:
    assert site.get("/", site.session()).headers["Cache-Control"] == "no-store"
    assert site.get("/sign-in").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/%0d%0aSet-Cookie:%20x=y\r\nX: y",
        "/sign-in?next=/sign-in",
        "/" + "a" * 5000,
        "",
    ],
)
def test_no_foreign_page_follows_a_sign_in(site: Site, wanted: str) -> None:
    answer = site.sign_in(next=wanted)
    assert (answer.status, answer.headers["Location"]) == (303, "/")


def changed(site: Site, session: str, csrf: str, **headers: str) -> int:
    return site.post("/change", session, headers=headers, csrf=csrf, reason="audit").status


def test_a_change_needs_the_sessions_own_form(site: Site) -> None:
    session, other = site.session(), site.session("vic")
    csrf, foreign = site.get("/", session).csrf, site.get("/", other).csrf
    assert changed(site, session, csrf) == 200
    assert site.done == ["jane approver audit"]
    with structlog.testing.capture_logs() as log:
        for wrong in (
            "",
            "x",
            foreign,
            csrf[:-1],
            csrf.upper(),
            f"{csrf}\udc80".encode("utf-8", "replace").decode(),
        ):
            assert changed(site, session, wrong) == 403
        assert site.post("/change", session, reason="x").status == 403
    assert {each["why"] for each in log if each["event"] == "web.change_refused"} == {"wrong csrf"}
    # Two of them: which one counts would depend on who reads.
    two = f"csrf={csrf}&csrf=x"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": site.url}
    cookie = {"Cookie": f"{COOKIE}={session}"}
    assert site.ask("POST", "/change", two, **headers, **cookie).status == 403
    assert len(site.done) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_form_from_elsewhere_changes_nothing_and_signs_nobody_in(
    site: Site, headers: dict[str, str]
) -> None:
    session = site.session()
    csrf = site.get("/", session).csrf
    assert changed(site, session, csrf, **headers) == 403
    answer = site.post("/sign-in", headers=headers, name="jane", password=PASSWORD)
    assert (answer.status, answer.session) == (403, "")
    assert site.done == []


def test_a_change_needs_a_session_and_the_token_is_none(site: Site) -> None:
    assert site.post("/change", reason="x").headers["Location"] == "/sign-in"
    token = {"Authorization": f"Bearer {TOKEN}"}
    assert site.post("/change", headers=token, reason="x").status == 403
    # A program that has a cookie, too, is known by the token alone.
    session = site.session()
    csrf = site.get("/", session).csrf
    assert changed(site, session, csrf, **token) == 403
    assert site.done == []


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/static/console.css", "/nothing", "/change/", "/Change"]
)
def test_only_declared_paths_take_a_form(site: Site, path: str) -> None:
    session = site.session()
    csrf = site.get("/", session).csrf
    assert site.post(path, session, csrf=csrf).status == 405


def test_only_a_small_form_is_read(site: Site) -> None:
    session = site.session()
    csrf = site.get("/", session).csrf
    assert site.post("/change", session, csrf=csrf, reason="x" * 9000).status == 413
    for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x", ""):
        assert changed(site, session, csrf, **{"Content-Type": kind}) == 403
    many = "&".join(f"f{number}=1" for number in range(60))
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": site.url}
    cookie = {"Cookie": f"{COOKIE}={session}"}
    assert site.ask("POST", "/change", f"csrf={csrf}&{many}", **headers, **cookie).status == 403
    assert site.done == []


def test_without_tls_on_the_way_nobody_signs_in_and_no_session_counts(site: Site) -> None:
    plain = {"X-Forwarded-Proto": "http"}
    session = site.session()
    assert site.get("/", session, **plain).status == 303
    form = site.get("/sign-in", **plain)
    assert (form.status, "needs TLS" in form.text) == (403, True)
    assert 'name="password"' not in form.text
    answer = site.post("/sign-in", headers=plain, name="jane", password=PASSWORD)
    assert (answer.status, answer.session) == (403, "")
    assert site.get("/", session, **{"X-Forwarded-Proto": "https"}).status == 200


def test_while_the_state_is_away_sessions_cannot_be_checked_and_probes_are_answered(
    site: Site,
) -> None:
    session = site.session()
    csrf = site.get("/", session).csrf
    site.is_state_away = True
    answer = site.get("/", session)
    assert answer.status == 503
    assert "secret-place" not in answer.text
    assert changed(site, session, csrf) == 503
    assert site.sign_in().status == 503
    assert site.get("/healthz", session).status == 200
    assert site.get("/sign-in", session).status == 200
    assert site.ask("GET", "/", None, Authorization=f"Bearer {TOKEN}").status == 200
    site.is_state_away = False
    assert site.get("/", session).status == 200


def test_probes_are_answered_while_the_database_hangs(site: Site) -> None:
    session = site.session()
    site.goes_on.clear()
    answers: list[int] = []
    clients = [
        threading.Thread(target=lambda: answers.append(site.get("/", session).status))
        for _ in range(12)
    ]
    try:
        for client in clients:
            client.start()
        # More of them hang than threads are left.
        until(lambda: len(answers) >= 6, "refusals")
        assert set(answers) == {503}
        assert site.get("/healthz").status == 200
        assert site.get("/sign-in").status == 200
    finally:
        site.goes_on.set()
        for client in clients:
            client.join(60)
    assert site.get("/", session).status == 200


def test_who_comes_while_the_database_hangs_does_not_wait_for_it_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = site.session()
    assert site.sign_ins is not None
    looks = site.sign_ins._looks
    site.goes_on.clear()
    with ThreadPoolExecutor(4) as clients:
        try:
            hanging = [clients.submit(site.get, "/", session) for _ in range(4)]
            until(lambda: looks._value == 0, "four that hang")
            assert site.get("/", session).status == 503
            # Longer than the client below has patience.
            monkeypatch.setattr(sessions, "_LOOK_S", 90.0)
            assert site.get("/", "a" * 43).status == 503
        finally:
            site.goes_on.set()
        assert {each.result().status for each in hanging} == {200}
    assert site.get("/", session).status == 200


def test_a_user_has_twenty_sessions_at_most_and_the_oldest_ends(site: Site) -> None:
    sessions = []
    for _ in range(21):
        site.clock.at += 1
        sessions.append(site.session())
    other = site.session("vic")
    assert site.get("/", sessions[0]).status == 303
    assert {site.get("/", each).status for each in (*sessions[1:], other)} == {200}


@pytest.mark.parametrize(
    "cookie",
    ["", "x", "a" * 43, "a" * 5000, "../" * 20, "é" * 43, '"', ";;;"],
)
def test_a_made_up_session_is_none(site: Site, cookie: str) -> None:
    site.session()
    raw = f"{COOKIE}={cookie}".encode().decode("latin-1")
    assert site.get("/", Cookie=raw).status == 303


@pytest.mark.parametrize(
    "other", ['prefs={"dark": true}', "grafana[0]=1", "name=Jane Doe", "é=1", "plain", 'a="un']
)
def test_cookies_of_other_servers_on_this_host_hide_no_session(site: Site, other: str) -> None:
    session = site.session()
    ours = f"{COOKIE}={session}"
    for cookies in (f"{other}; {ours}", f"{ours}; {other}"):
        page = site.get("/", Cookie=cookies)
        assert page.status == 200
    # Which of two counts would depend on who reads.
    assert site.get("/", Cookie=f"{ours}; {COOKIE}={site.session('vic')}").status == 303
    headers = {"Cookie": f"{other}; {ours}"}
    assert site.post("/sign-out", headers=headers, csrf=page.csrf).status == 303
    assert site.get("/", session).status == 303


def test_the_sessions_of_a_user_can_be_ended_and_old_ones_are_removed(site: Site) -> None:
    first, second, other = site.session(), site.session(), site.session("vic")
    assert site.state.web_sessions.end_all_of("jane") == 2
    assert {site.get("/", each).status for each in (first, second)} == {303}
    assert site.get("/", other).status == 200
    site.clock.at += 12 * 3600
    site.session()
    assert site.state.web_sessions.end_all_of("vic") == 0


@pytest.fixture
def page(site: Site, component: Callable[[str], Path]) -> Iterator[Page]:
    """A browser at the site, which has seen no error when the test ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=component("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(base_url=site.url)
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "console",
            # A refusal is an error to the browser, too.
            lambda said: (
                wrong.append(said.text)
                if said.type == "error" and "status of 403" not in said.text
                else None
            ),
        )
        yield page
        browser.close()
    assert wrong == []


def signed_in(page: Page, name: str = "jane", password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def test_in_a_browser_by_keyboard_with_two_tabs_and_the_back_button(page: Page) -> None:
    page.goto("/?tab=1")
    expect(page).to_have_title("Sign in · sauce-janitor")
    signed_in(page, password="wrong password")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong.")
    expect(page.get_by_label("Name")).to_have_value("jane")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/\?tab=1$"))
    expect(page.get_by_text("hello")).to_be_visible()
    cookie = next(each for each in page.context.cookies() if each.get("name") == COOKIE)
    assert (cookie.get("secure"), cookie.get("httpOnly"), cookie.get("sameSite")) == (
        True,
        True,
        "Lax",
    )
    other = page.context.new_page()
    other.goto("/")
    expect(other.get_by_text("hello")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("Sign in · sauce-janitor")
    # What was seen before is not shown again.
    page.go_back()
    expect(page).to_have_title("Sign in · sauce-janitor")
    expect(page.get_by_text("hello")).to_have_count(0)
    # The other tab has a form of a session that is over.
    other.get_by_role("button", name="Sign out").click()
    expect(other).to_have_title("Sign in · sauce-janitor")


def test_the_form_is_fit_for_everybody_and_for_a_phone(page: Page) -> None:
    for scheme, width in (("light", 380), ("dark", 1280)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 800})
        page.goto("/sign-in")
        signed_in(page, HOSTILE[:60], "wrong password")
        expect(page.get_by_role("alert")).to_be_visible()
        assert Axe().run(page).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
