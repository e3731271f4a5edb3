"""Access control of the pages: a WSGI application around another one.

It refuses host names under which a foreign web page could have been served (DNS rebinding). Paths
that are not open need the token or a session. Only a session may POST, from a page of ours, to the
paths that the application declares. Every answer has the headers that keep a browser from doing
anything with it but show it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

import structlog

from sauce_janitor.errors import JanitorError
from sauce_janitor.model.roles import Principal
from sauce_janitor.web.access.client_address import (
    address_of,
    host_of,
    is_from_here,
    is_local,
    is_private,
)
from sauce_janitor.web.access.sent_forms import (
    LARGEST_FORM_BYTES,
    LARGEST_TEXT_FORM_BYTES,
    csrf_of,
    csrf_sent,
    is_automatic,
    is_same_origin,
    session_id_of,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TRUSTED: Final = "sauce_janitor.trusted"
"""Key of the WSGI environment: True for a client that is known or is on this machine."""
PRINCIPAL: Final = "sauce_janitor.principal"
"""Key of the WSGI environment: the `Principal` that sends the request; None on open paths."""
CSRF: Final = "sauce_janitor.csrf"
"""Key of the WSGI environment: what a form of this session has as `csrf`; None without one."""
LOCAL: Final = "sauce_janitor.local"
"""Key of the WSGI environment: True for a client on this machine, or behind a proxy with TLS
there.
"""
SIGN_IN: Final = "/sign-in"

POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
HEADERS: Final = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # Not `no-referrer`: a browser would then not say from where a form was sent.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Cache-Control", "no-store"),
)
"""Set on every answer, except where it has the same header already."""

_STATIC: Final = "/static/"


class FindSession(Protocol):
    """Says who has a session."""

    def __call__(self, session_id: str, /, *, is_active: bool) -> Principal | None:
        """Return who has the session with this id; None where it is none, or over. Without
        `is_active`, nobody is there, and the session becomes idle. May raise JanitorError.
        """


@dataclass(frozen=True, slots=True)
class AccessRules:
    """Who may see the pages, and who may change something.

    `listen` is HOST:PORT as configured. `hosts` are further names in the `Host` header that are
    accepted. `token` returns the token, `session` who has a session with that id (it may raise
    JanitorError). All but `open_paths` need one of them; if both are None, no path needs one. With
    `local_is_trusted`, a client on this machine that does not come through a proxy sees on open
    paths what the token would show. `accepts_post` returns whether a path takes a form.
    Only on `text_paths` may a form be large.
    """

    listen: str
    hosts: frozenset[str] = frozenset()
    token: Callable[[], str] | None = None
    open_paths: frozenset[str] = frozenset()
    local_is_trusted: bool = True
    session: FindSession | None = None
    accepts_post: Callable[[str], bool] = field(default=lambda _path: False)
    text_paths: frozenset[str] = frozenset()

    @property
    def is_closed(self) -> bool:
        """Whether the pages ask who is there."""
        return self.token is not None or self.session is not None

    def answers_to(self, host: str) -> bool:
        """Return whether a request with this `Host` is accepted.

        A foreign page can reach this server only under a name of its own that resolves to our
        address (DNS rebinding). So an address is always accepted, and, unless we listen on loopback
        only, so is a name of one label, as containers and pods use for each other.
        """
        name = host_of(host)
        ours = {"localhost", host_of(self.listen), *(known.lower() for known in self.hosts)}
        if name in ours or address_of(name) is not None:
            return True
        return bool(name) and "." not in name and not is_local(host_of(self.listen))

    def knows(self, authorization: str) -> bool:
        """Return whether the header has the token.

        It is `Bearer TOKEN`, or `Basic` with any user and the token as the password.
        """
        if self.token is None:
            return False
        shown, expected = _token_in(authorization), self.token().encode()
        # Digests are compared, because the time must not reveal the length of the token either.
        is_same = hmac.compare_digest(
            hashlib.sha256(shown).digest(), hashlib.sha256(expected).digest()
        )
        # An empty token, of a file that is just being written, must not admit everybody.
        return is_same and bool(expected)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An answer in place of the application's."""

    status: str
    sentence: str
    headers: tuple[tuple[str, str], ...] = ()


