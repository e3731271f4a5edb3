"""Young jobs of which nothing is listed: the list may be what fails, so that their deletes wait for
a day.
"""

from __future__ import annotations

from typing import Final

from sauce_janitor.model.jobs import Job
from sauce_janitor.model.safety_numbers import PURGED_AFTER_S

PATIENCE_S: Final = 86_400
"""How old an empty receipt is before an empty list is believed. Empty answers that are seconds
apart can share one outage.
"""


def waits_until(job: Job, receipt_at: int, *, now: float, is_explained: bool) -> int | None:
    """Return until when the deletes of a job wait of which nothing is listed (epoch seconds); None:
    they do not wait.

    They wait for its empty receipt, made at `receipt_at`, to be a day old. They do not where
    something else says why nothing is listed: Sauce Labs may have purged the assets by now or,
    `is_explained`, a delete of ours took them or the archive has assets of the job.
    """
    if is_explained or (isinstance(job.ended_at, int) and now - job.ended_at >= PURGED_AFTER_S):
        return None
    until = receipt_at + PATIENCE_S
    return until if now < until else None
