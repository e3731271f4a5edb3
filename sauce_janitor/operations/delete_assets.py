"""Deletes the assets of one job on a person's order: archives all of it first, then deletes as a
run does.

It is a run like any other, with its own rules (`job_changes.rules_for_assets`) and a plan of one
job: the same listing, holds, lease, journal and gate. Limits apply to plans of policies; here a
person names the job.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from sauce_janitor.config import Account
from sauce_janitor.errors import AnswerError, RefusedError
from sauce_janitor.execute import ExecutionPorts, Recovery
from sauce_janitor.execute.manual import action as manual_action
from sauce_janitor.execute.outcomes import Outcome
from sauce_janitor.inventory import SyncRequest
from sauce_janitor.model.job_changes import BY_HAND, rules_for_assets
from sauce_janitor.model.jobs import Action, JobId, Owner, Reason, Record, Verdict, Why
from sauce_janitor.model.policies import Rules
from sauce_janitor.operations import holds
from sauce_janitor.operations.run_session import RunSession
from sauce_janitor.operations.steps import request_budget
from sauce_janitor.operations.steps.listing import ListingResult, OwnersListing
from sauce_janitor.operations.wiring.credential_shares import ShareSettings, carry_out_shared
from sauce_janitor.operations.wiring.owners import Owners
from sauce_janitor.operations.wiring.run_settings import (
    LATER,
    ChangeOrder,
    Order,
    Result,
    RunContext,
)
from sauce_janitor.operations.wiring.write_access import WriteAccess, write_access
from sauce_janitor.retention.decide import decide
from sauce_janitor.retention.fingerprint import decision_fields
from sauce_janitor.retention.plan.planner import JobPlan, make_plan

_OVER = frozenset({Why.DONE, Why.NOTHING_WANTED})


@dataclass(frozen=True, slots=True)
class AssetsOrder(ChangeOrder):
    """Of which job to delete the assets.

    `by` is the person, for the journal. `shown` is the fingerprint of the job that they confirmed;
    another one is not touched.
    """

    job_id: JobId
    owner: Owner
    by: str
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class EmptiedJob:
    """The result: the plan of one job and what was done, or why it stays (`reasons`).

    `is_over`: its assets are already deleted or purged.
    """

    result: Result
    planned: JobPlan | None
    reasons: tuple[str, ...] = ()
    is_over: bool = False

    @property
    def is_done(self) -> bool:
        """Whether the assets were deleted, or found already deleted."""
        execution = self.result.execution
        if execution is None:
            return False
        ends = {
            outcome for _, action, outcome in execution.counts if action is Action.DELETE_ASSETS
        }
        return bool(ends & {Outcome.DONE, Outcome.ALREADY_GONE})


def delete_assets(account: Account, context: RunContext, order: AssetsOrder) -> EmptiedJob:
    """Archive all assets of one job and delete them. Raise JanitorError; RefusedError only before
    anything is changed.
    """
    access = write_access(account, context, order)
    with ExitStack() as stack:
        session = _OneJob(account, context, order, access, stack)
        ports, recovery = session.open()
        planned = session.plan_job(session.list_owner(), recovery)
        job = next(planned.plan.jobs(), None)
        if job is None or not any(
            decision.action is Action.DELETE_ASSETS for decision in job.actions
        ):
            return session.kept(planned)
        if ports is None:
            return EmptiedJob(planned, job)
        return EmptiedJob(session.carry_out(planned, ports), job)


class _OneJob(RunSession):
    """A run about the assets of one job."""

    modes = ("assets_dry_run", "assets")

    def __init__(
        self,
        account: Account,
        context: RunContext,
        order: AssetsOrder,
        access: WriteAccess | None,
        stack: ExitStack,
    ) -> None:
        # Ordered as one policy, so that records about all jobs (finished retries, an accepted plan)
        # stay as they are.
        super().__init__(account, context, Order(policies=frozenset({BY_HAND})), access, stack)
        self.asked, self.by = order, order.by
        self.rules: Rules = rules_for_assets(self.rules, order.owner)
        self.fields = decision_fields(self.rules)
        self.scope = Owners((order.owner,))
        self._record: Record | None = None

    def list_owner(self) -> ListingResult:
        """Bring the owner's jobs up to date. Raise RefusedError where another account is about
        them, too.
        """
        self.refuse_shared(self.scope)
        request = SyncRequest(
            now=self.now,
            full_every_s=self.account.full_every_s,
            needed_fields=frozenset(self.fields.names),
            with_builds=self.fields.read_builds,
        )
        jobs, name = self.context.state.jobs, self.account.name
        with self._phase("list"):
            listing = OwnersListing(
                name, jobs, self.clients, self.telemetry, self.context.progress
            ).list_all(self.scope, request)
        # A list that may be wrong is not enough to delete by. A dry run may show it.
        if listing.unconfirmed and self.access is not None:
            raise RefusedError(
                f"the first listing of {self.asked.owner} was empty or had rows that cannot be"
                f" read, and a second one must agree: run the command again {LATER}. Nothing"
                " changed"
            )
        self._bind(listing)
        self.scope = self.scope.spelled(listing.spellings)
        self.query = replace(self.query, owners=self.scope.owners)
        self._check_clocks()
        return listing

    def plan_job(self, listing: ListingResult, recovery: Recovery) -> Result:
        """Decide on the one job. Raise AnswerError where the list does not have it."""
        config, state, name = self.context.config, self.context.state, self.account.name
        held = holds.open_holding(config.archive, name, state, stack=self._stack)
        self.query = replace(self.query, held=held.mirrored(at=self.as_of))
        (owner,) = self.scope.owners
        with state.jobs.snapshot(self.query) as snapshot:
            record = snapshot.record(self.asked.job_id)
        if record is None:
            raise AnswerError(
                f"job {self.asked.job_id} is in no list of {owner}'s jobs, or its row cannot be"
                " read: nothing is deleted"
            )
        # A listing reads only new jobs: a tag set later on an old job is in its details alone.
        document = manual_action.look(self.clients.of(owner).reader, owner, self.asked.job_id)
        self._record = replace(record, job=document.job)
        retries = state.retries.of(name)
        plan = make_plan(
            self.rules, self._records, as_of=self.as_of, accepted_at=None, retries=retries
        )
        # Limits apply to plans of policies, not to one job that a person named.
        plan.broken, plan.lifted = (), ()
        plan.narrow(self._agreed)
        needs = tuple(self._need(share, plan) for share in self.clients.shares(self.scope.owners))
        return Result(
            account=self.account,
            head=replace(self.head(plan, ""), owners=self.scope.owners),
            plan=plan,
            query=self.query,
            listings=listing.listings,
            scope=self.scope,
            needs=needs,
            outlook=request_budget.outlook(needs, None, now=self.now),
            budget_left=self.client.reader.budget_left,
            timetable=self.client.budget.timetable,
            left_out=listing.left_out,
            recovery=recovery,
        )

    def _records(self) -> Iterator[Record]:
        assert self._record is not None
        yield self._record

    def _agreed(self, job: JobPlan) -> JobPlan | None:
        """Return the job if it is as it was when the person confirmed."""
        return job if self.asked.shown in (None, job.fingerprint) else None

    def kept(self, planned: Result) -> EmptiedJob:
        """Return why nothing of the job is deleted."""
        reasons: list[Reason] = []
        for _, decisions in decide(self.rules, self._records, as_of=self.as_of):
            kept = (
                each
                for each in decisions
                if each.action is Action.DELETE_ASSETS and each.verdict is Verdict.KEEP
            )
            for decision in kept:
                reasons += decision.reasons
        reason_texts = tuple(dict.fromkeys(reason.text for reason in reasons))
        is_over = bool(reasons) and all(reason.why in _OVER for reason in reasons)
        return EmptiedJob(
            planned, None, reason_texts or ("it changed since it was shown",), is_over
        )

    def carry_out(self, planned: Result, ports: ExecutionPorts) -> Result:
        """Archive and delete, without what a policy run does for all jobs."""
        plan, config = planned.plan, self.context.config
        self._plan_under_way = plan
        # A person asks for it now: an earlier failure's pause does not apply.
        self.retries.take(plan.retries, now=self.now, at_once=True)
        shares = [
            (share, self._ports_of(share, ports))
            for share in self.clients.shares(self.scope.owners)
        ]
        self.context.metrics.executes(1)
        try:
            with self._phase("execute", plan.job_count):
                # One job: more workers would have nothing to do.
                settings = ShareSettings(1, config.archive.settle_s, self.context.stop)
                done, refused = carry_out_shared(plan, shares, settings)
        finally:
            self.context.metrics.executes(-1)
        self.record.executed(done, self.client.reader.budget_left)
        left_out = (*planned.left_out, *self._leave_out(refused))
        return replace(planned, execution=done, left_out=left_out)
