"""Brings the known jobs and builds of one owner up to date, with as few requests as possible.

This is one module, although long: the full listing and the listing of news share the rows set
aside, and the checks between them decide whether a plan may be made.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from sauce_janitor.errors import SourceError
from sauce_janitor.inventory.details import ask, ask_lacking, ask_unfinished, job_fields
from sauce_janitor.inventory.listing_memory import ListingMemory, SetAside, named
from sauce_janitor.inventory.pager import ContradictionError, PagePosition, Pager
from sauce_janitor.inventory.ports import JobSource, JobStore
from sauce_janitor.inventory.sync_report import (
    CONFIRMED_AFTER_S,
    SpellingError,
    SyncReport,
    SyncRequest,
)
from sauce_janitor.inventory.unreadable_rows import UnreadableRows, ask_alone
from sauce_janitor.model.job_lists import JobPage
from sauce_janitor.model.jobs import Job, JobId, Owner

RECENT_S: Final = 48 * 3600
"""Jobs that ended so recently are listed again: results, names and tags are often set after the
end.
"""
_LONGEST_RUN_S: Final = 24 * 3600
_FEW: Final = 20
_CHEAP_ROWS: Final = 400
_OLD_BOOKMARK_S: Final = 24 * 3600


def sync(
    owner: Owner,
    source: JobSource,
    store: JobStore,
    request: SyncRequest,
    *,
    step: Callable[[int], None] = lambda _rows: None,
) -> SyncReport:
    """Bring the known jobs of the owner up to date, and return what was done.

    Returns only when the listing is complete. After any SourceError no plan may be made. A full
    listing that breaks off continues from its last page next time. A list proves nothing, and
    raises SourceError, when it is empty although jobs were known, when more than half of the known
    jobs are missing in it, or when no row of it gives a job. Raises SpellingError where no job of
    the owner is known and the list writes the name in another case. `step` is called with the
    number of rows of each page.
    """
    return _Sync(owner, source, store, request, step).run()


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a full listing begins or continues: its fixed `until`, its mark, and its unreadable
    rows.
    """

    until: int
    mark: int
    place: PagePosition
    unreadable: int = 0

    def bookmark(self, place: PagePosition, unreadable: int) -> str:
        return json.dumps(
            [self.until, self.mark, unreadable, place.until, place.skip, place.anchor]
        )

    @classmethod
    def of(cls, bookmark: str) -> _Start:
        until, mark, unreadable, *place = json.loads(bookmark)
        return cls(until, mark, PagePosition(*place), unreadable)


