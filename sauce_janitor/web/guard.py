"""Who may look at our pages: a wall around a WSGI application that only reads.

It answers GET and HEAD only; it answers no name that a foreign web page could have been served
under (DNS rebinding); what is not open needs the token; and every answer carries the headers that
keep a browser from doing more with it than show it.
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
"""Key of the WSGI environment: True for who showed the token, or sits at this very machine."""

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
"""Set on every answer that does not say otherwise itself."""

_FORWARDED: Final = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_VIA")


@dataclass(frozen=True, slots=True)
class AccessRules:
    """Who is let in.

    `listen` is HOST:PORT as configured; `hosts` are further names that clients may call us by;
    `token` gives what opens what is not in `open_paths` (None: nobody needs one);
    `local_is_trusted`: who connects from this machine, not through a proxy, may see what the token
    shows on open paths.
    """

    listen: str
    hosts: frozenset[str] = frozenset()
    token: Callable[[], str] | None = None
    open_paths: frozenset[str] = frozenset()
    local_is_trusted: bool = True

    def answers_to(self, host: str) -> bool:
        """Whether a request may call us by this `Host`.

        A foreign page can only reach us under a name of its own, resolved to our address: so an
        address is always good, and so is a name of one label where we listen for others, as
        containers and pods call each other.
        """
        name = _name(host)
        ours = {"localhost", _name(self.listen), *(known.lower() for known in self.hosts)}
        if name in ours or _address(name) is not None:
            return True
        return bool(name) and "." not in name and not is_local(_name(self.listen))

    def knows(self, authorization: str) -> bool:
        """Whether the header shows the token: `Bearer TOKEN`, or `Basic` with any user and the
        token as the password.
        """
        if self.token is None:
            return False
        shown, expected = _shown(authorization), self.token().encode()
        # of their digests: how long a token is takes no time either
        return hmac.compare_digest(
            hashlib.sha256(shown).digest(), hashlib.sha256(expected).digest()
        ) and bool(expected)


class Guard:
    """The wall: a WSGI application around another one."""

    def __init__(self, within: WSGIApplication, door: AccessRules) -> None:
        self._within, self._door = within, door

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start = _with_headers(start_response)
        refused = self._refusal(environ)
        if refused is None:
            return self._within(environ, start)
        status, sentence, more = refused
        body = f"{sentence}\n".encode()
        sizes = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        start(status, [*sizes, *more])
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]

    def _refusal(self, environ: WSGIEnvironment) -> tuple[str, str, list[tuple[str, str]]] | None:
        if environ.get("REQUEST_METHOD") not in {"GET", "HEAD"}:
            return (
                "405 Method Not Allowed",
                "Nothing can be changed here: GET and HEAD only.",
                [("Allow", "GET, HEAD")],
            )
        host = environ.get("HTTP_HOST")
        if host is not None and not self._door.answers_to(host):  # a browser always says it
            return (
                "421 Misdirected Request",
                "Not known by this name: web.hosts in the configuration lists more.",
                [],
            )
        known = self._door.knows(environ.get("HTTP_AUTHORIZATION", ""))
        environ[TRUSTED] = (
            known
            or self._door.token is None
            or (self._door.local_is_trusted and _from_here(environ))
        )
        if self._door.token is None or known or environ.get("PATH_INFO") in self._door.open_paths:
            return None
        realm = 'realm="sauce-janitor", charset="UTF-8"'
        asks = [("WWW-Authenticate", f"{scheme} {realm}") for scheme in ("Basic", "Bearer")]
        return (
            "401 Unauthorized",
            "Show the token: Authorization: Bearer TOKEN, or the token as the password.",
            asks,
        )


def is_local(host: str) -> bool:
    """Whether the host, without a port, can only be this machine."""
    address = _address(host.lower())
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def _name(host: str) -> str:
    """The host of HOST or HOST:PORT, in lower case, without brackets and without the root's dot."""
    text = host.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    name, colon, port = text.rpartition(":")
    return (name if colon and port.isdecimal() and ":" not in name else text).removesuffix(".")


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _from_here(environ: WSGIEnvironment) -> bool:
    """Whether the client sits at this machine: not one whom a proxy on this machine speaks for."""
    return is_local(str(environ.get("REMOTE_ADDR", ""))) and not any(
        name in environ for name in _FORWARDED
    )


def _shown(authorization: str) -> bytes:
    """The token that the header shows; empty where there is none."""
    scheme, _, text = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return text.strip().encode("latin-1", "replace")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(text.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


def _with_headers(start_response: StartResponse) -> StartResponse:
    def start(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        said = {name.lower() for name, _ in headers}
        return start_response(
            status, [*headers, *(each for each in HEADERS if each[0].lower() not in said)], exc_info
        )

    return start
