"""What one listing of an owner's jobs leaves for the next beside the jobs: the page size that
works, the rows set aside.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from sauce_janitor.inventory.page_sizes import PageSize

MOST_ASIDE: Final = 50
"""Rows set aside that are named. More are counted, and their jobs known all the same."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that could not be read, and was not to be had by itself either.

    `id` is its job's, "" where the row names none. Then it is looked for by its place: row `skip`
    (from 0) of the times up to `until`, behind the job `above` ("" for none). `since` is when it
    was first set aside, epoch seconds.
    """

    id: str
    why: str
    until: int
    skip: int
    above: str
    since: int

    def __str__(self) -> str:
        named = f"job {self.id}" if self.id else f"row {self.skip}"
        return self.why if self.id and self.id in self.why else f"{named}: {self.why}"


@dataclass(frozen=True, slots=True)
class ListingMemory:
    """The page size of the last listing, the rows set aside (the first `MOST_ASIDE`), and how many
    there are.

    `unconfirmed_at` is when a first full listing was empty or had unreadable rows: one that is much
    later has to agree.
    """

    size: PageSize = field(default_factory=PageSize)
    asides: tuple[SetAside, ...] = ()
    aside_count: int = 0
    unconfirmed_at: int | None = None

    @classmethod
    def of(cls, text: str | None) -> ListingMemory:
        """What `text` wrote down; the defaults where nothing did, or where it cannot be read."""
        if text is None:
            return cls()
        try:
            told = json.loads(text)
            asides = tuple(SetAside(**each) for each in told["asides"])
            rows, worked, needed = told["size"]
            size = PageSize(
                max(1, min(int(rows), PageSize().most)),
                worked=int(worked),
                needed=max(1, int(needed)),
            )
            unconfirmed_at = None if told["unconfirmed_at"] is None else int(told["unconfirmed_at"])
            return cls(size, asides, int(told["aside_count"]), unconfirmed_at)
        # Another version wrote it. It only saves requests, so the defaults do.
        except (ValueError, TypeError, KeyError):
            return cls()

    def text(self) -> str:
        """The memo as the state keeps it."""
        size = [self.size.rows, self.size.worked, self.size.needed]
        told = {"size": size, "asides": [asdict(each) for each in self.asides]}
        return json.dumps(
            told | {"aside_count": self.aside_count, "unconfirmed_at": self.unconfirmed_at}
        )


def named(asides: Sequence[SetAside]) -> tuple[SetAside, ...]:
    """The first of them, each job once."""
    return tuple({each.id or (each.until, each.skip): each for each in asides}.values())[
        :MOST_ASIDE
    ]
