"""Signing in and out: the form, and the cookie that a session has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from sauce_janitor.errors import StateError
from sauce_janitor.model.roles import Principal
from sauce_janitor.web.access.sent_forms import COOKIE, session_id_of
from sauce_janitor.web.console import Section
from sauce_janitor.web.guard import LOCAL, SIGN_IN

SIGN_OUT: Final = "/sign-out"
_NEEDS_TLS: Final = (
    "Signing in needs TLS: put a proxy with a certificate on this machine, in front of these pages."
)
_NEXT: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,1000}")
_LONGEST: Final = 600


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has begun: its id, which only the browser knows, and how long it lasts."""

    session_id: str
    lasts_s: int


class SignInRefused(Exception):  # noqa: N818 - a result, which the page shows
    """Nobody was signed in. The text is for the page, `why` for the log."""

    def __init__(self, sentence: str, why: str, *, status: int = 403) -> None:
        super().__init__(sentence)
        self.why, self.status = why, status


class SignInSource(Protocol):
    """Checks passwords and keeps sessions. Every method may raise StateError."""

    def find(self, session_id: str, /) -> Principal | None:
        """Return who has this session; None where it is none, or over."""

    def sign_in(self, name: str, password: str, address: str, /) -> SignedIn:
        """Begin a session of the user. Raise SignInRefused. `address` is the client's."""

    def sign_out(self, session_id: str, /) -> None:
        """End the session, if it is one."""


def sign_in_section(source: SignInSource) -> Section:
    """Return the pages to sign in and out."""
    pages = Blueprint("sign_in", __name__)

    @pages.get(SIGN_IN)
    def form() -> Response | tuple[str, int]:
        if not request.environ.get(LOCAL):
            return _page("", message=_NEEDS_TLS, can_sign_in=False), 403
        return make_response(_page(request.args.get("next", "")))

    @pages.post(SIGN_IN)
    def sign_in() -> Response | tuple[str, int]:
        # A password that was sent without TLS would be known to others: it is not even looked at.
        if not request.environ.get(LOCAL):
            return _page("", message=_NEEDS_TLS, can_sign_in=False), 403
        name, password = request.form.get("name", "")[:_LONGEST], request.form.get("password", "")
        wanted = request.form.get("next", "")
        try:
            found = source.sign_in(name, password[:_LONGEST], _client())
            # Whoever signs in again leaves no session behind.
            source.sign_out(session_id_of(request.environ))
        except SignInRefused as refused:
            return _page(wanted, message=str(refused), name=name), refused.status
        except StateError:
            return _page(wanted, message="Nobody can sign in now: the state is not there."), 503
        answer = redirect(local_path(wanted), 303)
        answer.set_cookie(
            COOKIE,
            found.session_id,
            max_age=found.lasts_s,
            path="/",
            secure=True,
            httponly=True,
            samesite="Lax",
        )
        return answer

    @pages.post(SIGN_OUT)
    def sign_out() -> Response:
        source.sign_out(session_id_of(request.environ))
        answer = redirect(url_for("sign_in.form"), 303)
        answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
        # Pages that the browser keeps for its back button, too.
        answer.headers["Clear-Site-Data"] = '"cache"'
        return answer

    return Section(pages, "sign_in.form")


def local_path(text: str) -> str:
    """Return the text if it is a path of this server, with its query; else the first page.

    Anything else could lead a user from our form to a foreign page.
    """
    if not _NEXT.fullmatch(text):
        return "/"
    parts = urlsplit(text)
    is_ours = not parts.scheme and not parts.netloc and not text.startswith((SIGN_IN, SIGN_OUT))
    return text if is_ours else "/"


def _page(wanted: str, *, message: str = "", name: str = "", can_sign_in: bool = True) -> str:
    return render_template(
        "sign_in/form.html",
        wanted=local_path(wanted),
        message=message,
        name=name,
        can_sign_in=can_sign_in,
    )


def _client() -> str:
    """Return the client's address: behind a proxy on this machine, what that says last.

    It only separates clients that fail to sign in.
    """
    said = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return said[:64] or (request.remote_addr or "")
