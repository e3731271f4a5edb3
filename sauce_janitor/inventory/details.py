"""Asking for single jobs where a listing did not say enough: fields left out, jobs set aside, jobs
long unfinished.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from sauce_janitor.errors import AnswerError
from sauce_janitor.inventory.ports import JobSource, JobStore
from sauce_janitor.model.jobs import Job, JobId, Owner, is_same_user

_A_BATCH: Final = 100
_SMALLEST_BATCH: Final = 5  # below it single requests are not more
_A_SEARCH: Final = 5_000
_FEW: Final = 20
_MEANT: Final = {
    "duration": ("started_at", "ended_at"),
    "build_status": ("build",),
    "end_time": ("ended_at",),
    "modification_time": ("modified_at",),
    "start_time": ("started_at",),
    "creation_time": ("created_at",),
}


def meant(fields: Iterable[str]) -> frozenset[str]:
    """The fields of `Job` behind the names that rules use (`duration`, `custom_data.team`,
    `end_time`).
    """
    names = (field.partition(".")[0] for field in fields)
    return frozenset(name for field in names for name in _MEANT.get(field, (field,)))


def ask_lacking(
    owner: Owner, source: JobSource, store: JobStore, fields: frozenset[str], *, now: int
) -> int:
    """Ask the details of every job that lacks one of these fields and was not asked for since it
    changed; how many.
    """
    asked = 0
    while fields and (lacking := store.lacking(fields, _A_SEARCH)):
        for start in range(0, len(lacking), _A_BATCH):
            ids = lacking[start : start + _A_BATCH]
            found, _ = _asked(owner, source, ids, most=len(ids))
            store.put_details(found, asked=ids, now=now)
        asked += len(lacking)
    return asked


def ask_unfinished(
    owner: Owner, source: JobSource, store: JobStore, *, mark: int, now: int
) -> set[JobId]:
    """Ask for jobs that had not finished and that the listing `mark` left out: one batch of them a
    run, or a few one by one.

    The rest has its turn in the next runs, and in the next full listing. What gives no answer goes
    behind the others. Jobs set aside are among them: their state is unknown. Returns the jobs that
    were read.
    """
    ids = store.unfinished(mark, _A_BATCH)
    if not ids:
        return set()
    found, asked = _asked(owner, source, ids, most=_FEW)
    store.put_details(found, asked=[job.id for job in found], now=now)
    store.put_off(asked, now=now)
    return {job.id for job in found}


def _asked(
    owner: Owner, source: JobSource, ids: Sequence[JobId], *, most: int
) -> tuple[list[Job], Sequence[JobId]]:
    """What details say of these jobs, and whom they were asked of: all in one request, else `most`
    of them one by one.

    One bad row spoils a batch: its halves are asked for, down to the row that spoils only itself.
    """
    try:
        documents = source.jobs(ids)
    except AnswerError:
        if len(ids) > _SMALLEST_BATCH:
            halves = (ids[: len(ids) // 2], ids[len(ids) // 2 :])
            (first, _), (second, _) = (_asked(owner, source, half, most=most) for half in halves)
            return [*first, *second], ids
        documents = None
    if documents is not None:
        found = (documents.get(one) for one in ids)
        # One user has one spelling, whichever letters' case this answer writes.
        ours = (
            each.job for each in found if each is not None and is_same_user(each.job.owner, owner)
        )
        return [replace(job, owner=owner) for job in ours], ids
    single = (ask(owner, source, one) for one in ids[:most])
    return [job for job in single if isinstance(job, Job)], ids[:most]


def ask(owner: Owner, source: JobSource, one: JobId) -> Job | AnswerError | None:
    """One job's details; None when it is not there, the error when the answer cannot be trusted."""
    try:
        document = source.job(owner, one)
    except AnswerError as error:
        return error
    return None if document is None else document.job
