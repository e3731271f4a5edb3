"""Faults between what is answered and what is done: refusals, lost answers, effects that are not,
changes just after.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from sauce_janitor.sandbox.api.routes import find
from sauce_janitor.sandbox.core.messages import Effect, SandboxAnswer
from sauce_janitor.sandbox.faults.fault import FaultContext, after, before
from sauce_janitor.sandbox.world.world import JobRef


@before(status=int, body=str, retry_after=(str, int))
def status(scene: FaultContext) -> SandboxAnswer:
    """This status (default 503) and nothing done: also a 404 for a job that lives, or a 204 without
    effect.
    """
    code = int(scene.number("status", 503))
    headers = (
        {"Retry-After": scene.text("retry_after", "")} if "retry_after" in scene.settings else {}
    )
    body = scene.text(
        "body", "" if code in {204, 304} else json.dumps({"errors": f"injected {code}"})
    )
    return SandboxAnswer(code, body.encode(), headers=headers)


@after(above=int, status=int)
def strained(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """A list of more than `above` rows (default 200) is too much for the gateway: 504, or
    `status`.
    """
    asked = scene.request.one("limit") or "100"
    if not asked.isdecimal() or int(asked) <= scene.number("above", 200):
        return answer
    return SandboxAnswer(
        int(scene.number("status", 504)), b"<html><h1>Gateway Time-out</h1></html>", "text/html"
    )


@before(status=int, body=str)
def html(scene: FaultContext) -> SandboxAnswer:
    """A maintenance page, by default with status 200."""
    page = scene.text(
        "body",
        "<!doctype html><html><body><h1>Sauce Labs is down for maintenance</h1></body></html>",
    )
    return SandboxAnswer(
        int(scene.number("status", 200)), page.encode(), "text/html; charset=utf-8"
    )


@before(to=str, status=int)
def redirect(scene: FaultContext) -> SandboxAnswer:
    """A redirect (default 302) to `to`, by default the same path on a host that does not exist."""
    target = scene.text("to", f"http://elsewhere.invalid{scene.request.target}")
    return SandboxAnswer(
        int(scene.number("status", 302)), headers={"Location": target}, content_type="text/html"
    )


@before(to=str, status=int)
def redirect_to_another_job(scene: FaultContext) -> SandboxAnswer:
    """A redirect (default 302) to the same thing of another job: of `to`, by default of the newest
    one of the same owner.
    """
    job, target = _job(scene), scene.request.target
    if job is not None:
        newest = job.ledger.gone.newest_first(0, job.ledger.count, 0)
        others = (scene.world.ref(job.person, index).id for index in newest if index != job.index)
        target = target.replace(job.id, scene.text("to", next(others, job.id)))
    return SandboxAnswer(
        int(scene.number("status", 302)), headers={"Location": target}, content_type="text/html"
    )


@before()
def disconnect(_: FaultContext) -> SandboxAnswer:
    """The connection closes without an answer, nothing done."""
    answer = SandboxAnswer(500)
    return replace(answer, wire=replace(answer.wire, is_dropped=True))


@after(status=int, body=str)
def done_but_status(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The request takes effect, the answer says 500 (or `status`)."""
    body = scene.text("body", json.dumps({"errors": "Internal Server Error"}))
    return replace(
        answer,
        status=int(scene.number("status", 500)),
        body=body.encode(),
        content_type="application/json",
    )


@after()
def done_but_disconnected(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The request takes effect, the connection closes without an answer."""
    return replace(answer, wire=replace(answer.wire, is_dropped=True))


@after()
def without_effect(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The answer of a delete or a stop that worked, but everything is as it was."""
    job = _job(scene)
    if job is None:
        return answer
    with scene.world.lock:
        if answer.effect.jobs_deleted:
            job.ledger.gone.discard(job.index)
        elif answer.effect.assets:
            job.ledger.stripped.discard(job.index)
        elif answer.effect.stopped:
            job.ledger.patches[job.index] = dict(answer.effect.before)
    return replace(answer, effect=Effect(job.id))


@after(name=str, text=str)
def late_asset(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Right after this answer the job has one more asset (default `late.log`)."""
    job = _job(scene)
    if job is not None:
        with scene.world.lock:
            uploads = job.ledger.uploads.setdefault(job.index, {})
            uploads[scene.text("name", "late.log")] = scene.text("text", "too late\n").encode()
    return answer


@after(set=dict)
def late_edit(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Right after this answer the job's document changes: by default somebody tags it `keep`."""
    job, fields = _job(scene), scene.settings.get("set", {"tags": ["keep"]})
    assert isinstance(fields, Mapping)
    if job is not None:
        with scene.world.lock:
            job.ledger.patch(job.index, dict(fields))
    return answer


def _job(scene: FaultContext) -> JobRef | None:
    job_id = find(scene.request.method, scene.request.path).parts.get("job")
    return None if job_id is None else scene.world.job(job_id, even_deleted=True)
