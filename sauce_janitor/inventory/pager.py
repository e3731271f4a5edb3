"""Reads a job list to its end, although it has no cursor, no total and no snapshot.

Much about the list is not documented. So `until` is fixed, and every page begins with the last row
of the page before; a page that does not proves that the list moved. Below a row, the list is cut
into windows (`until` = the creation time of that row) rather than skipped through from its top, but
only after an answer has proven that `to` compares the creation time: see `_Windows`. Before that,
and after any doubt, `skip` is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sauce_janitor.inventory.page_sizes import (
    MOST_PAGES,
    ROWS,
    ContradictionError,
    PageSize,
    SizedList,
)
from sauce_janitor.inventory.ports import JobSource
from sauce_janitor.model.job_lists import JobPage
from sauce_janitor.model.jobs import Job, Owner

__all__ = ["MOST_PAGES", "ROWS", "ContradictionError", "PagePosition", "Pager"]

# A page of such a round length may have met a lower limit of the server.
_LIMITS: Final = frozenset({10, 20, 25, 50, 100, 200, 250, 300, 400})
_MOST_STEPS_BACK: Final = 4


@dataclass(frozen=True, slots=True)
class PagePosition:
    """Where a request begins: at row `skip` of the times up to `until` (epoch seconds UTC).

    A list that did not move has the id `anchor` among its rows.
    """

    until: int
    skip: int = 0
    anchor: str | None = None


@dataclass(frozen=True, slots=True)
class _AnsweredPage:
    """A page, its position, and the number of rows that were asked for."""

    page: JobPage
    place: PagePosition
    limit: int


class Pager:
    """One listing of one owner's jobs. Iterate once over `pages`.

    A row may come twice, but none is left out. `size` is the page size that worked before, and is
    kept up to date. Raises ContradictionError when no such listing is possible: the list moves
    faster than it is read, the same page comes again and again, or the list does not end.
    """

    def __init__(
        self,
        source: JobSource,
        owner: Owner,
        *,
        since: int | None,
        longest_page: int,
        rows: int = ROWS,
        size: PageSize | None = None,
    ) -> None:
        self.longest_page = longest_page
        # The position of the page that was yielded last.
        self.place = PagePosition(0)
        self._owner = owner
        self._list = SizedList(source, owner, since=since, size=size or PageSize(rows, rows))
        self._longest_now = 0
        self._doubled = False
        self._windows = _Windows()
        self._seen: set[tuple[int, str, str, int]] = set()
        self._filling: set[str] = set()

    def pages(self, place: PagePosition) -> Iterator[tuple[JobPage, PagePosition | None]]:
        """Yield the pages from `place` on, each with the position of the next one, None after the
        last.
        """
        before = frozenset({place.anchor} if place.anchor is not None else ())
        tail: tuple[str, ...] = ()
        answer = self._ask(place)
        while True:
            answer = self._overlapping(answer, before)
            following = self._following(answer, tail)
            self.place = answer.place
            yield answer.page, following
            if following is None:
                return
            ids = answer.page.ids
            before = frozenset(filter(None, ids))
            tail = ids[ids.index(following.anchor) :] if following.anchor else ()
            answer, tail = self._next(answer, following, tail)

    def _next(
        self, answer: _AnsweredPage, following: PagePosition, tail: tuple[str, ...]
    ) -> tuple[_AnsweredPage, tuple[str, ...]]:
        """Return the next page: of a new window where one can begin here, else of the same window.

        A window whose first rows are not the expected ones is given up.
        """
        window = self._windows.below(answer.page, answer.place, answer.limit)
        if window is not None:
            beginning, expected = window
            found = self._ask(beginning)
            if self._windows.record(as_expected=found.page.ids[: len(expected)] == expected):
                return found, expected
        return self._ask(following), tail

    def _ask(self, place: PagePosition) -> _AnsweredPage:
        page, limit = self._list.page(until=place.until, skip=place.skip)
        return _AnsweredPage(page, place, limit)

    def _overlapping(self, answer: _AnsweredPage, before: frozenset[str]) -> _AnsweredPage:
        """Return this page, or one further up, that shares a row with the page before.

        Then nothing lies between them. Jobs that others deleted meanwhile move the list up. New
        jobs move it down, which only brings rows twice.
        """
        steps, place = 0, answer.place
        while before and before.isdisjoint(answer.page.ids):
            steps += 1
            if steps > _MOST_STEPS_BACK or answer.place.skip == 0:
                raise ContradictionError(
                    f"the job list of {self._owner} changes faster than it can be read: nothing is "
                    "concluded"
                )
            # A few rows first, then twice as many each time: every row listed again costs progress.
            back = max(1, answer.limit // 4) << (steps - 1)
            answer = self._ask(PagePosition(place.until, max(0, place.skip - back), place.anchor))
        return answer

    def _following(self, answer: _AnsweredPage, tail: tuple[str, ...]) -> PagePosition | None:
        """Return where the next page begins, on the last row of this one; None when this one is the
        last.

        A page shorter than an earlier one is the last. Before an earlier length is known, a short
        page may have met a lower limit of the server, and where jobs have two rows no page has a
        known length. Then the end is proven by asking from the last row on and getting just that
        row. A page that is as long as asked for is never the last, however short it is.
        """
        page, place = answer.page, answer.place
        anchor, rows, count = _last_row(page.ids)
        self._doubled = self._doubled or count < len(page.ids)
        self._longest_now = max(self._longest_now, count)
        longest_now, longest = (
            min(answer.limit, self._longest_now),
            min(answer.limit, self.longest_page),
        )
        is_short = count < longest_now or (count < longest and not _may_be_a_limit(count))
        last = is_short and not self._doubled
        self.longest_page = max(self.longest_page, count)
        # Two rows of one job fill a page this short. That proves no end: the next page begins on
        # the second of them, once for each job.
        if (
            count == 1
            and anchor is not None
            and len(page.ids) >= answer.limit
            and anchor not in self._filling
        ):
            self._filling.add(anchor)
            return PagePosition(place.until, place.skip + len(page.ids) - 1, anchor)
        # The page repeats the end of the one before: nothing follows.
        if last or count == 0 or page.ids == tail:
            return None
        if anchor is None:
            raise ContradictionError(
                f"no row of the job list of {self._owner} has an id: nothing is concluded"
            )
        # A server that ignores `skip` answers the same page forever.
        key = (place.until, page.ids[0], page.ids[-1], len(page.ids))
        if key in self._seen:
            raise ContradictionError(
                f"the job list of {self._owner} gives the same page again and again: nothing is "
                "concluded"
            )
        self._seen.add(key)
        return PagePosition(place.until, place.skip + rows, anchor)


def _last_row(ids: Sequence[str]) -> tuple[str | None, int, int]:
    """Return the last id that a page names, how many rows stand before it, and how many rows there
    are.

    Each job counts once. Where a job has two rows, it is not known whether `skip` counts both: a
    `skip` that is too small only brings rows twice.
    """
    seen: set[str] = set()
    last, before, rows = None, 0, 0
    for identity in ids:
        if identity in seen:
            continue
        if identity:
            seen.add(identity)
            last, before = identity, rows
        rows += 1
    return last, before, rows


def _may_be_a_limit(count: int) -> bool:
    return count in _LIMITS


class _Windows:
    """Decides where a window may begin.

    It is not documented which time `to` compares, and whether rows come in the order of that time.
    Only what answers showed counts: rows come by creation time and by no other time; and a row that
    started and ended after its creation is still listed with `to` = its creation time, so `to`
    compares no later time. After one answer against it, no further window is tried.
    """

    def __init__(self) -> None:
        self._proven = False
        self._refuted = False
        self._orders_left = {"started_at", "ended_at", "modified_at"}

    def below(
        self, page: JobPage, place: PagePosition, limit: int
    ) -> tuple[PagePosition, tuple[str, ...]] | None:
        """Return the window that begins with a row near this page's end, and the ids it has to
        begin with.
        """
        # A short page is the last one: there is nothing below it.
        if self._refuted or len(page.ids) < limit:
            return None
        by_id: dict[str, Job] = {job.id: job for job in page.jobs}
        rows = [by_id.get(identity) for identity in page.ids]
        times = [
            row.created_at if row is not None and isinstance(row.created_at, int) else None
            for row in rows
        ]
        self._orders_left -= {
            name
            for name in self._orders_left
            if not _is_descending([getattr(row, name, None) for row in rows])
        }
        self._refuted = not _is_descending(times)
        if self._refuted or self._orders_left:
            return None
        candidates = (len(rows) - 1,) if self._proven else range(len(rows) - 1, 0, -1)
        # The first window is a test: it needs a row that other readings of `to` would leave out.
        index = next(
            (index for index in candidates if self._proven or _shows_creation_time(rows[index])),
            None,
        )
        if index is None or (time := times[index]) is None:
            return None
        first = times.index(time)
        # Where the rows of that second begin is not known.
        if first == 0 or None in times[first:index] or time >= place.until:
            return None
        return PagePosition(time, index - first, page.ids[index]), page.ids[index:]

    def record(self, *, as_expected: bool) -> bool:
        """Record whether a window began as expected; return the same."""
        self._proven = self._proven or as_expected
        self._refuted = self._refuted or not as_expected
        return as_expected


def _is_descending(times: Sequence[object]) -> bool:
    """Tell whether no time is later than one before it. Unknown times are left out."""
    known = [time for time in times if isinstance(time, int)]
    return all(first >= second for first, second in pairwise(known))


def _shows_creation_time(job: Job | None) -> bool:
    """Tell whether the job would be left out if `to` compared another time than the creation."""
    if job is None or not isinstance(job.created_at, int):
        return False
    created = job.created_at
    return all(isinstance(time, int) and time > created for time in (job.started_at, job.ended_at))
