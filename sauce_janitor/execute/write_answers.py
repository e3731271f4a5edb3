"""What the answer to a write means, and what must be asked before it is believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from sauce_janitor.errors import SourceError, StoppedError
from sauce_janitor.execute.confirmation import (
    ACCEPTED,
    PendingConfirmations,
    Sent,
    are_assets_gone,
    is_job_gone,
    settle,
)
from sauce_janitor.execute.delete_addresses import UNSERVED
from sauce_janitor.execute.events import AssetsDeleted, JobDeleted, JobStopped
from sauce_janitor.execute.execution_context import ExecutionContext
from sauce_janitor.execute.lookups import DetailsLookup, is_that_one
from sauce_janitor.model.jobs import Action, JobState
from sauce_janitor.model.stored_jobs import StoredJob
from sauce_janitor.model.write_answers import WriteAnswer


def conclude(
    work: ExecutionContext,
    pending: PendingConfirmations,
    sent: Sent,
    answer: WriteAnswer,
    archived: StoredJob | None,
) -> DetailsLookup | None:
    """Record the result of the write. Every intent ends here, or `pending` confirms it later.

    Return the job as it was seen to be still there where its delete should use another address;
    else None.

    Source: Delete Job answers 200 or 204 with or without a body; Delete Job Assets answers 200 with
    `[[name, bytes], …]`, and 400 or 404 when there is nothing (left) to delete.
    """
    # The account may read this owner's jobs but not change them: no other one is tried.
    if answer.status == 403:
        work.unchangeable.add(sent.owner)
    if _accepted(answer):
        if sent.action is Action.DELETE_JOB:
            if sent.address is not None:
                work.ports.addresses.accepted(sent.address)
            pending.add(sent)
            return None
        if sent.action is Action.STOP:
            _see_it_stop(work, sent)
            return None
        if answer.deleted and _are_assets_deleted(work, pending, sent, answer.deleted, archived):
            _assets_deleted(work, sent, answer.deleted, archived)
            return None
    elif not _may_have_been_done(answer) and not _says_gone(sent, answer):
        settle(
            work.ports,
            work.tally,
            sent,
            "failed",
            f"Sauce Labs answered {answer.status}: {answer.detail}",
        )
        return None
    return _ask(work, sent, answer, archived)


def _see_it_stop(work: ExecutionContext, sent: Sent) -> None:
    """Confirm an accepted stop when the job no longer runs; otherwise the next run asks again."""
    try:
        doubt = "it still ran when it was looked up" if not _not_running(work, sent) else None
    except (SourceError, StoppedError) as error:
        doubt = f"not looked up: {error}"
    if doubt is None:
        _done(work, sent, "stopped")
        return
    work.ports.journal.outcome(sent.intent, "unknown", detail=f"{ACCEPTED}; {doubt}")
    work.tally.tell(JobStopped(sent.job_id, sent.owner, sent.policy))


def _are_assets_deleted(
    work: ExecutionContext,
    pending: PendingConfirmations,
    sent: Sent,
    deleted: tuple[tuple[str, int], ...],
    archived: StoredJob | None,
) -> bool:
    """Return whether an accepted delete of assets may be believed.

    It must name every known file. Where this answer belongs to the sample, the asset list must be
    empty, too.
    """
    if _listed_but_not_deleted(deleted, archived):
        return False
    if pending.believes_assets_deleted():
        return True
    try:
        listing = work.ports.source.assets(sent.owner, sent.job_id)
    except (SourceError, StoppedError):
        return False
    gone = listing is None or not listing.names
    pending.looked(true=gone)
    return gone


def _accepted(answer: WriteAnswer) -> bool:
    return answer.status is not None and 200 <= answer.status < 300 and not answer.doubtful


def _may_have_been_done(answer: WriteAnswer) -> bool:
    status = answer.status
    # 408: the server stopped waiting, perhaps after it had started the delete.
    return answer.doubtful or status is None or status < 400 or status >= 500 or status == 408


def _says_gone(sent: Sent, answer: WriteAnswer) -> bool:
    # Delete Job Assets answers 400 when there is nothing left to delete.
    return answer.status in (404, 410) or (answer.status == 400 and sent.action is not Action.STOP)


def _is_refusal(sent: Sent, answer: WriteAnswer) -> bool:
    """Return whether the answer says clearly that nothing was done, and not because there was
    nothing to do.
    """
    status = answer.status
    return (
        status is not None
        and 400 <= status < 500
        and status != 408
        and not _says_gone(sent, answer)
    )


def _ask(
    work: ExecutionContext, sent: Sent, answer: WriteAnswer, archived: StoredJob | None
) -> DetailsLookup | None:
    """Ask Sauce Labs again, because the answer alone is not believed. Return as `conclude` does."""
    answered = (
        f"answered {answer.status}" if answer.status is not None else f"no answer ({answer.detail})"
    )
    seen = None
    try:
        if sent.action is Action.DELETE_JOB:
            seen = _job_seen(work, sent)
            gone = seen is None
        else:
            gone = _ASK[sent.action](work, sent)
    except (SourceError, StoppedError) as error:
        settle(
            work.ports,
            work.tally,
            sent,
            "unknown",
            f"{answered}, and could not be asked again: {error}",
        )
        work.brake.unanswered(error)
        return None
    if not gone:
        return _still_there(work, sent, answer, answered, seen)
    if _is_refusal(sent, answer):
        # An account without the right may also be shown nothing, so two look-ups in a row prove
        # nothing. The next run looks again.
        settle(
            work.ports,
            work.tally,
            sent,
            "unknown",
            f"{answered}, yet it seems done; the next run looks again",
        )
    elif not _accepted(answer) and not _may_have_been_done(answer):
        settle(work.ports, work.tally, sent, "already_gone", f"{answered}, and it is gone")
    elif sent.action is Action.DELETE_ASSETS and answer.deleted:
        _assets_deleted(work, sent, answer.deleted, archived)
    else:
        _done(work, sent, f"{answered}, and it is gone")
    return None


def _still_there(
    work: ExecutionContext,
    sent: Sent,
    answer: WriteAnswer,
    answered: str,
    seen: DetailsLookup | None,
) -> DetailsLookup | None:
    """Record that the write had no effect. Return the job as it was seen where another address is
    left to try.
    """
    detail = f"{answered}, and it is still there: {answer.detail}"
    addresses = work.ports.addresses
    if sent.address is not None and answer.status in UNSERVED and _is_about(seen, sent):
        assert answer.status is not None
        if addresses.refused(sent.job_id, sent.address, answer.status):
            # The outcome is final before the second DELETE starts: no job has two in doubt.
            work.ports.journal.outcome(
                sent.intent, "failed", detail=f"{detail}; the other address is tried"
            )
            return seen
        if tried := addresses.tried(sent.job_id):
            detail = f"{tried} (delete_job_path), and it is still there: {answer.detail}"
    # A write without an answer may still be under way at Sauce Labs: the next run looks at it.
    outcome: Literal["failed", "unknown"] = "failed" if answer.status is not None else "unknown"
    settle(work.ports, work.tally, sent, outcome, detail)
    return None


def _job_seen(work: ExecutionContext, sent: Sent) -> DetailsLookup | None:
    """Return what Sauce Labs answers about the job; None where it says 404 twice."""
    for _ in range(2):
        at = work.ports.clock.monotonic()
        document = work.ports.source.job(sent.owner, sent.job_id)
        if document is not None:
            return DetailsLookup(document, at)
    return None


def _is_about(seen: DetailsLookup | None, sent: Sent) -> bool:
    """Return whether the answer is about this job and no other: then the address is missing, not
    the job.
    """
    return (
        seen is not None
        and seen.document is not None
        and is_that_one(seen.document, sent.owner, sent.job_id)
    )


def _job_gone(work: ExecutionContext, sent: Sent) -> bool:
    return is_job_gone(work.ports.source, sent.owner, sent.job_id)


def _assets_gone(work: ExecutionContext, sent: Sent) -> bool:
    return are_assets_gone(work.ports.source, sent.owner, sent.job_id)


def _not_running(work: ExecutionContext, sent: Sent) -> bool:
    document = work.ports.source.job(sent.owner, sent.job_id)
    if document is None:
        return _job_gone(work, sent)
    return document.job.state is not JobState.RUNNING


_ASK: dict[Action, Callable[[ExecutionContext, Sent], bool]] = {
    Action.DELETE_ASSETS: _assets_gone,
    Action.STOP: _not_running,
}


def _done(work: ExecutionContext, sent: Sent, detail: str) -> None:
    settle(work.ports, work.tally, sent, "confirmed", detail)
    if sent.action is Action.DELETE_JOB:
        work.tally.tell(JobDeleted(sent.job_id, sent.owner, sent.policy))
    elif sent.action is Action.DELETE_ASSETS:
        work.tally.tell(AssetsDeleted(sent.job_id, sent.owner, sent.policy, None))
    else:
        work.tally.tell(JobStopped(sent.job_id, sent.owner, sent.policy))


def _listed_but_not_deleted(
    deleted: tuple[tuple[str, int], ...], archived: StoredJob | None
) -> bool:
    """Return whether the answer omits files that the receipts know: then the list must show that
    they are gone.
    """
    return archived is not None and not set(archived.stored) <= {name for name, _ in deleted}


def _assets_deleted(
    work: ExecutionContext,
    sent: Sent,
    deleted: tuple[tuple[str, int], ...],
    archived: StoredJob | None,
) -> None:
    reclaimed = sum(size for _, size in deleted)
    unlisted: tuple[str, ...] = ()
    differing: tuple[tuple[str, int, int], ...] = ()
    if archived is not None:
        known = set(archived.stored) | archived.discarded
        unlisted = tuple(name for name, _ in deleted if name not in known)
        differing = tuple(
            (name, archived.stored[name], size)
            for name, size in deleted
            if archived.stored.get(name, size) != size
        )
    detail = f"{len(deleted)} files, {reclaimed} bytes"
    if unlisted:
        detail += f"; {len(unlisted)} were never listed: {', '.join(unlisted)}"
    if differing:
        detail += "; sizes differ: " + ", ".join(
            f"{name} archived {had}, deleted {size}" for name, had, size in differing
        )
    settle(work.ports, work.tally, sent, "confirmed", detail, bytes_reclaimed=reclaimed)
    work.tally.tell(
        AssetsDeleted(sent.job_id, sent.owner, sent.policy, reclaimed, unlisted, differing)
    )
