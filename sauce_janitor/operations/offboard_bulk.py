"""Deletes all jobs of a user who has left with one call, after all of them were archived.

The checks and the call itself are in execute/manual/bulk_delete.py. This gives them what they read:
the user's list at Sauce Labs, the copies in the archive, the gate for this one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from copy import deepcopy
from dataclasses import replace

from sauce_janitor.clock import CLOCK
from sauce_janitor.errors import ArchiveError, JanitorError, RefusedError
from sauce_janitor.execute import Execution, ExecutionPorts
from sauce_janitor.execute.brake import Brake, HaltError, halt_of
from sauce_janitor.execute.manual.bulk_conditions import why_not, why_not_now
from sauce_janitor.execute.manual.bulk_delete import BulkDelete, empty
from sauce_janitor.execute.outcomes import Tally, together
from sauce_janitor.inventory.pager import PagePosition, Pager
from sauce_janitor.model.job_lists import JobPage
from sauce_janitor.model.jobs import Action, Job, JobId, Owner
from sauce_janitor.model.stored_jobs import StoredJob
from sauce_janitor.operations.policy_run import PolicyRun
from sauce_janitor.operations.wiring.clients import CredentialShare
from sauce_janitor.operations.wiring.credential_shares import ShareSettings, carry_out_shared
from sauce_janitor.operations.wiring.owners import Owners
from sauce_janitor.operations.wiring.run_settings import Result
from sauce_janitor.retention.plan.offboarding import OFFBOARD
from sauce_janitor.retention.plan.planner import JobPlan, Plan
from sauce_janitor.sauce.delete_all import BulkGate

_AHEAD_S = 600
"""Twice what Sauce Labs' clock may be ahead of the local clock when something is deleted, in
seconds.
"""


class BulkRun(PolicyRun):
    """A run about one user that can delete all their jobs with one call. `typed` is the user's name
    as the operator typed it.
    """

    user: Owner
    typed: str
    scope: Owners

    def refuse_bulk(self, plan: Plan) -> None:
        """Raise RefusedError where one call would delete what the plan does not, or would not be
        sent. Called before anything is archived.
        """
        user = self.user
        plans = {job.job_id: job for job in plan.jobs()}
        if (reason := why_not(plans, self.count())) is not None:
            raise RefusedError(
                f"--bulk would delete all jobs of {user} at once, but {reason}: leave --bulk out"
            )
        pages = self._pages(self.clients.shares(self.scope.owners)[0])
        if (reason := why_not_now(pages, user, plans, CLOCK)) is not None:
            raise RefusedError(f"--bulk is refused, before anything is archived: {reason}")

    def count(self) -> int:
        """Return how many jobs of the user the state knows."""
        return self.context.state.jobs.of(self.account.name, self.user).count()

    # --- carry out --------------------------------------------------------------------------------

    def delete_all(self, planned: Result, ports: ExecutionPorts) -> Result:
        """Archive what is wanted of every job first; then delete them with one call, if nothing
        prevents it.
        """
        plans = {job.job_id: job for job in planned.plan.jobs()}
        share = self.clients.shares(self.scope.owners)[0]
        own = self._ports_of(share, ports)
        # A copy: the plan itself must still say what the call deletes.
        plan = replace(planned.plan, rows=deepcopy(planned.plan.rows))
        plan.narrow(_only_archive)
        self.context.metrics.executes(1)
        try:
            with self._phase("execute", plan.job_count):
                # As in any run, only with everything but the archiving taken out of the plan.
                settings = ShareSettings(
                    self.context.config.workers,
                    self.context.config.archive.settle_s,
                    self.context.stop,
                )
                done, _ = carry_out_shared(plan, [(share, own)], settings)
            # The call deletes every job, so it is sent only after all of them were archived.
            if done.complete and done.halted is None:
                with self._phase("execute", len(plans)):
                    done = together([done, self._emptied(share, own, plans)])
        finally:
            self.context.metrics.executes(-1)
        self.record.executed(done, share.client.reader.budget_left)
        return replace(planned, execution=done)

    def _emptied(
        self, share: CredentialShare, ports: ExecutionPorts, plans: Mapping[JobId, JobPlan]
    ) -> Execution:
        client, state = share.client, self.context.state
        tally = Tally(ports.events)
        brake = Brake(ports, tally, self.context.stop)
        with closing(
            BulkGate(
                client.connection, client.budget, self.telemetry.request, stop=self.context.stop
            )
        ) as gate:
            what = BulkDelete(
                owner=self.user,
                typed=self.typed,
                policy=OFFBOARD,
                plans=plans,
                known=len(plans),
                gate=gate,
                journal=state.journal.during(
                    self.account.name, self.run_id, CLOCK.now, fence=ports.lease.fence
                ),
                listing=lambda: self._pages(share),
                proven=self._proven,
            )
            try:
                empty(ports, tally, brake, what)
            # The brake has already said why it ended.
            except HaltError:
                pass
            except JanitorError as error:
                brake.pull(halt_of(error), str(error), error)
        return tally.execution(error=brake.error)

    def _pages(self, share: CredentialShare) -> Iterator[JobPage]:
        pager = Pager(share.client.reader, self.user, since=None, longest_page=0)
        # A job that is new by Sauce Labs' clock must be listed, too.
        until = int(self.context.clock()) + _AHEAD_S
        for page, _ in pager.pages(PagePosition(until)):
            yield page

    def _proven(self, job: Job) -> StoredJob | None:
        """Return what is stored of the job, after reading every byte of it; None for nothing."""
        # Forced: one call destroys everything, so an earlier read-back does not count.
        found = self.copies.read_back(job.owner, job.id, force=True)
        if found.damaged:
            raise ArchiveError(
                f"job {job.id}: its copy in the archive is damaged: {found.damaged[0]}. Without"
                " --bulk it is restored from Sauce Labs first, as far as its files are still"
                " listed there"
            )
        archived = self.archive.archived(job)
        # Stored again while it was read: the bytes that were read are not the newest.
        if archived is not None and archived.sha256 != found.receipt:
            raise ArchiveError(f"job {job.id}: its copy in the archive changed while it was read")
        return archived


def _only_archive(job: JobPlan) -> JobPlan | None:
    actions = tuple(decision for decision in job.actions if decision.action is Action.ARCHIVE)
    return replace(job, actions=actions) if actions else None
