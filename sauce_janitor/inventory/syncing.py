"""Keeps what is known of one owner's jobs and builds true, with as few requests as that takes."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from sauce_janitor.errors import SourceError
from sauce_janitor.inventory.details import Doubts, ask_lacking, ask_unfinished, meant
from sauce_janitor.inventory.paging import ContradictionError, Pager, Place
from sauce_janitor.inventory.parts import JobSource, JobStore, Page
from sauce_janitor.retention.model import Owner

RECENT_S: Final = 48 * 3600
"""Jobs that ended so recently are listed again: results, names and tags are often set after the end."""
_LONGEST_RUN_S: Final = 24 * 3600
_FEW: Final = 20
_CHEAP_ROWS: Final = 400
_OLD_BOOKMARK_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Demand:
    """What a run wants of the inventory.

    `now` is epoch seconds by our clock. A complete full listing older than `full_every_s` is repeated; `deep` repeats it at any
    age. `accept_loss` says that an operator knows where the missing jobs went: then a list is believed whatever it lost.
    `needed_fields` are what the rules read (names of `Job` or of the policy language): where a row leaves one out, the
    details are asked.
    """

    now: int
    full_every_s: int
    deep: bool = False
    accept_loss: bool = False
    needed_fields: frozenset[str] = frozenset()
    with_builds: bool = False


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did: `rows` listed, jobs found `gone`, details asked, builds known (None: not offered or not asked).

    `rejected` says why rows were not understood, the first few; then the watermark stays where it was. `known` jobs there are.
    """

    owner: Owner
    full: bool
    rows: int = 0
    gone: int = 0
    detailed: int = 0
    builds: int | None = None
    known: int = 0
    rejected: tuple[str, ...] = ()
    unreadable: int = 0


