"""How many rows a list request asks for.

It asks for fewer where a page is too large or too slow, and for more again after some that worked.
A page of one row that still fails is read without its row: by its id, where the short list answers,
or by its position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sauce_janitor.errors import OversizedAnswerError, SourceError, StrainedError
from sauce_janitor.inventory.ports import JobSource
from sauce_janitor.model.job_lists import JobPage
from sauce_janitor.model.jobs import Job, Oddness, OddRow, Owner

ROWS: Final = 500
"""Rows a page. Source: OpenAPI document of the Jobs API: at most 500."""
MOST_PAGES: Final = 20_000
_PAGES_BEFORE_MORE: Final = 8
_MOST_PAGES_BEFORE_MORE: Final = 64
# Rows asked for one by one before a check that none of them moved.
_ALONE: Final = 5
_MOST_BAD: Final = 50
_MOST_TRIES: Final = 3


class ContradictionError(SourceError):
    """The answers to one listing contradict each other: the listing has to start again."""


@dataclass(slots=True)
class PageSize:
    """The number of rows to ask for, `most` at most.

    `worked` counts the pages of this size that were answered; after `needed` of them it grows.
    """

    rows: int = ROWS
    most: int = ROWS
    worked: int = 0
    needed: int = _PAGES_BEFORE_MORE

    def succeed(self) -> None:
        """Count a page of this size that was answered. After enough of them, ask for twice as many
        rows.
        """
        self.worked += 1
        if self.rows < self.most and self.worked >= self.needed:
            self.rows, self.worked = min(self.most, self.rows * 2), 0

    def shrink(self) -> None:
        """Count a page of this size that failed: ask for half the rows, and wait longer before
        growing.
        """
        # Below the maximum: the size had grown too early, so the next time takes longer.
        if self.rows < self.most:
            self.needed = min(self.needed * 2, _MOST_PAGES_BEFORE_MORE)
        self.rows, self.worked = max(1, self.rows // 2), 0


@dataclass(frozen=True, slots=True)
class _Row:
    """One row: its id, and the job or the reason why there is none.

    `spelling` is how such rows write the owner's name, as in `JobPage`.
    """

    id: str
    job: Job | None = None
    why: OddRow | None = None
    spelling: Owner | None = None


class SizedList:
    """One owner's job list, asked for in pages of a size that the server answers.

    Raises ContradictionError when the list does not end after `MOST_PAGES` pages. Where the pages
    had to become small, it raises SourceError instead: the list may just be long.
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
        """Return the rows from `skip` on of the times up to `until`, and how many rows were asked
        for.
        """
        while self.size.rows > 1:
            rows = self.size.rows
            try:
                page = self._list(until, skip, rows)
            # Too large to read, or too much work for the server: try fewer rows.
            except (OversizedAnswerError, StrainedError):
                self.size.shrink()
            else:
                self.size.succeed()
                return page, rows
        return self._row_by_row(until, skip)

    def _list(self, until: int, skip: int, rows: int) -> JobPage:
        self._requests += 1
        # Small pages make a long list look endless. It is no contradiction, so the bookmark stays
        # and the next run continues from here.
        if self._requests > MOST_PAGES and self.size.rows < self.size.most:
            raise SourceError(
                f"the job list of {self._owner} is long, and Sauce Labs answers {self.size.rows} "
                f"rows at a time: {MOST_PAGES:,} pages were read, and the next run continues from "
                "there"
            )
        if self._requests > MOST_PAGES:
            raise ContradictionError(
                f"the job list of {self._owner} does not end: {MOST_PAGES} pages were read"
            )
        return self._source.list_jobs(
            self._owner, limit=rows, skip=skip, since=self._since, until=until
        )

    def _row_by_row(self, until: int, skip: int) -> tuple[JobPage, int]:
        for _ in range(_MOST_TRIES):
            rows, asked = self._one_by_one(until, skip)
            if self._is_in_place(rows, until, skip):
                self.size.succeed()
                return _page_of(rows), asked
        raise ContradictionError(
            f"the job list of {self._owner} changes faster than it can be read: nothing is "
            "concluded"
        )

    def _is_in_place(self, rows: list[_Row], until: int, skip: int) -> bool:
        """Tell whether each row still is at its position. Rows asked for one by one do not overlap.

        A row deleted between two requests moves the others up, and the next row would be skipped.
        The short list shows all their positions at once; where it is not answered, each row is
        asked for again.
        """
        ids = tuple(row.id for row in rows)
        try:
            again = self._source.list_ids(
                self._owner, limit=max(1, len(rows)), skip=skip, since=self._since, until=until
            )
        except (OversizedAnswerError, StrainedError):
            found = (self._row(until, skip + place) for place in range(len(rows) - 1))
            again = (*(row.id if row is not None else "" for row in found), *ids[-1:])
        # Where a job has two rows, `skip` may count it once, so repetitions are left out.
        ours, theirs = _each_once(ids), _each_once(again)[: len(_each_once(ids))]
        return len(ours) == len(theirs) and all(
            one in {"", other} for one, other in zip(ours, theirs, strict=True)
        )

    def _one_by_one(self, until: int, skip: int) -> tuple[list[_Row], int]:
        """Return some rows, and how many were asked for.

        They are at least `_ALONE`, with at least one id after the first, or all up to the end of
        the list.
        """
        rows: list[_Row] = []
        # The next page overlaps with an id of this one, so at least one has to be known.
        while len(rows) < _ALONE or not any(row.id for row in rows[1:]):
            last_failed = rows and not rows[-1].id
            fails = rows[-1].why if last_failed else None
            row = self._row(until, skip + len(rows), fails=fails)
            if row is None:
                return rows, len(rows) + 1
            rows.append(row)
            # So many bad rows in a row are no accident of single jobs.
            if len(rows) > _MOST_BAD:
                raise ContradictionError(
                    f"{_MOST_BAD} consecutive rows of the job list of {self._owner} cannot be "
                    f"read, the last: {row.why}"
                )
        return rows, len(rows)

    def _row(self, until: int, skip: int, *, fails: OddRow | None = None) -> _Row | None:
        """Return one row by itself, None at the end of the list.

        Raises when neither the row nor its id is answered twice in a row (`fails`: the one before
        failed).
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
                # Two rows in a row without any answer: the problem is not about one row.
                if fails is not None:
                    raise error from None
                ids = ("",)
            return _Row(ids[0], why=OddRow(0, ids[0], Oddness.UNREADABLE, why)) if ids else None
        if not page.ids:
            return None
        job = next((job for job in page.jobs if job.id == page.ids[0]), None)
        odd = next((odd for odd in page.odd if odd.place == 0), None)
        return _Row(page.ids[0], job, odd, page.spelling)


def _each_once(ids: tuple[str, ...]) -> list[str]:
    """Return the ids without repetitions of the one before; rows without an id are never alike."""
    return [one for place, one in enumerate(ids) if not one or place == 0 or ids[place - 1] != one]


def _page_of(rows: list[_Row]) -> JobPage:
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
