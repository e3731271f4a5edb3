"""Asset lists that are missing or empty, and when such an answer is believed.

A job that never started has no list: the same answer a day later proves that it has no assets. An
empty list of a young job may be wrong, so its deletes wait for a day.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sauce_janitor.errors import NotReadyError
from sauce_janitor.execute.execution_context import ExecutionContext
from sauce_janitor.execute.job_task import JobTask
from sauce_janitor.execute.lookups import AssetLookup
from sauce_janitor.model.jobs import Job, JobState
from sauce_janitor.model.safety_numbers import PURGED_AFTER_S

BELIEVED_AFTER_S: Final = 86_400
"""One answer may come from an outage; two equal ones this far apart are about the job itself."""
PATIENCE_S: Final = 86_400
"""How old an empty receipt must be before an empty list is believed. Empty answers that are seconds
apart may share one outage.
"""


def asset_list(work: ExecutionContext, task: JobTask, job: Job | None = None) -> AssetLookup:
    """Return the job's asset list. Raises what the reader raises.

    Sauce Labs has no list for a job that ended in error before it started: it answers 404, or the
    400 of an unfinished job, for ever. Such an answer counts as an empty list once it has been the
    same for a day.
    """
    plan = task.plan
    at = work.ports.clock.monotonic()
    try:
        listed = work.lookups.assets(plan.owner, plan.job_id)
    except NotReadyError:
        if not _is_bare(work, task, job, "400"):
            raise
        return AssetLookup((), at)
    if listed.names is not None and job is not None and never_started(job):
        # The job has a list after all: a later missing list starts a new day.
        work.ports.retries.listed(plan.job_id)
    if listed.names is None and _is_bare(work, task, job, "404"):
        return replace(listed, names=())
    return listed


def never_started(job: Job) -> bool:
    """Return whether the job ended in error without a start. An unknown field proves nothing."""
    return job.state is JobState.FINISHED and job.status == "error" and job.started_at is None


def _is_bare(work: ExecutionContext, task: JobTask, job: Job | None, answer: str) -> bool:
    """Return whether the answer was the same a day ago, and record it. Without `job`, only earlier
    records count.
    """
    if job is not None and not never_started(job):
        return False
    since = work.ports.retries.unlisted_since(task.plan.job_id, answer, note=job is not None)
    if since is None or work.ports.clock.now() - since < BELIEVED_AFTER_S:
        return False
    # The two answers are a day apart, so an outage is not the cause.
    task.is_believed = True
    return True


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
