"""What a browser sends of a session: its cookie, and forms with a proof that a page of ours made
them.
"""

from __future__ import annotations

import hashlib
import hmac
import io
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

COOKIE: Final = "__Host-sauce_janitor"
"""Browsers take a cookie of this name only from the host itself, over TLS or from localhost."""
LARGEST_FORM_BYTES: Final = 8 * 1024
LARGEST_TEXT_FORM_BYTES: Final = 256 * 1024
"""Of a form with a text of many lines, on the paths that have one."""
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 50


def session_id_of(environ: WSGIEnvironment) -> str:
    """Return the session id of the cookie, empty if there is none, or more than one."""
    pairs = str(environ.get("HTTP_COOKIE", "")).split(";")
    # Other servers on this host set cookies, too: what one of them wrote must not hide ours.
    named = [pair.strip().partition("=") for pair in pairs]
    found = [value for name, _, value in named if name == COOKIE]
    return found[0] if len(found) == 1 else ""


def is_automatic(environ: WSGIEnvironment) -> bool:
    """Return whether the browser loads a page by itself, as a page that reloads every minute does:
    it would keep the session of somebody who has left.
    """
    mode, user = environ.get("HTTP_SEC_FETCH_MODE"), environ.get("HTTP_SEC_FETCH_USER")
    return mode == "navigate" and user != "?1"


def csrf_of(session_id: str) -> str:
    """Return what a form of this session has to have: only its own pages know it."""
    return hmac.new(session_id.encode(), b"csrf", hashlib.sha256).hexdigest()


def is_same_origin(environ: WSGIEnvironment) -> bool:
    """Return whether the browser says that a page of this server has sent the form.

    A client that says nothing is no browser, or too old to be safe.
    """
    site, origin = environ.get("HTTP_SEC_FETCH_SITE"), environ.get("HTTP_ORIGIN")
    if site is None and origin is None:
        return False
    if site not in {None, "same-origin"}:
        return False
    host = str(environ.get("HTTP_HOST", "")).lower()
    try:
        return origin is None or (bool(host) and urlsplit(origin).netloc.lower() == host)
    # No browser sends `http://[`.
    except ValueError:
        return False


def csrf_sent(environ: WSGIEnvironment, largest_bytes: int = LARGEST_FORM_BYTES) -> str | None:
    """Return the `csrf` of the form, empty if it has none; None if it is no form, or too large.

    The application can read the form again.
    """
    kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    length = str(environ.get("CONTENT_LENGTH") or "0")
    if kind != _FORM_TYPE or not length.isdecimal() or int(length) > largest_bytes:
        return None
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    found = fields.get("csrf", [""])
    return found[0] if len(found) == 1 else ""
