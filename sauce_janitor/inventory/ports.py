"""What listing needs of Sauce Labs and of the state: two protocols."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from sauce_janitor.model.job_lists import JobPage, ListingProgress
from sauce_janitor.model.jobs import Build, Job, JobDocument, JobId, Owner


class JobSource(Protocol):
    """Reads jobs and builds from Sauce Labs. Any method may raise SourceError, after its
    retries.
    """

    def list_jobs(
        self, owner: Owner, /, *, limit: int, skip: int, since: int | None, until: int | None
    ) -> JobPage:
        """Return the owner's jobs from row `skip` on, newest first, of the times `since` to
        `until`, both included.
        """

    def list_ids(
        self, owner: Owner, /, *, limit: int, skip: int, since: int | None, until: int | None
    ) -> tuple[str, ...]:
        """Return only the ids of such rows, read from short rows: for rows too large to read in
        full.
        """

    def job(self, owner: Owner, job_id: JobId, /) -> JobDocument | None:
        """Return the job's details; None when it does not exist."""

    def jobs(self, job_ids: Sequence[JobId], /) -> Mapping[JobId, JobDocument] | None:
        """Return the details of those of these jobs that exist, in one request.

        None where the server does not offer that.
        """

    def builds(self, owner: Owner, /) -> Iterable[Build] | None:
        """Return all builds of the owner; None where the server does not offer them."""


class JobStore(Protocol):
    """The known jobs of one owner.

    A listing has a number, its `mark`, greater than any before it (it is a time as well).
    `watermark` and `full_at` are our own `until` of the last listing without a rejected row, and of
    the last complete full one. Times are epoch seconds UTC.
    """

    def listed(self) -> ListingProgress:
        """Return how far the listings came."""

    def put(
        self,
        new: Sequence[Job],
        *,
        unreadable: Collection[str],
        mark: int,
        now: int,
        bookmark: str | None,
    ) -> None:
        """Store a page, and where a full listing continues after it, in one transaction."""

    def set_aside(
        self, job_ids: Collection[JobId], *, mark: int, now: int, known_only: bool
    ) -> None:
        """Record that these jobs exist and cannot be read: what rules read of them becomes UNKNOWN.

        Jobs that are new are stored too, unless `known_only`.
        """

    def count_set_aside(self) -> int:
        """Return how many jobs are set aside."""

    def put_off(self, job_ids: Collection[JobId], *, now: int) -> None:
        """Record that these were asked for: of the unfinished jobs, others come first next time."""

    def memo(self) -> str | None:
        """Return what the last listing wrote down for the next one."""

    def keep_memo(self, text: str) -> None:
        """Write down `text` for the next listing."""

    def put_details(self, new: Sequence[Job], *, asked: Collection[JobId], now: int) -> None:
        """Store details. A job that was `asked` for is not `lacking` any more until it changes."""

    def put_builds(self, new: Iterable[Build] | None, *, now: int) -> int:
        """Replace the known builds (None: not offered), and return how many there are."""

    def conclude(
        self, *, mark: int, watermark: int | None, full_at: int | None, longest_page: int
    ) -> int:
        """Record that the listing is complete. After a full one, jobs not seen are gone; return how
        many.
        """

    def forget_bookmark(self) -> None:
        """Record that the unfinished full listing will not be continued."""

    def mark_gone(self, job_ids: Collection[JobId]) -> None:
        """Record that these jobs are proven to be gone."""

    def times(self, job_ids: Collection[JobId]) -> Mapping[JobId, tuple[int, int] | None]:
        """Return the first and the last of each job's times; None where none is known."""

    def known_within(self, since: int, until: int, limit: int) -> tuple[JobId, ...]:
        """Return some of the jobs that were created in this time."""

    def count(self) -> int:
        """Return how many jobs are known and not gone."""

    def count_created_since(self, since: int) -> int:
        """Return how many of them were created at `since` or later."""

    def missing(self, mark: int) -> tuple[int, int]:
        """Return how many were known before the listing, and how many of these it has not seen."""

    def missing_within(self, since: int, until: int, mark: int) -> tuple[int, int]:
        """Return the same of the jobs all of whose times are between `since` and `until`."""

    def missing_ids(self, mark: int, limit: int) -> tuple[JobId, ...]:
        """Return some of the jobs that the listing has not seen."""

    def unfinished(self, mark: int, limit: int) -> tuple[JobId, ...]:
        """Return some jobs not known to have finished that the listing has not seen, longest unseen
        first.
        """

    def oldest_ended_since(self, since: int) -> int | None:
        """Return the creation time of the oldest job that ended at `since` or later."""

    def oldest_unfinished(self) -> int | None:
        """Return the creation time of the oldest job that is not known to have finished."""

    def lacking(self, fields: Collection[str], limit: int) -> tuple[JobId, ...]:
        """Return some jobs of which one of these fields is UNKNOWN.

        A job whose details were asked for since it last changed is not among them.
        """
