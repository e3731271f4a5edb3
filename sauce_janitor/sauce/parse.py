"""Parses JSON of the Jobs API into the values of the model. Pure.

A field is its value, None where the API says null, UNKNOWN where its key is absent or its value
cannot be read. Anything that could make a job look older, finished or expendable is rejected rather
than guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.job_lists import JobPage
from sauce_janitor.model.jobs import (
    UNKNOWN,
    AssetListing,
    Job,
    JobDocument,
    JobId,
    JobState,
    Oddness,
    OddRow,
    Owner,
    Text,
    Time,
    is_same_user,
    job_id,
    owner_name,
)
from sauce_janitor.sauce.http.redact import redact_mapping
from sauce_janitor.sauce.json_fields import (
    blank_is_none,
    custom_data_field,
    flag_field,
    list_in,
    tags_field,
    text_field,
    time_field,
    trimmed,
)
from sauce_janitor.sauce.list_rows import BadRow

_MOST_ASSETS: Final = 100_000

# Source: notes on recorded answers, and the vendor's clients. Any other text is an unknown state.
_FINAL = frozenset({"complete", "error", "errored", "passed", "failed", "finished"})
_RUNNING = frozenset({"in progress", "running"})
_QUEUED = frozenset({"queued", "new"})
_ERROR_KEYS = frozenset(
    {"error", "errors", "detail", "message", "code", "status_code", "non_field_errors"}
)


class DeletedError(ValueError):
    """The document is of a job that the vendor says is deleted already."""


class ForeignJobError(ValueError):
    """The document is of another user's job."""


def parse_rows(answer: object, owner: Owner) -> JobPage:
    """Parse a job list: a bare array, or an object with `jobs`. Raises AnswerError for anything
    else.

    A row that is no JSON, has an invalid id, names another owner or is deleted already becomes an
    odd row, with its reason. A row without an owner (as lists without `full` have) belongs to the
    owner who was asked for, as the address says. A name in another case is the same user.
    """
    jobs: list[Job] = []
    ids: list[str] = []
    odd: list[OddRow] = []
    spellings: set[object] = set()
    glimpses: dict[JobId, Job] = {}
    for place, row in enumerate(list_in(answer, "jobs")):
        identity = row.get("id") if isinstance(row, Mapping) else None
        ids.append(identity if isinstance(identity, str) else "")
        # `load_rows` found that the text of this row is no JSON.
        if isinstance(row, BadRow):
            ids[-1] = row.id
            odd.append(OddRow(place, row.id, Oddness.UNREADABLE, row.why))
            continue
        try:
            job = _job(_object(row), owner, default_owner=owner)
            jobs.append(job)
            if job.name is UNKNOWN and (glimpse := _glimpse(_object(row), job)) is not None:
                glimpses[job.id] = glimpse
            spellings.add(_object(row).get("owner", owner))
        except DeletedError as error:
            odd.append(OddRow(place, ids[-1], Oddness.DELETED, str(error)))
        except ForeignJobError as error:
            odd.append(OddRow(place, ids[-1], Oddness.FOREIGN, str(error)))
        except ValueError as error:
            odd.append(OddRow(place, ids[-1], Oddness.UNREADABLE, str(error)))
    other = spellings.pop() if len(spellings) == 1 else owner
    spelling = Owner(other) if isinstance(other, str) and other != owner else None
    return JobPage(tuple(jobs), tuple(ids), tuple(odd), spelling, glimpses)


def _glimpse(row: Mapping[str, object], job: Job) -> Job | None:
    """Return the job of a short row with what the row shows of name and status; None of any other
    row.

    Lists without `full` have short rows. Source: Jobs API, Get Jobs. The name is the one that the
    test began with, and `complete` is no result: no decision uses them.
    """
    asked = row.get("base_config")
    if "name" in row or not isinstance(asked, Mapping):
        return None
    raw = text_field(row, "status")
    ended = job.status is UNKNOWN and raw in _FINAL
    return replace(job, name=text_field(asked, "name"), status=raw if ended else job.status)


def parse_details(answer: object, owner: Owner, job: JobId) -> JobDocument | None:
    """Parse one job's details; None when they say that it is deleted.

    Raises AnswerError when they are of another job or owner.
    """
    try:
        document = _object(answer)
        parsed = _job(document, owner)
    except DeletedError:
        return None
    except ValueError as error:
        raise AnswerError(f"the details of job {job} cannot be used: {error}") from None
    if parsed.id != job:
        raise AnswerError(f"asked for job {job}, Sauce Labs answered with job {parsed.id}")
    return JobDocument(parsed, redact_mapping(document))


def parse_batch(answer: object, asked: Iterable[JobId]) -> dict[JobId, JobDocument] | None:
    """Parse the details of several jobs; deleted ones are left out.

    None when the rows are short: then the server does not offer this look-up. Raises AnswerError
    for a job that was not asked for, or that comes twice.
    """
    wanted = frozenset(asked)
    found: dict[JobId, JobDocument] = {}
    for row in list_in(answer, "jobs"):
        try:
            document = _object(row)
            # The rows are short: the server ignored `full`.
            if not {"owner", "status"} <= document.keys():
                return None
            parsed = _job(document, None)
        except DeletedError:
            continue
        except ValueError as error:
            raise AnswerError(f"the look-up of several jobs cannot be used: {error}") from None
        if parsed.id not in wanted or parsed.id in found:
            raise AnswerError(
                f"the look-up of several jobs answered with job {parsed.id}, unasked or twice"
            )
        found[parsed.id] = JobDocument(parsed, redact_mapping(document))
    return found


