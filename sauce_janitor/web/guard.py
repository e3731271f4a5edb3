"""Access control of the pages: a WSGI application around another one that only reads.

It allows GET and HEAD only. It refuses host names under which a foreign web page could have been
served (DNS rebinding). Paths that are not open need the token. Every answer has the headers that
keep a browser from doing anything with it but show it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TRUSTED: Final = "sauce_janitor.trusted"
"""Key of the WSGI environment: True for a client that gave the token or is on this machine."""

POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
HEADERS: Final = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Cache-Control", "no-store"),
)
"""Set on every answer, except where it has the same header already."""

_FORWARDED: Final = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_VIA")


@dataclass(frozen=True, slots=True)
class AccessRules:
    """Who may see the pages.

    `listen` is HOST:PORT as configured. `hosts` are further names in the `Host` header that are
    accepted. `token` returns the token that all but `open_paths` need; None means that no path
    needs one. With `local_is_trusted`, a client on this machine that does not come through a proxy
    sees on open paths what the token would show.
    """

    listen: str
    hosts: frozenset[str] = frozenset()
    token: Callable[[], str] | None = None
    open_paths: frozenset[str] = frozenset()
    local_is_trusted: bool = True

    def answers_to(self, host: str) -> bool:
        """Return whether a request with this `Host` is accepted.

        A foreign page can reach this server only under a name of its own that resolves to our
        address (DNS rebinding). So an address is always accepted, and, unless we listen on loopback
        only, so is a name of one label, as containers and pods use for each other.
        """
        name = _name(host)
        ours = {"localhost", _name(self.listen), *(known.lower() for known in self.hosts)}
        if name in ours or _address(name) is not None:
            return True
        return bool(name) and "." not in name and not is_local(_name(self.listen))

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


class Guard:
    """A WSGI application that checks each request before it passes it to another one."""

    def __init__(self, app: WSGIApplication, rules: AccessRules) -> None:
        self._app, self._rules = app, rules

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start = _with_headers(start_response)
        refusal = self._refusal(environ)
        if refusal is None:
            return self._app(environ, start)
        status, sentence, more = refusal
        body = f"{sentence}\n".encode()
        sizes = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        start(status, [*sizes, *more])
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]

    def _refusal(self, environ: WSGIEnvironment) -> tuple[str, str, list[tuple[str, str]]] | None:
        if environ.get("REQUEST_METHOD") not in {"GET", "HEAD"}:
            return (
                "405 Method Not Allowed",
                "These pages are read-only: use GET or HEAD.",
                [("Allow", "GET, HEAD")],
            )
        host = environ.get("HTTP_HOST")
        # A browser always sends Host. A client that does not is no browser, so DNS rebinding cannot
        # be its purpose.
        if host is not None and not self._rules.answers_to(host):
            return (
                "421 Misdirected Request",
                "This host name is not accepted: add it to web.hosts in the configuration.",
                [],
            )
        known = self._rules.knows(environ.get("HTTP_AUTHORIZATION", ""))
        environ[TRUSTED] = (
            known
            or self._rules.token is None
            or (self._rules.local_is_trusted and _from_here(environ))
        )
        if self._rules.token is None or known or environ.get("PATH_INFO") in self._rules.open_paths:
            return None
        realm = 'realm="sauce-janitor", charset="UTF-8"'
        schemes = [("WWW-Authenticate", f"{scheme} {realm}") for scheme in ("Basic", "Bearer")]
        return (
            "401 Unauthorized",
            "The token is missing: send Authorization: Bearer TOKEN, or the token as the password.",
            schemes,
        )


def is_local(host: str) -> bool:
    """Return whether the host, without a port, can only be this machine."""
    address = _address(host.lower())
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def _name(host: str) -> str:
    """Return the host of HOST or HOST:PORT in lower case, without brackets and final dot."""
    text = host.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    name, colon, port = text.rpartition(":")
    # An IPv6 address without brackets has colons, but no port.
    return (name if colon and port.isdecimal() and ":" not in name else text).removesuffix(".")


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _from_here(environ: WSGIEnvironment) -> bool:
    """Return whether the client is on this machine, and no proxy sends requests for others."""
    return is_local(str(environ.get("REMOTE_ADDR", ""))) and not any(
        name in environ for name in _FORWARDED
    )


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
