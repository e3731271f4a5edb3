"""The time from which a job's age counts, and the order in which decisions need jobs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Final

from sauce_janitor.model.jobs import Job, JobState, Record, Time

EARLIEST: Final = 1_199_145_600
"""2008-01-01T00:00:00Z. Sauce Labs has no older job: an earlier time is seconds read as
milliseconds, or another error.
"""

_ATTRIBUTES: Final = {
    "end_time": "ended_at",
    "start_time": "started_at",
    "creation_time": "created_at",
    "modification_time": "modified_at",
}


def age_times(age_from: Iterable[str], *, as_of: int | None = None) -> Callable[[Job], int | None]:
    """Return a function that gives the epoch second from which a job's age counts, None when it has
    no age.

    That is the first of `age_from` that is not null. A job has no age when there is no such time,
    it is unknown, before 2008 or after `as_of` (where given), when the job ended before it started,
    or when it ended and its start is unknown.
    """
    getters = tuple(operator.attrgetter(_ATTRIBUTES[name]) for name in age_from)

    def age_time(job: Job) -> int | None:
        started, ended = job.started_at, job.ended_at
        # Times that contradict each other prove nothing: such a job is kept.
        if ended is not None and started is not None:
            if not isinstance(started, int):
                return None
            if isinstance(ended, int) and ended < started:
                return None
        for get in getters:
            time: Time = get(job)
            if time is not None:
                break
        else:
            return None
        # An unknown first time does not fall back to the next: that could make the job look older.
        if not isinstance(time, int) or time < EARLIEST or (as_of is not None and time > as_of):
            return None
        return time

    return age_time


def age_time(job: Job, age_from: Iterable[str], *, as_of: int | None = None) -> int | None:
    """Return the epoch second from which one job's age counts; see `age_times`."""
    return age_times(age_from, as_of=as_of)(job)


def is_finished(job: Job) -> bool:
    """Return whether the job is certainly over: its raw status is final and its end is known."""
    return job.state is JobState.FINISHED and isinstance(job.ended_at, int)


def newest_first(records: Iterable[Record], age_from: Iterable[str]) -> list[Record]:
    """Return the records, all of them in memory, in the order that `decide.decide` needs."""
    age_of = age_times(tuple(age_from))
    return sorted(records, key=lambda record: (-(age_of(record.job) or 0), record.job.id))
