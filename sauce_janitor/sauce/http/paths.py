"""Request targets, built from typed parts only: the one place that knows the API's URLs of a
job.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias
from urllib.parse import quote, urlencode

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import JobId, Owner, job_id, owner_name

BuildSource: TypeAlias = Literal["vdc", "rdc"]
"""Where a build's jobs ran: on virtual machines, emulators and simulators, or on real devices."""
BUILD_SOURCES: Final[tuple[BuildSource, ...]] = ("vdc", "rdc")


# Ids and owners are checked again in each function below, although their types say that they are
# valid: with an empty id, the path of one job is the path of all.
def jobs_of(owner: Owner, query: Iterable[tuple[str, str | int]]) -> str:
    """GET: a page of the user's jobs."""
    return f"/rest/v1/{_owner(owner)}/jobs?{urlencode(list(query))}"


def jobs_by_id(ids: Iterable[JobId]) -> str:
    """GET: several jobs at once, in full. Source: the vendor's node client, get_jobs_v1.1."""
    return "/rest/v1.1/jobs?" + urlencode([*(("id", job_id(one)) for one in ids), ("full", "true")])


def job(owner: Owner, job: JobId) -> str:
    """GET: one job's details."""
    return f"/rest/v1/{_owner(owner)}/jobs/{job_id(job)}"


def job_by_id(job: JobId) -> str:
    """DELETE: a job by its v1.1 address, which needs no owner. Source: Jobs API, Delete a Job."""
    return f"/rest/v1.1/jobs/{job_id(job)}"


def assets(owner: Owner, job: JobId) -> str:
    """GET: the names of a job's assets. DELETE: all of them."""
    return f"/rest/v1/{_owner(owner)}/jobs/{job_id(job)}/assets"


def asset(owner: Owner, job: JobId, name: str) -> str:
    """GET: one asset's bytes. Raises AnswerError for a name that no URL can carry as one
    segment.
    """
    # Servers resolve such segments, so the request would be for another resource: the list, or the
    # job.
    if name in {"", ".", ".."}:
        raise AnswerError(f"job {job} lists an asset named {name!r}, which cannot be requested")
    return f"{assets(owner, job)}/{_segment(name)}"


def stop(owner: Owner, job: JobId) -> str:
    """PUT: stop a running job."""
    return f"/rest/v1/{_owner(owner)}/jobs/{job_id(job)}/stop"


def builds_v2(*, limit: int, offset: int, user_id: str | None = None) -> str:
    """GET: a page of builds of virtual devices and browsers, of one user if given.

    The slash at the end is part of the address.
    """
    user = "" if user_id is None else f"&user_id={_segment(user_id)}"
    return f"/v2/builds/vdc/?limit={limit:d}&offset={offset:d}{user}"


def builds_v1(owner: Owner, *, limit: int, skip: int) -> str:
    """GET: a page of the user's builds, by the older API."""
    return f"/rest/v1/{_owner(owner)}/builds?limit={limit:d}&skip={skip:d}"


def builds_found(source: BuildSource, query: Iterable[tuple[str, str | int]]) -> str:
    """GET: a page of builds of virtual or real devices, filtered by the query."""
    return f"/v2/builds/{source}/?{urlencode(list(query), quote_via=quote)}"


def build_v2(build_id: str, source: BuildSource = "vdc") -> str:
    """GET: one build. Raises AnswerError for an id that no URL can carry."""
    if build_id.strip(".") == "":
        raise AnswerError(f"a build has the id {build_id!r}, which cannot be requested")
    return f"/v2/builds/{source}/{_segment(build_id)}/"


def build_of_job(job: JobId, source: BuildSource) -> str:
    """GET: the build that a job is in. Source: Builds API, Lookup the Build a Job Belongs to."""
    return f"/v2/builds/{source}/jobs/{job_id(job)}/build/"


def build_jobs_v2(build_id: str, *, limit: int, offset: int, source: BuildSource = "vdc") -> str:
    """GET: a page of a build's jobs."""
    return f"{build_v2(build_id, source)}jobs/?limit={limit:d}&offset={offset:d}"


def build_jobs_v1(build_id: str) -> str:
    """GET: a build's jobs, by the older API. Source: recorded by the vendor's Java client."""
    if build_id.strip(".") == "":
        raise AnswerError(f"a build has the id {build_id!r}, which cannot be requested")
    return f"/rest/v1/builds/{_segment(build_id)}/jobs?full=1"


def _owner(owner: Owner) -> str:
    return _segment(owner_name(owner))


def _segment(text: str) -> str:
    try:
        # A slash in a name must not begin a new segment.
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise AnswerError(
            f"Sauce Labs gave a name that is not Unicode text: {text!a:.120}"
        ) from error
