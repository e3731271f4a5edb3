"""Decides the answer to a request: credentials, the rate limit, faults, and then the API."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import threading
import time
from dataclasses import dataclass, replace

from sauce_janitor.sandbox.api.routes import RouteMatch, handle
from sauce_janitor.sandbox.core.messages import Effect, SandboxAnswer, SandboxRequest
from sauce_janitor.sandbox.core.people import Person
from sauce_janitor.sandbox.core.request_log import LoggedRequest, RequestLog
from sauce_janitor.sandbox.injected_faults import ArmedFaults, Fault, answer_with
from sauce_janitor.sandbox.throttle import Throttle
from sauce_janitor.sandbox.world.world import World

_TOKEN = re.compile(r"(auth=)[^&]+")


@dataclass(frozen=True, slots=True)
class ServerContext:
    """What all connections share."""

    world: World
    faults: ArmedFaults
    throttle: Throttle
    log: RequestLog
    stopping: threading.Event


def decide_answer(
    context: ServerContext, request: SandboxRequest, match: RouteMatch, at: float
) -> tuple[tuple[Fault, ...], SandboxAnswer]:
    """Return the faults that affect the request, and the answer.

    The rate limit comes first, then the faults, then the API.
    """
    endpoint = match.endpoint.name if match.endpoint is not None else "unknown"
    # A request without valid credentials belongs to nobody, so it uses up nobody's limit.
    budget = (
        context.throttle.ask(request.user.name, endpoint, time.monotonic())
        if request.user is not None
        else None
    )
    # A throttled request reaches no fault, so faults count only requests that the API would have
    # answered.
    if budget is not None and budget.wait_s > 0:
        return (), context.throttle.refusal(budget, at)
    active_faults = context.faults.striking(request, endpoint, match.parts.get("job", ""))
    answer = answer_with(
        active_faults, context.world, request, lambda asked: handle(context.world, asked, match)
    )
    if budget is not None:
        answer = replace(answer, headers={**answer.headers, **context.throttle.headers(budget, at)})
    return active_faults, answer


def log_entry(
    at: float,
    request: SandboxRequest,
    match: RouteMatch,
    answer: SandboxAnswer,
    active_faults: tuple[Fault, ...],
) -> LoggedRequest:
    effect: Effect = answer.effect
    return LoggedRequest(
        at=at,
        method=request.method,
        # A signed link works without credentials, so its token is a secret that no log may keep.
        path=_TOKEN.sub(r"\1…", request.target),
        endpoint=match.endpoint.name if match.endpoint is not None else None,
        user=request.user.name if request.user is not None else None,
        has_credentials="authorization" in request.headers,
        status=None if answer.wire.is_dropped else answer.status,
        size=len(answer.body),
        job_id=match.parts.get("job", effect.job_id),
        jobs_deleted=effect.jobs_deleted,
        stopped=effect.stopped,
        updated=effect.updated,
        destroyed=effect.assets,
        faults=tuple(fault.name for fault in active_faults),
    )


def authenticate(world: World, header: str) -> Person | None:
    """Return the person whose Basic credentials these are; None for missing or wrong ones."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        # A user name has no colon (RFC 7617), so the first one ends it; the key may have more.
        name, _, key = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    person = world.organisation.named(name)
    if person is None or not hmac.compare_digest(person.access_key.encode(), key.encode()):
        return None
    return person