class _Sync:
    def __init__(
        self,
        owner: Owner,
        source: JobSource,
        store: JobStore,
        request: SyncRequest,
        step: Callable[[int], None],
    ) -> None:
        self._owner, self._step = owner, step
        self._source = source
        self._store = store
        self._request = request
        self._memo = ListingMemory.of(store.memo())
        self._asides = UnreadableRows(owner, source, self._memo.asides, now=request.now)
        self._report = SyncReport(owner, full=False)
        self._taken = 0
        self._waiting: list[tuple[list[JobId], list[JobId], int]] = []
        self._is_known = store.count() > 0

    def run(self) -> SyncReport:
        rows_before = self._memo.size.rows
        try:
            report = self._run()
        except SourceError:
            # The last page may have failed for another reason than its size: remember no more than
            # one halving.
            size = self._memo.size
            size.rows = size.rows if size.worked else max(size.rows, rows_before // 2)
            self._keep_memo(self._memo)
            raise
        self._keep_memo(self._memo)
        return report

    def _keep_memo(self, memo: ListingMemory) -> None:
        text = memo.text()
        if text != self._store.memo():
            self._store.keep_memo(text)

    def _run(self) -> SyncReport:
        now = self._request.now
        listed = self._store.listed()
        base = max(
            (time for time in (listed.watermark, listed.full_at) if time is not None), default=None
        )
        # News are only enough on top of a complete listing.
        if self._full_is_due(listed.full_at, base):
            base = self._list_all()
        if base is not None and base < now and self._report.confirmed and not self._list_news(base):
            self._list_all()
        detailed = ask_lacking(
            self._owner, self._source, self._store, job_fields(self._request.needed_fields), now=now
        )
        self._report = replace(self._report, detailed=detailed)
        if self._request.with_builds:
            builds = self._source.builds(self._owner)
            count = self._store.put_builds(builds, now=now)
            self._report = replace(self._report, builds=None if builds is None else count)
        self._report = replace(
            self._report, asides=self._memo.asides, aside_count=self._memo.aside_count
        )
        return replace(self._report, known=self._store.count())

    def _full_is_due(self, full_at: int | None, base: int | None) -> bool:
        now = self._request.now
        if self._request.deep or full_at is None or base is None:
            return True
        # A time in the future was written by a wrong clock and proves nothing.
        return now - full_at > self._request.full_every_s or base > now

    # --- the full listing -------------------------------------------------------------------------

    def _list_all(self) -> int:
        """List every job up to a fixed time, and return that time.

        An earlier attempt that broke off is continued.
        """
        now = self._request.now
        listed = self._store.listed()
        if listed.bookmark is not None:
            start = _Start.of(listed.bookmark)
            if 0 <= now - start.until <= _OLD_BOOKMARK_S:
                # The list moved since the last attempt: start again.
                with suppress(ContradictionError):
                    return self._list_from(start, listed.longest_page)
        return self._list_from(
            _Start(now, max(now, listed.mark + 1), PagePosition(now)), listed.longest_page
        )

    def _list_from(self, start: _Start, longest_page: int) -> int:
        pager = Pager(
            self._source, self._owner, since=None, longest_page=longest_page, size=self._memo.size
        )
        is_whole = start.place == PagePosition(start.until)
        unreadable, rows = start.unreadable, 0
        self._taken = 0 if is_whole else 1
        # What is left of a listing of news that was not accepted.
        self._waiting.clear()
        try:
            for page, following in pager.pages(start.place):
                rows += len(page.ids)
                self._step(len(page.ids))
                unreadable += self._take_in(page, start, pager.place, following, unreadable)
        except ContradictionError:
            self._store.forget_bookmark()
            raise
        self._check_rows()
        self._check_losses(start.mark, rows)
        self._look_for_unseen(start)
        is_first = self._store.listed().full_at is None
        if is_first and (unreadable or not self._taken) and not self._is_second(start):
            return self._leave_unconfirmed(start, pager.longest_page)
        gone = self._store.conclude(
            mark=start.mark,
            watermark=None if unreadable else start.until,
            full_at=start.until,
            longest_page=pager.longest_page,
        )
        self._remember(known=(), unconfirmed_at=None)
        self._report = replace(self._report, full=True, gone=self._report.gone + gone)
        return start.until

    def _is_second(self, start: _Start) -> bool:
        """Tell whether an earlier listing had the same doubt, long enough ago for this one to
        confirm it.
        """
        at = self._memo.unconfirmed_at
        return at is not None and start.until - at >= CONFIRMED_AFTER_S

    def _leave_unconfirmed(self, start: _Start, longest_page: int) -> int:
        """Keep a first listing that is empty or could not all be read as unconfirmed.

        It may be wrong: a later listing has to agree before anything follows from it.
        """
        at = self._memo.unconfirmed_at
        # The first doubtful listing counts: with the latest, runs every few minutes would never
        # confirm it. A time in the future was noted by a wrong clock: it is replaced.
        since = start.until if at is None or at > start.until else at
        self._store.conclude(
            mark=start.mark, watermark=None, full_at=None, longest_page=longest_page
        )
        self._store.forget_bookmark()
        self._remember(known=(), unconfirmed_at=since)
        self._report = replace(self._report, confirmed=False)
        return start.until

    def _check_rows(self) -> None:
        """Raise SourceError where rows came and none gave a job: the whole answer is unusable."""
        if self._taken or not self._asides.found:
            return
        example = self._asides.found[0]
        raise SourceError(
            f"no row in the job list of {self._owner} can be used, for example {example}: "
            "nothing is concluded from it, and no plan is made"
        )

    def _look_for_unseen(self, start: _Start) -> None:
        """Ask for known jobs that were not seen, where a row has no id: that row may be one of
        them.
        """
        # Every odd row names its job.
        if all(aside.id for aside in self._asides.found):
            return
        now = self._request.now
        for one in self._store.missing_ids(start.mark, _FEW):
            found = ask(self._owner, self._source, one)
            # The list and the details agree that it is gone.
            if found is None:
                continue
            jobs, unreadable = ([found], []) if isinstance(found, Job) else ([], [one])
            self._store.put(jobs, unreadable=unreadable, mark=start.mark, now=now, bookmark=None)
            self._store.set_aside(unreadable, mark=start.mark, now=now, known_only=True)

    def _remember(self, *, known: tuple[SetAside, ...], unconfirmed_at: int | None) -> None:
        """Keep on record which rows are set aside now.

        They are those found in this listing, and the `known` ones that were not read since.
        """
        asides = self._asides.left(known)
        nameless = sum(not aside.id for aside in asides)
        count = self._store.count_set_aside() + nameless
        self._memo = ListingMemory(
            self._memo.size, named(asides), max(count, len(named(asides))), unconfirmed_at
        )

    def _check_losses(self, mark: int, rows: int) -> None:
        """Raise SourceError when too many of the known jobs are missing in the list.

        Where they are few enough to ask for each, a job counts as gone when its details are missing
        too.
        """
        known, missing = self._store.missing(mark)
        if self._request.accept_loss or not known or (rows and missing * 2 <= known):
            return
        summary = (
            f"the job list of {self._owner} has {rows} rows, and {missing} of {known} known jobs "
            "are missing from it"
        )
        if missing > _FEW:
            raise SourceError(
                f"{summary}: nothing is concluded from it, and no plan is made. If you know where "
                "they went, add --accept-loss"
            )
        lost = self._store.missing_ids(mark, _FEW)
        for one in lost:
            # Ask twice: a single 404 has been seen for jobs that exist.
            if any(self._source.job(self._owner, one) is not None for _ in range(2)):
                raise SourceError(
                    f"{summary}, yet job {one} is there: nothing is concluded from it, and no plan "
                    "is made"
                )
        self._store.mark_gone(lost)
        self._report = replace(self._report, gone=self._report.gone + len(lost))

    # --- what is new ------------------------------------------------------------------------------

    def _list_news(self, base: int) -> bool:
        """List what is new since `base`, recent, or was unfinished.

        False when the answer is not to be trusted by itself: then the whole list is read.
        """
        now = self._request.now
        listed = self._store.listed()
        mark = max(now, listed.mark + 1)
        since = self._news_since(base)
        pager = Pager(
            self._source,
            self._owner,
            since=since,
            longest_page=listed.longest_page,
            size=self._memo.size,
        )
        unreadable, rows, start = 0, 0, _Start(now, mark, PagePosition(now))
        self._taken, news = 0, self._asides.news
        for page, _ in pager.pages(start.place):
            rows += len(page.ids)
            self._step(len(page.ids))
            unreadable += self._take_in(page, start, pager.place, None, 0)
        # The same check as for a full listing: more than half of what must be there is missing.
        known, missing = self._store.missing_within(since, base, mark)
        if known and (not rows or missing * 2 > known):
            return False
        if not self._taken and self._asides.news > news:
            # No row is good. Only the whole list shows whether the rows or the answer are bad.
            return False
        self._set_aside()
        self._asides.read |= ask_unfinished(
            self._owner, self._source, self._store, mark=mark, now=now
        )
        self._asides.read |= ask_alone(
            self._owner,
            self._source,
            self._memo.asides,
            lambda page, place: self._take_in_alone(page, start, place),
        )
        self._remember(known=self._memo.asides, unconfirmed_at=None)
        self._store.conclude(
            mark=mark,
            watermark=None if unreadable else now,
            full_at=None,
            longest_page=pager.longest_page,
        )
        return True

    def _news_since(self, base: int) -> int:
        """Return the time to list from.

        It is far enough back for what ended in the last 48 h, however long it ran, and for old
        unfinished jobs where that brings few rows.
        """
        recent = base - RECENT_S
        oldest = self._store.oldest_ended_since(recent)
        since = recent if oldest is None else max(min(recent, oldest), recent - _LONGEST_RUN_S)
        unfinished = self._store.oldest_unfinished()
        if (
            unfinished is not None
            and unfinished < since
            and self._store.count_created_since(unfinished) <= _CHEAP_ROWS
        ):
            since = unfinished
        return max(since, 0)

    # --- rows -------------------------------------------------------------------------------------

    def _take_in(
        self,
        page: JobPage,
        start: _Start,
        place: PagePosition,
        following: PagePosition | None,
        unreadable: int,
    ) -> int:
        """Store a page and where the listing continues; return how many of its rows stay unread."""
        # With known jobs, the spelling in use stays.
        if page.spelling is not None and not self._is_known:
            raise SpellingError(self._owner, page.spelling)
        settled = self._asides.settle(page, place)
        # Jobs whose row could not be read, but whose details could, are as good as the others.
        found = [*page.jobs, *settled.jobs]
        self._store.put(
            found,
            unreadable=[*settled.there, *settled.foreign],
            mark=start.mark,
            now=self._request.now,
            bookmark=(
                None
                if following is None
                else start.bookmark(following, unreadable + settled.unread)
            ),
        )
        self._taken += len(found)
        self._waiting.append((settled.there, settled.foreign, start.mark))
        if self._taken:
            self._set_aside()
        self._report = replace(self._report, rows=self._report.rows + len(page.ids))
        return settled.unread

    def _take_in_alone(self, page: JobPage, start: _Start, place: PagePosition) -> None:
        self._take_in(page, start, place, None, 0)

    def _set_aside(self) -> None:
        """Make what is known of the jobs set aside unknown, once a row of this listing was good.

        Before that, the whole answer may be unusable, and nothing must change.
        """
        now = self._request.now
        for there, foreign, mark in self._waiting:
            self._store.set_aside(there, mark=mark, now=now, known_only=False)
            self._store.set_aside(foreign, mark=mark, now=now, known_only=True)
        self._waiting.clear()
