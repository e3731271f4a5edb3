"""Steps 1 to 8 of the order of effects: look up the job, list its assets, have them stored and
verified, journal the receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final, Never

from sauce_janitor.errors import ArchiveError, IncompleteError, SourceError
from sauce_janitor.execute.asset_lists import asset_list, never_started
from sauce_janitor.execute.brake import SkipError
from sauce_janitor.execute.copies import refuse_if_lost, stored
from sauce_janitor.execute.events import JobArchived, JobIncomplete, Skip
from sauce_janitor.execute.execution_context import ExecutionContext
from sauce_janitor.execute.job_task import JobTask
from sauce_janitor.execute.lookups import AssetLookup
from sauce_janitor.execute.ports import AssetStream
from sauce_janitor.execute.purge_detection import is_purgeable, note_listed_again, note_purged
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import Action, AssetListing, Job, JobDocument, MissingFile
from sauce_janitor.model.stored_jobs import StoredJob, StoreReason

YOUNG_DETAILS_S: Final = 60.0
"""Details from a look-up of several jobs are fresh enough to archive by for this long."""


def archive(work: ExecutionContext, task: JobTask) -> None:
    """Store everything that is wanted of the job; afterwards `task.proof` holds the receipt.

    Return early for a job that has vanished. SkipError, SourceError and ArchiveError are about this
    job.
    """
    plan = task.plan
    work.permitted(task)
    details = task.details
    # Details from a look-up ahead may be too old by the time this job has its turn.
    if details is None or work.ports.clock.monotonic() - details.at > YOUNG_DETAILS_S:
        details = task.details = work.lookups.one(plan.owner, plan.job_id)
    # A list showed the job, so a fresh listing must agree before it counts as gone.
    if details.document is None:
        work.absent(task)
        return
    work.same(task, details, details.document.job)
    selection = task.selection
    if selection is None:
        raise ArchiveError(
            f"job {plan.job_id}: the plan says archive, but no policy wants an asset"
        )
    listed = listing_for(work, task, details.document.job)
    task.listed, task.listed_twice = listed, False
    refuse_if_lost(task, listed)
    _store(work, task, details.document, listed, selection)


def listing_for(work: ExecutionContext, task: JobTask, job: Job) -> AssetLookup:
    """Return the asset list to archive by. An empty list of a job that may be purged is read a
    second time.
    """
    plan = task.plan
    listed = asset_list(work, task, job)
    check_missing(work, task, job, listed)
    # One empty answer may be wrong. Only two of them prove that Sauce Labs purged the assets.
    if listed.empty and is_purgeable(work, job):
        listed = work.lookups.assets(plan.owner, plan.job_id)
        check_purged(work, task, job, listed)
    note_listed_again(work, task, listed)
    return listed


def check_missing(work: ExecutionContext, task: JobTask, job: Job, listed: AssetLookup) -> None:
    """Raise SourceError for a 404 that nothing explains: the job is young, and this program did not
    delete its assets.
    """
    # Sauce Labs answers 404 for the list of a purged job, too.
    if listed.names is not None or is_purgeable(work, job):
        return
    if not work.ports.journal.assets_deleted(task.plan.job_id):
        bare = "; it ended before it started, so the same answer a day later means no assets"
        raise SourceError(
            f"job {task.plan.job_id}: its asset list is missing (404), and it is too young to be"
            " purged" + (bare if never_started(job) else "")
        )


def check_purged(work: ExecutionContext, task: JobTask, job: Job, listed: AssetLookup) -> None:
    """Raise SkipError when the assets are gone, nothing was archived in time, and the policy keeps
    the job then.
    """
    selection = task.selection
    if (
        not listed.empty
        or selection is None
        or selection.if_purged == "proceed"
        or not is_purgeable(work, job)
    ):
        return
    # This program deleted the assets, so nothing was purged.
    if work.ports.journal.assets_deleted(task.plan.job_id):
        return
    had = task.archived or work.ports.archive.archived(job)
    if had is None or not had.stored or had.missing:
        note_purged(work, task, job, had)
        raise SkipError(Skip.PURGED, "Sauce Labs has purged its assets before they were archived")


def uncovered(
    archived: StoredJob | None, listed: AssetLookup, selection: Selection
) -> tuple[str, ...]:
    """Return the listed names that a delete may not destroy: neither stored and still there nor, by
    receipt and policy, given up.
    """
    if archived is None:
        return listed.names or ()
    there = archived.stored.keys() - archived.pruned
    given_up = archived.discarded | archived.pruned
    unavailable = {each.name for each in archived.missing} & selection.gives_up
    return tuple(
        name
        for name in listed.names or ()
        if name not in there
        and name not in unavailable
        and not (name in given_up and selection.may_lose(name))
    )


def forgotten(archived: StoredJob, selection: Selection) -> tuple[str, ...]:
    """Return the wanted names that were listed once and neither stored nor given up, whether they
    are still listed or not.

    Where neither a purge nor a delete by this program explains it, a list without them proves
    nothing: Sauce Labs may still have them.
    """
    return tuple(
        each.name
        for each in archived.missing
        if each.name not in selection.gives_up and selection.wants(each.name)
    )


def _store(
    work: ExecutionContext,
    task: JobTask,
    document: JobDocument,
    listed: AssetLookup,
    selection: Selection,
) -> None:
    plan, job = task.plan, document.job
    policy = task.to_do.get(Action.ARCHIVE) or next(iter(task.to_do.values()))

    def fetch(name: str) -> AbstractContextManager[AssetStream]:
        return work.lookups.asset(plan.owner, plan.job_id, name)

    listing = AssetListing(listed.names or ())
    why = StoreReason(
        policy,
        purged=listed.empty and is_purgeable(work, job),
        deletes=task.delete is not None,
        emptied=work.ports.journal.assets_deleted(job.id),
    )
    # Read before the store: afterwards the empty receipt of this pass is the newest.
    before = work.ports.archive.archived(job) if why.purged else None
    archived = work.ports.archive.store(document, listing, selection, fetch, why=why)
    there = archived.stored.keys() | {each.name for each in archived.missing}
    missing = tuple(name for name in listing.names if selection.wants(name) and name not in there)
    # Checked again here, because the deletes rest on this receipt.
    if missing:
        raise ArchiveError(
            f"job {plan.job_id}: the receipt lacks {len(missing)} of its assets, the first"
            f" {missing[0]!r}"
        )
    work.ports.journal.archived(
        job.id,
        job.owner,
        receipt=archived.sha256,
        selection=selection.key,
        policy=policy,
        missing=archived.missing,
    )
    if lacking := [each for each in archived.missing if each.name not in selection.gives_up]:
        _tell_incomplete(work, task, archived, lacking)
    stored(work, task, archived)
    if why.purged:
        note_purged(work, task, job, before)
    if Action.ARCHIVE in task.to_do:
        task.done(Action.ARCHIVE)
        work.tally.tell(
            JobArchived(
                plan.job_id,
                plan.owner,
                policy,
                archived.fetched_assets,
                archived.fetched_bytes,
                archived.sha256,
                archived.odd,
                _reasons(archived),
            )
        )


def _tell_incomplete(
    work: ExecutionContext, task: JobTask, archived: StoredJob, lacking: Sequence[MissingFile]
) -> Never:
    """Report what is stored and what is missing, and raise IncompleteError, which ends everything
    still to do of the job.
    """
    plan = task.plan
    policy = task.to_do.get(Action.ARCHIVE) or next(iter(task.to_do.values()))
    work.tally.tell(
        JobIncomplete(
            plan.job_id,
            plan.owner,
            policy,
            archived.fetched_assets,
            archived.fetched_bytes,
            archived.sha256,
            tuple((each.name, each.why) for each in lacking),
            archived.odd,
        )
    )
    more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
    raise IncompleteError(
        f"job {plan.job_id}: {len(lacking)} of its files could not be fetched:"
        f" {lacking[0].name!r:.120}{more}: {lacking[0].why}. The rest is stored; deletes that would"
        " destroy them wait"
    )


def _reasons(archived: StoredJob) -> tuple[tuple[str, str], ...]:
    return tuple((each.name, each.why) for each in archived.missing)
