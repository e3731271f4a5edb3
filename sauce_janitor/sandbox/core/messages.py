"""Requests and answers as values. The server turns an answer into bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from sauce_janitor.sandbox.core.people import Person


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """One request.

    `target` is the request line's path and query, unchanged. `query` has every value of a key.
    `headers` have lower-case names.
    """

    method: str
    target: str
    path: str
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str]
    body: bytes
    user: Person | None
    base_url: str

    def one(self, key: str) -> str | None:
        """Return the first value of a query parameter, or None."""
        values = self.query.get(key)
        return values[0] if values else None

    def flag(self, key: str) -> bool:
        """Return whether the parameter is `true`, `True` or `1`: clients write all three."""
        return (self.one(key) or "").lower() in {"true", "1"}


@dataclass(frozen=True, slots=True)
class DestroyedAsset:
    """A file that a delete destroyed. Its bytes can still be computed, to check a copy of it."""

    job_id: str
    name: str
    size: int
    is_listed: bool
    read: Callable[[], bytes] = field(repr=False)

    def sha256(self) -> str:
        """Return the hash of the destroyed bytes."""
        return sha256(self.read()).hexdigest()


@dataclass(frozen=True, slots=True)
class Effect:
    """What a request changed. `before` has the fields of a stopped job before the change."""

    job_id: str | None = None
    jobs_deleted: int = 0
    stopped: bool = False
    updated: bool = False
    assets: tuple[DestroyedAsset, ...] = ()
    before: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wire:
    """How an answer is sent. Every value except the default is a fault."""

    framing: Literal["auto", "length", "chunked", "close"] = "auto"
    keep_encoded: float | None = None
    """Share of the compressed bytes that is sent, in correct framing."""
    keep_framed: float | None = None
    """Share of the framed bytes that is sent before the connection is cut."""
    bytes_per_second: float | None = None
    wait_s: float = 0
    stall_s: float = 0
    """Silence between the headers and the body."""
    repeat_to: int | None = None
    """The body is repeated up to this many bytes."""
    date_shift_s: float = 0
    is_dropped: bool = False
    """The connection is closed without an answer."""


@dataclass(frozen=True, slots=True)
class SandboxAnswer:
    """One answer. With `compress` it is compressed if the client accepts that."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    compress: bool = True
    effect: Effect = field(default_factory=Effect)
    wire: Wire = field(default_factory=Wire)


def as_json(
    value: object, status: int = 200, *, effect: Effect | None = None, reason: str | None = None
) -> SandboxAnswer:
    """Return a JSON answer."""
    return SandboxAnswer(
        status, json.dumps(value).encode(), effect=effect or Effect(), reason=reason
    )


def not_found() -> SandboxAnswer:
    """Return 404. Source: recorded by sauce_whisk, stopping an unknown job."""
    return as_json({"errors": "Not Found"}, 404)


def forbidden() -> SandboxAnswer:
    """Return 403: the credentials are valid, but not for this."""
    return as_json({"detail": "You do not have permission to perform this action."}, 403)


def bad_request(message: str) -> SandboxAnswer:
    """Return 400: the request cannot be understood."""
    return as_json({"errors": message}, 400)


def not_finished() -> SandboxAnswer:
    """Return 400 with a bare JSON string, and the same text as the reason phrase.

    Source: recorded by sauce_whisk.
    """
    return as_json("Job hasn't finished running", 400, reason="Job hasn't finished running")


def unauthorised() -> SandboxAnswer:
    """Return 401: the credentials are missing or wrong."""
    answer = as_json({"errors": "Not authorized"}, 401)
    return SandboxAnswer(401, answer.body, headers={"WWW-Authenticate": 'Basic realm="Sauce Labs"'})


def unknown_url() -> SandboxAnswer:
    """Return a page with 404. Source: "Getting started with the API", sample of an unknown URL."""
    page = (
        "<!doctype html><html><head><title>Not Found</title></head><body><h1>Not Found</h1>"
        "<p>The requested resource was not found on this server.</p></body></html>"
    )
    return SandboxAnswer(404, page.encode(), "text/html; charset=utf-8")
