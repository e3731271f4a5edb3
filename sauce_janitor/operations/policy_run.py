"""One run over one account, from top to bottom: inventory, plan, limits, execution, report.

One module over 300 lines: the steps of a run are read in their order.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from sauce_janitor.config import Account
from sauce_janitor.errors import RefusedError
from sauce_janitor.execute import Execution, ExecutionPorts, Recovery
from sauce_janitor.inventory import SyncRequest
from sauce_janitor.model.job_retries import grouped
from sauce_janitor.model.jobs import owner_name
from sauce_janitor.operations import holds as holding
from sauce_janitor.operations.records.account_figures import RunFigures
from sauce_janitor.operations.records.telemetry import counted
from sauce_janitor.operations.run_session import RunSession
from sauce_janitor.operations.steps import (
    acceptance,
    approval,
    purge_candidates,
    request_budget,
    stored_plan,
)
from sauce_janitor.operations.steps.listing import (
    ListingResult,
    OwnersListing,
    overlooked,
    withhold,
)
from sauce_janitor.operations.steps.review import InventoryDigest
from sauce_janitor.operations.wiring.credential_shares import ShareSettings, carry_out_shared
from sauce_janitor.operations.wiring.footprint import Footprint, footprint_of, weights_of
from sauce_janitor.operations.wiring.owners import (
    Owners,
    asked_of,
    known_owners,
    remember,
    resolve_owners,
)
from sauce_janitor.operations.wiring.progress import stepping
from sauce_janitor.operations.wiring.run_settings import Order, Result, RunContext
from sauce_janitor.operations.wiring.write_access import write_access
from sauce_janitor.retention.plan.deadlines import (
    Blocker,
    block_what_goes,
    settle,
    watched_fields,
)
from sauce_janitor.retention.plan.planner import Plan, make_plan
from sauce_janitor.retention.what_if.inflow import inflow


def run(account: Account, context: RunContext, order: Order) -> Result:
    """Run one account once. Raise JanitorError; RefusedError and ConfigError only before anything
    is changed.
    """
    access = write_access(account, context, order)
    # Known before the session: a run that cannot even begin is counted, too.
    mode = PolicyRun.mode_of(access)
    with counted(account.name, context.metrics, mode=mode), ExitStack() as stack:
        session = PolicyRun(account, context, order, access, stack)
        # However it ends, what it did counts.
        stack.callback(session.figures.add_up)
        ports, recovery = session.open()
        owners = session.find_owners()
        listing = ListingResult() if order.offline else session.list_jobs(owners)
        planned = session.plan(owners.spelled(listing.spellings), listing, recovery)
        stored_plan.keep(planned, order, context.state, session.telemetry, mode=mode)
        context.show(planned)
        if ports is None:
            return session.end(planned)
        session.refuse_if_limited(planned.plan)
        session.accept(planned.plan)
        return session.end(session.carry_out(planned, ports))


class PolicyRun(RunSession):
    """The steps of a run in which policies decide."""

    def find_owners(self) -> Owners:
        """Return whose jobs the run is about. Raise SourceError when the members of the
        organization cannot be read.
        """
        state, people = self.context.state, self.client.reader.people
        if self.order.offline:
            found = resolve_owners(
                self.account.users,
                owner_name(self.username),
                known_owners(state, self.account),
                None,
                teams=self.account.teams,
            )
        else:
            known = state.jobs.owners(self.account.name)
            ask = partial(asked_of, self.account, people, now=self.now)
            found = resolve_owners(
                self.account.users, owner_name(self.username), known, ask, teams=self.account.teams
            )
            # Offline, the state may be one that can only be read, and nobody was asked.
            remember(state, self.account, found)
        self.query = replace(self.query, owners=found.owners)
        if found.how:
            self.telemetry.resolved(found.owners, how=found.how, gaps=found.gaps)
        self.refuse_shared(found)
        return found

    def list_jobs(self, owners: Owners) -> ListingResult:
        """Bring the inventory up to date, owner by owner. An owner whose listing failed is left out
        of the plan.
        """
        request = SyncRequest(
            now=self.now,
            full_every_s=self.account.full_every_s,
            accept_loss=self.order.accept_loss,
            needed_fields=watched_fields(self.rules).union(self.fields.names),
            with_builds=self.fields.read_builds or "build_status" in watched_fields(self.rules),
        )
        jobs, name = self.context.state.jobs, self.account.name
        self.traces.before_listing()
        with self._phase("list"):
            listing = OwnersListing(
                name, jobs, self.clients, self.telemetry, self.context.progress
            ).list_all(owners, request)
        self.traces.after_listing()
        self._bind(listing)
        self.query = replace(self.query, owners=listing.owners)
        self.record.listed(owners.spelled(listing.spellings), listing.left_out)
        self.record.set_aside(listing.listings)
        self.telemetry.all_set_aside(sum(report.aside_count for report in listing.listings))
        self._check_clocks()
        if (full_at := jobs.full_at(name, listing.owners)) is not None:
            self.telemetry.listed_all(full_at)
        return listing

    def plan(self, owners: Owners, listing: ListingResult, recovery: Recovery) -> Result:
        """Decide on every known job, as of one instant. Of a reviewed plan, keep what is still due
        and unchanged.
        """
        accepted_at = self.context.state.acceptances.accepted_at(self.account.name, self.digest)
        leeway = acceptance.leeway(
            self.context.config,
            self.context.state,
            self.account.name,
            now=self.now,
            reviewed=self._reviewed is not None,
        )
        held = holding.open_holding(
            self.context.config.archive, self.account.name, self.context.state, stack=self._stack
        )
        self.query = replace(self.query, held=held.mirrored(at=self.as_of))
        retries = self.context.state.retries.of(self.account.name)
        with self._phase("plan"), self.context.state.jobs.snapshot(self.query) as snapshot:
            records = InventoryDigest(stepping(snapshot.records, self.context.progress.step))
            plan = make_plan(
                self.rules,
                records,
                as_of=self.as_of,
                accepted_at=accepted_at,
                leeway=leeway,
                retries=retries,
            )
            coming = inflow(self.rules, snapshot.records, as_of=self.as_of)
        if self.order.policies:
            plan.only(self.order.policies)
        # A review can only remove actions, never add one.
        if self._reviewed:
            plan.narrow(self._reviewed.of_job)
        withheld = withhold(plan, listing.unconfirmed)
        self.record.withheld(withheld)
        needs = tuple(
            self._need(share, plan) for share in self.clients.shares(self.query.owners or ())
        )
        # The deadline is missed whatever is decided, so people are told what it waits for.
        if any(need.left is not None and need.requests > need.left for need in needs):
            block_what_goes(plan.late, Blocker.BUDGET)
        self.telemetry.planned(plan)
        self.spending.tell_left()
        left_out = tuple(left.row() for left in listing.left_out)
        footprint = self._footprint(plan)
        self.figures.note_inventory(records.counts())
        head = replace(
            self.head(plan, records.digest()),
            owners=owners.owners,
            gaps=owners.gaps,
            left_out=left_out,
            effects=footprint.effects.as_row(),
        )
        outlook = request_budget.outlook(needs, coming, now=self.now)
        self.record.planned(plan, head, outlook, footprint)
        return Result(
            account=self.account,
            head=head,
            plan=plan,
            query=self.query,
            listings=listing.listings,
            scope=owners,
            left_out=listing.left_out,
            withheld=withheld,
            needs=needs,
            outlook=outlook,
            footprint=footprint,
            budget_left=self.client.reader.budget_left,
            timetable=self.client.budget.timetable,
            recovery=recovery,
            vanished=self.traces.found,
        )

    @property
    def figures(self) -> RunFigures:
        """What keeps the figures that the console shows."""
        # An offline run may work on a state that can only be read.
        is_kept = self.order.as_of is None and not self.order.offline
        return RunFigures(self.context.state, self.account.name, self.context.clock, kept=is_kept)

    def _footprint(self, plan: Plan, *, erases: bool = False) -> Footprint:
        settings, state, name = self.context.config.archive, self.context.state, self.account.name
        # Without actions there is nothing to weigh, so no receipt is read.
        if not plan.job_count:
            return footprint_of(plan, settings)
        # An offline run may work on a state that can only be read.
        remembers = not self.order.offline
        weights = weights_of(settings.location, state, name, now=self.now, remembers=remembers)
        return footprint_of(plan, settings, weights, erases=erases)

    def refuse_if_limited(self, plan: Plan) -> None:
        """Raise RefusedError when a limit is broken: the whole plan is refused, not a part of
        it.
        """
        if plan.broken:
            raise RefusedError(
                approval.refusal(plan, self.account.name, self.digest, self.context.config.timezone)
            )

    def accept(self, plan: Plan) -> None:
        """Record that this plan is carried out, and what it announces. A run of selected policies
        accepts no plan.
        """
        state, reviewed = self.context.state, self._reviewed
        if not self.order.policies and (reviewed is None or reviewed.of_all):
            under = acceptance.AcceptedUnder(
                self.account.name, self.digest, reviewed.as_of if reviewed else self.as_of
            )
            acceptance.accept(
                plan, reviewed.only if reviewed else None, self.rules, state.acceptances, under
            )
            # Owners who were left out were in no plan: their jobs are unexpected in the next one.
            unseen = overlooked(state.jobs, self.account.name, self.query.owners or ())
            state.jobs.make_news(self.account.name, unseen, at=under.known_at)
        acceptance.announce(plan, state, self.account.name, at=self.as_of)

    def carry_out(self, planned: Result, ports: ExecutionPorts) -> Result:
        """Carry out the plan, each owner's part with the credentials for that owner."""
        plan, config = planned.plan, self.context.config
        self._plan_under_way = plan
        self.retries.take(plan.retries, now=self.now, at_once=self.order.retry_now)
        # Otherwise the plan is not about all jobs.
        if not self.order.policies and self._reviewed is None:
            self.retries.keep_only(plan.retries, owners=self.query.owners or ())
        shares = [
            (share, self._ports_of(share, ports))
            for share in self.clients.shares(self.query.owners or ())
        ]
        self.context.metrics.executes(1)
        try:
            with self._phase("execute", plan.job_count):
                settings = ShareSettings(config.workers, config.archive.settle_s, self.context.stop)
                done, refused = carry_out_shared(plan, shares, settings)
            # Jobs that were not started count as left, too.
            if done.halted is not None:
                begun = done.jobs + sum(done.waiting.values())
                done = replace(done, left=done.left + max(0, plan.job_count - begun))
            else:
                groups = [(share.owners.__contains__, each) for share, each in shares]
                notes = self.context.state.notes
                name, stop = self.account.name, self.context.stop
                missed = purge_candidates.look_daily(
                    plan, groups, notes, name, stop=stop, tell=self.telemetry.event
                )
                done = replace(done, lost=done.lost + missed, missed=done.missed + missed)
            self._settle(plan, done)
        finally:
            self.context.metrics.executes(-1)
        goes_on_at = self.spending.goes_on_at(done)
        self.record.executed(done, self.client.reader.budget_left, goes_on_at)
        left_out = (*planned.left_out, *self._leave_out(refused))
        return replace(planned, execution=done, goes_on_at=goes_on_at, left_out=left_out)

    def _settle(self, plan: Plan, done: Execution) -> None:
        self.telemetry.expiring(plan)
        self.telemetry.retrying(grouped(self.context.state.retries.of(self.account.name).values()))
        self.record.saved(plan)
        # A reviewed plan leaves out what was not reviewed, so it says nothing about what is late.
        if not self._reviewed:
            failed = {failure.job_id for failure in done.failures}.union(self.retries.left())
            settle(plan.late, failed, finished=not done.left and done.halted is None)
            self.telemetry.overdue(plan)
            self.record.settled(plan)

    def end(self, result: Result) -> Result:
        """Report that the run has ended, and return its result."""
        self.spending.tell_left()
        self.telemetry.finished(mode=self.mode, complete=result.complete, at=self.now)
        return replace(result, vanished=self.traces.found)
