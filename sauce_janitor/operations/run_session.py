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
from sauce_janitor.execute import Execution, ExecutionPorts, Recovery, recover
from sauce_janitor.execute import events as happened
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
from sauce_janitor.operations.wiring import archive as fitting
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
    whose,
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
    happened.JobArchived,
    happened.AssetsDeleted,
    happened.AssetsPurged,
    happened.JobDeleted,
    happened.AlreadyGone,
)
"""After these nothing of a job that was wanted and not archived is left to expire."""


class RunSession:
    """One run's time, client, lease and words: what the steps of `run` share."""

    modes = ("dry_run", "execute")
    by: str | None = None
    """The person at whose word it deletes; None where policies decide."""

    def __init__(self, account: Account, tools: RunContext, order: Order, stack: ExitStack) -> None:
        self.account, self.tools, self.order, self._stack = account, tools, order, stack
        self.run_id, self.mode = uuid.uuid4().hex[:12], self.modes[order.execute]
        published = PublishedProgress(
            tools.progress, tools.state.notes, account.name, run_id=self.run_id, mode=self.mode
        )
        self.tools = tools = replace(tools, progress=published)
        self.now = int(tools.clock())
        self.as_of = self.now if order.as_of is None else order.as_of
        self.rules = tools.config.rules(account.name)
        self.fields = decision_fields(self.rules)
        self.digest = tools.config.policy_digest(account.name)
        self.tell = Telemetry(account.name, self.run_id, tools.metrics)
        stack.callback(self.tell.conclude)
        self.spending = request_budget.BudgetTelemetry(self.tell, self._budgets, tools.clock)
        tools.state.clock.check(self.now)
        self.client = AccountClient(
            connection(account),
            self.spending.asked,
            tools.stop,
            store=shared_count(tools, run_id=self.run_id, tell=self.tell.budget_lost),
        )
        stack.callback(self.client.close)
        self.reach = Clients(account, self.client, stack)
        self.username = self.client.connection.username
        admit(account, tools.state, self.username)
        self._admitted = tools.state.accounts.all()[account.name]
        self.record = RunEntry(
            tools.state.runs, self.run_id, account.name, mode=self.mode, clock=tools.clock
        )
        if order.as_of is None:  # a look at another time is no run that later ones go by
            stack.enter_context(self.record)
        stack.enter_context(published)
        self.query = Query(account.name, (), self.rules.age_from, self.as_of, self.digest)
        self.traces = ForeignDeletes(account.name, tools.state, self.tell, now=self.now)
        stack.callback(self.traces.conclude)
        self._telling = threading.Lock()
        self._in_hand: Plan | None = None
        self._reviewed = self._check_reviewed()

    def _check_reviewed(self) -> Reviewed | None:
        if self.order.reviewed is None:
            return None
        plan = self.order.reviewed[self.account.name]
        secret = self.tools.state.identity.secret
        return Reviewed.of(
            plan, planfile.checked(plan, head=self.head(None, ""), secret=secret, now=self.now)
        )

    # --- before: the right and the means to change anything ---------------------------------------

    def open_to_change(self) -> ExecutionPorts:
        """The lease, the gate and the archive, held until the run ends. RefusedError while paused,
        LeaseError when taken.
        """
        state, name = self.tools.state, self.account.name
        pauses = Pauses(state, self.tools.config.archive.path)
        pauses.refuse()
        lease: Lease = self._stack.enter_context(
            state.lease(name, f"run {self.run_id}", now=self.now)
        )
        state.check_integrity()
        archive = self._stack.enter_context(
            fitting.open_archive(self.tools.config.archive, name, state, run_id=self.run_id)
        )
        archive.sweep()
        trust_s = self.tools.config.archive.trust_read_back_s
        self.archive, self.copies = (
            archive,
            CheckedCopies(archive, state, name, trust_s=trust_s, clock=self.tools.clock),
        )
        holds = holding.AccountHolds(
            state.holds, archive.holds, name, CLOCK.now, state.accounts.keys()
        )
        holds.mirror()
        self.retries = AccountRetries(
            state.retries, name, lambda: int(self.tools.clock()), state.notes
        )
        return ExecutionPorts(
            source=self.client.reader,
            listings=FreshListings(self.client.reader, state.jobs, name),
            gate=self._stack.enter_context(closing(self.client.gate())),
            archive=fitting.FittedArchive(
                archive, self.copies, run_id=self.run_id, base_url=self.account.base_url
            ),
            journal=state.journal.during(name, self.run_id, CLOCK.now, by=self.by),
            lease=lease,
            switch=pauses,
            holds=holds,
            retries=self.retries,
            clock=CLOCK,
            fingerprint=Fingerprints(self.client.reader, state.jobs, self.query, self.fields),
            events=self._told,
            addresses=delete_addresses(self.account, state.notes, self.tools.clock),
            passed=self.tools.progress.step,
        )

    def recover(self, parts: ExecutionPorts) -> Recovery:
        """What became of the deletes that an earlier run began and did not see the end of."""
        confirmed, failed = 0, 0
        for share in self.reach.shares({one.owner for one in parts.journal.unresolved()}):
            try:
                found = recover(
                    share.client.reader,
                    parts.journal,
                    of=share.owners.__contains__,
                    events=self.tell.event,
                )
            except (CredentialsError, BudgetSpentError):
                if not share.own:
                    raise
                continue  # theirs stay open; listing their jobs says why
            confirmed, failed = confirmed + found.confirmed, failed + found.failed
        settle_acts(
            lambda owner: self.reach.of(owner).reader,
            self.account.name,
            self.tools,
            run_id=self.run_id,
        )
        return Recovery(confirmed, failed, open=len(parts.journal.unresolved()))

    # --- inventory, plan, limit -------------------------------------------------------------------

    def find_owners(self) -> Owners:
        """Whose jobs this is about. SourceError when who is in the organization cannot be had."""
        state, people = self.tools.state, self.client.reader.people
        if self.order.offline:
            found = whose(
                self.account.users,
                owner_name(self.username),
                known_owners(state, self.account),
                None,
                teams=self.account.teams,
            )
        else:
            known = state.jobs.owners(self.account.name)
            ask = partial(asked_of, self.account, people, now=self.now)
            found = whose(
                self.account.users, owner_name(self.username), known, ask, teams=self.account.teams
            )
            remember(state, self.account, found)
        self.query = replace(self.query, owners=found.owners)
        if found.how:
            self.tell.resolved(found.owners, how=found.how, gaps=found.gaps)
        self.refuse_shared(found)
        return found

    def refuse_shared(self, found: Owners) -> None:
        """RefusedError where another account is about the same users' jobs: its rules would have no
        say here.
        """
        SharedJobs(self.account, self.tools, self.order, self.run_id).refuse_shared(found.owners)

    def list_jobs(self, owners: Owners) -> ListingResult:
        """Bring the inventory up to date, owner by owner. Whose listing broke off is left out:
        there is no plan for him.
        """
        demand = SyncRequest(
            now=self.now,
            full_every_s=self.account.full_every_s,
            accept_loss=self.order.accept_loss,
            needed_fields=watched_fields(self.rules).union(self.fields.names),
            with_builds=self.fields.read_builds or "build_status" in watched_fields(self.rules),
        )
        jobs, name = self.tools.state.jobs, self.account.name
        self.traces.before_listing()
        with self._phase("list"):
            survey = OwnersListing(name, jobs, self.reach, self.tell, self.tools.progress).survey(
                owners, demand
            )
        self.traces.after_listing()
        self._bind(survey)
        self.query = replace(self.query, owners=survey.owners)
        self.record.surveyed(owners.spelled(survey.spellings), survey.left_out)
        self.record.set_aside(survey.listings)
        self.tell.all_set_aside(sum(report.aside_count for report in survey.listings))
        self._check_clocks()
        if (full_at := jobs.full_at(name, survey.owners)) is not None:
            self.tell.listed_all(full_at)
        return survey

    def _bind(self, survey: ListingResult) -> None:
        """Learn whose the account is where a listing showed a job. RefusedError where that changed
        meanwhile.
        """
        shown = any(report.known and report.confirmed for report in survey.listings)
        if shown and not self.tools.state.accounts.bind(self._admitted, at=self.now):
            raise RefusedError(
                f"account {self.account.name} was given another user, address or name while its"
                " jobs were listed: run it again. Nothing changed"
            )

    def _check_clocks(self) -> None:
        skew = self.reach.clock_skew_s
        if skew is not None and abs(skew) > MAX_CLOCK_SKEW_S and self.order.execute:
            raise RefusedError(
                f"this machine's clock and Sauce Labs' differ by {abs(skew):.0f} s: every age would"
                " be wrong. Nothing changed"
            )
        if skew is not None and self.order.execute:
            self.tools.state.clock.remember(self.now)

    def plan(self, owners: Owners, survey: ListingResult, recovery: Recovery) -> Result:
        """Decide on every job that is known, as of one instant; of a reviewed plan, what is still
        due and as it was then.
        """
        accepted_at = self.tools.state.acceptances.accepted_at(self.account.name, self.digest)
        leeway = acceptance.leeway(
            self.tools.config,
            self.tools.state,
            self.account.name,
            now=self.now,
            reviewed=self._reviewed is not None,
        )
        held = holding.open_holding(
            self.tools.config.archive, self.account.name, self.tools.state, stack=self._stack
        )
        self.query = replace(self.query, held=held.mirrored(at=self.as_of))
        retries = self.tools.state.retries.of(self.account.name)
        with self._phase("plan"), self.tools.state.jobs.snapshot(self.query) as snapshot:
            records = InventoryDigest(stepping(snapshot.records, self.tools.progress.step))
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
        withheld = withhold(plan, survey.unconfirmed)
        self.record.withheld(withheld)
        needs = tuple(
            self._need(share, plan) for share in self.reach.shares(self.query.owners or ())
        )
        if any(need.left is not None and need.requests > need.left for need in needs):
            block_what_goes(plan.late, Blocker.BUDGET)
        self.tell.planned(plan)
        self.spending.tell_left()
        left_out = tuple(left.row() for left in survey.left_out)
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
            listings=survey.listings,
            whose=owners,
            left_out=survey.left_out,
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
        settings, state, name = self.tools.config.archive, self.tools.state, self.account.name
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
                approval.refusal(plan, self.account.name, self.digest, self.tools.config.timezone)
            )

    def accept(self, plan: Plan) -> None:
        """Put on record that this plan goes ahead, and what it announces; for some policies alone
        no plan is accepted.
        """
        state, reviewed = self.tools.state, self._reviewed
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

    def carry_out(self, planned: Result, parts: ExecutionPorts) -> Result:
        """Do what the plan says, with each credential what it is for."""
        plan, config = planned.plan, self.tools.config
        self._in_hand = plan
        self.retries.take(plan.retries, now=self.now, at_once=self.order.retry_now)
        if (
            not self.order.policies and self._reviewed is None
        ):  # else the plan is not about all jobs
            self.retries.keep_only(plan.retries, owners=self.query.owners or ())
        shares = [
            (share, self._parts_of(share, parts))
            for share in self.reach.shares(self.query.owners or ())
        ]
        self.tools.metrics.executes(1)
        try:
            with self._phase("execute", plan.job_count):
                terms = ShareSettings(config.workers, config.archive.settle_s, self.tools.stop)
                done, refused = carry_out_shared(plan, shares, terms)
            if done.halted is not None:  # what was not begun is left, too
                begun = done.jobs + sum(done.waiting.values())
                done = replace(done, left=done.left + max(0, plan.job_count - begun))
            else:
                crews = [(share.owners.__contains__, each) for share, each in shares]
                notes = self.tools.state.notes
                name, stop = self.account.name, self.tools.stop
                missed = purge_candidates.look_daily(
                    plan, crews, notes, name, stop=stop, tell=self.tell.event
                )
                done = replace(done, lost=done.lost + missed, missed=done.missed + missed)
            self._settle(plan, done)
        finally:
            self.tools.metrics.executes(-1)
        goes_on_at = self.spending.goes_on_at(done)
        self.record.executed(done, self.client.reader.budget_left, goes_on_at)
        left_out = (*planned.left_out, *self._leave_out(refused))
        return replace(planned, execution=done, goes_on_at=goes_on_at, left_out=left_out)

    def _parts_of(self, share: CredentialShare, parts: ExecutionPorts) -> ExecutionPorts:
        if not share.own:
            return parts
        client, known = share.client, self.tools.state.jobs
        return replace(
            parts,
            source=client.reader,
            listings=FreshListings(client.reader, known, self.account.name),
            gate=self._stack.enter_context(closing(client.gate())),
            fingerprint=Fingerprints(client.reader, known, self.query, self.fields),
        )

    def _leave_out(self, refused: Mapping[Owner, str]) -> Iterator[LeftOut]:
        """The owners whose own credentials failed while the plan was carried out."""
        for owner, why in sorted(refused.items()):
            left = LeftOut(owner, why, self.tools.state.jobs.of(self.account.name, owner).count())
            self.tell.left_out(owner, why=why, jobs=left.jobs, departed=False)
            yield left

    def _settle(self, plan: Plan, done: Execution) -> None:
        self.tell.expiring(plan)
        self.tell.retrying(grouped(self.tools.state.retries.of(self.account.name).values()))
        self.record.saved(plan)
        if not self._reviewed:
            failed = {failure.job_id for failure in done.failures}.union(self.retries.left())
            settle(plan.late, failed, finished=not done.left and done.halted is None)
            self.tell.overdue(plan)
            self.record.settled(plan)

    def end(self, result: Result) -> Result:
        """Tell that the run came to its end."""
        self.spending.tell_left()
        self.tell.finished(mode=self.mode, complete=result.complete, at=self.now)
        return replace(result, vanished=self.traces.found)

    def _budgets(self) -> list[RequestBudget]:
        """Of every credential that is in use."""
        return [share.client.budget for share in self.reach.shares(self.query.owners or ())] or [
            self.client.budget
        ]

    def _told(self, event: happened.Event) -> None:
        with self._telling:  # workers of several credentials tell at once
            self.tell.event(event)
            self.traces.event(event)
            if self._in_hand is not None and isinstance(event, _SAVED):
                self._in_hand.saved(event.job_id)

    def _phase(self, name: str, total: int | None = None) -> AbstractContextManager[None]:
        self.tools.progress.phase(self.account.name, name, total)
        return self.tell.timed(name)
