"""What a plan costs in requests, and how long a budget needs for them."""

from __future__ import annotations

import math
from dataclasses import dataclass

FILES_PER_JOB = 12.0
"""How many assets a job is taken to have until the archive knows better (a guess: video, five logs, a few screenshots)."""
_BATCH = 20
_CONFIRMED_AT_ONCE = 100
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Work:
    """Jobs by what is done to them: archived (a delete may follow), only deleted, stopped; and the jobs deleted whole."""

    archived: int = 0
    archived_and_deleted: int = 0
    only_deleted: int = 0
    stopped: int = 0
    jobs_gone: int = 0


def requests_needed(work: Work, *, files_per_job: float = FILES_PER_JOB) -> int:
    """An estimate, rounded up.

    An archived job: its details by the batch, the asset list, each file. A delete after it: the details again and the DELETE.
    A job that is only deleted: the asset list, its details by the batch, the DELETE. Deleted jobs are confirmed by the hundred.
    """
    archived = work.archived * (1 / _BATCH + 1 + files_per_job)
    deleted = work.archived_and_deleted * 2 + work.only_deleted * (1 + 1 / _BATCH + 1)
    return math.ceil(archived + deleted + work.stopped * 2 + work.jobs_gone / _CONFIRMED_AT_ONCE)


def seconds_needed(
    requests: int, *, per_second: float | None, per_hour: int | None, left_this_hour: int | None = None
) -> float | None:
    """How long a budget needs for so many requests, from now; None where there is no limit.

    `left_this_hour` is what the hour's window still gives (default: all of it). Both windows hold at once.
    """
    if per_second is None and per_hour is None:
        return None
    by_second = requests / per_second if per_second else 0.0
    if per_hour is None:
        return by_second
    later = max(0, requests - (per_hour if left_this_hour is None else left_this_hour))
    return max(by_second, math.ceil(later / per_hour) * _HOUR_S if later else 0.0)
