"""What the steps of one run share, and the steps themselves: the words of the sentence in
`running`.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import asdict, replace
from functools import partial

from sauce_janitor import planfile
from sauce_janitor.clock import CLOCK
from sauce_janitor.config import Account
from sauce_janitor.errors import BudgetSpentError, CredentialsError, RefusedError
from sauce_janitor.execute import Execution, ExecutionPorts, Recovery, events, recover
from sauce_janitor.inventory import SyncRequest
from sauce_janitor.model.jobs import Owner, owner_name
from sauce_janitor.model.retries import grouped
from sauce_janitor.model.safety_numbers import MAX_CLOCK_SKEW_S
from sauce_janitor.operations import holds as holding
from sauce_janitor.operations.manual import settle_acts
from sauce_janitor.operations.records.run_record import RunEntry
from sauce_janitor.operations.records.telemetry import Telemetry
from sauce_janitor.operations.steps import acceptance, approval, purge_candidates, request_budget
from sauce_janitor.operations.steps.delete_addresses import delete_addresses
from sauce_janitor.operations.steps.foreign_deletes import ForeignDeletes
from sauce_janitor.operations.steps.listing import (
    ListingResult,
    OwnersListing,
    overlooked,
    withhold,
)
from sauce_janitor.operations.steps.retries import AccountRetries
from sauce_janitor.operations.steps.review import InventoryDigest, Reviewed
from sauce_janitor.operations.steps.shared_jobs import SharedJobs
from sauce_janitor.operations.wiring import archive as archives
from sauce_janitor.operations.wiring.account_client import AccountClient, connection, shared_count
from sauce_janitor.operations.wiring.account_owner import admit
from sauce_janitor.operations.wiring.clients import Clients, CredentialShare
from sauce_janitor.operations.wiring.credential_shares import ShareSettings, carry_out_shared
from sauce_janitor.operations.wiring.footprint import Footprint, footprint_of, weights_of
from sauce_janitor.operations.wiring.fresh_answers import Fingerprints, FreshListings
from sauce_janitor.operations.wiring.owners import (
    LeftOut,
    Owners,
    asked_of,
    known_owners,
    remember,
    resolve_owners,
)
from sauce_janitor.operations.wiring.pauses import Pauses
from sauce_janitor.operations.wiring.progress import PublishedProgress, stepping
from sauce_janitor.operations.wiring.read_backs import CheckedCopies
from sauce_janitor.operations.wiring.run_settings import Need, Order, Result, RunContext
from sauce_janitor.retention.fingerprint import decision_fields
from sauce_janitor.retention.interactions import by_weight
from sauce_janitor.retention.plan.costs import requests_needed, work_of
from sauce_janitor.retention.plan.deadlines import (
    Blocker,
    block_what_goes,
    overdue_counts,
    settle,
    watched_fields,
)
from sauce_janitor.retention.plan.planner import Plan, make_plan
from sauce_janitor.retention.what_if.inflow import inflow
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.state import Lease, Query

_SAVED = (
    events.JobArchived,
    events.AssetsDeleted,
    events.AssetsPurged,
    events.JobDeleted,
    events.AlreadyGone,
)
"""After these nothing of a job that was wanted and not archived is left to expire."""


class RunSession:
    """One run's time, client, lease and words: what the steps of `run` share."""

    modes = ("dry_run", "execute")
    by: str | None = None
    """The person at whose word it deletes; None where policies decide."""

    def __init__(
        self, account: Account, context: RunContext, order: Order, stack: ExitStack
    ) -> None:
        self.account, self.context, self.order, self._stack = account, context, order, stack
        self.run_id, self.mode = uuid.uuid4().hex[:12], self.modes[order.execute]
        published = PublishedProgress(
            context.progress, context.state.notes, account.name, run_id=self.run_id, mode=self.mode
        )
        self.context = context = replace(context, progress=published)
        self.now = int(context.clock())
        self.as_of = self.now if order.as_of is None else order.as_of
        self.rules = context.config.rules(account.name)
        self.fields = decision_fields(self.rules)
        self.digest = context.config.policy_digest(account.name)
        self.telemetry = Telemetry(account.name, self.run_id, context.metrics)
        stack.callback(self.telemetry.conclude)
        self.spending = request_budget.BudgetTelemetry(self.telemetry, self._budgets, context.clock)
        context.state.clock.check(self.now)
        self.client = AccountClient(
            connection(account),
            self.spending.asked,
            context.stop,
            store=shared_count(context, run_id=self.run_id, tell=self.telemetry.budget_lost),
        )
        stack.callback(self.client.close)
        self.clients = Clients(account, self.client, stack)
        self.username = self.client.connection.username
        admit(account, context.state, self.username)
        self._admitted = context.state.accounts.all()[account.name]
        self.record = RunEntry(
            context.state.runs, self.run_id, account.name, mode=self.mode, clock=context.clock
        )
        if order.as_of is None:  # a look at another time is no run that later ones go by
            stack.enter_context(self.record)
        stack.enter_context(published)
        self.query = Query(account.name, (), self.rules.age_from, self.as_of, self.digest)
        self.traces = ForeignDeletes(account.name, context.state, self.telemetry, now=self.now)
        stack.callback(self.traces.conclude)
        self._event_lock = threading.Lock()
        self._plan_under_way: Plan | None = None
        self._reviewed = self._check_reviewed()

    def _check_reviewed(self) -> Reviewed | None:
        if self.order.reviewed is None:
            return None
        plan = self.order.reviewed[self.account.name]
        secret = self.context.state.identity.secret
        return Reviewed.of(
            plan, planfile.checked(plan, head=self.head(None, ""), secret=secret, now=self.now)
        )

    # --- before: the right and the means to change anything ---------------------------------------

    def open_to_change(self) -> ExecutionPorts:
        """The lease, the gate and the archive, held until the run ends. RefusedError while paused,
        LeaseError when taken.
        """
        state, name = self.context.state, self.account.name
        pauses = Pauses(state, self.context.config.archive.path)
        pauses.refuse()
        lease: Lease = self._stack.enter_context(
            state.lease(name, f"run {self.run_id}", now=self.now)
        )
        state.check_integrity()
        archive = self._stack.enter_context(
            archives.open_archive(self.context.config.archive, name, state, run_id=self.run_id)
        )
        archive.sweep()
        trust_s = self.context.config.archive.trust_read_back_s
        self.archive, self.copies = (
            archive,
            CheckedCopies(archive, state, name, trust_s=trust_s, clock=self.context.clock),
        )
        holds = holding.AccountHolds(
            state.holds, archive.holds, name, CLOCK.now, state.accounts.keys()
        )
        holds.mirror()
        self.retries = AccountRetries(
            state.retries, name, lambda: int(self.context.clock()), state.notes
        )
        return ExecutionPorts(
            source=self.client.reader,
            listings=FreshListings(self.client.reader, state.jobs, name),
            gate=self._stack.enter_context(closing(self.client.gate())),
            archive=archives.FittedArchive(
                archive, self.copies, run_id=self.run_id, base_url=self.account.base_url
            ),
            journal=state.journal.during(name, self.run_id, CLOCK.now, by=self.by),
            lease=lease,
            switch=pauses,
            holds=holds,
            retries=self.retries,
            clock=CLOCK,
            fingerprint=Fingerprints(self.client.reader, state.jobs, self.query, self.fields),
            events=self._on_event,
            addresses=delete_addresses(self.account, state.notes, self.context.clock),
            passed=self.context.progress.step,
        )

    def recover(self, ports: ExecutionPorts) -> Recovery:
        """What became of the deletes that an earlier run began and did not see the end of."""
        confirmed, failed = 0, 0
        for share in self.clients.shares({one.owner for one in ports.journal.unresolved()}):
            try:
                found = recover(
                    share.client.reader,
                    ports.journal,
                    of=share.owners.__contains__,
                    events=self.telemetry.event,
                )
            except (CredentialsError, BudgetSpentError):
                if not share.own:
                    raise
                continue  # theirs stay open; listing their jobs says why
            confirmed, failed = confirmed + found.confirmed, failed + found.failed
        settle_acts(
            lambda owner: self.clients.of(owner).reader,
            self.account.name,
            self.context,
            run_id=self.run_id,
        )
        return Recovery(confirmed, failed, open=len(ports.journal.unresolved()))

    # --- inventory, plan, limit -------------------------------------------------------------------

    def find_owners(self) -> Owners:
        """Whose jobs this is about. SourceError when who is in the organization cannot be had."""
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
            remember(state, self.account, found)
        self.query = replace(self.query, owners=found.owners)
        if found.how:
            self.telemetry.resolved(found.owners, how=found.how, gaps=found.gaps)
        self.refuse_shared(found)
        return found

    def refuse_shared(self, found: Owners) -> None:
        """RefusedError where another account is about the same users' jobs: its rules would have no
        say here.
        """
        SharedJobs(self.account, self.context, self.order, self.run_id).refuse_shared(found.owners)

    def list_jobs(self, owners: Owners) -> ListingResult:
        """Bring the inventory up to date, owner by owner. Whose listing broke off is left out:
        there is no plan for him.
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

    def _bind(self, listing: ListingResult) -> None:
        """Learn whose the account is where a listing showed a job. RefusedError where that changed
        meanwhile.
        """
        shown = any(report.known and report.confirmed for report in listing.listings)
        if shown and not self.context.state.accounts.bind(self._admitted, at=self.now):
            raise RefusedError(
                f"account {self.account.name} was given another user, address or name while its"
                " jobs were listed: run it again. Nothing changed"
            )

    def _check_clocks(self) -> None:
        skew = self.clients.clock_skew_s
        if skew is not None and abs(skew) > MAX_CLOCK_SKEW_S and self.order.execute:
            raise RefusedError(
                f"this machine's clock and Sauce Labs' differ by {abs(skew):.0f} s: every age would"
                " be wrong. Nothing changed"
            )
        if skew is not None and self.order.execute:
            self.context.state.clock.remember(self.now)

    def plan(self, owners: Owners, listing: ListingResult, recovery: Recovery) -> Result:
        """Decide on every job that is known, as of one instant; of a reviewed plan, what is still
        due and as it was then.
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
        if self._reviewed:
            plan.narrow(self._reviewed.of_job)
        withheld = withhold(plan, listing.unconfirmed)
        self.record.withheld(withheld)
        needs = tuple(
            self._need(share, plan) for share in self.clients.shares(self.query.owners or ())
        )
        if any(need.left is not None and need.requests > need.left for need in needs):
            block_what_goes(plan.late, Blocker.BUDGET)
        self.telemetry.planned(plan)
        self.spending.tell_left()
        left_out = tuple(left.row() for left in listing.left_out)
        footprint = self._footprint(plan)
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

    def _footprint(self, plan: Plan, *, erases: bool = False) -> Footprint:
        settings, state, name = self.context.config.archive, self.context.state, self.account.name
        if not plan.job_count:  # a plan without actions reads no receipt
            return footprint_of(plan, settings)
        remembers = not self.order.offline  # then the state may be one that can only be read
        weights = weights_of(settings.path, state, name, now=self.now, remembers=remembers)
        return footprint_of(plan, settings, weights, erases=erases)

    def _need(self, share: CredentialShare, plan: Plan) -> Need:
        client = share.client
        requests = requests_needed(work_of(plan, share.owners))
        return Need(
            client.connection.username, requests, client.reader.budget_left, client.budget.timetable
        )

    def head(self, plan: Plan | None, inventory_digest: str) -> planfile.PlanHead:
        """What identifies this run's plan."""
        return planfile.PlanHead(
            account=self.account.name,
            base_url=self.account.base_url,
            username=self.username,
            created_at=self.now,
            as_of=self.as_of,
            as_of_given=self.order.as_of is not None,
            policies=tuple(sorted(self.order.policies)),
            policy_digest=self.digest,
            inventory_digest=inventory_digest,
            requests_needed=requests_needed(work_of(plan)) if plan else 0,
            counts={action.value: number for action, number in plan.totals.items()} if plan else {},
            limits_broken=tuple(broken.limit for broken in plan.broken) if plan else (),
            announced=(
                {action.value: asdict(waiting) for action, waiting in plan.waiting.items()}
                if plan
                else {}
            ),
            overdue=overdue_counts(plan.late) if plan else {},
            interactions=(
                tuple(found.as_row(jobs) for found, jobs in by_weight(plan.postponed))
                if plan
                else ()
            ),
        )

    def refuse_if_limited(self, plan: Plan) -> None:
        """RefusedError when a limit is broken: the whole plan, not a part of it."""
        if plan.broken:
            raise RefusedError(
                approval.refusal(plan, self.account.name, self.digest, self.context.config.timezone)
            )

    def accept(self, plan: Plan) -> None:
        """Put on record that this plan goes ahead, and what it announces; for some policies alone
        no plan is accepted.
        """
        state, reviewed = self.context.state, self._reviewed
        if not self.order.policies and (reviewed is None or reviewed.of_all):
            under = acceptance.AcceptedUnder(
                self.account.name, self.digest, reviewed.as_of if reviewed else self.as_of
            )
            acceptance.accept(
                plan, reviewed.only if reviewed else None, self.rules, state.acceptances, under
            )
            unseen = overlooked(state.jobs, self.account.name, self.query.owners or ())
            state.jobs.make_news(self.account.name, unseen, at=under.known_at)
        acceptance.announce(plan, state, self.account.name, at=self.as_of)

    # --- carry out, report ------------------------------------------------------------------------

    def carry_out(self, planned: Result, ports: ExecutionPorts) -> Result:
        """Do what the plan says, with each credential what it is for."""
        plan, config = planned.plan, self.context.config
        self._plan_under_way = plan
        self.retries.take(plan.retries, now=self.now, at_once=self.order.retry_now)
        if (
            not self.order.policies and self._reviewed is None
        ):  # else the plan is not about all jobs
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
            if done.halted is not None:  # what was not begun is left, too
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

    def _ports_of(self, share: CredentialShare, ports: ExecutionPorts) -> ExecutionPorts:
        if not share.own:
            return ports
        client, known = share.client, self.context.state.jobs
        return replace(
            ports,
            source=client.reader,
            listings=FreshListings(client.reader, known, self.account.name),
            gate=self._stack.enter_context(closing(client.gate())),
            fingerprint=Fingerprints(client.reader, known, self.query, self.fields),
        )

    def _leave_out(self, refused: Mapping[Owner, str]) -> Iterator[LeftOut]:
        """The owners whose own credentials failed while the plan was carried out."""
        for owner, why in sorted(refused.items()):
            left = LeftOut(owner, why, self.context.state.jobs.of(self.account.name, owner).count())
            self.telemetry.left_out(owner, why=why, jobs=left.jobs, departed=False)
            yield left

    def _settle(self, plan: Plan, done: Execution) -> None:
        self.telemetry.expiring(plan)
        self.telemetry.retrying(grouped(self.context.state.retries.of(self.account.name).values()))
        self.record.saved(plan)
        if not self._reviewed:
            failed = {failure.job_id for failure in done.failures}.union(self.retries.left())
            settle(plan.late, failed, finished=not done.left and done.halted is None)
            self.telemetry.overdue(plan)
            self.record.settled(plan)

    def end(self, result: Result) -> Result:
        """Tell that the run came to its end."""
        self.spending.tell_left()
        self.telemetry.finished(mode=self.mode, complete=result.complete, at=self.now)
        return replace(result, vanished=self.traces.found)

    def _budgets(self) -> list[RequestBudget]:
        """Of every credential that is in use."""
        return [share.client.budget for share in self.clients.shares(self.query.owners or ())] or [
            self.client.budget
        ]

    def _on_event(self, event: events.Event) -> None:
        with self._event_lock:  # workers of several credentials tell at once
            self.telemetry.event(event)
            self.traces.event(event)
            if self._plan_under_way is not None and isinstance(event, _SAVED):
                self._plan_under_way.saved(event.job_id)

    def _phase(self, name: str, total: int | None = None) -> AbstractContextManager[None]:
        self.context.progress.phase(self.account.name, name, total)
        return self.telemetry.timed(name)
