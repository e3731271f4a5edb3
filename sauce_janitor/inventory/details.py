"""Asking for single jobs where a listing did not say enough: fields left out, rows not understood, jobs long unfinished."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sauce_janitor.errors import AnswerError
from sauce_janitor.inventory.parts import JobSource, JobStore, Page
from sauce_janitor.retention.model import Job, JobId, Owner, job_id

_A_BATCH: Final = 100
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
    """The fields of `Job` behind the names that rules use (`duration`, `custom_data.team`, `end_time`)."""
    names = (field.partition(".")[0] for field in fields)
    return frozenset(name for field in names for name in _MEANT.get(field, (field,)))


def ask_lacking(owner: Owner, source: JobSource, store: JobStore, fields: frozenset[str], *, now: int) -> int:
    """Ask the details of every job that lacks one of these fields and was not asked for since it changed; how many."""
    asked = 0
    while fields and (lacking := store.lacking(fields, _A_SEARCH)):
        for start in range(0, len(lacking), _A_BATCH):
            ids = lacking[start : start + _A_BATCH]
            store.put_details(_asked(owner, source, ids, most=len(ids)), asked=ids, now=now)
        asked += len(lacking)
    return asked


def ask_unfinished(owner: Owner, source: JobSource, store: JobStore, *, mark: int, now: int) -> int:
    """Ask for jobs that had not finished and that the listing `mark` left out: one batch of them a run, or a few one by one.

    The rest has its turn in the next runs, and in the next full listing.
    """
    ids = store.unfinished(mark, _A_BATCH)
    if not ids:
        return 0
    found = _asked(owner, source, ids, most=_FEW)
    store.put_details(found, asked=[job.id for job in found], now=now)
    return len(found)


def _asked(owner: Owner, source: JobSource, ids: Sequence[JobId], *, most: int) -> list[Job]:
    """What details say of these jobs: all in one request, where that is not offered `most` of them one by one."""
    try:
        documents = source.jobs(ids)
    except AnswerError:
        documents = None  # one bad row spoils a batch: asked one by one it spoils only itself
    if documents is not None:
        return [found.job for one in ids if (found := documents.get(one)) is not None and found.job.owner == owner]
    single = (ask(owner, source, one) for one in ids[:most])
    return [job for job in single if isinstance(job, Job)]


def ask(owner: Owner, source: JobSource, one: JobId) -> Job | AnswerError | None:
    """One job's details; None when it is not there, the error when the answer cannot be trusted."""
    try:
        document = source.job(owner, one)
    except AnswerError as error:
        return error
    return None if document is None else document.job


class Doubts:
    """Rows that were not understood, asked again by their ids, each once a sync and not more than a few."""

    def __init__(self, owner: Owner, source: JobSource) -> None:
        self._owner = owner
        self._source = source
        self._answers: dict[JobId, Job | AnswerError | None] = {}
        self.reasons: list[str] = []

    def settle(self, page: Page) -> tuple[list[Job], list[JobId], int]:
        """The jobs that details made readable, the ids of those that are there all the same, and how many rows stay unread.

        A job that its details no longer know (the list may show deleted ones) is neither.
        """
        read = {job.id for job in page.jobs if job.owner == self._owner}
        mended: list[Job] = []
        there: list[JobId] = []
        nameless = 0
        for identity in page.ids:
            if identity in read:
                continue
            try:
                one = job_id(identity)
            except ValueError:
                nameless += 1
                continue
            if one not in self._answers and len(self._answers) < _FEW:
                self._answers[one] = ask(self._owner, self._source, one)
            answer = self._answers.get(one, AnswerError("not asked again: there are too many such rows"))
            if isinstance(answer, Job):
                mended.append(answer)
            elif answer is not None:
                there.append(one)
        if there or nameless:
            self.reasons.extend(page.rejected[: _FEW - len(self.reasons)])
        return mended, there, len(there) + nameless
