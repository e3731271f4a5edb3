"""What Sauce Labs has purged: believed after two reads, on record once a job, and with it what was
lost.

Sauce keeps assets for 30 days, whatever we keep. Once they are gone nothing protects them any more:
a job that stayed only for its assets' sake may go. So jobs of which that is all that keeps them are
looked at, a few each day, oldest news first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final

from sauce_janitor.errors import SourceError, StoppedError
from sauce_janitor.execute.events import AssetsPurged, Event
from sauce_janitor.execute.job_task import ExecutionContext, JobTask
from sauce_janitor.execute.lookups import AssetLookup
from sauce_janitor.execute.ports import Archived, ExecutionPorts
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import AssetListing, Job
from sauce_janitor.model.retries import Retry
from sauce_janitor.model.safety_numbers import PURGED_AFTER_S
from sauce_janitor.retention.plan.vendor_purge import PurgeCandidate

KEPT_REQUESTS: Final = 0.5
"""This share of the request budget is not for looking."""


def is_purgeable(work: ExecutionContext, job: Job) -> bool:
    """Whether the vendor may have purged the job's assets: it ended 30 days ago or more."""
    return isinstance(job.ended_at, int) and work.parts.clock.now() - job.ended_at >= PURGED_AFTER_S


def was_purged(work: ExecutionContext, hand: JobTask) -> bool:
    """Whether it was decided on as a job whose assets Sauce had purged."""
    if hand.was_purged is None:
        hand.was_purged = work.parts.journal.assets_purged(hand.plan.job_id)
    return hand.was_purged


def is_emptied(work: ExecutionContext, hand: JobTask, job: Job) -> bool:
    """Whether it is known why nothing is listed: Sauce Labs purged the assets, or a delete of ours
    took them.
    """
    if hand.listed is None or not hand.listed.empty:
        return False
    purged = is_purgeable(work, job) or was_purged(work, hand)
    return purged or work.parts.journal.assets_deleted(job.id)


def note_purged(work: ExecutionContext, hand: JobTask, job: Job, stored: Archived | None) -> None:
    """Two reads have shown that the assets are gone; `stored` is what was archived of them before.
    Told once a job.
    """
    plan = hand.plan
    if work.parts.journal.assets_deleted(plan.job_id):
        return
    policy = next(iter(hand.to_do.values()), "")
    lost = _is_lost(hand.selection, stored)
    tried = _failed_in_time(hand.retry, job.ended_at) or (
        stored is not None and bool(stored.missing)
    )
    if work.parts.journal.purged(plan.job_id, plan.owner, policy=policy, lost=lost):
        work.tally.tell(AssetsPurged(plan.job_id, plan.owner, policy, lost, missed=lost and tried))


def note_listed_again(work: ExecutionContext, hand: JobTask, listed: AssetLookup) -> bool:
    """Whether Sauce lists assets of a job that it had purged: then nothing that was decided of it
    holds.
    """
    if listed.empty or not was_purged(work, hand):
        return False
    work.parts.journal.listed_again(hand.plan.job_id, hand.plan.owner)
    return True


def _failed_in_time(retry: Retry | None, ended_at: object) -> bool:
    """Whether an earlier run failed on the job while its assets were surely there: before they were
    30 days old.
    """
    if retry is None:
        return False
    return not isinstance(ended_at, int) or retry.first_failed_at < ended_at + PURGED_AFTER_S


def _is_lost(selection: Selection | None, stored: Archived | None) -> bool:
    """Whether something that is wanted was not stored in time."""
    if selection is None or not selection.assets:
        return False
    if stored is None:
        return True
    if any(selection.wants(each.name) for each in stored.missing):
        return True
    return any(selection.wants(name) and name not in stored.stored for name in stored.discarded)


def look_for_purged(
    suspects: Iterable[PurgeCandidate],
    parts: ExecutionPorts,
    *,
    stop: threading.Event,
    tell: Callable[[Event], None],
) -> int:
    """Ask about the assets of each, twice where they seem to be gone; how many were found purged.

    Ends early when asked to stop, when half of the request budget is spent, or when Sauce does not
    answer.
    """
    found = 0
    budget = parts.source.budget_left
    floor = None if budget is None else int(budget * KEPT_REQUESTS)
    for suspect in suspects:
        left = parts.source.budget_left
        if (
            stop.is_set()
            or parts.switch.is_paused()
            or (floor is not None and (left is None or left <= floor))
        ):
            break
        try:
            if any(_names(parts.source.assets(suspect.owner, suspect.job_id)) for _ in range(2)):
                continue
        except (SourceError, StoppedError):
            break
        parts.lease.check()
        if parts.journal.purged(
            suspect.job_id, suspect.owner, policy=suspect.policy, lost=suspect.lost
        ):
            missed = suspect.lost and _failed_in_time(
                parts.retries.of(suspect.job_id), suspect.ended_at
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
