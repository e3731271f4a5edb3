"""Jobs whose details say that they do not exist, though a list showed them: gone only when a fresh
listing agrees.
"""

from __future__ import annotations

from collections.abc import Sequence

from sauce_janitor.errors import BudgetSpentError, CredentialsError, SourceError
from sauce_janitor.execute.job_task import ExecutionContext, JobTask
from sauce_janitor.model.jobs import Owner
from sauce_janitor.model.retries import FailureKind


def settle_absences(work: ExecutionContext) -> None:
    """List their times again at the end of the run: a job that is not listed any more is gone; one
    that is has failed.
    """
    absent = work.take_absent()
    by_owner: dict[Owner, list[JobTask]] = {}
    for task in absent:
        by_owner.setdefault(task.plan.owner, []).append(task)
    try:
        for owner, tasks in by_owner.items():
            work.brake.look()
            _settle(work, owner, tasks)
    finally:
        # Where the run ends first, they are left for the next one.
        work.tally.left(sum(bool(task.to_do) for task in absent))


def _settle(work: ExecutionContext, owner: Owner, tasks: Sequence[JobTask]) -> None:
    try:
        shown = work.ports.listings.contradicted(owner, [task.plan.job_id for task in tasks])
    except (CredentialsError, BudgetSpentError):
        raise
    except SourceError as error:
        shown = {task.plan.job_id: f"the list cannot be asked again: {error}" for task in tasks}
    for task in tasks:
        why = shown.get(task.plan.job_id)
        if why is None:
            work.vanished(task)
        else:
            work.fail(
                task,
                f"Sauce Labs says twice that there is no such job, but {why}",
                FailureKind.VANISHED,
            )
