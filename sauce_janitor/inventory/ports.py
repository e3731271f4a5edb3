"""What listing needs of the other parts, as small protocols."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from sauce_janitor.model.job_lists import JobPage, ListingProgress
from sauce_janitor.model.jobs import Build, Job, JobDocument, JobId, Owner


class JobSource(Protocol):
    """The reading half of Sauce Labs. Every method may raise a SourceError; retries are behind
    it.
    """

    def list_jobs(
        self, owner: Owner, /, *, limit: int, skip: int, since: int | None, until: int | None
    ) -> JobPage:
        """Rows `skip` and following of the owner's jobs, newest first, of the times `since` to
        `until`, both included.
        """

    def list_ids(
        self, owner: Owner, /, *, limit: int, skip: int, since: int | None, until: int | None
    ) -> tuple[str, ...]:
        """The ids of such rows alone, by short rows: for rows that are too large to be had in
        full.
        """

    def job(self, owner: Owner, job_id: JobId, /) -> JobDocument | None:
        """The job's details; None when it is not there."""

    def jobs(self, job_ids: Sequence[JobId], /) -> Mapping[JobId, JobDocument] | None:
        """The details of those of these jobs that there are, in one request; None where that is not
        offered.
        """

    def builds(self, owner: Owner, /) -> Iterable[Build] | None:
        """All builds; None where they are not offered."""


class JobStore(Protocol):
    """What is known of one owner's jobs.

    A listing has a number, its `mark`, greater than any before it (it is a time as well).
    `watermark` and `full_at` are our own `until` of the last listing without a rejected row, and of
    the last complete full one.
    """

    def listed(self) -> ListingProgress: ...
    def put(
        self,
        new: Sequence[Job],
        *,
        unreadable: Collection[str],
        mark: int,
        now: int,
        bookmark: str | None,
    ) -> None:
        """Take in a page, and where a full listing goes on after it, in one transaction."""

    def set_aside(
        self, job_ids: Collection[JobId], *, mark: int, now: int, known_only: bool
    ) -> None:
        """These are there and cannot be read: what rules read of them is UNKNOWN. New ones, too,
        unless `known_only`.
        """

    def count_set_aside(self) -> int:
        """How many jobs are set aside."""

    def put_off(self, job_ids: Collection[JobId], *, now: int) -> None:
        """These were asked for: of the unfinished ones, others come first next time."""

    def memo(self) -> str | None:
        """What the last listing wrote down for the next one."""

    def keep_memo(self, text: str) -> None:
        """Write that down."""

    def put_details(self, new: Sequence[Job], *, asked: Collection[JobId], now: int) -> None:
        """Take in details; who was asked for is not `lacking` any more."""

    def put_builds(self, new: Iterable[Build] | None, *, now: int) -> int:
        """Make these the builds that are known, None for not offered; how many there are."""

    def conclude(
        self, *, mark: int, watermark: int | None, full_at: int | None, longest_page: int
    ) -> int:
        """The listing is complete; after a full one who was not seen is gone. How many are."""

    def forget_bookmark(self) -> None:
        """The unfinished full listing will not go on."""

    def mark_gone(self, job_ids: Collection[JobId]) -> None:
        """These are proven to be gone."""

    def times(self, job_ids: Collection[JobId]) -> Mapping[JobId, tuple[int, int] | None]:
        """The first and the last of each job's times; None where none is known."""

    def known_within(self, since: int, until: int, limit: int) -> tuple[JobId, ...]:
        """Some that were created then."""

    def count(self) -> int:
        """How many jobs are known and not gone."""

    def count_created_since(self, since: int) -> int:
        """How many of them were created then or later."""

    def missing(self, mark: int) -> tuple[int, int]:
        """How many were known before the listing, and how many of these it has not seen."""

    def missing_within(self, since: int, until: int, mark: int) -> tuple[int, int]:
        """The same of those all of whose times lie inside."""

    def missing_ids(self, mark: int, limit: int) -> tuple[JobId, ...]:
        """Some that the listing has not seen."""

    def unfinished(self, mark: int, limit: int) -> tuple[JobId, ...]:
        """Some not known to have finished that the listing has not seen, longest unseen first."""

    def oldest_ended_since(self, since: int) -> int | None:
        """When the oldest was created of those that ended then or later."""

    def oldest_unfinished(self) -> int | None:
        """When the oldest was created that is not known to have finished."""

    def lacking(self, fields: Collection[str], limit: int) -> tuple[JobId, ...]:
        """Some of which one of these fields is UNKNOWN and whose details were not asked for since
        they changed.
        """
