"""How many rows a list request asks for: fewer where a page is too large or too slow, more again
after some that worked.

A page of one row that still fails is read without its row: by its id, where the short list answers,
or by its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sauce_janitor.errors import OversizedAnswerError, SourceError, StrainedError
from sauce_janitor.inventory.ports import JobSource
from sauce_janitor.model.job_lists import JobPage
from sauce_janitor.model.jobs import Job, Oddness, OddRow, Owner

ROWS: Final = 500
"""Rows a page. Source: the vendor's OpenAPI of the Jobs API: at most 500."""
MOST_PAGES: Final = 20_000
_PAGES_BEFORE_MORE: Final = 8
_MOST_PAGES_BEFORE_MORE: Final = 64
_ALONE: Final = 5  # rows asked for one by one before it is proven that none moved
_MOST_BAD: Final = 50
_MOST_TRIES: Final = 3


class ContradictionError(SourceError):
    """The answers to one listing do not fit together: nothing can be concluded from them, it has to
    begin anew.
    """


@dataclass(slots=True)
class PageSize:
    """The rows to ask for, `most` at most. `worked` pages at this size so far, of the `needed`
    before it grows.
    """

    rows: int = ROWS
    most: int = ROWS
    worked: int = 0
    needed: int = _PAGES_BEFORE_MORE

    def succeed(self) -> None:
        """A page of this size was answered: after enough of them twice as many rows are asked
        for.
        """
        self.worked += 1
        if self.rows < self.most and self.worked >= self.needed:
            self.rows, self.worked = min(self.most, self.rows * 2), 0

    def shrink(self) -> None:
        """A page of this size failed: half the rows, and more patience before it grows again."""
        if self.rows < self.most:  # it had grown too early
            self.needed = min(self.needed * 2, _MOST_PAGES_BEFORE_MORE)
        self.rows, self.worked = max(1, self.rows // 2), 0


@dataclass(frozen=True, slots=True)
class _Row:
    """One row: its id, the job or why there is none, and how every such row writes the owner's
    name.
    """

    id: str
    job: Job | None = None
    why: OddRow | None = None
    spelling: Owner | None = None


class SizedList:
    """One owner's job list, asked for in pages of a size that is answered. Raises
    ContradictionError when it does not end.

    Where the pages had to become small, it raises SourceError after as many: the list may just be
    long.
    """

    def __init__(
        self, source: JobSource, owner: Owner, *, since: int | None, size: PageSize
    ) -> None:
        self.size = size
        self._source = source
        self._owner = owner
        self._since = since
        self._requests = 0

    def page(self, *, until: int, skip: int) -> tuple[JobPage, int]:
        """The rows from `skip` on of the times up to `until`, and how many were asked for in the
        end.
        """
        while self.size.rows > 1:
            rows = self.size.rows
            try:
                page = self._list(until, skip, rows)
            except (OversizedAnswerError, StrainedError):
                self.size.shrink()
            else:
                self.size.succeed()
                return page, rows
        return self._alone(until, skip)

    def _list(self, until: int, skip: int, rows: int) -> JobPage:
        self._requests += 1
        if self._requests > MOST_PAGES and self.size.rows < self.size.most:
            # Small pages make a long list look endless. No contradiction: the next run goes on from
            # here.
            raise SourceError(
                f"the job list of {self._owner} is long, and Sauce Labs answers {self.size.rows} "
                f"rows at a time: {MOST_PAGES:,} pages were read, and the next run goes on from "
                "there"
            )
        if self._requests > MOST_PAGES:
            raise ContradictionError(
                f"the job list of {self._owner} does not end: {MOST_PAGES} pages were read"
            )
        return self._source.list_jobs(
            self._owner, limit=rows, skip=skip, since=self._since, until=until
        )

    def _alone(self, until: int, skip: int) -> tuple[JobPage, int]:
        for _ in range(_MOST_TRIES):
            rows, asked = self._one_by_one(until, skip)
            if self._is_in_place(rows, until, skip):
                self.size.succeed()
                return _together(rows), asked
        raise ContradictionError(
            f"the job list of {self._owner} changes faster than it can be read: nothing is "
            "concluded"
        )

    def _is_in_place(self, rows: list[_Row], until: int, skip: int) -> bool:
        """Whether each row is where it was: rows asked for one by one do not overlap.

        A row deleted between two requests moves the rest up, and the next row would be stepped
        over. The short list shows all their places at once; where it is not answered, each is asked
        for again.
        """
        ids = tuple(row.id for row in rows)
        try:
            again = self._source.list_ids(
                self._owner, limit=max(1, len(rows)), skip=skip, since=self._since, until=until
            )
        except (OversizedAnswerError, StrainedError):
            found = (self._row(until, skip + place) for place in range(len(rows) - 1))
            again = (*(row.id if row is not None else "" for row in found), *ids[-1:])
        # Where a job has two rows, `skip` may count it once.
        ours, theirs = _each_once(ids), _each_once(again)[: len(_each_once(ids))]
        return len(ours) == len(theirs) and all(
            one in {"", other} for one, other in zip(ours, theirs, strict=True)
        )

    def _one_by_one(self, until: int, skip: int) -> tuple[list[_Row], int]:
        """Some rows, at least one of them with an id that follows the first, or all up to the end
        of the list.
        """
        rows: list[_Row] = []
        while len(rows) < _ALONE or not any(row.id for row in rows[1:]):
            row = self._row(
                until, skip + len(rows), fails=None if not rows or rows[-1].id else rows[-1].why
            )
            if row is None:
                return rows, len(rows) + 1
            rows.append(row)
            if len(rows) > _MOST_BAD:
                raise ContradictionError(
                    f"{_MOST_BAD} consecutive rows of the job list of {self._owner} cannot be "
                    f"read, the last: {row.why}"
                )
        return rows, len(rows)

    def _row(self, until: int, skip: int, *, fails: OddRow | None = None) -> _Row | None:
        """One row by itself, None at the end of the list. Raises where neither it nor its id is
        answered, twice in a row.
        """
        try:
            page = self._list(until, skip, 1)
        except (OversizedAnswerError, StrainedError) as error:
            why = str(error)
            try:
                ids = self._source.list_ids(
                    self._owner, limit=1, skip=skip, since=self._since, until=until
                )
            except (OversizedAnswerError, StrainedError):
                if fails is not None:  # it is not about one row
                    raise error from None
                ids = ("",)
            return _Row(ids[0], why=OddRow(0, ids[0], Oddness.UNREADABLE, why)) if ids else None
        if not page.ids:
            return None
        job = next((job for job in page.jobs if job.id == page.ids[0]), None)
        odd = next((odd for odd in page.odd if odd.place == 0), None)
        return _Row(page.ids[0], job, odd, page.spelling)


def _each_once(ids: tuple[str, ...]) -> list[str]:
    """The ids without a repetition of the one before; rows without an id are never the same."""
    return [one for place, one in enumerate(ids) if not one or place == 0 or ids[place - 1] != one]


def _together(rows: list[_Row]) -> JobPage:
    odd = (
        OddRow(place, row.id, row.why.kind, row.why.why)
        for place, row in enumerate(rows)
        if row.why
    )
    spellings = {row.spelling for row in rows if row.job is not None}
    return JobPage(
        tuple(row.job for row in rows if row.job is not None),
        tuple(row.id for row in rows),
        tuple(odd),
        spellings.pop() if len(spellings) == 1 else None,
    )
