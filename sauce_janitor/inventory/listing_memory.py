"""What one listing of an owner's jobs leaves for the next one, beside the jobs.

This is the page size that works and the rows that were set aside.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from sauce_janitor.inventory.page_sizes import PageSize

MOST_ASIDE: Final = 50
"""How many rows set aside are named. Further ones are only counted; their jobs are known as well.
"""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that could not be read, and whose job could not be read by itself either.

    `id` is the job's id, "" where the row has none that can be read. Such a row is found again by
    its position: row `skip` (from 0) of the times up to `until`, after the job `above` ("" for
    none). `since` is when it was first set aside. Times are epoch seconds UTC.
    """

    id: str
    why: str
    until: int
    skip: int
    above: str
    since: int

    def __str__(self) -> str:
        # Many reasons name the job already.
        if self.id and self.id in self.why:
            return self.why
        subject = f"job {self.id}" if self.id else f"row {self.skip}"
        return f"{subject}: {self.why}"


@dataclass(frozen=True, slots=True)
class ListingMemory:
    """The page size of the last listing, the rows set aside and how many there are.

    `asides` has the first `MOST_ASIDE` of them. `unconfirmed_at` is when a first full listing was
    empty or had unreadable rows (epoch seconds UTC): a listing that is much later has to agree with
    it.
    """

    size: PageSize = field(default_factory=PageSize)
    asides: tuple[SetAside, ...] = ()
    aside_count: int = 0
    unconfirmed_at: int | None = None

    @classmethod
    def of(cls, text: str | None) -> ListingMemory:
        """Read the memory from `text`; the defaults where there is none, or where it cannot be
        read.
        """
        # There was no listing yet.
        if text is None:
            return cls()
        try:
            document = json.loads(text)
            asides = tuple(SetAside(**each) for each in document["asides"])
            rows, worked, needed = document["size"]
            size = PageSize(
                max(1, min(int(rows), PageSize().most)),
                worked=int(worked),
                needed=max(1, int(needed)),
            )
            at = document["unconfirmed_at"]
            unconfirmed_at = None if at is None else int(at)
            return cls(size, asides, int(document["aside_count"]), unconfirmed_at)
        # Another version wrote it. It only saves requests, so the defaults do.
        except (ValueError, TypeError, KeyError):
            return cls()

    def text(self) -> str:
        """Return the memory as the text that the state keeps."""
        size = [self.size.rows, self.size.worked, self.size.needed]
        document = {
            "size": size,
            "asides": [asdict(each) for each in self.asides],
            "aside_count": self.aside_count,
            "unconfirmed_at": self.unconfirmed_at,
        }
        return json.dumps(document)


def named(asides: Sequence[SetAside]) -> tuple[SetAside, ...]:
    """Return the first `MOST_ASIDE` of them, each job once."""
    each_once = {each.id or (each.until, each.skip): each for each in asides}
    return tuple(each_once.values())[:MOST_ASIDE]
