"""One job of the plan while it is carried out: what is still to do, and what is known so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from sauce_janitor.execute.lookups import AssetLookup, DetailsLookup
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.job_retries import Retry
from sauce_janitor.model.jobs import Action
from sauce_janitor.model.permits import NothingWanted, Receipt
from sauce_janitor.model.stored_jobs import StoredJob
from sauce_janitor.retention.plan.planner import JobPlan


@dataclass(slots=True)
class JobTask:
    """One job of the plan and its progress.

    `to_do` maps the actions that have not ended to the policies that want them; "" where a hold
    wants an archive. `is_believed`: Sauce Labs has had no asset list for the job for a day, and it
    never started. `read_back` is the SHA-256 of the receipt whose copy this run read from the disk.
    `is_damaged`: that copy was not as stored and must be restored. `is_lost`: all of it is gone.
    """

    plan: JobPlan
    to_do: dict[Action, str] = field(default_factory=dict)
    details: DetailsLookup | None = None
    listed: AssetLookup | None = None
    listed_twice: bool = False
    proof: Receipt | NothingWanted | None = None
    archived: StoredJob | None = None
    is_believed: bool = False
    read_back: str | None = None
    is_damaged: bool = False
    is_lost: bool = False
    was_purged: bool | None = None
    rounds: int = 0
    look_count: int = 0
    retry: Retry | None = None

    @classmethod
    def of(cls, plan: JobPlan, retry: Retry | None = None) -> JobTask:
        """Return a task with everything that the plan wants. Both deletes together are one DELETE
        of the job.

        `retry`: the job failed before.
        """
        to_do = {decision.action: decision.policy or "" for decision in plan.actions}
        # Deleting the job deletes its assets, too.
        if Action.DELETE_JOB in to_do:
            to_do.pop(Action.DELETE_ASSETS, None)
        return cls(plan, to_do, retry=retry)

    @property
    def delete(self) -> Action | None:
        """The delete to do; None when there is none."""
        return next(
            (
                action
                for action in (Action.DELETE_JOB, Action.DELETE_ASSETS)
                if action in self.to_do
            ),
            None,
        )

    @property
    def selection(self) -> Selection | None:
        """What must be stored before anything is deleted; None when no policy wants anything."""
        selection = self.plan.selection
        return selection if selection is not None and selection.assets else None

    def done(self, action: Action) -> str:
        """Remove an ended action and return the policy that wanted it."""
        return self.to_do.pop(action)