def sync(owner: Owner, source: JobSource, store: JobStore, demand: Demand) -> SyncReport:
    """Bring what is known of the owner's jobs up to date.

    Returns only when the listing is complete; every SourceError of it means that no plan may be made. A full listing that
    breaks off goes on from its last page next time. An empty list where jobs were known, or one in which more than half of
    them are missing, concludes nothing: SourceError.
    """
    return _Sync(owner, source, store, demand).run()


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a full listing begins or goes on: its fixed `until`, its mark, and how many rows were unreadable so far."""

    until: int
    mark: int
    place: Place
    unreadable: int = 0

    def bookmark(self, place: Place, unreadable: int) -> str:
        return json.dumps([self.until, self.mark, unreadable, place.until, place.skip, place.anchor])

    @classmethod
    def of(cls, bookmark: str) -> _Start:
        until, mark, unreadable, *place = json.loads(bookmark)
        return cls(until, mark, Place(*place), unreadable)


class _Sync:
    def __init__(self, owner: Owner, source: JobSource, store: JobStore, demand: Demand) -> None:
        self._owner = owner
        self._source = source
        self._store = store
        self._demand = demand
        self._doubts = Doubts(owner, source)
        self._report = SyncReport(owner, full=False)

    def run(self) -> SyncReport:
        now = self._demand.now
        listed = self._store.listed()
        base = max((time for time in (listed.watermark, listed.full_at) if time is not None), default=None)
        if self._full_is_due(listed.full_at, base):
            base = self._list_all()
        if base is not None and base < now and not self._list_news(base):
            self._list_all()
        detailed = ask_lacking(self._owner, self._source, self._store, meant(self._demand.needed_fields), now=now)
        self._report = replace(self._report, detailed=detailed)
        if self._demand.with_builds:
            builds = self._source.builds(self._owner)
            count = self._store.put_builds(builds, now=now)
            self._report = replace(self._report, builds=None if builds is None else count)
        return replace(self._report, known=self._store.count())

    def _full_is_due(self, full_at: int | None, base: int | None) -> bool:
        now = self._demand.now
        if self._demand.deep or full_at is None or base is None:
            return True
        # A time ahead of us was written by a clock that was wrong: it says nothing.
        return now - full_at > self._demand.full_every_s or base > now

    # --- the full listing --------------------------------------------------------------------------------------------

    def _list_all(self) -> int:
        """Every job up to a fixed time, resumed where the last attempt broke off; that time."""
        now = self._demand.now
        listed = self._store.listed()
        if listed.bookmark is not None:
            start = _Start.of(listed.bookmark)
            if 0 <= now - start.until <= _OLD_BOOKMARK_S:
                with suppress(ContradictionError):  # the list moved since: begin anew
                    return self._list_from(start, listed.longest_page)
        return self._list_from(_Start(now, max(now, listed.mark + 1), Place(now)), listed.longest_page)

    def _list_from(self, start: _Start, longest_page: int) -> int:
        pager = Pager(self._source, self._owner, since=None, longest_page=longest_page)
        unreadable, rows = start.unreadable, 0
        try:
            for page, following in pager.pages(start.place):
                rows += len(page.ids)
                unreadable += self._take_in(page, start, following, unreadable)
        except ContradictionError:
            self._store.forget_bookmark()
            raise
        self._believe(start.mark, rows)
        gone = self._store.conclude(
            mark=start.mark,
            watermark=None if unreadable else start.until,
            full_at=start.until,
            longest_page=pager.longest_page,
        )
        self._report = replace(self._report, full=True, gone=self._report.gone + gone)
        return start.until

    def _believe(self, mark: int, rows: int) -> None:
        """SourceError when too much of what was known is missing, unless it is so little that each can be asked for."""
        known, missing = self._store.missing(mark)
        if self._demand.accept_loss or not known or (rows and missing * 2 <= known):
            return
        words = f"the job list of {self._owner} has {rows} rows, and {missing} of {known} known jobs are missing in it"
        if missing > _FEW:
            raise SourceError(
                f"{words}: nothing is concluded from it, and no plan is made. If you know where they went, say --accept-loss"
            )
        lost = self._store.missing_ids(mark, _FEW)
        for one in lost:
            # Twice: a single 404 has been seen for jobs that are there.
            if any(self._source.job(self._owner, one) is not None for _ in range(2)):
                raise SourceError(f"{words}, yet job {one} is there: nothing is concluded from it, and no plan is made")
        self._store.mark_gone(lost)
        self._report = replace(self._report, gone=self._report.gone + len(lost))

    # --- what is new -------------------------------------------------------------------------------------------------

    def _list_news(self, base: int) -> bool:
        """What is new since `base`, recent or was unfinished. False when the answer is not to be believed by itself."""
        now = self._demand.now
        listed = self._store.listed()
        mark = max(now, listed.mark + 1)
        since = self._news_since(base)
        pager = Pager(self._source, self._owner, since=since, longest_page=listed.longest_page)
        unreadable, rows = 0, 0
        for page, _ in pager.pages(Place(now)):
            rows += len(page.ids)
            unreadable += self._take_in(page, _Start(now, mark, Place(now)), None, 0)
        known, missing = self._store.missing_within(since, base, mark)
        if known and (not rows or missing * 2 > known):
            return False
        ask_unfinished(self._owner, self._source, self._store, mark=mark, now=now)
        self._store.conclude(
            mark=mark, watermark=None if unreadable else now, full_at=None, longest_page=pager.longest_page
        )
        return True

    def _news_since(self, base: int) -> int:
        """Far enough back for what ended in the last 48 h, however long it ran, and for old unfinished jobs if cheap."""
        recent = base - RECENT_S
        oldest = self._store.oldest_ended_since(recent)
        since = recent if oldest is None else max(min(recent, oldest), recent - _LONGEST_RUN_S)
        unfinished = self._store.oldest_unfinished()
        if unfinished is not None and unfinished < since and self._store.count_created_since(unfinished) <= _CHEAP_ROWS:
            since = unfinished
        return max(since, 0)

    # --- rows --------------------------------------------------------------------------------------------------------

    def _take_in(self, page: Page, start: _Start, following: Place | None, unreadable: int) -> int:
        """Store a page and where the listing goes on; how many of its rows stay unread."""
        mended, there, unread = self._doubts.settle(page)
        self._store.put(
            [*(job for job in page.jobs if job.owner == self._owner), *mended],
            unreadable=there,
            mark=start.mark,
            now=self._demand.now,
            bookmark=None if following is None else start.bookmark(following, unreadable + unread),
        )
        self._report = replace(
            self._report,
            rows=self._report.rows + len(page.ids),
            unreadable=self._report.unreadable + unread,
            rejected=tuple(self._doubts.reasons),
        )
        return unread
