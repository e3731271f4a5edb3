"""Parses an answer's text: strict JSON, the many shapes of an error, Retry-After and Date."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, NoReturn

from sauce_janitor.errors import AnswerError
from sauce_janitor.sauce.http.redact import redact_text

_LONGEST_EXCERPT: Final = 200
_DECLARED_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)


def load_json(
    data: bytes, *, what: str, content_type: str = "", secrets: Iterable[str] = ()
) -> object:
    """Parse a JSON text.

    Raises AnswerError for HTML, another charset, NaN, a duplicate key, trailing text and deep
    nesting. `secrets` are literal texts (our own credential) that are removed before anything is
    parsed.
    """
    if looks_like_html(data, content_type):
        raise AnswerError(
            f"{what} is an HTML page instead of JSON: is the address right, or is a proxy or a "
            "maintenance page in between?"
        )
    text = _decode(data, content_type, what)
    for secret in secrets:
        # Before parsing, so that no error message of the parser can quote it.
        text = text.replace(secret, "[removed]")
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise AnswerError(f"{what} is JSON nested too deeply") from None
    except ValueError as error:
        if not text.strip():
            raise AnswerError(f"{what} is empty, JSON was expected") from None
        raise AnswerError(f"{what} is not JSON: {error!s:.120}") from None


def looks_like_html(data: bytes, content_type: str) -> bool:
    """Tell whether it is a page for people."""
    return "html" in content_type.lower() or data[:200].lstrip().startswith(b"<")


def error_text(data: bytes) -> str:
    """Return what the body of an error says, as one short printable line; "" when it is not
    readable.

    Source: recorded answers; a string, an object with errors, detail, message or field names, an
    array, an HTML page.
    """
    text = data.decode("utf-8", errors="replace")
    if looks_like_html(data, ""):
        # The heading of a gateway's page says what is wrong; the rest of it is markup.
        heading = re.search(r"<(h1|title)[^>]{0,200}>([^<]{1,200})", text, re.IGNORECASE)
        text = heading[2] if heading else "an HTML page"
    else:
        with contextlib.suppress(ValueError, RecursionError):
            text = "; ".join(_messages(json.loads(text)))
    line = " ".join(
        "".join(letter if letter.isprintable() else " " for letter in text[:2000]).split()
    )
    return redact_text(line)[:_LONGEST_EXCERPT]


def retry_after_s(value: str | None, *, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for; None when it cannot be read.

    It has seconds or an HTTP date. `now` is epoch seconds UTC, best by the same server's Date
    header.
    """
    if value is None:
        return None
    value = value.strip()
    try:
        seconds = float(value)
    except ValueError:
        moment = epoch_of_date(value)
        return None if moment is None else max(0.0, moment - now)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def epoch_of_date(value: str | None) -> float | None:
    """Return epoch seconds of an HTTP date (Date, Retry-After); None when it is absent or
    unreadable.
    """
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, IndexError):
        return None


def _decode(data: bytes, content_type: str, what: str) -> str:
    charset = _DECLARED_CHARSET.search(content_type)
    # RFC 8259 asks for UTF-8; another charset would change names.
    if charset and charset[1].lower() not in {"utf-8", "utf8", "us-ascii", "ascii"}:
        raise AnswerError(f"{what} is in the charset {charset[1]:.20}, JSON must be UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AnswerError(f"{what} is not UTF-8 text (byte {error.start})") from None


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    # With two values for one key, nobody knows which one is meant.
    if len(value) != len(pairs):
        raise ValueError("the same key twice in one object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number too large to hold")
    return value


def _messages(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        texts: list[str] = []
        for one in value[:5]:
            texts += _messages(one)
        return texts
    if isinstance(value, dict):
        for key in ("errors", "detail", "message", "msg", "error", "non_field_errors"):
            if value.get(key):
                return _messages(value[key])
        named: list[str] = []
        for key, one in list(value.items())[:5]:
            named += [f"{key}: {text}" for text in _messages(one)]
        return named
    return []
