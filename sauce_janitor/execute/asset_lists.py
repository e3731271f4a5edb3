"""Asset lists that are missing or empty, and when such an answer is believed.

A job that never started has no list: the same answer a day later proves that it has no assets. An
empty list of a young job may be wrong, so its deletes wait for a day.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sauce_janitor.errors import NotReadyError
from sauce_janitor.model.jobs import Job, JobState
from sauce_janitor.model.safety_numbers import PURGED_AFTER_S
from sauce_janitor.model.stored_jobs import StoredJob

if TYPE_CHECKING:  # `explain` asks only how long an empty list waits, and executes nothing
    from sauce_janitor.execute.execution_context import ExecutionContext
    from sauce_janitor.execute.job_task import JobTask
    from sauce_janitor.execute.lookups import AssetLookup
    from sauce_janitor.execute.ports import ExecutionPorts

BELIEVED_AFTER_S: Final = 86_400
"""One answer may come from an outage; two equal ones this far apart are about the job itself."""
PATIENCE_S: Final = 86_400
"""For how long a list must be empty before that is believed. Empty answers that are seconds apart
may share one outage.
"""
EMPTY: Final = "empty"
"""The recorded answer for a list without names. The others are the status codes 400 and 404."""


def asset_list(work: ExecutionContext, task: JobTask, job: Job | None = None) -> AssetLookup:
    """Return the job's asset list. Raises what the reader raises.

    Sauce Labs has no list for a job that ended in error before it started: it answers 404, or the
    400 of an unfinished job, forever. Such an answer counts as an empty list once it has been the
    same for a day.
    """
    plan = task.plan
    at = work.ports.clock.monotonic()
    try:
        listed = work.lookups.assets(plan.owner, plan.job_id)
    except NotReadyError:
        if not _is_bare(work, task, job, "400"):
            raise
        # Late, as the imports for types above are: runs alone get here.
        from sauce_janitor.execute.lookups import AssetLookup

        return AssetLookup((), at)
    # The job has assets, or a list after all: a later empty or missing list starts a new day.
    if listed.names or (
        listed.names is not None
        and job is not None
        and never_started(job)
        and work.ports.retries.unlisted_since(plan.job_id, EMPTY, note=False) is None
    ):
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


def empty_list_waits_until(ports: ExecutionPorts, job: Job, archived: StoredJob) -> int | None:
    """Return until when the deletes of a job with an empty asset list wait (epoch seconds); None
    when they do not wait. Record when the list was first seen empty.

    Only a delete by this program, or a purge, explains the empty list. Otherwise the deletes wait
    for a day.
    """
    if ports.journal.assets_deleted(job.id):
        return None
    now = ports.clock.now()
    since: int | None = archived.made_at
    # A receipt that lists files contradicts the empty list, so its time says nothing about it.
    if archived.listed and not _may_be_purged(job, now):
        since = ports.retries.unlisted_since(job.id, EMPTY, note=True)
    return waits_until(job, int(now) if since is None else since, now=now)


def waits_until(job: Job, since: int, *, now: float) -> int | None:
    """Return until when the deletes of a job wait whose asset list has been empty `since` then;
    None when they do not wait. Times are epoch seconds.

    They wait for a day, but not beyond the time at which Sauce Labs may have purged the assets.
    """
    if _may_be_purged(job, now):
        return None
    until = since + PATIENCE_S
    # A receipt of a wrong clock may be from any year.
    if isinstance(job.ended_at, int):
        until = min(until, job.ended_at + PURGED_AFTER_S)
    return until if now < until else None


def _may_be_purged(job: Job, now: float) -> bool:
    return isinstance(job.ended_at, int) and now - job.ended_at >= PURGED_AFTER_S
