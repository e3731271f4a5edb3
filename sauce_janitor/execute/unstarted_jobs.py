"""Asset lists that are not there: of a job that never started, the same answer a day later says
that it has no assets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sauce_janitor.errors import NotReadyError
from sauce_janitor.execute.job_task import ExecutionContext, JobTask
from sauce_janitor.execute.lookups import AssetLookup
from sauce_janitor.model.jobs import Job, JobState

BELIEVED_AFTER_S: Final = 86_400
"""One answer may be an outage's; two equal ones so far apart are the job's own."""


def asset_list(work: ExecutionContext, hand: JobTask, job: Job | None = None) -> AssetLookup:
    """Ask for the job's asset list. Raises what the reader raises.

    Sauce Labs has no list for a job that ended in error before it started: 404, or the 400 of an
    unfinished job, for ever. Such an answer counts as an empty list once it has been the same for a
    day.
    """
    plan = hand.plan
    at = work.parts.clock.monotonic()
    try:
        listed = work.asking.assets(plan.owner, plan.job_id)
    except NotReadyError:
        if not _is_bare(work, hand, job, "400"):
            raise
        return AssetLookup((), at)
    if listed.names is not None and job is not None and never_started(job):
        work.parts.retries.listed(plan.job_id)  # the day begins anew: it has a list after all
    if listed.names is None and _is_bare(work, hand, job, "404"):
        return replace(listed, names=())
    return listed


def never_started(job: Job) -> bool:
    """Return whether the job ended in error without a start. What cannot be told is no proof."""
    return job.state is JobState.FINISHED and job.status == "error" and job.started_at is None


def _is_bare(work: ExecutionContext, hand: JobTask, job: Job | None, answer: str) -> bool:
    """Whether the answer was the same a day ago; notes it. Without the job, only what is on record
    counts.
    """
    if job is not None and not never_started(job):
        return False
    since = work.parts.retries.unlisted_since(hand.plan.job_id, answer, note=job is not None)
    if since is None or work.parts.clock.now() - since < BELIEVED_AFTER_S:
        return False
    hand.is_believed = (
        True  # the day between the answers has settled what an outage might have feigned
    )
    return True
