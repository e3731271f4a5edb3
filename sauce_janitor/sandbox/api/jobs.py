"""The Jobs API's methods for jobs: list, details, lookup, update, stop, delete one, delete all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

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
from sauce_janitor.sandbox.world.documents import seed_row
from sauce_janitor.sandbox.world.world import JobRef, World

DEFAULT_LIMIT, LARGEST_LIMIT = 100, 500
_LONGEST_RUN_S = 12 * 3600
_UPDATABLE = ("name", "tags", "public", "passed", "build", "custom-data")
_VISIBILITIES = {"public", "public restricted", "share", "team", "private"}
_CSV_COLUMNS = (
    "id",
    "owner",
    "name",
    "build",
    "status",
    "passed",
    "creation_time",
    "start_time",
    "end_time",
    "browser",
    "os",
)


@dataclass(frozen=True, slots=True)
class _Page:
    """Which rows of a list are wanted."""

    limit: int
    skip: int
    since: float | None
    until: float | None


def list_jobs(
    world: World, request: SandboxRequest, person: Person, *, version: str
) -> SandboxAnswer:
    """List the jobs, newest first: v1 as an array, v1.1 as an object with `jobs`."""
    refused = may_read(world, request, person)
    if refused is not None:
        return refused
    try:
        page = _Page(
            _limit(world, request),
            _whole(request, "skip", 0),
            _time(request, "from"),
            _time(request, "to"),
        )
    except ValueError as error:
        return bad_request(str(error))
    with world.lock:
        found = _found(world, request, person, page)
    if request.one("format") == "csv":
        return _as_csv(world.document(job, request.base_url) for job in found)
    rows = [_row(world, job, request) for job in found]
    return as_json(rows if version == "v1" else {"jobs": rows})


def look_up(world: World, request: SandboxRequest, *, version: str) -> SandboxAnswer:
    """Return several jobs by `id=a&id=b`, without unknown and forbidden ones."""
    if world.behaviours.batch_lookup == "off":
        return not_found()
    jobs = (world.job(job_id) for job_id in request.query.get("id", ()))
    rows = [
        _row(world, job, request)
        for job in jobs
        if job is not None and may_read(world, request, job.person) is None
    ]
    return as_json(rows if version == "v1" else {"jobs": rows})


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


def _found(world: World, request: SandboxRequest, person: Person, page: _Page) -> list[JobRef]:
    """Return the jobs of one page. The caller holds the lock."""
    ledger, by, name = world.ledger(person), world.behaviours.window_time, request.one("name")
    is_exclusive = world.behaviours.window_ends == "exclusive"
    # Times are whole seconds and the ledger's windows are half-open, so a second more moves an end
    # in or out.
    since = page.since + 1 if page.since is not None and is_exclusive else page.since
    until = page.until + 1 if page.until is not None and not is_exclusive else page.until
    # Indexes follow the creation time, so a page of a million jobs is found by binary search.
    if by == "creation_time" and name is None:
        low, high = ledger.window(since, until)
        newest = ledger.gone.newest_first(low, high, page.skip)
        return [world.ref(person, index) for index in islice(newest, page.limit)]
    # A job that started or ended in the window was created at most this much earlier, so only these
    # documents are computed.
    low, high = ledger.window(None if since is None else since - _LONGEST_RUN_S, until)
    jobs = (world.ref(person, index) for index in ledger.gone.newest_first(low, high, 0))

    def matches(job: JobRef) -> bool:
        document = world.document(job, request.base_url)
        return (name is None or document["name"] == name) and _is_within(document[by], since, until)

    return list(islice(filter(matches, jobs), page.skip, page.skip + page.limit))


def _is_within(time: object, since: float | None, until: float | None) -> bool:
    """Return whether `since <= time < until`. A missing time is only in the window without ends."""
    if since is None and until is None:
        return True
    return (
        isinstance(time, int)
        and (since is None or time >= since)
        and (until is None or time < until)
    )


def _row(world: World, job: JobRef, request: SandboxRequest) -> dict[str, object]:
    document = world.document(job, request.base_url)
    if request.flag("full"):
        return document
    if world.behaviours.default_row == "id":
        return {"id": job.id}
    # The vendor's sample masks the key; whether real answers do is unknown, so a client must not
    # log either.
    key = job.person.access_key if world.behaviours.access_key_in_config == "plain" else "******"
    return seed_row(document, world.organisation, job.person, key)


def _limit(world: World, request: SandboxRequest) -> int:
    limit = _whole(request, "limit", DEFAULT_LIMIT)
    if limit < 1:
        raise ValueError("limit must be at least 1")
    # 500 is the documented maximum, but not what happens above it.
    if limit <= LARGEST_LIMIT or world.behaviours.limit_above_max == "obey":
        return limit
    if world.behaviours.limit_above_max == "reject":
        raise ValueError(f"limit must be at most {LARGEST_LIMIT}")
    return LARGEST_LIMIT


def _whole(request: SandboxRequest, key: str, default: int) -> int:
    text = request.one(key)
    if text is None:
        return default
    if not text.isdecimal():
        raise ValueError(f"{key} must be a whole number")
    return int(text)


def _time(request: SandboxRequest, key: str) -> float | None:
    text = request.one(key)
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{key} must be a Unix timestamp") from None


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


def _as_csv(documents: Iterable[dict[str, object]]) -> SandboxAnswer:
    text = io.StringIO()
    rows = csv.DictWriter(text, _CSV_COLUMNS, extrasaction="ignore")
    rows.writeheader()
    rows.writerows(documents)
    return SandboxAnswer(200, text.getvalue().encode(), "text/csv; charset=utf-8")
