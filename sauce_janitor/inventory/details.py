"""Ask for the details of single jobs where a listing did not say enough.

Those are jobs of which a row left fields out, jobs whose row could not be read, and jobs that have
been unfinished for long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from sauce_janitor.errors import AnswerError
from sauce_janitor.inventory.ports import JobSource, JobStore
from sauce_janitor.model.jobs import Job, JobId, Owner, is_same_user

_A_BATCH: Final = 100
# Halving a batch this small costs as many requests as asking for each job by itself.
_SMALLEST_BATCH: Final = 5
_A_SEARCH: Final = 5_000
_FEW: Final = 20
_FIELDS_BEHIND: Final = {
    "duration": ("started_at", "ended_at"),
    "build_status": ("build",),
    "end_time": ("ended_at",),
    "modification_time": ("modified_at",),
    "start_time": ("started_at",),
    "creation_time": ("created_at",),
}


def job_fields(fields: Iterable[str]) -> frozenset[str]:
    """Return the fields of `Job` behind the names that rules use (`duration`, `custom_data.team`,
    `end_time`).
    """
    found: set[str] = set()
    for field in fields:
        name = field.partition(".")[0]
        found.update(_FIELDS_BEHIND.get(name, (name,)))
    return frozenset(found)


def ask_lacking(
    owner: Owner, source: JobSource, store: JobStore, fields: frozenset[str], *, now: int
) -> int:
    """Ask for the details of every job that lacks one of these fields; return how many.

    A job whose details were asked for since it last changed is not asked for again.
    """
    asked = 0
    while fields and (lacking := store.lacking(fields, _A_SEARCH)):
        for start in range(0, len(lacking), _A_BATCH):
            ids = lacking[start : start + _A_BATCH]
            found, _ = _details_of(owner, source, ids, most=len(ids))
            store.put_details(found, asked=ids, now=now)
        asked += len(lacking)
    return asked


def ask_unfinished(
    owner: Owner, source: JobSource, store: JobStore, *, mark: int, now: int
) -> set[JobId]:
    """Ask for jobs that had not finished and that the listing `mark` left out; return the ids read.

    One batch is asked for a run, or a few jobs one by one. The others have their turn in the next
    runs and in the next full listing: a job that gives no answer goes to the end of the queue. Jobs
    set aside are among them, as their state is unknown.
    """
    ids = store.unfinished(mark, _A_BATCH)
    if not ids:
        return set()
    found, asked = _details_of(owner, source, ids, most=_FEW)
    store.put_details(found, asked=[job.id for job in found], now=now)
    store.put_off(asked, now=now)
    return {job.id for job in found}


def _details_of(
    owner: Owner, source: JobSource, ids: Sequence[JobId], *, most: int
) -> tuple[list[Job], Sequence[JobId]]:
    """Return the details of these jobs, and the ids that were asked for.

    All are asked for in one request, or else `most` of them one by one. One bad row spoils a batch:
    then each half is asked for, down to the row that spoils only itself.
    """
    try:
        documents = source.jobs(ids)
    # The answer cannot be used as a whole: search for the row that spoils it.
    except AnswerError:
        # Halve the batch, down to the row that spoils it.
        if len(ids) > _SMALLEST_BATCH:
            halves = (ids[: len(ids) // 2], ids[len(ids) // 2 :])
            (first, _), (second, _) = (
                _details_of(owner, source, half, most=most) for half in halves
            )
            return [*first, *second], ids
        documents = None
    if documents is not None:
        found = (documents.get(one) for one in ids)
        # One user has one spelling here, in whatever case this answer writes the letters.
        ours = (
            each.job for each in found if each is not None and is_same_user(each.job.owner, owner)
        )
        return [replace(job, owner=owner) for job in ours], ids
    # The server does not offer this request (None), or a small batch failed: ask one by one.
    single = (ask(owner, source, one) for one in ids[:most])
    return [job for job in single if isinstance(job, Job)], ids[:most]


def ask(owner: Owner, source: JobSource, one: JobId) -> Job | AnswerError | None:
    """Return one job's details, None when it does not exist, or the error of an unusable answer."""
    try:
        document = source.job(owner, one)
    except AnswerError as error:
        return error
    return None if document is None else document.job
