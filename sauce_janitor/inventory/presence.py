"""Checks by a fresh listing whether jobs that their details call missing are still listed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from sauce_janitor.inventory.listing_memory import ListingMemory
from sauce_janitor.inventory.pager import PagePosition, Pager
from sauce_janitor.inventory.ports import JobSource, JobStore
from sauce_janitor.model.jobs import JobId, Owner

_AROUND_S: Final = 3600
"""The neighbors of a job are listed as well: an answer that shows none of them proves nothing."""
_MOST_PAGES: Final = 20
_STILL_LISTED: Final = "a fresh listing still shows it"
_TOO_MANY: Final = (
    "too many jobs lie between it and the others to list them again: the next full listing tells"
)


@dataclass(slots=True)
class _Span:
    """The times from `first` to `last` (epoch seconds UTC), and the jobs inside."""

    first: int
    last: int
    job_ids: list[JobId] = field(default_factory=list)


def contradicted(
    owner: Owner, source: JobSource, store: JobStore, job_ids: Collection[JobId]
) -> Mapping[JobId, str]:
    """Return those of these jobs that are not proven to be gone, and why; mark the others as gone.

    A job is gone when a listing of its times, with its neighbors, can be read to its end and does
    not show it. Raises SourceError.
    """
    times = store.times(job_ids)
    why = {
        one: "no time of it is known: the next full listing tells"
        for one in job_ids
        if times.get(one) is None
    }
    pages = _MOST_PAGES
    for span in _spans(times):
        # The request budget of this check is used up: the rest stays unproven.
        if pages <= 0:
            why |= dict.fromkeys(span.job_ids, _TOO_MANY)
            continue
        shown, doubt, read = _list(owner, source, store, span, pages)
        pages -= read
        if doubt:
            why |= dict.fromkeys(span.job_ids, doubt)
        why |= {one: _STILL_LISTED for one in span.job_ids if one in shown}
    store.mark_gone([one for one in job_ids if one not in why])
    return why


def _spans(times: Mapping[JobId, tuple[int, int] | None]) -> Iterator[_Span]:
    """Yield the times of the jobs with an hour around them, oldest first; spans that touch become
    one.
    """
    known = sorted(
        (span[0] - _AROUND_S, span[1] + _AROUND_S, one)
        for one, span in times.items()
        if span is not None
    )
    current: _Span | None = None
    for first, last, one in known:
        if current is not None and first <= current.last:
            current.last = max(current.last, last)
        else:
            if current is not None:
                yield current
            current = _Span(max(0, first), last)
        current.job_ids.append(one)
    if current is not None:
        yield current


def _list(
    owner: Owner, source: JobSource, store: JobStore, span: _Span, most: int
) -> tuple[set[str], str | None, int]:
    """Return the ids that a listing of the span shows, a reason to doubt it, and its pages."""
    neighbors = set(store.known_within(span.first, span.last, len(span.job_ids) + 20)) - {
        *span.job_ids
    }
    shown: set[str] = set()
    read = 0
    # Without known neighbors, nothing in an empty answer would show that it is wrong: ask twice.
    for _ in range(1 if neighbors else 2):
        size, longest_page = ListingMemory.of(store.memo()).size, store.listed().longest_page
        pager = Pager(source, owner, since=span.first, longest_page=longest_page, size=size)
        for page, _following in pager.pages(PagePosition(span.last)):
            read += 1
            shown.update(page.ids)
            # A row without an id may be the job itself.
            if any(not row.id for row in page.odd):
                return shown, "a row of a fresh listing cannot be read, which may be it", read
            if read > most:
                return shown, _TOO_MANY, read
    if neighbors and shown.isdisjoint(neighbors):
        doubt = f"a fresh listing shows none of the {len(neighbors)} jobs beside it either"
        return shown, doubt, read
    return shown, None, read
