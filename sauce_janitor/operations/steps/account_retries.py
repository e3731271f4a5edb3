"""The jobs that failed before, as a run needs them: what the plan says of them, and what this run
records.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from sauce_janitor.model.job_retries import Failing, Retry
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.state import Notes, Retries


def _key(account: str, job_id: str = "") -> str:
    return f"no asset list {account} {job_id}"


def unlisted_since(notes: Notes, account: str, job_id: JobId, answer: str) -> int | None:
    """Return since when Sauce Labs gives exactly this answer for the job's asset list, in epoch
    seconds; None where no answer or a different one is recorded.
    """
    recorded, _, since = (notes.read(_key(account, job_id)) or "").partition(" ")
    return int(since) if recorded == answer else None


class AccountRetries:
    """One account's retries (`execute.ports.RetryBook`). Any thread may use it.

    Until `take` is called, every job counts as not tried: a command about named jobs tries all of
    them at once.
    """

    def __init__(self, kept: Retries, account: str, clock: Callable[[], int], notes: Notes) -> None:
        self._kept, self._account, self._clock, self._notes = kept, account, clock, notes
        self._planned: dict[JobId, Retry] = {}
        self._rows = set(kept.of(account))
        self._noted = set(notes.starting(_key(account)))

    def take(self, planned: Mapping[JobId, Retry], *, now: int, at_once: bool = False) -> None:
        """Set the retries of the plan that is carried out `now` (epoch seconds); `at_once` ends
        their pauses.
        """
        self._planned = {
            key: replace(retry, due_at=0) if at_once or retry.due_at <= now else retry
            for key, retry in planned.items()
        }

    def of(self, job_id: JobId, /) -> Retry | None:
        """Return the retry of a job of the plan, None for one that did not fail."""
        return self._planned.get(job_id)

    def failed(self, job_id: JobId, failing: Failing, /) -> None:
        """Record a failed try. Raise StateError when that is impossible."""
        self._kept.failed(self._account, job_id, failing, at=self._clock())
        self._rows.add(job_id)

    def done(self, job_id: JobId, /) -> None:
        """Forget that the job failed."""
        if job_id in self._rows:
            self._rows.discard(job_id)
            self._kept.forget(self._account, (job_id,))

    def unlisted_since(self, job_id: JobId, answer: str, /, *, note: bool) -> int | None:
        """Return since when Sauce Labs gives exactly this answer for the job's asset list, in epoch
        seconds; `note` records the first one.
        """
        since = unlisted_since(self._notes, self._account, job_id, answer)
        if since is None and note:
            key = _key(self._account, job_id)
            self._notes.write(key, f"{answer} {self._clock()}")
            self._noted.add(key)
        return since

    def listed(self, job_id: JobId, /) -> None:
        """Forget since when there is no list, or an empty one: there is one now, or no job."""
        key = _key(self._account, job_id)
        # Almost every job has a list, and nothing is noted about it.
        if key in self._noted:
            self._noted.discard(key)
            self._notes.forget(key)

    def left(self) -> Collection[JobId]:
        """Return the jobs that have failed and are not done."""
        return frozenset(self._rows)

    def keep_only(self, job_ids: Collection[JobId], *, owners: Collection[Owner]) -> None:
        """Forget these owners' jobs that need nothing any more, and the notes about jobs that are
        gone.
        """
        if self._rows:
            self._kept.keep_only(self._account, job_ids, owners=owners)
            self._rows = set(self._kept.of(self._account))
        # Otherwise every job that never started would leave a note forever.
        prefix = _key(self._account)
        noted = [JobId(key.removeprefix(prefix)) for key in self._notes.starting(prefix)]
        for job_id in self._kept.absent(self._account, noted):
            self.listed(job_id)
