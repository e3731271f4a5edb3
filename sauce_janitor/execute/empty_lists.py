"""Young jobs with an empty asset list. The list may be wrong, so their deletes wait for a day."""

from __future__ import annotations

from typing import Final

from sauce_janitor.model.jobs import Job
from sauce_janitor.model.safety_numbers import PURGED_AFTER_S

PATIENCE_S: Final = 86_400
"""How old an empty receipt must be before an empty list is believed. Empty answers that are seconds
apart may share one outage.
"""


def waits_until(job: Job, receipt_at: int, *, now: float, is_explained: bool) -> int | None:
    """Return until when the deletes of a job with an empty asset list wait (epoch seconds); None
    when they do not wait.

    They wait until its empty receipt, made at `receipt_at`, is a day old. They do not wait where
    something else explains the empty list: Sauce Labs may have purged the assets by now or, with
    `is_explained`, a delete by this program took them or the archive has assets of the job.
    """
    if is_explained or (isinstance(job.ended_at, int) and now - job.ended_at >= PURGED_AFTER_S):
        return None
    until = receipt_at + PATIENCE_S
    return until if now < until else None
