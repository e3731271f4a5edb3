"""Removes secrets from what the vendor sent, before anything stores or shows it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from sauce_janitor.errors import AnswerError

REMOVED: Final = "[removed]"
_DEEPEST: Final = 64
# Longer names are not cached: jobs share their keys, and a hostile name must not fill the memory.
_LONGEST_REMEMBERED: Final = 64

_SECRET_PARTS = (
    "accesskey",
    "apikey",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "privatekey",
    "authoriz",
    "credential",
)
_SECRET_ENDS = ("token", "signature", "hmac", "cookie")
_SECRET_NAMES = frozenset({"auth", "sig", "pwd", "jwt", "bearer"})
_NOT_ALNUM = re.compile(r"[^a-z0-9]+")

_IN_TEXT = re.compile(r"[?&;=:@]")
_SIGNED_QUERY = re.compile(
    r"([?&;](?:auth|authorization|access_?key|api_?key|key|sig|signature|hmac|token|secret|password"
    r"|[\w-]*token|x-amz-[\w-]+|x-goog-[\w-]+)=)[^&#\s\"'<>]+",
    re.IGNORECASE,
)
_USER_IN_URL = re.compile(r"(://)[^/\s@\"'<>]+@")
_KEY_IN_TEXT = re.compile(
    r"((?:access|api|private)[_-]?key|video_secret|password)(\"?\s*[:=]\s*\"?)[^\s\"',;&}]+",
    re.IGNORECASE,
)


def redact(document: object) -> object:
    """Return the document with each secret in it replaced by `[removed]`, at any depth.

    Secrets are values of keys with a secret's name, and parts of texts. Null stays null. Text that
    no file could hold (half surrogate pairs) is made valid. Raises AnswerError when nested deeper
    than 64.
    """
    return _redact(document, 0)


def redact_mapping(document: Mapping[str, object]) -> dict[str, object]:
    """Return `redact` of a JSON object."""
    cleaned = _redact(document, 0)
    assert isinstance(cleaned, dict)
    return cleaned


def redact_text(text: str) -> str:
    """Return the text without the secret part of signed URLs, credentials in URLs, and
    `access_key=…`.
    """
    if not text.isascii():
        text = text.encode("utf-8", errors="replace").decode("utf-8")
    # Most texts have none of these characters, and three searches of each would be slow.
    if _IN_TEXT.search(text) is None:
        return text
    text = _SIGNED_QUERY.sub(rf"\1{REMOVED}", text)
    text = _USER_IN_URL.sub(rf"\1{REMOVED}@", text)
    return _KEY_IN_TEXT.sub(rf"\1\2{REMOVED}", text)


def is_secret_name(name: str) -> bool:
    """Tell whether a key's value is a credential by the key's name.

    Any spelling counts: accessKey, sauce:access-key, video_secret.
    """
    return _is_secret(name) if len(name) <= _LONGEST_REMEMBERED else _is_secret.__wrapped__(name)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    plain = _NOT_ALNUM.sub("", name.lower())
    last = re.split(r"[^a-z0-9]+", name.lower())[-1]
    return (
        any(part in plain for part in _SECRET_PARTS)
        or plain.endswith(_SECRET_ENDS)
        or plain in _SECRET_NAMES
        or last in _SECRET_NAMES
    )


def _redact(value: object, depth: int) -> object:
    if depth > _DEEPEST:
        raise AnswerError("a document of Sauce Labs is nested too deeply to be kept")
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {
            # A null tells that there is no credential, which is worth keeping.
            redact_text(key): REMOVED
            if one is not None and is_secret_name(key)
            else _redact(one, depth + 1)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_redact(one, depth + 1) for one in value]
    return value