class Guard:
    """A WSGI application that checks each request before it passes it to another one."""

    def __init__(self, app: WSGIApplication, rules: AccessRules) -> None:
        self._app, self._rules = app, rules
        self._log: Any = structlog.get_logger()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start = _with_headers(start_response)
        refusal = self._refusal(environ)
        if refusal is None:
            return self._app(environ, start)
        body = f"{refusal.sentence}\n".encode()
        sizes = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        start(refusal.status, [*sizes, *refusal.headers])
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]

    def _refusal(self, environ: WSGIEnvironment) -> _Refusal | None:
        method, path = environ.get("REQUEST_METHOD"), str(environ.get("PATH_INFO", ""))
        is_post = method == "POST" and self._rules.accepts_post(path)
        if method not in {"GET", "HEAD"} and not is_post:
            return _Refusal(
                "405 Method Not Allowed",
                "This page is read-only: use GET or HEAD.",
                (("Allow", "GET, HEAD"),),
            )
        host = environ.get("HTTP_HOST")
        # A browser always sends Host. A client that does not is no browser, so DNS rebinding cannot
        # be its purpose.
        if host is not None and not self._rules.answers_to(host):
            return _Refusal(
                "421 Misdirected Request",
                "This host name is not accepted: add it to web.hosts in the configuration.",
            )
        environ[LOCAL] = is_private(environ)
        try:
            self._identify(environ, path)
        # Nobody is told why: a stranger may have sent any cookie.
        except JanitorError:
            return _Refusal(
                "503 Service Unavailable",
                "The state is not available, so nobody's session can be checked.",
                (("Retry-After", "10"),),
            )
        if environ[PRINCIPAL] is None and not self._is_open(path):
            return self._unknown(environ, path)
        return self._refused_post(environ, path) if is_post else None

    def _is_open(self, path: str) -> bool:
        # Styles and scripts say nothing, and the form needs them.
        is_of_form = path == SIGN_IN or path.startswith(_STATIC)
        return path in self._rules.open_paths or (self._rules.session is not None and is_of_form)

    def _identify(self, environ: WSGIEnvironment, path: str) -> None:
        """Set who sends the request. Raise JanitorError if that cannot be known now."""
        rules = self._rules
        environ[PRINCIPAL] = environ[CSRF] = None
        if rules.knows(environ.get("HTTP_AUTHORIZATION", "")):
            environ[PRINCIPAL] = Principal("token")
        elif not rules.is_closed:
            environ[PRINCIPAL] = Principal("anonymous")
        # Open paths are answered without the state. A session that comes over plain HTTP from
        # elsewhere is known to others.
        elif rules.session is not None and environ[LOCAL] and not self._is_open(path):
            session_id = session_id_of(environ)
            is_active = not is_automatic(environ)
            found = rules.session(session_id, is_active=is_active) if session_id else None
            environ[PRINCIPAL] = found
            environ[CSRF] = csrf_of(session_id) if environ[PRINCIPAL] else None
        environ[TRUSTED] = environ[PRINCIPAL] is not None or (
            rules.local_is_trusted and is_from_here(environ)
        )

    def _unknown(self, environ: WSGIEnvironment, path: str) -> _Refusal:
        is_browser = "text/html" in environ.get("HTTP_ACCEPT", "")
        # A program gets its answer in a status, not in a form.
        if self._rules.session is not None and is_browser and "HTTP_AUTHORIZATION" not in environ:
            there = SIGN_IN
            if environ.get("REQUEST_METHOD") != "POST":
                asked = f"{path}?{environ.get('QUERY_STRING', '')}".removesuffix("?")
                there = f"{SIGN_IN}?next={quote(asked.encode('latin-1'), safe='/')}"
            return _Refusal("303 See Other", "Sign in first.", (("Location", there),))
        if self._rules.token is None:
            return _Refusal("401 Unauthorized", f"Nobody is signed in: see {SIGN_IN} in a browser.")
        realm = 'realm="sauce-janitor", charset="UTF-8"'
        # `Basic` makes a browser ask for a password in a window of its own.
        schemes = ("Bearer",) if self._rules.session else ("Basic", "Bearer")
        return _Refusal(
            "401 Unauthorized",
            "The token is missing: send Authorization: Bearer TOKEN, or the token as the password.",
            tuple(("WWW-Authenticate", f"{scheme} {realm}") for scheme in schemes),
        )

    def _refused_post(self, environ: WSGIEnvironment, path: str) -> _Refusal | None:
        who = environ[PRINCIPAL]
        # Nobody is signed in yet; that the form is ours is checked nevertheless.
        needs_session = path != SIGN_IN
        has_text = path in self._rules.text_paths
        largest_bytes = LARGEST_TEXT_FORM_BYTES if has_text else LARGEST_FORM_BYTES
        if needs_session and environ[CSRF] is None:
            why, sentence = "no session", "Changes need a session: sign in. See web.auth.users."
        elif not is_same_origin(environ):
            why, sentence = "another origin", "The form was not sent from a page of this server."
        elif (sent := csrf_sent(environ, largest_bytes)) is None:
            why, sentence = "not a form", "Only a form of a page of this server can be sent."
        elif needs_session and not hmac.compare_digest(sent.encode(), environ[CSRF].encode()):
            why, sentence = "wrong csrf", "The page is too old: reload it, and send the form again."
        else:
            return None
        self._log.warning("web.change_refused", user=who and who.name, path=path, why=why)
        return _Refusal("403 Forbidden", sentence)


def _token_in(authorization: str) -> bytes:
    """Return the token of the header, empty if there is none."""
    scheme, _, text = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return text.strip().encode("latin-1", "replace")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(text.strip(), validate=True).partition(b":")[2]
    # What is not base64 has no token: the answer is 401, not an error.
    except (binascii.Error, ValueError):
        return b""


def _with_headers(start_response: StartResponse) -> StartResponse:
    def start(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        names = {name.lower() for name, _ in headers}
        more = [header for header in HEADERS if header[0].lower() not in names]
        return start_response(status, [*headers, *more], exc_info)

    return start