def parse_assets(answer: object, job: JobId) -> AssetListing:
    """Parse List Job Assets: an object of names, nulls and arrays of names.

    The same file under two keys (video, video.mp4) is one name. Raises AnswerError for anything
    else. A name that cannot be read could not be archived, and an error in place of a list would
    look like a job without assets.
    """
    if not isinstance(answer, Mapping):
        raise AnswerError(f"the asset list of job {job} is not an object")
    names: dict[str, None] = {}
    for key, value in answer.items():
        # A file called "errors" is listed as {"errors": "errors"}: it is no error message.
        if key in _ERROR_KEYS and value != key:
            raise AnswerError(f"the asset list of job {job} is an error: {value!a:.80}")
        for name in value if isinstance(value, list) else [value]:
            # Null stands for an asset that the job does not have.
            if name is None:
                continue
            if not isinstance(name, str) or not name:
                raise AnswerError(
                    f"the asset list of job {job} names something that is not a file: {name!a:.80}"
                )
            names[name] = None
    if len(names) > _MOST_ASSETS:
        raise AnswerError(
            f"the asset list of job {job} has {len(names):,} names, more than {_MOST_ASSETS:,}"
        )
    return AssetListing(tuple(names))


def parse_deleted_assets(answer: object) -> tuple[tuple[str, int], ...] | None:
    """Parse the answer of Delete Job Assets, `[[name, bytes], …]`; None when it is anything
    else.
    """
    if not isinstance(answer, list):
        return None
    deleted = []
    for pair in answer:
        if not isinstance(pair, list) or len(pair) != 2:
            return None
        name, size = pair
        if (
            not isinstance(name, str)
            or not isinstance(size, int)
            or isinstance(size, bool)
            or size < 0
        ):
            return None
        deleted.append((name, size))
    return tuple(deleted)


def _object(row: object) -> Mapping[str, object]:
    if not isinstance(row, Mapping):
        raise ValueError("not an object")  # noqa: TRY004 - a bad row is a bad value, whatever its type
    return row


def _job(
    row: Mapping[str, object], owner: Owner | None, *, default_owner: Owner | None = None
) -> Job:
    """Return the job, or raise ValueError with the reason why the document is none of `owner`'s.

    With `owner` None it may be anybody's. The job's owner is spelled as `owner`, where that is
    given: one user has one spelling.
    """
    identity = job_id(row.get("id"))
    job_owner = owner_name(row.get("owner", default_owner))
    if owner is not None:
        if not is_same_user(job_owner, owner):
            raise ForeignJobError(f"job {identity} is {job_owner!a:.80}'s, not {owner}'s")
        job_owner = owner
    if row.get("deletion_time") is not None:
        raise DeletedError(f"job {identity} is deleted already")
    ended_at = time_field(row, "end_time")
    state = _state(text_field(row, "status"), ended_at)
    error = blank_is_none(text_field(row, "error"))
    return Job(
        id=identity,
        owner=job_owner,
        state=state,
        name=text_field(row, "name"),
        build=trimmed(text_field(row, "build")),
        tags=tags_field(row),
        status=_verdict(row, state, error),
        os=text_field(row, "os"),
        browser=text_field(row, "browser"),
        browser_version=text_field(row, "browser_version"),
        automation_backend=text_field(row, "automation_backend"),
        public=text_field(row, "public"),
        error=error,
        manual=flag_field(row, "manual"),
        custom_data=custom_data_field(row),
        created_at=time_field(row, "creation_time"),
        started_at=time_field(row, "start_time"),
        ended_at=ended_at,
        modified_at=time_field(row, "modification_time"),
        team_id=blank_is_none(text_field(row, "team_id")),
    )


def _state(raw: Text, ended_at: Time) -> JobState:
    # A finished job without an end time has no age, so it must not look finished.
    if raw in _FINAL:
        return JobState.FINISHED if isinstance(ended_at, int) else JobState.UNKNOWN
    if raw in _RUNNING:
        return JobState.RUNNING
    return JobState.QUEUED if raw in _QUEUED else JobState.UNKNOWN


def _verdict(row: Mapping[str, object], state: JobState, error: Text) -> Text:
    """Return the result that users see; None until the job has finished.

    `consolidated_status` proves nothing and is not read.
    """
    if state is JobState.UNKNOWN:
        return UNKNOWN
    if state is not JobState.FINISHED:
        return None
    # A user's own result counts before the status of the session.
    passed = flag_field(row, "passed")
    if isinstance(passed, bool):
        return "passed" if passed else "failed"
    if passed is UNKNOWN:
        return UNKNOWN
    raw = row.get("status")
    if raw in {"error", "errored"} or isinstance(error, str):
        return "error"
    if error is UNKNOWN:
        return UNKNOWN
    return raw if raw in {"passed", "failed"} and isinstance(raw, str) else "complete"
