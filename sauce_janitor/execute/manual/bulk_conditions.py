"""The conditions for deleting all jobs of a user with one call, as far as the plan and the user's
list show them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from sauce_janitor.clock import Clock
from sauce_janitor.errors import SourceError
from sauce_janitor.model.job_lists import JobPage
from sauce_janitor.model.jobs import Action, Job, JobId, JobState, Owner
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.retention.plan.planner import JobPlan

IDLE_S: Final = 7 * DAY_S
"""The user must have had no job for this long."""
FRESH_S: Final = 9.0
"""The listing's first answer may be 10 s old when the call is sent; the last second is for the
final checks.
"""


def why_not(plans: Mapping[JobId, JobPlan], known: int) -> str | None:
    """Return why one call would delete more than the plan does; None when it would not. Call it
    before anything is changed.
    """
    held = sum(plan.held for plan in plans.values())
    going = sum(
        any(each.action is Action.DELETE_JOB for each in plan.actions) for plan in plans.values()
    )
    if held:
        return f"{held:,} of the jobs are held"
    if going != known or going != len(plans):
        return (
            f"{known - going:,} of the {known:,} jobs may not be deleted: they run, have no known"
            " end, or are undecided"
        )
    return None if going else "there is no job to delete"


def why_not_now(
    listing: Iterable[JobPage], owner: Owner, plans: Mapping[JobId, JobPlan], clock: Clock
) -> str | None:
    """Return why the call would not be sent, as far as the user's list shows; None when nothing
    prevents it so far.

    Call it before anything is archived or changed; the same is checked again right before the call.
    Raise SourceError where the list cannot be read whole.
    """
    began = clock.monotonic()
    jobs = list(each_once(listing, owner))
    return unfit(jobs, owner, plans, clock.now()) or too_slow(
        jobs, owner, clock.monotonic() - began
    )


def each_once(pages: Iterable[JobPage], owner: Owner) -> Iterator[Job]:
    """Yield every job of the user's list once. Raise SourceError when part of it cannot be read."""
    seen: set[JobId] = set()
    for page in pages:
        if page.rejected:
            raise SourceError(f"part of the list of {owner} cannot be read: {page.rejected[0]}")
        for job in page.jobs:
            if job.id not in seen:
                seen.add(job.id)
                yield job


def unfit(
    jobs: Sequence[Job], owner: Owner, plans: Mapping[JobId, JobPlan], now: float
) -> str | None:
    """Return what in the list prevents the call: other jobs than planned, a running job, a young
    job; else None.
    """
    if {job.id for job in jobs} != plans.keys():
        return f"the jobs of {owner} are not those of the plan any more: run it again"
    newest = now - IDLE_S
    for job in jobs:
        if job.owner != owner or job.state is not JobState.FINISHED:
            return f"job {job.id} is {job.owner}'s and {job.state.value} now"
        times = (job.created_at, job.started_at, job.ended_at)
        if any(not isinstance(time, int) or time > newest for time in times):
            return (
                f"{owner} had a job in the last 7 days ({job.id}): delete one by one, without"
                " --bulk"
            )
    return None


def too_slow(jobs: Sequence[Job], owner: Owner, took_s: float) -> str | None:
    """Return why a list that took this many seconds to read is too old for the call; None where it
    is not.
    """
    if took_s <= FRESH_S:
        return None
    return (
        f"the list of {owner}'s {len(jobs):,} jobs takes longer than {FRESH_S:g} s to read, and a"
        " hold set meanwhile might be missed: delete one by one, without --bulk"
    )
