"""Detects which assets Sauce Labs has purged: two reads prove it, and it is recorded once a job,
with what was lost.

Sauce Labs keeps assets for 30 days, whatever the policies say. Once they are gone there is nothing
left to protect: a job that was kept only for its assets may be deleted. So the jobs that are kept
for nothing else are looked at, a few each day, the oldest information first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final

from sauce_janitor.errors import SourceError, StoppedError
from sauce_janitor.execute.events import AssetsPurged, Event
from sauce_janitor.execute.execution_context import ExecutionContext
from sauce_janitor.execute.job_task import JobTask
from sauce_janitor.execute.lookups import AssetLookup
from sauce_janitor.execute.ports import ExecutionPorts
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.job_retries import Retry
from sauce_janitor.model.jobs import AssetListing, Job
from sauce_janitor.model.safety_numbers import PURGED_AFTER_S
from sauce_janitor.model.stored_jobs import StoredJob
from sauce_janitor.retention.plan.vendor_purge import PurgeCandidate

KEPT_REQUESTS: Final = 0.5
"""This share of the request budget is not used for looking."""


def is_purgeable(work: ExecutionContext, job: Job) -> bool:
    """Return whether Sauce Labs may have purged the job's assets: it ended 30 days ago or more."""
    return isinstance(job.ended_at, int) and work.ports.clock.now() - job.ended_at >= PURGED_AFTER_S


def was_purged(work: ExecutionContext, task: JobTask) -> bool:
    """Return whether the plan decided on the job as one whose assets Sauce Labs had purged."""
    if task.was_purged is None:
        task.was_purged = work.ports.journal.assets_purged(task.plan.job_id)
    return task.was_purged


def is_emptied(work: ExecutionContext, task: JobTask, job: Job) -> bool:
    """Return whether it is known why nothing is listed: Sauce Labs purged the assets, or this
    program deleted them.
    """
    if task.listed is None or not task.listed.empty:
        return False
    # A younger job with an empty list is in doubt: Sauce Labs' lists fail at times.
    purged = is_purgeable(work, job) or was_purged(work, task)
    return purged or work.ports.journal.assets_deleted(job.id)


def note_purged(work: ExecutionContext, task: JobTask, job: Job, stored: StoredJob | None) -> None:
    """Record, once a job, that two reads showed that the assets are gone. `stored` is what was
    archived of them before.
    """
    plan = task.plan
    # This program deleted the assets, so nothing was purged.
    if work.ports.journal.assets_deleted(plan.job_id):
        return
    policy = next(iter(task.to_do.values()), "")
    lost = _is_lost(task.selection, stored)
    tried = _failed_in_time(task.retry, job.ended_at) or (
        stored is not None and bool(stored.missing)
    )
    # The journal writes no second line, so a job is reported and counted as lost once.
    if work.ports.journal.purged(plan.job_id, plan.owner, policy=policy, lost=lost):
        work.tally.tell(AssetsPurged(plan.job_id, plan.owner, policy, lost, missed=lost and tried))


def note_listed_again(work: ExecutionContext, task: JobTask, listed: AssetLookup) -> bool:
    """Return whether Sauce Labs lists assets of a job that it had purged: then the decision on the
    job is no longer valid.
    """
    if listed.empty or not was_purged(work, task):
        return False
    work.ports.journal.listed_again(task.plan.job_id, task.plan.owner)
    return True


def _failed_in_time(retry: Retry | None, ended_at: object) -> bool:
    """Return whether an earlier run failed on the job while its assets surely existed: before they
    were 30 days old.
    """
    if retry is None:
        return False
    # Without a readable end the assets may have existed: the failure then counts as ours.
    return not isinstance(ended_at, int) or retry.first_failed_at < ended_at + PURGED_AFTER_S


def _is_lost(selection: Selection | None, stored: StoredJob | None) -> bool:
    """Return whether something that is wanted was not stored in time."""
    if selection is None or not selection.assets:
        return False
    if stored is None:
        return True
    # Listed, wanted, and Sauce Labs could not deliver it.
    if any(selection.wants(each.name) for each in stored.missing):
        return True
    # Left out by the policy of that time, and wanted by today's.
    return any(selection.wants(name) and name not in stored.stored for name in stored.discarded)


def look_for_purged(
    suspects: Iterable[PurgeCandidate],
    ports: ExecutionPorts,
    *,
    stop: threading.Event,
    tell: Callable[[Event], None],
) -> int:
    """Ask about the assets of each, twice where they seem to be gone. Return how many were found
    purged.

    Ends early when a stop was requested, when half of the request budget is spent, or when Sauce
    Labs does not answer.
    """
    found = 0
    budget = ports.source.budget_left
    floor = None if budget is None else int(budget * KEPT_REQUESTS)
    for suspect in suspects:
        left = ports.source.budget_left
        # Looking is the least urgent work: deletes and new jobs need the rest of the budget.
        if (
            stop.is_set()
            or ports.switch.is_paused()
            or (floor is not None and (left is None or left <= floor))
        ):
            break
        try:
            # An empty list or a 404 counts only when it comes twice.
            if any(_names(ports.source.assets(suspect.owner, suspect.job_id)) for _ in range(2)):
                continue
        # The rest is looked at tomorrow: nothing is late, and nothing was changed.
        except (SourceError, StoppedError):
            break
        # Looking may take minutes: another run may have the lease by now.
        ports.lease.check()
        if ports.journal.purged(
            suspect.job_id, suspect.owner, policy=suspect.policy, lost=suspect.lost
        ):
            missed = suspect.lost and _failed_in_time(
                ports.retries.of(suspect.job_id), suspect.ended_at
            )
            tell(
                AssetsPurged(
                    suspect.job_id, suspect.owner, suspect.policy, suspect.lost, missed=missed
                )
            )
            found += 1
    return found


def _names(listing: AssetListing | None) -> tuple[str, ...]:
    return () if listing is None else listing.names
