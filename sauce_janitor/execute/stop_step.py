"""Stops a runaway job: ask again, still running and as decided on, on record, PUT, see it stop, on
record.
"""

from __future__ import annotations

from sauce_janitor.errors import BudgetSpentError, CredentialsError, PermitError, StoppedError
from sauce_janitor.execute.brake import SkipError
from sauce_janitor.execute.confirmation import PendingConfirmations, Sent
from sauce_janitor.execute.events import Skip
from sauce_janitor.execute.job_task import ExecutionContext, JobTask
from sauce_janitor.execute.write_answers import conclude
from sauce_janitor.model.jobs import Action, JobState
from sauce_janitor.model.permits import StopPermit


def stop(work: ExecutionContext, confirming: PendingConfirmations, hand: JobTask) -> None:
    """Stop the job or say why not. SkipError and SourceError are about this job."""
    plan, parts = hand.plan, work.parts
    work.permitted(hand, to_change=True)
    work.brake.afford(3 + confirming.requests_due)
    with parts.source.reserved(2):
        details = work.asking.one(plan.owner, plan.job_id)
        if details.document is None:
            work.absent(hand)
            return
        job = details.document.job
        work.same(hand, details, job, state=JobState.RUNNING)
        if parts.holds.protects(job):
            raise SkipError(Skip.HELD, "a hold was set since it was decided on")
        work.brake.look_before_write()
        permit = StopPermit(
            plan.job_id, plan.owner, plan.fingerprint, details.at, parts.lease.fence
        )
        policy = hand.to_do[Action.STOP]
        sent = Sent(
            parts.journal.intent(permit, policy=policy),
            Action.STOP,
            plan.job_id,
            plan.owner,
            policy,
        )
        try:
            answer = parts.gate.stop(permit)
        except (PermitError, BudgetSpentError, StoppedError) as refused:
            parts.journal.outcome(sent.intent, "failed", detail=f"not sent: {refused}")
            raise
        except CredentialsError as error:  # it was sent
            parts.journal.outcome(sent.intent, "unknown", detail=str(error))
            raise
        conclude(work, confirming, sent, answer, None)
        hand.done(Action.STOP)
