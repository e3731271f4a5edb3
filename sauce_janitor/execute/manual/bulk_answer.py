"""What the answer to the call that deletes all jobs of a user means for each of them: it is looked
up, whatever the answer says.
"""

from __future__ import annotations

from collections.abc import Sequence

from sauce_janitor.errors import SourceError, StoppedError
from sauce_janitor.execute.brake import Brake
from sauce_janitor.execute.confirmation import (
    BATCH,
    PendingConfirmations,
    Sent,
    is_job_gone,
    settle,
)
from sauce_janitor.execute.delete_addresses import UNSERVED
from sauce_janitor.execute.events import Halt, JobDeleted
from sauce_janitor.execute.outcomes import Tally
from sauce_janitor.execute.ports import ExecutionPorts, Proven
from sauce_janitor.model.write_answers import WriteAnswer


def conclude_all(
    ports: ExecutionPorts, tally: Tally, brake: Brake, sent: Sequence[Sent], answer: WriteAnswer
) -> None:
    """Look up each job, and journal what became of it. One that is still there has failed, unless
    the call had no answer.
    """
    # Accepted: the jobs are looked up, a hundred at a time, as after single deletes.
    if answer.status is not None and 200 <= answer.status < 300 and not answer.doubtful:
        pending = PendingConfirmations(ports, tally)
        for one in sent:
            pending.add(one)
        pending.flush()
        return
    # Refused or doubtful: nothing is known, so every job is asked about.
    answered = (
        f"answered {answer.status}: {answer.detail}"
        if answer.status is not None
        else f"no answer: {answer.detail}"
    )
    is_absent = answer.status in UNSERVED
    # Without an answer the call may still be under way: a later look decides about these jobs.
    still_there: Proven = "unknown" if answer.status is None else "failed"
    left = sum(
        _ask(ports, tally, sent[start : start + BATCH], answered, still_there, is_absent=is_absent)
        for start in range(0, len(sent), BATCH)
    )
    if is_absent and left:
        brake.pull(
            Halt.ADDRESS,
            "Sauce Labs does not offer the call that deletes all jobs of a user here (it"
            f" answered {answer.status}, and {left:,} jobs are still there): run offboard again"
            " without --bulk, which deletes them one by one",
        )


def _ask(
    ports: ExecutionPorts,
    tally: Tally,
    batch: Sequence[Sent],
    answered: str,
    still_there: Proven,
    *,
    is_absent: bool,
) -> int:
    """Return how many of them are still there; `still_there` is their outcome. `is_absent`: Sauce
    Labs does not offer the call, so no job has failed by itself.
    """
    left = 0
    source = ports.source
    try:
        found = source.jobs([one.job_id for one in batch]) or {}
    except (SourceError, StoppedError):
        # Then each job is asked about alone.
        found = {}
    for one in batch:
        try:
            gone = one.job_id not in found and is_job_gone(source, one.owner, one.job_id)
        except (SourceError, StoppedError) as error:
            settle(
                ports,
                tally,
                one,
                "unknown",
                f"{answered}, and could not be asked again: {error}",
            )
            continue
        if gone:
            settle(ports, tally, one, "confirmed", f"{answered}, and it is gone")
            tally.tell(JobDeleted(one.job_id, one.owner, one.policy))
            continue
        left += 1
        detail = f"{answered}, and it is still there"
        # Reported once for all of them, by the brake.
        if is_absent:
            ports.journal.outcome(one.intent, "failed", detail=detail)
        else:
            settle(ports, tally, one, still_there, detail)
    return left
