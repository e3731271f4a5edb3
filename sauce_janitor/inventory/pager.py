"""Reading a job list whole, though it has no cursor, no total and no snapshot, and much about it is
not documented.

`until` is fixed, every page begins with the last row of the one before, and a page that does not is
proof that the list moved. Below a row the list is cut into windows (`until` = that row's creation
time) rather than skipped through from its top, but only once an answer has proven that `to`
compares the creation time: see `_Windows`. Otherwise, and after any doubt, `skip` it is.
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
    """Where a request goes: to row `skip` of the times up to `until`. A list that did not move has
    `anchor` among its rows.
    """

    until: int
    skip: int = 0
    anchor: str | None = None


@dataclass(frozen=True, slots=True)
class _Got:
    """A page, where it was asked for and by how many rows at most."""

    page: JobPage
    place: PagePosition
    limit: int


class Pager:
    """One listing of one owner's jobs. Iterate once: the pages, each with the place where the next
    one begins, None for none.

    Rows may come twice, never not at all. `size` is what worked before, and is kept up to date.
    Raises ContradictionError when that cannot be had: the list moves faster than it is read, the
    same page comes again and again, it does not end.
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
        self.place = PagePosition(0)  # of the page that was given last
        self._owner = owner
        self._list = SizedList(source, owner, since=since, size=size or PageSize(rows, rows))
        self._longest_now = 0
        self._doubled = False
        self._windows = _Windows()
        self._seen: set[tuple[int, str, str, int]] = set()
        self._filling: set[str] = set()

    def pages(self, place: PagePosition) -> Iterator[tuple[JobPage, PagePosition | None]]:
        """The pages from `place` on."""
        before = frozenset({place.anchor} if place.anchor is not None else ())
        tail: tuple[str, ...] = ()
        got = self._ask(place)
        while True:
            got = self._overlapping(got, before)
            following = self._following(got, tail)
            self.place = got.place
            yield got.page, following
            if following is None:
                return
            ids = got.page.ids
            before = frozenset(filter(None, ids))
            tail = ids[ids.index(following.anchor) :] if following.anchor else ()
            got, tail = self._next(got, following, tail)

    def _next(
        self, got: _Got, following: PagePosition, tail: tuple[str, ...]
    ) -> tuple[_Got, tuple[str, ...]]:
        """The next page: of a new window where one can begin here and proves true, else behind this
        one in the same window.
        """
        window = self._windows.below(got.page, got.place, got.limit)
        if window is not None:
            beginning, expected = window
            found = self._ask(beginning)
            if self._windows.judge(as_expected=found.page.ids[: len(expected)] == expected):
                return found, expected
        return self._ask(following), tail

    def _ask(self, place: PagePosition) -> _Got:
        page, limit = self._list.page(until=place.until, skip=place.skip)
        return _Got(page, place, limit)

    def _overlapping(self, got: _Got, before: frozenset[str]) -> _Got:
        """This page, or one further up, that shares a row with the page before: nothing lies
        between them.

        Jobs deleted by others meanwhile move the list up; new ones move it down, which only brings
        rows again.
        """
        steps, place = 0, got.place
        while before and before.isdisjoint(got.page.ids):
            steps += 1
            if steps > _MOST_STEPS_BACK or got.place.skip == 0:
                raise ContradictionError(
                    f"the job list of {self._owner} changes faster than it can be read: nothing is "
                    "concluded"
                )
            # A few rows first, then twice as many each time: every row listed again costs progress.
            back = max(1, got.limit // 4) << (steps - 1)
            got = self._ask(PagePosition(place.until, max(0, place.skip - back), place.anchor))
        return got

    def _following(self, got: _Got, tail: tuple[str, ...]) -> PagePosition | None:
        """Where the next page begins, on the last row of this one; None when this one is the last.

        A page shorter than an earlier one is the last. Before that is known, a short page may be a
        lower limit of the server's, and where jobs have two rows no page has a known length: then
        the end is proven by asking from the last row on and getting just that. A page that is as
        long as was asked for is never the last, however short.
        """
        page, place = got.page, got.place
        anchor, rows, count = _last(page.ids)
        self._doubled = self._doubled or count < len(page.ids)
        self._longest_now = max(self._longest_now, count)
        longest_now, longest = min(got.limit, self._longest_now), min(got.limit, self.longest_page)
        is_short = count < longest_now or (count < longest and not _may_be_a_limit(count))
        last = is_short and not self._doubled
        self.longest_page = max(self.longest_page, count)
        if (
            count == 1
            and anchor is not None
            and len(page.ids) >= got.limit
            and anchor not in self._filling
        ):
            # Two rows of one job fill a page this short: it proves no end, and begins anew on the
            # second of them.
            self._filling.add(anchor)
            return PagePosition(place.until, place.skip + len(page.ids) - 1, anchor)
        if last or count == 0 or page.ids == tail:
            return None
        if anchor is None:
            raise ContradictionError(
                f"no row of the job list of {self._owner} has an id: nothing is concluded"
            )
        key = (place.until, page.ids[0], page.ids[-1], len(page.ids))
        if key in self._seen:
            raise ContradictionError(
                f"the job list of {self._owner} gives the same page again and again: nothing is "
                "concluded"
            )
        self._seen.add(key)
        return PagePosition(place.until, place.skip + rows, anchor)


def _last(ids: Sequence[str]) -> tuple[str | None, int, int]:
    """The last id that a page names, how many rows stand before it, and how many rows there are;
    each job counted once.

    Where a job has two rows it is not known whether `skip` counts both: too small a skip only
    brings rows again.
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

    Not documented: which time `to` compares, and whether rows are in its order. Taken for true is
    only what answers showed: rows come by creation time, and by no other; and a row that started
    and ended after it was created is still listed with `to` = its creation time, so `to` compares
    no later one. One answer against it and there are no windows any more.
    """

    def __init__(self) -> None:
        self._proven = False
        self._refuted = False
        self._orders_left = {"started_at", "ended_at", "modified_at"}

    def below(
        self, page: JobPage, place: PagePosition, limit: int
    ) -> tuple[PagePosition, tuple[str, ...]] | None:
        """The window that begins with a row near this page's end, and the ids it has to begin
        with.
        """
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
            if not _falling([getattr(row, name, None) for row in rows])
        }
        self._refuted = not _falling(times)
        if self._refuted or self._orders_left:
            return None
        candidates = (len(rows) - 1,) if self._proven else range(len(rows) - 1, 0, -1)
        index = next((index for index in candidates if self._proven or _telling(rows[index])), None)
        if index is None or (time := times[index]) is None:
            return None
        first = times.index(time)
        if first == 0 or None in times[first:index] or time >= place.until:
            return None  # where the rows of that second begin cannot be told
        return PagePosition(time, index - first, page.ids[index]), page.ids[index:]

    def judge(self, *, as_expected: bool) -> bool:
        """Take in whether a window began as it should; the same back."""
        self._proven = self._proven or as_expected
        self._refuted = self._refuted or not as_expected
        return as_expected


def _falling(times: Sequence[object]) -> bool:
    """Whether no time is later than one before it, as far as they are known."""
    known = [time for time in times if isinstance(time, int)]
    return all(first >= second for first, second in pairwise(known))


def _telling(job: Job | None) -> bool:
    """Whether a list whose `to` compares another time than the creation's would leave the job
    out.
    """
    if job is None or not isinstance(job.created_at, int):
        return False
    created = job.created_at
    return all(isinstance(time, int) and time > created for time in (job.started_at, job.ended_at))
