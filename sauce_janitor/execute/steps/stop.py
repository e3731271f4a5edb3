"""Stops a job that runs too long: ask again, check that it is as decided on, journal, send, see it
stop, journal.
"""

from __future__ import annotations

from sauce_janitor.errors import BudgetSpentError, CredentialsError, PermitError, StoppedError
from sauce_janitor.execute.brake import SkipError
from sauce_janitor.execute.confirmation import PendingConfirmations, Sent
from sauce_janitor.execute.events import Skip
from sauce_janitor.execute.execution_context import ExecutionContext
from sauce_janitor.execute.job_task import JobTask
from sauce_janitor.execute.write_answers import conclude
from sauce_janitor.model.jobs import Action, JobState
from sauce_janitor.model.permits import StopPermit


def stop(work: ExecutionContext, pending: PendingConfirmations, task: JobTask) -> None:
    """Stop the job, or say why not. SkipError and SourceError are about this job."""
    plan, ports = task.plan, work.ports
    work.permitted(task, to_change=True)
    work.brake.afford(3 + pending.requests_due)
    with ports.source.reserved(2):
        details = work.lookups.one(plan.owner, plan.job_id)
        if details.document is None:
            work.absent(task)
            return
        job = details.document.job
        work.same(task, details, job, state=JobState.RUNNING)
        if ports.holds.protects(job):
            raise SkipError(Skip.HELD, "it was held after the plan decided on it")
        work.brake.look_before_write()
        permit = StopPermit(
            plan.job_id, plan.owner, plan.fingerprint, details.at, ports.lease.fence
        )
        policy = task.to_do[Action.STOP]
        sent = Sent(
            ports.journal.intent(permit, policy=policy),
            Action.STOP,
            plan.job_id,
            plan.owner,
            policy,
        )
        try:
            answer = ports.gate.stop(permit)
        except (PermitError, BudgetSpentError, StoppedError) as refused:
            ports.journal.outcome(sent.intent, "failed", detail=f"not sent: {refused}")
            raise
        # It was sent, so the outcome is unknown.
        except CredentialsError as error:
            ports.journal.outcome(sent.intent, "unknown", detail=str(error))
            raise
        conclude(work, pending, sent, answer, None)
        task.done(Action.STOP)
