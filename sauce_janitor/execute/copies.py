"""The copies that deletes rest on: read from the disk before, restored from Sauce Labs where they
are damaged.
"""

from __future__ import annotations

from sauce_janitor.errors import ArchiveError
from sauce_janitor.execute.events import CopyDamaged, CopyRestored
from sauce_janitor.execute.job_task import ExecutionContext, JobTask
from sauce_janitor.execute.lookups import AssetLookup
from sauce_janitor.execute.ports import Archived
from sauce_janitor.model.permits import Receipt


def is_whole(work: ExecutionContext, hand: JobTask) -> bool:
    """Return whether the job's copy, as the disk holds it now, is what was stored; False sends it
    back to archiving.

    Reads it once a run, and not at all where nothing is wanted of the job. ArchiveError when it
    cannot be restored.
    """
    if hand.selection is None or hand.read_back is not None:
        return True
    plan = hand.plan
    work.brake.look()
    found = work.parts.archive.read_back(plan.owner, plan.job_id)
    if not found.damaged:
        hand.read_back = found.receipt
        return True
    hand.is_damaged, hand.is_lost = True, found.receipt is None
    # What was asked for before the read has grown old, and what the receipts said may be untrue.
    hand.archived = hand.details = hand.listed = None
    _tell_damaged(work, hand, found.damaged)
    return False


def refuse_if_lost(hand: JobTask, listed: AssetLookup) -> None:
    """Raise ArchiveError where the whole copy is gone, and Sauce Labs lists nothing to restore it
    from.
    """
    if hand.is_lost and listed.empty:
        raise ArchiveError(
            f"job {hand.plan.job_id}: its copy is gone from the archive, and Sauce Labs lists none"
            " of its assets any more: nothing is deleted of the job until its folder is restored"
            " from a backup of the archive"
        )


def stored(work: ExecutionContext, hand: JobTask, archived: Archived) -> None:
    """Take in what a pass of the archive returned: the proof, and whether it restored a damaged
    copy.
    """
    hand.archived, hand.proof = archived, Receipt(archived.sha256)
    hand.read_back = archived.sha256 if archived.read_back else None
    if archived.restored and not hand.is_damaged:
        _tell_damaged(work, hand, archived.restored)
        hand.is_damaged = True
    was_damaged, hand.is_damaged, hand.is_lost = hand.is_damaged, False, False
    # Where Sauce Labs lists a file and does not hand it out, the new receipt says that it is
    # missing.
    if was_damaged and not archived.missing:
        plan = hand.plan
        work.tally.tell(
            CopyRestored(
                plan.job_id,
                plan.owner,
                _policy(hand),
                archived.fetched_assets,
                archived.fetched_bytes,
                archived.sha256,
            )
        )


def _tell_damaged(work: ExecutionContext, hand: JobTask, files: tuple[str, ...]) -> None:
    work.tally.tell(CopyDamaged(hand.plan.job_id, hand.plan.owner, _policy(hand), files))


def _policy(hand: JobTask) -> str:
    """The policy that wants the delete, else the one that wants the copy."""
    action = hand.delete or next(iter(hand.to_do))
    return hand.to_do[action]
