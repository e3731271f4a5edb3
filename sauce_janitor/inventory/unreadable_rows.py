"""Rows of a listing that gave no job: each is asked for by itself, or else set aside by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sauce_janitor.errors import AnswerError, StrainedError
from sauce_janitor.inventory.details import ask
from sauce_janitor.inventory.listing_memory import SetAside
from sauce_janitor.inventory.pager import PagePosition
from sauce_janitor.inventory.ports import JobSource
from sauce_janitor.model.job_lists import JobPage
from sauce_janitor.model.jobs import Job, JobId, Oddness, OddRow, Owner, job_id

_FEW: Final = 20
"""Rows asked for by themselves in one sync, and again in the next one: a request each."""
_TOO_MANY: Final = "not asked again: there are too many such rows"


@dataclass(frozen=True, slots=True)
class SettledRows:
    """What became of the odd rows of a page.

    `jobs` were read from their details. `there` are the ids of those set aside as this owner's,
    `foreign` of those that name another owner. `unread` is how many rows were set aside, with an id
    or without.
    """

    jobs: list[Job] = field(default_factory=list)
    there: list[JobId] = field(default_factory=list)
    foreign: list[JobId] = field(default_factory=list)
    unread: int = 0


class UnreadableRows:
    """The odd rows of one sync.

    `known` are the rows set aside before, `found` those set aside now, `read` the ids read so far,
    and `news` counts those of `found` that were not known.
    """

    def __init__(
        self, owner: Owner, source: JobSource, known: Sequence[SetAside], *, now: int
    ) -> None:
        self._owner = owner
        self._source = source
        self._now = now
        self._since = {key_of(aside): aside.since for aside in known}
        self._answers: dict[JobId, Job | AnswerError | None] = {}
        self.found: list[SetAside] = []
        self.read: set[str] = set()
        self.news = 0

    def settle(self, page: JobPage, place: PagePosition) -> SettledRows:
        """Ask for the page's odd rows, and set aside what stays unread.

        A job that its details do not know any more is left out of both.
        """
        settled = SettledRows()
        read = {job.id for job in page.jobs}
        self.read |= read
        unread = 0
        for row in page.odd:
            # The same job has a good row as well.
            if row.id in read:
                continue
            why = self._ask(row, settled)
            if why is not None:
                unread += 1
                self._set_aside(row, why, page, place)
        return SettledRows(settled.jobs, settled.there, settled.foreign, unread)

    def left(self, known: Iterable[SetAside]) -> list[SetAside]:
        """Return the `known` rows that were not read since, then those found now, each once."""
        every = {key_of(aside): aside for aside in (*known, *self.found)}
        return [aside for key, aside in every.items() if key not in self.read]

    def _ask(self, row: OddRow, settled: SettledRows) -> str | None:
        """Return why the row is set aside; None where it need not be."""
        try:
            one = job_id(row.id)
        except ValueError:
            return row.why
        # Each costs a request, so only a few are asked for.
        if one not in self._answers and len(self._answers) < _FEW:
            self._answers[one] = ask(self._owner, self._source, one)
        # There are many such rows. A row that calls its job deleted only leaves it out, so it is
        # accepted without another request.
        elif one not in self._answers and row.kind is Oddness.DELETED:
            return None
        answer = self._answers.get(one, AnswerError(_TOO_MANY))
        if isinstance(answer, Job):
            settled.jobs.append(answer)
            self.read.add(one)
            return None
        if answer is None:
            return None
        (settled.foreign if row.kind is Oddness.FOREIGN else settled.there).append(one)
        return row.why

    def _set_aside(self, row: OddRow, why: str, page: JobPage, place: PagePosition) -> None:
        above = next((one for one in reversed(page.ids[: row.place]) if one), "")
        aside = SetAside(_valid(row.id), why, place.until, place.skip + row.place, above, self._now)
        key = key_of(aside)
        self.news += key not in self._since
        self.found.append(
            SetAside(aside.id, why, aside.until, aside.skip, above, self._since.get(key, self._now))
        )


def key_of(aside: SetAside) -> str:
    """Return the key of a row that was set aside: its job, or the job above it."""
    return aside.id or f"below {aside.above}"


def ask_alone(
    owner: Owner,
    source: JobSource,
    asides: Iterable[SetAside],
    take_in: Callable[[JobPage, PagePosition], None],
) -> set[str]:
    """Ask for rows without an id by their position, and return the keys of those that are read now.

    The row above proves the position. Where it is not there any more, the list has moved: the next
    full listing finds the row again.
    """
    read: set[str] = set()
    for aside in [each for each in asides if not each.id][:_FEW]:
        before = 1 if aside.above else 0
        place = PagePosition(aside.until, max(0, aside.skip - before))
        try:
            page = source.list_jobs(
                owner, limit=1 + before, skip=place.skip, since=None, until=place.until
            )
        # It is still too large or unreadable: it stays set aside.
        except (AnswerError, StrainedError):
            continue
        # The row above proves that the list has not moved.
        same = len(page.ids) == 1 + before and (not before or page.ids[0] == aside.above)
        if same and not any(row.place == before for row in page.odd):
            take_in(page, place)
            read.add(key_of(aside))
    return read


def _valid(identity: str) -> str:
    try:
        return job_id(identity)
    except ValueError:
        return ""
