"""The Jobs API's methods for one job: details, update, stop, delete; and delete all."""

from __future__ import annotations

import json

from sauce_janitor.sandbox.api.access import may_read, may_write
from sauce_janitor.sandbox.core.messages import (
    Effect,
    SandboxAnswer,
    SandboxRequest,
    as_json,
    bad_request,
    not_finished,
    not_found,
    unknown_url,
)
from sauce_janitor.sandbox.core.people import Person
from sauce_janitor.sandbox.world.world import JobRef, World

_UPDATABLE = ("name", "tags", "public", "passed", "build", "custom-data")
_VISIBILITIES = {"public", "public restricted", "share", "team", "private"}


def details(world: World, request: SandboxRequest, job: JobRef) -> SandboxAnswer:
    """Return the full document of one job."""
    return may_read(world, request, job.person) or as_json(world.document(job, request.base_url))


def update(world: World, request: SandboxRequest, job: JobRef) -> SandboxAnswer:
    """Replace the given fields. A list replaces the whole list."""
    refused = may_write(world, request, job.person)
    if refused is not None:
        return refused
    try:
        wanted = json.loads(request.body or b"{}")
    # Deeply nested brackets exhaust the parser's stack, which must be the client's error and not a
    # 500.
    except (ValueError, RecursionError):
        return bad_request("Malformed JSON")
    if not isinstance(wanted, dict):
        return bad_request("Expected an object")
    # Other fields are ignored: an update moves a job to no other owner or date.
    fields = {key: value for key, value in wanted.items() if key in _UPDATABLE}
    problem = _problem(fields)
    if problem is not None:
        return bad_request(problem)
    with world.lock:
        job.ledger.patch(job.index, {**fields, "modification_time": _later(world, job)})
    return as_json(world.document(job, request.base_url), effect=Effect(job.id, updated=True))


def stop(world: World, request: SandboxRequest, job: JobRef) -> SandboxAnswer:
    """End a running job. A finished one also gets 200, as sauce_whisk recorded it."""
    refused = may_write(world, request, job.person)
    if refused is not None:
        return refused
    stopped = False
    with world.lock:
        before = dict(job.ledger.patches.get(job.index, {}))
        if not job.ledger.is_finished(job.index):
            stopped = True
            end = _later(world, job)
            job.ledger.patch(
                job.index,
                {
                    "status": "complete",
                    "end_time": end,
                    "modification_time": end,
                    "error": "User terminated",
                },
            )
    return as_json(
        world.document(job, request.base_url), effect=Effect(job.id, stopped=stopped, before=before)
    )


def delete(world: World, request: SandboxRequest, job: JobRef, *, version: str) -> SandboxAnswer:
    """Delete a job. v1.1 answers 204 (documented), v1 200 (saucerest-java's tests at the real API).

    The vendor's sources disagree about which of the two exists: `delete_path` serves one, both or
    none.
    """
    if world.behaviours.delete_path not in {"both", version}:
        return unknown_url()
    refused = may_write(world, request, job.person)
    if refused is not None:
        return refused
    # The vendor says nothing about deleting a job that runs. The default refuses, as the asset
    # methods are recorded to do.
    if not job.ledger.is_finished(job.index) and world.behaviours.unfinished_delete != "obey":
        return (
            not_finished()
            if world.behaviours.unfinished_delete == "400"
            else as_json({"errors": "Conflict"}, 409)
        )
    with world.lock:
        # Another request may have deleted the job before this one got the lock.
        if not job.ledger.has(job.index):
            return not_found()
        effect = Effect(job.id, jobs_deleted=1, assets=world.destroyed(job))
        document = world.document(job, request.base_url)
        job.ledger.gone.add(job.index)
    if version == "v1.1":
        return SandboxAnswer(204, effect=effect)
    if world.behaviours.delete_v1_body == "empty":
        return SandboxAnswer(200, effect=effect)
    return as_json(document, effect=effect)


def delete_all(
    world: World, request: SandboxRequest, person: Person, *, version: str
) -> SandboxAnswer:
    """Delete every job of the user at once, as the real API does.

    A test can prove with it that a tool never calls it by accident, such as by an empty job id.
    """
    switch = world.behaviours.delete_all
    # The vendor's later documentation no longer has this method; whether it still works is unknown.
    if switch == "off" or (switch == "v1.1" and version != "v1.1"):
        return not_found()
    refused = may_write(world, request, person)
    if refused is not None:
        return refused
    ledger = world.ledger(person)
    with world.lock:
        live = ledger.live
        # One step for all jobs, or a delete of a million jobs would hold the lock for seconds.
        ledger.gone.add_all_below(ledger.count)
    return SandboxAnswer(204, effect=Effect(jobs_deleted=live))


def _later(world: World, job: JobRef) -> int:
    started_at = job.ledger.facts(job.index).started_at
    # With a frozen clock, a job can arrive later than now; it must not end before it started.
    return max(world.clock(), started_at or 0)


def _problem(fields: dict[str, object]) -> str | None:
    tags = fields.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        return "tags must be a list of strings"
    if not isinstance(fields.get("passed"), bool | None):
        return "passed must be true or false"
    if not all(isinstance(fields.get(key), str | None) for key in ("name", "build", "public")):
        return "name, build and public must be strings"
    public = fields.get("public")
    if (
        isinstance(public, str)
        and not {role.strip() for role in public.split(",")} <= _VISIBILITIES
    ):
        return "public must be one of " + ", ".join(sorted(_VISIBILITIES))
    return (
        None
        if isinstance(fields.get("custom-data"), dict | None)
        else "custom-data must be an object"
    )
