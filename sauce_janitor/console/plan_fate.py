"""What became of a stored plan: whether a run has carried out a plan since, or it is approved."""

from __future__ import annotations

from typing import Final

from sauce_janitor.model.console.stored_plans import PlanKind, StoredPlan
from sauce_janitor.model.jobs import Action
from sauce_janitor.model.policies import ALL_LIMITS
from sauce_janitor.state import RunRecord, State
from sauce_janitor.web.plan_page import PlanFate

_LOOKED_BACK: Final = 20


def fate_of(state: State, plan: StoredPlan, *, now: int) -> PlanFate:
    """Return what became of the plan until now (epoch seconds). Raise StateError."""
    facts = plan.facts
    done = next(
        (run for run in state.runs.last(facts.account, limit=_LOOKED_BACK) if _did(run, plan)), None
    )
    approval = next(
        (
            each
            for each in state.approvals.in_force(facts.account, facts.policy_digest, at=now)
            # Which limits are broken is only known in words: one that lifts all lifts these.
            if each.lifts == ALL_LIMITS and each.allows(acting_of(plan))
        ),
        None,
    )
    return PlanFate(
        None if done is None else done.run_id,
        None if done is None else done.started_at,
        None if approval is None else approval.by,
        None if approval is None else approval.until,
    )


def acting_of(plan: StoredPlan) -> int:
    """Return how many jobs would be deleted, lose assets or be stopped."""

    def acts(kind: PlanKind) -> bool:
        return any(each.action is not Action.ARCHIVE for each in kind.actions)

    return sum(
        jobs for kind, jobs in zip(plan.facts.kinds, plan.facts.counts, strict=True) if acts(kind)
    )


def _did(run: RunRecord, plan: StoredPlan) -> bool:
    """Return whether the run changed something after the plan was made, perhaps by a part of it."""
    is_later = run.started_at >= plan.facts.as_of or run.run_id == plan.facts.run_id
    return is_later and bool(run.summary.get("outcomes"))
