"""Faults of effects: refusals, lost answers, writes without effect, and late changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from sauce_janitor.sandbox.api.routes import find
from sauce_janitor.sandbox.core.messages import Effect, SandboxAnswer
from sauce_janitor.sandbox.faults.decorators import FaultContext, after, before
from sauce_janitor.sandbox.world.world import JobRef


@before(status=int, body=str, retry_after=(str, int))
def status(context: FaultContext) -> SandboxAnswer:
    """Answer with `status` (default 503) and do nothing.

    It can be a 404 for a job that exists, or a 204 without effect.
    """
    code = int(context.number("status", 503))
    headers = (
        {"Retry-After": context.text("retry_after", "")}
        if "retry_after" in context.settings
        else {}
    )
    body = context.text(
        "body", "" if code in {204, 304} else json.dumps({"errors": f"injected {code}"})
    )
    return SandboxAnswer(code, body.encode(), headers=headers)


@after(above=int, status=int)
def strained(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Answer 504 (or `status`) to a request for more than `above` rows (default 200)."""
    asked = context.request.one("limit") or "100"
    # 100 rows is the API's default. A gateway that times out on large pages answers small ones.
    if not asked.isdecimal() or int(asked) <= context.number("above", 200):
        return answer
    return SandboxAnswer(
        int(context.number("status", 504)), b"<html><h1>Gateway Time-out</h1></html>", "text/html"
    )


@before(status=int, body=str)
def html(context: FaultContext) -> SandboxAnswer:
    """Return a maintenance page, by default with status 200."""
    page = context.text(
        "body",
        "<!doctype html><html><body><h1>Sauce Labs is down for maintenance</h1></body></html>",
    )
    return SandboxAnswer(
        int(context.number("status", 200)), page.encode(), "text/html; charset=utf-8"
    )


@before(to=str, status=int)
def redirect(context: FaultContext) -> SandboxAnswer:
    """Redirect (default 302) to `to`, by default the same path on a host that does not exist."""
    target = context.text("to", f"http://elsewhere.invalid{context.request.target}")
    return SandboxAnswer(
        int(context.number("status", 302)), headers={"Location": target}, content_type="text/html"
    )


@before(to=str, status=int)
def redirect_to_another_job(context: FaultContext) -> SandboxAnswer:
    """Redirect (default 302) to the same path of another job: `to`, or else the owner's newest."""
    job, target = _job(context), context.request.target
    if job is not None:
        # A job of the same owner: nothing but the id tells the client that the answer is another
        # job's.
        newest = job.ledger.gone.newest_first(0, job.ledger.count, 0)
        others = (context.world.ref(job.person, index).id for index in newest if index != job.index)
        target = target.replace(job.id, context.text("to", next(others, job.id)))
    return SandboxAnswer(
        int(context.number("status", 302)), headers={"Location": target}, content_type="text/html"
    )


@before()
def disconnect(_: FaultContext) -> SandboxAnswer:
    """Close the connection without an answer, and do nothing."""
    answer = SandboxAnswer(500)
    return replace(answer, wire=replace(answer.wire, is_dropped=True))


@after(status=int, body=str)
def done_but_status(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Carry the request out, but answer 500 (or `status`)."""
    body = context.text("body", json.dumps({"errors": "Internal Server Error"}))
    return replace(
        answer,
        status=int(context.number("status", 500)),
        body=body.encode(),
        content_type="application/json",
    )


@after()
def done_but_disconnected(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Carry the request out, but close the connection without an answer."""
    return replace(answer, wire=replace(answer.wire, is_dropped=True))


@after()
def without_effect(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Answer as if a delete or a stop had worked, but undo it."""
    job = _job(context)
    if job is None:
        return answer
    with context.world.lock:
        # Jobs first: the effect of a deleted job also lists its assets.
        if answer.effect.jobs_deleted:
            job.ledger.gone.discard(job.index)
        elif answer.effect.assets:
            job.ledger.stripped.discard(job.index)
        elif answer.effect.stopped:
            job.ledger.patches[job.index] = dict(answer.effect.before)
    # The log must not count an effect that was undone.
    return replace(answer, effect=Effect(job.id))


@after(name=str, text=str)
def late_asset(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Add an asset (default `late.log`) to the job right after this answer."""
    job = _job(context)
    if job is not None:
        with context.world.lock:
            uploads = job.ledger.uploads.setdefault(job.index, {})
            uploads[context.text("name", "late.log")] = context.text("text", "too late\n").encode()
    return answer


@after(set=dict)
def late_edit(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Change the job's document right after this answer: by default, tag it `keep`."""
    job, fields = _job(context), context.settings.get("set", {"tags": ["keep"]})
    assert isinstance(fields, Mapping)
    if job is not None:
        with context.world.lock:
            job.ledger.patch(job.index, dict(fields))
    return answer


def _job(context: FaultContext) -> JobRef | None:
    job_id = find(context.request.method, context.request.path).parts.get("job")
    # Also a job that this very request has deleted, so that the delete can be undone.
    return None if job_id is None else context.world.job(job_id, even_deleted=True)
