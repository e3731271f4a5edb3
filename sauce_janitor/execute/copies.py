"""The copies that deletes depend on: read from the disk first, restored from Sauce Labs where they
are damaged.
"""

from __future__ import annotations

from sauce_janitor.errors import ArchiveError
from sauce_janitor.execute.events import CopyDamaged, CopyRestored
from sauce_janitor.execute.execution_context import ExecutionContext
from sauce_janitor.execute.job_task import JobTask
from sauce_janitor.execute.lookups import AssetLookup
from sauce_janitor.model.permits import Receipt
from sauce_janitor.model.stored_jobs import StoredJob


def is_whole(work: ExecutionContext, task: JobTask) -> bool:
    """Return whether the job's copy on the disk is what was stored; False sends the job back to
    archiving.

    Reads the copy once a run, and not at all where nothing is wanted of the job. Raise ArchiveError
    when it cannot be restored.
    """
    # Nothing is wanted, so no copy is needed; or this run has already read it.
    if task.selection is None or task.read_back is not None:
        return True
    plan = task.plan
    work.brake.look()
    found = work.ports.archive.read_back(plan.owner, plan.job_id)
    if not found.damaged:
        task.read_back = found.receipt
        return True
    task.is_damaged, task.is_lost = True, found.receipt is None
    # Answers from before the read are too old now, and what the receipts said may be wrong.
    task.archived = task.details = task.listed = None
    _tell_damaged(work, task, found.damaged)
    return False


def refuse_if_lost(task: JobTask, listed: AssetLookup) -> None:
    """Raise ArchiveError where the whole copy is gone and Sauce Labs lists nothing to restore it
    from.
    """
    if task.is_lost and listed.empty:
        raise ArchiveError(
            f"job {task.plan.job_id}: its copy is gone from the archive, and Sauce Labs lists none"
            " of its assets any more: nothing is deleted of the job until its folder is restored"
            " from a backup of the archive"
        )


def stored(work: ExecutionContext, task: JobTask, archived: StoredJob) -> None:
    """Take over the result of an archive pass: the proof, and whether it restored a damaged
    copy.
    """
    task.archived, task.proof = archived, Receipt(archived.sha256)
    task.read_back = archived.sha256 if archived.read_back else None
    # The pass found the damage itself, so it has not been reported yet.
    if archived.restored and not task.is_damaged:
        _tell_damaged(work, task, archived.restored)
        task.is_damaged = True
    was_damaged, task.is_damaged, task.is_lost = task.is_damaged, False, False
    # Where Sauce Labs lists a file but does not deliver it, the new receipt names it as missing.
    if was_damaged and not archived.missing:
        plan = task.plan
        work.tally.tell(
            CopyRestored(
                plan.job_id,
                plan.owner,
                _policy(task),
                archived.fetched_assets,
                archived.fetched_bytes,
                archived.sha256,
            )
        )


def _tell_damaged(work: ExecutionContext, task: JobTask, files: tuple[str, ...]) -> None:
    work.tally.tell(CopyDamaged(task.plan.job_id, task.plan.owner, _policy(task), files))


def _policy(task: JobTask) -> str:
    """Return the policy that wants the delete, else the one that wants the copy."""
    action = task.delete or next(iter(task.to_do))
    return task.to_do[action]
