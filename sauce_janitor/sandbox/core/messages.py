"""Requests as the sandbox reads them and answers as it means them; the server turns answers into
bytes on a wire.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from sauce_janitor.sandbox.core.people import Person


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """One request. `target` is the request line's path and query as they came; `query` has every
    value of a key; `headers` are by lower-case name.
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
        """The first value of a query parameter."""
        values = self.query.get(key)
        return values[0] if values else None

    def flag(self, key: str) -> bool:
        """True for `true`, `True` and `1`: clients write all three."""
        return (self.one(key) or "").lower() in {"true", "1"}


@dataclass(frozen=True, slots=True)
class DestroyedAsset:
    """A file that a delete destroyed. Its bytes can still be computed, to judge whether a copy of
    it is true.
    """

    job_id: str
    name: str
    size: int
    is_listed: bool
    read: Callable[[], bytes] = field(repr=False)

    def sha256(self) -> str:
        """The hash of the bytes that are gone."""
        return sha256(self.read()).hexdigest()


@dataclass(frozen=True, slots=True)
class Effect:
    """What a request did to the world. `before`: the edited fields of a stopped job, as they were
    before.
    """

    job_id: str | None = None
    jobs_deleted: int = 0
    stopped: bool = False
    updated: bool = False
    assets: tuple[DestroyedAsset, ...] = ()
    before: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wire:
    """How an answer travels; everything but the defaults is a fault."""

    framing: Literal["auto", "length", "chunked", "close"] = "auto"
    keep_encoded: float | None = None
    """Share of the compressed bytes that is sent, with honest framing around them."""
    keep_framed: float | None = None
    """Share of the framed bytes that is sent before the connection is cut."""
    bytes_per_second: float | None = None
    wait_s: float = 0
    stall_s: float = 0
    """Silence between the headers and the body."""
    repeat_to: int | None = None
    """The body is sent again and again until it has this many bytes."""
    date_shift_s: float = 0
    is_dropped: bool = False
    """The connection is closed without a byte."""


@dataclass(frozen=True, slots=True)
class SandboxAnswer:
    """One answer. `compress` says that it may travel compressed if the client accepts that."""

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
    """A JSON answer."""
    return SandboxAnswer(
        status, json.dumps(value).encode(), effect=effect or Effect(), reason=reason
    )


def not_found() -> SandboxAnswer:
    """Source: recorded by sauce_whisk, stopping an unknown job."""
    return as_json({"errors": "Not Found"}, 404)


def forbidden() -> SandboxAnswer:
    """Known credentials, but not for this."""
    return as_json({"detail": "You do not have permission to perform this action."}, 403)


def bad_request(message: str) -> SandboxAnswer:
    """A request that cannot be understood."""
    return as_json({"errors": message}, 400)


def not_finished() -> SandboxAnswer:
    """Source: recorded by sauce_whisk; a bare JSON string, and the same words as the reason
    phrase.
    """
    return as_json("Job hasn't finished running", 400, reason="Job hasn't finished running")


def unauthorised() -> SandboxAnswer:
    """No credentials, or wrong ones."""
    answer = as_json({"errors": "Not authorized"}, 401)
    return SandboxAnswer(401, answer.body, headers={"WWW-Authenticate": 'Basic realm="Sauce Labs"'})


def unknown_url() -> SandboxAnswer:
    """Source: "Getting started with the API", sample of an unknown URL."""
    page = (
        "<!doctype html><html><head><title>Not Found</title></head><body><h1>Not Found</h1>"
        "<p>The requested resource was not found on this server.</p></body></html>"
    )
    return SandboxAnswer(404, page.encode(), "text/html; charset=utf-8")
