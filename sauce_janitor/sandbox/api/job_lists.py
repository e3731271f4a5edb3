"""The Jobs API's methods that return several jobs: list and lookup, in pages and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from sauce_janitor.sandbox.api.access import may_read
from sauce_janitor.sandbox.core.messages import (
    SandboxAnswer,
    SandboxRequest,
    as_json,
    bad_request,
    not_found,
)
from sauce_janitor.sandbox.core.people import Person
from sauce_janitor.sandbox.world.documents import seed_row
from sauce_janitor.sandbox.world.world import JobRef, World

DEFAULT_LIMIT, LARGEST_LIMIT = 100, 500
_LONGEST_RUN_S = 12 * 3600
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


def _as_csv(documents: Iterable[dict[str, object]]) -> SandboxAnswer:
    text = io.StringIO()
    rows = csv.DictWriter(text, _CSV_COLUMNS, extrasaction="ignore")
    rows.writeheader()
    rows.writerows(documents)
    return SandboxAnswer(200, text.getvalue().encode(), "text/csv; charset=utf-8")
