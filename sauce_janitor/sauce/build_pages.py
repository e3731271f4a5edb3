"""Walks the pages of the builds APIs, which may or may not obey limit and offset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

from sauce_janitor.errors import AnswerError

if TYPE_CHECKING:
    from sauce_janitor.model.jobs import Build
    from sauce_janitor.sauce.build_members import BuildMember
    from sauce_janitor.sauce.builds import BuildRecord

_FEWEST_A_PAGE: Final = 20
"""A page of fewer rows is the last one. Source: the vendor's node client: limit is 20 by
default.
"""


_Row = TypeVar("_Row", "Build", "BuildRecord", "BuildMember")


def each_once(
    first: tuple[_Row, ...],
    ask: Callable[[int], tuple[_Row, ...] | None],
    *,
    what: str,
    most_pages: int,
) -> Iterator[_Row]:
    """Yield every row once, in the order of the pages: `first`, then what `ask` returns for an
    offset.

    It ends with the page that adds nothing: an offset into a live list repeats rows, and a server
    may clamp or ignore it. Raises AnswerError where `what` has more than `most_pages` pages.
    """
    seen: set[str] = set()
    page: tuple[_Row, ...] | None = first
    offset = 0
    for _ in range(most_pages):
        fresh = {row.id: row for row in page or () if row.id not in seen}
        yield from fresh.values()
        seen.update(fresh)
        offset += len(page or ())
        # A page that adds nothing, or that is short, is the last one.
        if not fresh or page is None or len(page) < _FEWEST_A_PAGE:
            return
        page = ask(offset)
    raise AnswerError(f"{what} does not end after {most_pages:,} pages")
