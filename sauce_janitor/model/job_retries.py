"""When a failed job is tried again: after the jobs that were not tried, and with growing pauses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sauce_janitor.model.jobs import JobId
from sauce_janitor.model.safety_numbers import DAY_S, PURGED_AFTER_S

_LONGEST_PAUSE_S: Final = 3 * DAY_S
_OF_WHAT_IS_LEFT: Final = 4
HURRIED_S: Final = 3 * DAY_S
"""A retry whose job is purged within this time is not moved behind the jobs that were not tried."""


class FailureKind(StrEnum):
    """Why a job did not reach the wanted state. Each kind has its own share of a run's requests."""

    UNAVAILABLE = "unavailable"  # no usable answer after all attempts: time-outs, 5xx
    FORBIDDEN = "forbidden"  # 403
    ANSWER = "answer"  # an answer that contradicts another one or cannot be read
    ARCHIVE = "archive"  # the copy could not be stored or proven
    MISSING_FILES = "missing_files"  # stored except for files that cannot be fetched
    GIVEN_UP = "given_up"  # the same, and the policies no longer wait for these files
    DELETE = "delete"  # the delete was refused, or the job is still there
    VANISHED = "vanished"  # listed, but 404 when requested
    TOO_LARGE = "too_large"  # one try takes more requests than a run has
    NOT_READY = "not_ready"  # Sauce Labs says that it has not finished
    CHANGED = "changed"  # different from what was decided on
    OTHER = "other"

    @property
    def is_failure(self) -> bool:
        """Whether a run with such a job has failed. Otherwise the job was skipped on purpose, or
        continues without the files.
        """
        return self not in (FailureKind.NOT_READY, FailureKind.CHANGED, FailureKind.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class Retry:
    """A job that failed and is tried again. Times are epoch seconds.

    `tries` is how many tries failed so far, `requests` how many requests the last one took, and
    `reason` its error in one sentence. `hurried`: its purge is near, so it keeps its place among
    the jobs that were not tried.
    """

    job_id: JobId
    kind: FailureKind
    tries: int
    first_failed_at: int
    last_failed_at: int
    due_at: int
    requests: int = 0
    reason: str = ""
    hurried: bool = False


@dataclass(frozen=True, slots=True)
class Failing:
    """How a try of a job failed: the kind, one sentence, and the number of requests."""

    kind: FailureKind
    reason: str
    requests: int = 0


def failed_again(
    before: Retry | None, job_id: JobId, failing: Failing, *, at: int, ended_at: int | None = None
) -> Retry:
    """Return the retry that follows a failure `at` (epoch seconds).

    The first one is due at once, so in the next run. Later each pause is as long as the job has
    been failing: pauses double. None is longer than 3 days, or than a quarter of the time until
    Sauce Labs purges the job's assets, 30 days after `ended_at`: so there are always tries left
    before the purge.
    """
    # Most failures are over in the next run.
    if before is None:
        return Retry(job_id, failing.kind, 1, at, at, at, failing.requests, failing.reason)
    # A clock that was set back must not make the pause negative.
    since = min(before.first_failed_at, at)
    pause = min(at - since, _LONGEST_PAUSE_S)
    # After the purge there is no hurry: nothing is left to save.
    if ended_at is not None and ended_at + PURGED_AFTER_S > at:
        pause = min(pause, (ended_at + PURGED_AFTER_S - at) // _OF_WHAT_IS_LEFT)
    tries = before.tries + 1
    return Retry(
        job_id, failing.kind, tries, since, at, at + pause, failing.requests, failing.reason
    )


def purge_is_near(ended_at: object, *, as_of: int) -> bool:
    """Return whether Sauce Labs purges the assets of a job that ended then within 3 days, and has
    not done so yet.
    """
    return isinstance(ended_at, int) and 0 < ended_at + PURGED_AFTER_S - as_of <= HURRIED_S


@dataclass(frozen=True, slots=True)
class RetryGroup:
    """The jobs of one kind of failure: how many there are, when the next one is due (epoch
    seconds), and the three that are due first.
    """

    kind: FailureKind
    jobs: int
    next_at: int
    examples: tuple[Retry, ...]


def grouped(retries: Iterable[Retry]) -> tuple[RetryGroup, ...]:
    """Return retries by kind, the largest group first."""
    by_kind: dict[FailureKind, list[Retry]] = {}
    for retry in retries:
        by_kind.setdefault(retry.kind, []).append(retry)
    groups = []
    for kind, found in by_kind.items():
        found.sort(key=lambda retry: (retry.due_at, retry.job_id))
        groups.append(RetryGroup(kind, len(found), found[0].due_at, tuple(found[:3])))
    return tuple(sorted(groups, key=lambda group: (-group.jobs, group.kind)))
