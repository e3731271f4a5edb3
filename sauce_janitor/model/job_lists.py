"""Pages of a job list, and how far the listings of an owner came, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sauce_janitor.model.jobs import Job, JobId, OddRow, Owner


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of a job list.

    `ids` are the ids of all rows in their order, "" where a row has none that can be read. `odd`
    are the rows that gave no job. `spelling` is the owner's name as every row that names one writes
    it, where only the letters' case differs from what was asked for. `glimpses` are for people,
    never for a decision: the jobs of short rows, with the name and status that such a row shows.
    """

    jobs: tuple[Job, ...]
    ids: tuple[str, ...]
    odd: tuple[OddRow, ...] = ()
    spelling: Owner | None = None
    glimpses: Mapping[JobId, Job] = field(default_factory=dict)

    @property
    def rejected(self) -> tuple[str, ...]:
        """Return why some rows gave no job, a sentence a row."""
        return tuple(map(str, self.odd))


@dataclass(frozen=True, slots=True)
class ListingProgress:
    """How far the listings of one owner's jobs came.

    `mark` is the number of the last listing: a time, but greater than any mark before it.
    `watermark` is our own `until` of the last listing without a rejected row, `full_at` that of the
    last complete full listing; both are epoch seconds UTC, None for never. `longest_page` is the
    most rows that an answer ever had. `bookmark` says where an unfinished full listing goes on, as
    its writer left it.
    """

    mark: int = 0
    watermark: int | None = None
    full_at: int | None = None
    longest_page: int = 0
    bookmark: str | None = None
