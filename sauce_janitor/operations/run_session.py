"""What all runs on one account share: time, clients, lease, archive, records, and the head of the
plan.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, replace

from sauce_janitor import planfile
from sauce_janitor.clock import CLOCK
from sauce_janitor.config import Account
from sauce_janitor.errors import RefusedError
from sauce_janitor.execute import ExecutionPorts, Recovery, events
from sauce_janitor.model.jobs import Owner
from sauce_janitor.model.permits import HeldLease
from sauce_janitor.model.safety_numbers import MAX_CLOCK_SKEW_S
from sauce_janitor.operations import holds as holding
from sauce_janitor.operations.records.run_record import RunEntry
from sauce_janitor.operations.records.telemetry import Telemetry
from sauce_janitor.operations.steps import request_budget
from sauce_janitor.operations.steps.account_retries import AccountRetries
from sauce_janitor.operations.steps.delete_addresses import delete_addresses
from sauce_janitor.operations.steps.foreign_deletes import ForeignDeletes
from sauce_janitor.operations.steps.listing import ListingResult
from sauce_janitor.operations.steps.recovery import settle_deletes, settle_manual_actions
from sauce_janitor.operations.steps.review import Reviewed
from sauce_janitor.operations.steps.shared_jobs import SharedJobs
from sauce_janitor.operations.wiring import archive as archives
from sauce_janitor.operations.wiring.account_client import shared_count
from sauce_janitor.operations.wiring.account_owner import admit
from sauce_janitor.operations.wiring.clients import CredentialShare, open_clients
from sauce_janitor.operations.wiring.fresh_answers import Fingerprints, FreshListings
from sauce_janitor.operations.wiring.owners import LeftOut, Owners
from sauce_janitor.operations.wiring.pauses import Pauses
from sauce_janitor.operations.wiring.progress import PublishedProgress
from sauce_janitor.operations.wiring.read_backs import CheckedCopies
from sauce_janitor.operations.wiring.run_settings import Need, Order, RunContext
from sauce_janitor.operations.wiring.write_access import AccessSteps, WriteAccess
from sauce_janitor.retention.fingerprint import decision_fields
from sauce_janitor.retention.interactions import by_weight
from sauce_janitor.retention.plan.costs import requests_needed, work_of
from sauce_janitor.retention.plan.deadlines import overdue_counts
from sauce_janitor.retention.plan.planner import Plan
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.state import Query

_SAVED = (
    events.JobArchived,
    events.AssetsDeleted,
    events.AssetsPurged,
    events.JobDeleted,
    events.AlreadyGone,
)
"""After these events no wanted asset of the job is waiting to be archived."""


class RunSession(AccessSteps[HeldLease, ExecutionPorts, Recovery]):
    """One run on one account. `access` is None in a dry run; the order is not asked again."""

    modes = ("dry_run", "execute")
    """The names of a dry run and an executing run in records and metrics."""
    by: str | None = None
    """The person who ordered the delete; None where policies decide."""

    def __init__(
        self,
        account: Account,
        context: RunContext,
        order: Order,
        access: WriteAccess | None,
        stack: ExitStack,
    ) -> None:
        self.account, self.context, self.order, self._stack = account, context, order, stack
        self.access = access
        self.run_id, self.mode = uuid.uuid4().hex[:12], self.mode_of(access)
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
        # First, so that it is the last to end: everything below may still report.
        stack.callback(self.telemetry.conclude)
        self.spending = request_budget.BudgetTelemetry(self.telemetry, self._budgets, context.clock)
        # A clock far from the last run's would make every age wrong.
        context.state.clock.check(self.now)
        count = shared_count(context, run_id=self.run_id, tell=self.telemetry.budget_lost)
        self.clients = open_clients(account, context, self.spending.asked, count, stack)
        self.client = self.clients.main
        self.username = self.client.connection.username
        # Before anything is recorded under this name: it may belong to another user.
        admit(account, context.state, self.username)
        self._admitted = context.state.accounts.all()[account.name]
        self.record = RunEntry(
            context.state.runs, self.run_id, account.name, mode=self.mode, clock=context.clock
        )
        # A plan for another time is not recorded: later runs must not compare with it.
        if order.as_of is None:
            stack.enter_context(self.record)
        stack.enter_context(published)
        self.query = Query(account.name, (), self.rules.age_from, self.as_of, self.digest)
        self.traces = ForeignDeletes(account.name, context.state, self.telemetry, now=self.now)
        stack.callback(self.traces.conclude)
        self._event_lock = threading.Lock()
        self._plan_under_way: Plan | None = None
        self._reviewed = self._check_reviewed()

    @classmethod
    def mode_of(cls, access: WriteAccess | None) -> str:
        """Return the name of a run with this access in records and metrics."""
        return cls.modes[access is not None]

    def _check_reviewed(self) -> Reviewed | None:
        if self.order.reviewed is None:
            return None
        plan = self.order.reviewed[self.account.name]
        secret = self.context.state.identity.secret
        return Reviewed.of(
            plan, planfile.checked(plan, head=self.head(None, ""), secret=secret, now=self.now)
        )

    def open(self) -> tuple[ExecutionPorts | None, Recovery]:
        """Open the account to change until the run ends, and settle what earlier runs left open.
        Neither happens in a dry run.

        Raise RefusedError while paused, LeaseError when another run holds the lease.
        """
        if self.access is None:
            return None, Recovery()
        return self.access.open(self._stack, self)

    def exclude(self) -> HeldLease:
        """Return the lease: one run or pruning works on an account at a time."""
        name = self.account.name
        self._lease = self.context.state.lease(name, f"run {self.run_id}", now=self.now)
        return self._lease

    def open_archive(self) -> None:
        """Open the archive with its lease, and remove what interrupted runs left half written."""
        # Before the archive, which may refuse this state for the same reason.
        if self._lease.doubt:
            self.telemetry.server_changed(self._lease.doubt)
        state, settings = self.context.state, self.context.config.archive
        self.archive = self._stack.enter_context(
            archives.open_archive(settings, self.account.name, state, run_id=self.run_id)
        )
        self.archive.sweep()

    def ports(self, held: HeldLease, /) -> ExecutionPorts:
        """Return what executing works with: the gate, the archive, the journal, the holds."""
        state, name, archive = self.context.state, self.account.name, self.archive
        trust_s = self.context.config.archive.trust_read_back_s
        self.copies = CheckedCopies(archive, state, name, trust_s=trust_s, clock=self.context.clock)
        holds = holding.AccountHolds(
            state.holds, archive.holds, name, CLOCK.now, state.accounts.keys()
        )
        # The archive keeps a copy of the holds, in case the state is lost.
        holds.mirror()
        self.retries = AccountRetries(
            state.retries, name, lambda: int(self.context.clock()), state.notes
        )
        return ExecutionPorts(
            source=self.client.reader,
            listings=FreshListings(self.client.reader, state.jobs, name),
            gate=self._stack.enter_context(closing(self.client.gate())),
            archive=archives.RunArchive(
                archive, self.copies, run_id=self.run_id, base_url=self.account.base_url
            ),
            journal=state.journal.during(
                name, self.run_id, CLOCK.now, by=self.by, fence=held.fence
            ),
            lease=held,
            switch=Pauses(state, self.context.config.archive.location),
            holds=holds,
            retries=self.retries,
            clock=CLOCK,
            fingerprint=Fingerprints(self.client.reader, state.jobs, self.query, self.fields),
            events=self._on_event,
            addresses=delete_addresses(self.account, state.notes, self.context.clock),
            passed=self.context.progress.step,
        )

    def recover(self, ports: ExecutionPorts, /) -> Recovery:
        """Settle the deletes and the manual actions that were started earlier and have no outcome
        yet.
        """
        settled = settle_deletes(self.clients, ports, self.context, self.telemetry)
        settle_manual_actions(self.clients, self.context, self.telemetry, run_id=self.run_id)
        return replace(settled, open=len(ports.journal.unresolved()))

    def refuse_shared(self, found: Owners) -> None:
        """Raise RefusedError where another account is about the same users' jobs: its rules would
        not apply here.
        """
        shared = SharedJobs(self.account, self.context, self.order, self.access, self.run_id)
        shared.refuse_shared(found.owners)

    def _bind(self, listing: ListingResult) -> None:
        """Bind the account to this user and address once a listing showed a job. Raise RefusedError
        where they changed meanwhile.
        """
        shown = any(report.known and report.confirmed for report in listing.listings)
        if shown and not self.context.state.accounts.bind(self._admitted, at=self.now):
            raise RefusedError(
                f"account {self.account.name} was given another user, address or name while its"
                " jobs were listed: run it again. Nothing changed"
            )

    def _check_clocks(self) -> None:
        skew = self.clients.clock_skew_s
        # A dry run deletes nothing: by a wrong clock it only shows wrong ages.
        if skew is None or self.access is None:
            return
        if abs(skew) > MAX_CLOCK_SKEW_S:
            raise RefusedError(
                f"this machine's clock and Sauce Labs' differ by {abs(skew):.0f} s: every age would"
                " be wrong. Nothing changed"
            )
        self.context.state.clock.remember(self.now)

    def _need(self, share: CredentialShare, plan: Plan) -> Need:
        client = share.client
        requests = requests_needed(work_of(plan, share.owners))
        return Need(
            client.connection.username, requests, client.reader.budget_left, client.budget.timetable
        )

    def head(self, plan: Plan | None, inventory_digest: str) -> planfile.PlanHead:
        """Return what identifies this run's plan."""
        head = planfile.PlanHead(
            account=self.account.name,
            base_url=self.account.base_url,
            username=self.username,
            created_at=self.now,
            as_of=self.as_of,
            as_of_given=self.order.as_of is not None,
            policies=tuple(sorted(self.order.policies)),
            policy_digest=self.digest,
            inventory_digest=inventory_digest,
            requests_needed=0,
            counts={},
        )
        # Before there is a plan, the head says enough to check a reviewed plan file.
        if plan is None:
            return head
        return replace(
            head,
            requests_needed=requests_needed(work_of(plan)),
            counts={action.value: number for action, number in plan.totals.items()},
            limits_broken=tuple(broken.limit for broken in plan.broken),
            announced={action.value: asdict(waiting) for action, waiting in plan.waiting.items()},
            overdue=overdue_counts(plan.late),
            interactions=tuple(found.as_row(jobs) for found, jobs in by_weight(plan.postponed)),
        )

    def _ports_of(self, share: CredentialShare, ports: ExecutionPorts) -> ExecutionPorts:
        # The account's own credential has the ports that the session opened.
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
        """Yield the owners whose own credentials failed while the plan was carried out."""
        for owner, why in sorted(refused.items()):
            left = LeftOut(owner, why, self.context.state.jobs.of(self.account.name, owner).count())
            self.telemetry.left_out(owner, why=why, jobs=left.jobs, departed=False)
            yield left

    def _budgets(self) -> list[RequestBudget]:
        """Return the budgets of all credentials in use."""
        return [share.client.budget for share in self.clients.shares(self.query.owners or ())] or [
            self.client.budget
        ]

    def _on_event(self, event: events.Event) -> None:
        # The workers of several credentials report at the same time.
        with self._event_lock:
            self.telemetry.event(event)
            self.traces.event(event)
            if self._plan_under_way is not None and isinstance(event, _SAVED):
                self._plan_under_way.saved(event.job_id)

    @contextmanager
    def _phase(self, name: str, total: int | None = None) -> Iterator[None]:
        self.context.progress.phase(self.account.name, name, total)
        with self.telemetry.timed(name), self.record.timed(name):
            yield
