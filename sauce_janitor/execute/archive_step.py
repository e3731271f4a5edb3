"""Steps 1 to 8 of the order of effects: look at the job, list its assets, have them stored and
proven, journal the receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final, Never

from sauce_janitor.errors import ArchiveError, IncompleteError, SourceError
from sauce_janitor.execute.brake import SkipError
from sauce_janitor.execute.copies import refuse_if_lost, stored
from sauce_janitor.execute.events import JobArchived, JobIncomplete, Skip
from sauce_janitor.execute.job_task import ExecutionContext, JobTask
from sauce_janitor.execute.lookups import AssetLookup
from sauce_janitor.execute.ports import Archived, AssetStream, StoreReason
from sauce_janitor.execute.purge_detection import is_purgeable, note_listed_again, note_purged
from sauce_janitor.execute.unstarted_jobs import asset_list, never_started
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import Action, AssetListing, Job, JobDocument, MissingFile

YOUNG_DETAILS_S: Final = 60.0
"""Details that came with those of other jobs are good enough to archive by for so long."""


def archive(work: ExecutionContext, hand: JobTask) -> None:
    """Have everything that is wanted of the job stored; afterwards `hand.proof` holds the receipt.

    Does nothing more for a job that has vanished. SkipError, SourceError and ArchiveError are about
    this job.
    """
    plan = hand.plan
    work.permitted(hand)
    details = hand.details
    if details is None or work.parts.clock.monotonic() - details.at > YOUNG_DETAILS_S:
        details = hand.details = work.asking.one(plan.owner, plan.job_id)
    if details.document is None:
        work.absent(hand)
        return
    work.same(hand, details, details.document.job)
    selection = hand.selection
    if selection is None:
        raise ArchiveError(f"job {plan.job_id}: the plan says archive, and nothing is wanted of it")
    listed = listing_for(work, hand, details.document.job)
    hand.listed, hand.listed_twice = listed, False
    refuse_if_lost(hand, listed)
    _store(work, hand, details.document, listed, selection)


def listing_for(work: ExecutionContext, hand: JobTask, job: Job) -> AssetLookup:
    """The asset list to archive by: read again where the first says that there is nothing on a job
    that may be purged.
    """
    plan = hand.plan
    listed = asset_list(work, hand, job)
    check_missing(work, hand, job, listed)
    if listed.empty and is_purgeable(work, job):
        listed = work.asking.assets(plan.owner, plan.job_id)
        check_purged(work, hand, job, listed)
    note_listed_again(work, hand, listed)
    return listed


def check_missing(work: ExecutionContext, hand: JobTask, job: Job, listed: AssetLookup) -> None:
    """SourceError for a 404 that nothing explains: the job is young, and its assets were not
    deleted by us.
    """
    if listed.names is not None or is_purgeable(work, job):
        return
    if not work.parts.journal.assets_deleted(hand.plan.job_id):
        bare = "; it ended before it started, and has no assets if that is said again a day later"
        raise SourceError(
            f"job {hand.plan.job_id}: its asset list is missing (404), and it is too young to be"
            " purged" + (bare if never_started(job) else "")
        )


def check_purged(work: ExecutionContext, hand: JobTask, job: Job, listed: AssetLookup) -> None:
    """SkipError when nothing was archived in time, the assets are gone, and the policy keeps the
    job then.
    """
    selection = hand.selection
    if (
        not listed.empty
        or selection is None
        or selection.if_purged == "proceed"
        or not is_purgeable(work, job)
    ):
        return
    if work.parts.journal.assets_deleted(hand.plan.job_id):
        return
    had = hand.archived or work.parts.archive.archived(job)
    if had is None or not had.stored or had.missing:
        note_purged(work, hand, job, had)
        raise SkipError(Skip.PURGED, "Sauce Labs has purged its assets before they were archived")


def uncovered(
    archived: Archived | None, listed: AssetLookup, selection: Selection
) -> tuple[str, ...]:
    """The listed names that a delete may not destroy: neither stored and still there nor, by
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


def forgotten(archived: Archived, selection: Selection) -> tuple[str, ...]:
    """The wanted names that were listed once and neither stored nor given up, whether they are
    still listed or not.

    Where neither a purge nor a delete of ours explains it, a list without them proves nothing:
    Sauce Labs may have them.
    """
    return tuple(
        each.name
        for each in archived.missing
        if each.name not in selection.gives_up and selection.wants(each.name)
    )


def _store(
    work: ExecutionContext,
    hand: JobTask,
    document: JobDocument,
    listed: AssetLookup,
    selection: Selection,
) -> None:
    plan, job = hand.plan, document.job
    policy = hand.to_do.get(Action.ARCHIVE) or next(iter(hand.to_do.values()))

    def fetch(name: str) -> AbstractContextManager[AssetStream]:
        return work.asking.asset(plan.owner, plan.job_id, name)

    listing = AssetListing(listed.names or ())
    why = StoreReason(
        policy,
        purged=listed.empty and is_purgeable(work, job),
        deletes=hand.delete is not None,
        emptied=work.parts.journal.assets_deleted(job.id),
    )
    before = work.parts.archive.archived(job) if why.purged else None
    archived = work.parts.archive.store(document, listing, selection, fetch, why=why)
    there = archived.stored.keys() | {each.name for each in archived.missing}
    missing = tuple(name for name in listing.names if selection.wants(name) and name not in there)
    if missing:
        raise ArchiveError(
            f"job {plan.job_id}: the receipt lacks {len(missing)} of its assets, the first"
            f" {missing[0]!r}"
        )
    work.parts.journal.archived(
        job.id,
        job.owner,
        receipt=archived.sha256,
        selection=selection.key,
        policy=policy,
        missing=archived.missing,
    )
    if lacking := [each for each in archived.missing if each.name not in selection.gives_up]:
        _tell_incomplete(work, hand, archived, lacking)
    stored(work, hand, archived)
    if why.purged:
        note_purged(work, hand, job, before)
    if Action.ARCHIVE in hand.to_do:
        hand.done(Action.ARCHIVE)
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
    work: ExecutionContext, hand: JobTask, archived: Archived, lacking: Sequence[MissingFile]
) -> Never:
    """Say what is stored and what is missing; IncompleteError ends whatever is still to be done of
    the job.
    """
    plan = hand.plan
    policy = hand.to_do.get(Action.ARCHIVE) or next(iter(hand.to_do.values()))
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
        f"job {plan.job_id}: {len(lacking)} of its files could not be had:"
        f" {lacking[0].name!r:.120}{more}: {lacking[0].why}. The rest is stored; what would destroy"
        " them waits"
    )


def _reasons(archived: Archived) -> tuple[tuple[str, str], ...]:
    return tuple((each.name, each.why) for each in archived.missing)
