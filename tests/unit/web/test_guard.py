"""Who may look: the guard around every page of ours."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from sauce_janitor.model.roles import Principal, Role
from sauce_janitor.web.access.sent_forms import COOKIE
from sauce_janitor.web.guard import HEADERS, TRUSTED, AccessRules, Guard

TOKEN = "open-sesame-1234567890"


def within(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Cache-Control", "max-age=60")])
    return [b"trusted" if environ[TRUSTED] else b"not trusted"]


def ask(door: AccessRules, path: str = "/", **environ: str) -> tuple[int, dict[str, str], bytes]:
    told: dict[str, Any] = {}

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        told["status"], told["headers"] = int(status[:3]), dict(headers)

    asked = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "HTTP_HOST": "localhost:9469",
        "REMOTE_ADDR": "127.0.0.1",
    }
    body = b"".join(Guard(within, door)({**asked, **environ}, start))
    return told["status"], told["headers"], body


LOCAL = AccessRules("127.0.0.1:9469")
OPEN = AccessRules(
    "0.0.0.0:9469", frozenset({"janitor.example.com"}), lambda: TOKEN, frozenset({"/readyz"})
)


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "BREW"]
)
def test_nothing_but_get_and_head_is_answered(method: str) -> None:
    status, headers, _ = ask(LOCAL, REQUEST_METHOD=method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:9469",
        "localhost.:9469",
        "127.0.0.1:9469",
        "[::1]:9469",
        "10.1.2.3:9469",
        "[fe80::1]",
    ],
)
def test_a_name_that_no_foreign_page_can_have_is_answered(host: str) -> None:
    assert ask(LOCAL, HTTP_HOST=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:9469",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "[::1].evil.example",
        "[localhost].evil.example:80",
        "",
        "[",
        "a:b:c",
        "sauce",
    ],
)
def test_a_foreign_name_on_loopback_is_turned_away_so_that_rebinding_shows_nothing(
    host: str,
) -> None:
    status, _, body = ask(LOCAL, HTTP_HOST=host)
    assert status == 421
    assert b"trusted" not in body


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("janitor.example.com", 200),
        ("JANITOR.example.com:80", 200),
        ("sauce-janitor:9469", 200),
        ("other.example.com", 421),
    ],
)
def test_who_listens_for_others_answers_to_configured_names_and_to_names_of_one_label(
    host: str, status: int
) -> None:
    assert ask(OPEN, "/readyz", HTTP_HOST=host)[0] == status


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "shown",
    [
        f"Bearer {TOKEN}",
        f"bearer  {TOKEN} ",
        basic("", TOKEN),
        basic("any", TOKEN),
        basic("jäne", TOKEN),
    ],
)
def test_the_token_opens_as_a_bearer_or_as_any_users_password(shown: str) -> None:
    assert ask(OPEN, HTTP_AUTHORIZATION=shown)[::2] == (200, b"trusted")


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        TOKEN,
        f"Token {TOKEN}",
        basic(TOKEN, ""),
        basic("any", TOKEN + "x"),
        "Basic ???",
        "Basic " + "A" * 5000,
        "Bearer \xff\xfe",
    ],
)
def test_anything_else_does_not_open(shown: str) -> None:
    status, headers, body = ask(OPEN, HTTP_AUTHORIZATION=shown)
    assert status == 401
    assert headers["WWW-Authenticate"].startswith(("Basic", "Bearer"))
    assert TOKEN.encode() not in body


def test_an_empty_token_opens_nothing() -> None:
    assert ask(AccessRules("0.0.0.0:1", token=lambda: ""), HTTP_AUTHORIZATION="Bearer ")[0] == 401


def test_an_open_path_is_answered_to_all_but_trusts_only_who_shows_the_token_or_sits_here() -> None:
    stranger = {"REMOTE_ADDR": "192.0.2.7"}
    assert ask(OPEN, "/readyz", **stranger)[::2] == (200, b"not trusted")
    assert ask(OPEN, "/readyz/", **stranger)[0] == 401
    assert ask(OPEN, "/readyz", HTTP_AUTHORIZATION=f"Bearer {TOKEN}", **stranger)[::2] == (
        200,
        b"trusted",
    )
    assert ask(OPEN, "/readyz")[2] == b"trusted"


@pytest.mark.parametrize(
    "header", ["HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP"]
)
def test_whom_a_proxy_on_this_machine_speaks_for_does_not_sit_here(header: str) -> None:
    assert ask(OPEN, "/readyz", **{header: "192.0.2.7"})[2] == b"not trusted"


def test_sitting_here_opens_no_page_that_needs_the_token() -> None:
    assert ask(OPEN)[0] == 401


def test_every_answer_carries_the_headers_that_tie_a_browsers_hands_and_keeps_its_own() -> None:
    for answer in (
        ask(LOCAL),
        ask(OPEN),
        ask(LOCAL, REQUEST_METHOD="POST"),
        ask(LOCAL, HTTP_HOST="evil.example"),
    ):
        missing = {name for name, _ in HEADERS} - answer[1].keys()
        assert missing == set()
    assert ask(LOCAL)[1]["Cache-Control"] == "max-age=60"


def test_a_refused_head_request_has_no_body() -> None:
    assert ask(OPEN, REQUEST_METHOD="HEAD")[::2] == (401, b"")


def session_of(session_id: str, /, *, is_active: bool) -> Principal | None:
    return Principal("jane", Role.APPROVER) if session_id == "known" else None


SIGNED = AccessRules(
    "0.0.0.0:9469", session=session_of, accepts_post=lambda path: path == "/change"
)


def test_a_session_from_elsewhere_without_tls_is_none() -> None:
    cookie = {"HTTP_COOKIE": f"{COOKIE}=known"}
    assert ask(SIGNED, **cookie)[0] == 200
    assert ask(SIGNED, HTTP_X_FORWARDED_PROTO="https", **cookie)[0] == 200
    # As a server that listens on [::] sees a client on this machine.
    assert ask(SIGNED, REMOTE_ADDR="::ffff:127.0.0.1", **cookie)[0] == 200
    assert ask(SIGNED, REMOTE_ADDR="::ffff:192.0.2.7", **cookie)[0] == 401
    assert ask(SIGNED, REMOTE_ADDR="192.0.2.7", **cookie)[0] == 401
    # Anybody can say so.
    assert ask(SIGNED, REMOTE_ADDR="192.0.2.7", HTTP_X_FORWARDED_PROTO="https", **cookie)[0] == 401
    assert ask(SIGNED, HTTP_X_FORWARDED_PROTO="http", **cookie)[0] == 401


def test_nothing_can_be_changed_where_nobody_signs_in() -> None:
    open_to_all = AccessRules("127.0.0.1:9469", accepts_post=lambda _: True)
    sent = {
        "REQUEST_METHOD": "POST",
        "HTTP_ORIGIN": "http://localhost:9469",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
    }
    assert ask(open_to_all, **sent)[0] == 403
    with_token = AccessRules("127.0.0.1:9469", token=lambda: TOKEN, accepts_post=lambda _: True)
    assert ask(with_token, HTTP_AUTHORIZATION=f"Bearer {TOKEN}", **sent)[0] == 403


def test_an_empty_file_of_users_and_an_empty_token_open_nothing() -> None:
    closed = AccessRules("127.0.0.1:9469", token=lambda: "", session=lambda _, is_active: None)
    assert ask(closed)[0] == 401
    assert ask(closed, HTTP_AUTHORIZATION="Bearer ")[0] == 401
    assert ask(closed, HTTP_COOKIE=f"{COOKIE}=")[0] == 401


@pytest.mark.parametrize("path", ["/static", "/staticx", "/sign-in/", "/sign-in/x", "//static/a"])
def test_only_the_form_and_its_style_are_open(path: str) -> None:
    assert ask(SIGNED, path)[0] == 401
    assert ask(SIGNED, "/sign-in")[0] == ask(SIGNED, "/static/console.css")[0] == 200


def test_a_page_that_reloads_itself_keeps_no_session_alive() -> None:
    active: list[bool] = []

    def session(session_id: str, /, *, is_active: bool) -> Principal | None:
        active.append(is_active)
        return Principal("jane")

    rules, cookie = AccessRules("0.0.0.0:9469", session=session), {"HTTP_COOKIE": f"{COOKIE}=known"}
    ask(rules, HTTP_SEC_FETCH_MODE="navigate", HTTP_SEC_FETCH_USER="?1", **cookie)
    ask(rules, HTTP_SEC_FETCH_MODE="navigate", **cookie)
    ask(rules, HTTP_SEC_FETCH_MODE="no-cors", **cookie)
    ask(rules, **cookie)
    assert active == [True, False, True, True]
