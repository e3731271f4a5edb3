"""Jobs of which the details say that there are none, though a list showed them: gone only when a
fresh listing agrees.
"""

from __future__ import annotations

from collections.abc import Sequence

from sauce_janitor.errors import BudgetSpentError, CredentialsError, SourceError
from sauce_janitor.execute.job_task import ExecutionContext, JobTask
from sauce_janitor.model.jobs import Owner
from sauce_janitor.model.retries import FailureKind


def settle_absences(work: ExecutionContext) -> None:
    """At the end of the run list their times again: a job that is not shown any more is gone, one
    that is has failed.
    """
    absent = work.take_absent()
    by_owner: dict[Owner, list[JobTask]] = {}
    for hand in absent:
        by_owner.setdefault(hand.plan.owner, []).append(hand)
    try:
        for owner, hands in by_owner.items():
            work.brake.look()
            _settle(work, owner, hands)
    finally:  # where the run ends first, they are left for the next one
        work.tally.left(sum(bool(hand.to_do) for hand in absent))


def _settle(work: ExecutionContext, owner: Owner, hands: Sequence[JobTask]) -> None:
    try:
        shown = work.parts.listings.contradicted(owner, [hand.plan.job_id for hand in hands])
    except (CredentialsError, BudgetSpentError):
        raise
    except SourceError as error:
        shown = {hand.plan.job_id: f"the list cannot be asked again: {error}" for hand in hands}
    for hand in hands:
        why = shown.get(hand.plan.job_id)
        if why is None:
            work.vanished(hand)
        else:
            work.fail(
                hand,
                f"Sauce Labs says twice that there is no such job, but {why}",
                FailureKind.VANISHED,
            )
