"""Offboards a user who has left: plans all jobs, archives them if wanted, and deletes them, or
erases them from the archive, too.

It is a run like any other, with its own rules (retention/plan/offboarding.py): the same listing,
holds, limits, lease, journal and gate. `offboard_bulk` deletes with one call for all jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from sauce_janitor import inventory
from sauce_janitor.config import Account
from sauce_janitor.errors import RefusedError, SourceError
from sauce_janitor.execute import Execution, ExecutionPorts, Recovery
from sauce_janitor.execute.events import Halt
from sauce_janitor.inventory import SyncRequest
from sauce_janitor.model.jobs import Action, JobId, Owner
from sauce_janitor.operations import holds
from sauce_janitor.operations.offboard_bulk import BulkRun
from sauce_janitor.operations.prune import PruneOrder, prune
from sauce_janitor.operations.prune_remover import Pruned
from sauce_janitor.operations.steps import acceptance, request_budget
from sauce_janitor.operations.steps.listing import ListingResult, OwnersListing
from sauce_janitor.operations.steps.review import InventoryDigest
from sauce_janitor.operations.wiring.owners import Owners
from sauce_janitor.operations.wiring.run_settings import (
    LATER,
    ChangeOrder,
    Order,
    Result,
    RunContext,
)
from sauce_janitor.operations.wiring.write_access import WriteAccess, write_access
from sauce_janitor.retention.fingerprint import decision_fields
from sauce_janitor.retention.plan import limits
from sauce_janitor.retention.plan.offboarding import rules_for
from sauce_janitor.retention.plan.planner import JobPlan, Plan, make_plan

_REMEDY = "If the plan is right, approve it; if not, hold what must stay"


@dataclass(frozen=True, slots=True)
class OffboardOrder(ChangeOrder):
    """Whom to offboard, and how.

    `keep`: everything is archived before it is deleted; otherwise what the archive holds of the
    user is erased afterwards. `bulk` deletes with the one call for all of a user's jobs; `typed` is
    the name as the operator typed it. `shown` are the jobs (with their fingerprints) of the plan
    that was confirmed: no others are touched.
    """

    user: Owner
    keep: bool
    bulk: bool = False
    typed: str = ""
    shown: Mapping[JobId, str] | None = None


@dataclass(frozen=True, slots=True)
class Offboarded:
    """The result of an offboarding. `left` are the user's jobs that are still listed afterwards,
    `kept` of them on purpose.

    `erases`: erasing from the archive was requested. `erased` is its result, None where that step
    was not reached.
    """

    result: Result
    left: int = 0
    kept: int = 0
    erases: bool = False
    erased: Pruned | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def acts(self) -> bool:
        """Whether there was anything to do, at Sauce Labs or in the archive."""
        return bool(self.result.plan.job_count) or (
            self.erased is not None and bool(self.erased.plan.rows)
        )

    @property
    def paused(self) -> bool:
        """Whether the request budget ended it: the same command continues it."""
        halted = self.result.execution.halted if self.result.execution else None
        return halted is not None and halted.why is Halt.BUDGET

    @property
    def complete(self) -> bool:
        """Whether everything that had to go is gone."""
        gone = self.result.complete and not self.paused and self.left <= self.kept
        return gone and (self.erased is None or self.erased.complete)


def offboard(account: Account, context: RunContext, order: OffboardOrder) -> Offboarded:
    """Offboard one user of an account. Raise JanitorError; RefusedError and LeaseError only before
    anything is changed.
    """
    done = replace(_empty(account, context, order), erases=not order.keep)
    is_executed = done.result.execution is not None
    # The copies are erased only after every job is gone at Sauce Labs.
    if order.keep or (is_executed and not done.complete):
        return done
    erase = PruneOrder(execute=is_executed, erase=order.user, why=f"offboard {order.user}")
    return replace(done, erased=prune(account, context, erase))


def _empty(account: Account, context: RunContext, order: OffboardOrder) -> Offboarded:
    access = write_access(account, context, order)
    with ExitStack() as stack:
        session = _Leaving(account, context, order, access, stack)
        ports, recovery = session.open()
        planned = session.plan_departure(session.list_all(), recovery)
        context.show(planned)
        if order.bulk:
            session.refuse_bulk(planned.plan)
        if ports is None:
            return Offboarded(planned)
        session.refuse_if_limited(planned.plan)
        done = (
            session.delete_all(planned, ports) if order.bulk else session.carry_out(planned, ports)
        )
        return session.confirm(done, ports)


class _Leaving(BulkRun):
    """A run that offboards one user."""

    modes = ("offboard_dry_run", "offboard")

    def __init__(
        self,
        account: Account,
        context: RunContext,
        order: OffboardOrder,
        access: WriteAccess | None,
        stack: ExitStack,
    ) -> None:
        super().__init__(account, context, Order(), access, stack)
        self.departure, self.user, self.typed = order, order.user, order.typed
        self.rules = rules_for(self.rules, order.user, keep=order.keep)
        self.fields = decision_fields(self.rules)
        self.scope = Owners((order.user,))

    def list_all(self) -> ListingResult:
        """List every job of the user again. Raise RefusedError where another account is about them,
        too.
        """
        # Before the listing: another account's user must not even be asked about.
        self.refuse_shared(self.scope)
        known, name = self.context.state.jobs, self.account.name
        with self._phase("list"):
            listing = OwnersListing(
                name, known, self.clients, self.telemetry, self.context.progress
            ).list_all(self.scope, self._sync_request())
        # The plan, the typed name and the archive's folder all use the name as it was typed.
        for configured, spelling in listing.spellings.items():
            raise RefusedError(
                f"Sauce Labs writes the user {configured} as {spelling}: run `offboard {spelling}`."
                " Nothing changed"
            )
        # A wrong first listing would make a user with jobs look gone, and their copies would be
        # erased.
        if listing.unconfirmed and self.access is not None:
            raise RefusedError(
                f"the first listing of {self.departure.user} was empty or had rows that cannot be"
                f" read, and a second one must agree: run the command again {LATER}. Nothing"
                " changed"
            )
        self.query = replace(self.query, owners=self.scope.owners)
        self._check_clocks()
        return listing

    def _sync_request(self) -> SyncRequest:
        return SyncRequest(
            now=int(self.context.clock()),
            full_every_s=self.account.full_every_s,
            deep=True,
            needed_fields=frozenset(self.fields.names),
            with_builds=self.fields.read_builds,
        )

    def plan_departure(self, listing: ListingResult, recovery: Recovery) -> Result:
        """Decide on all of the user's jobs. Nothing of it is expected, so the limits measure all of
        it against all jobs of the account.
        """
        config, state, name = self.context.config, self.context.state, self.account.name
        leeway = acceptance.leeway(config, state, name, now=self.now, reviewed=False)
        held = holds.open_holding(config.archive, name, state, stack=self._stack)
        self.query = replace(self.query, held=held.mirrored(at=self.as_of))
        with self._phase("plan"), state.jobs.snapshot(self.query) as snapshot:
            records = InventoryDigest(snapshot.records)
            plan = make_plan(self.rules, records, as_of=self.as_of, accepted_at=None, leeway=leeway)
        of_account = limits.LimitCounts(
            state.jobs.count(name), plan.acting, plan.matched, plan.acting_by_policy
        )
        plan.broken, plan.lifted = limits.measure(self.rules, of_account, leeway, _REMEDY)
        # A person confirmed these jobs as they were; a job that changed since waits for a new look.
        plan.narrow(self._agreed)
        needs = tuple(self._need(share, plan) for share in self.clients.shares(self.scope.owners))
        footprint = self._footprint(plan, erases=not self.departure.keep)
        head = replace(
            self.head(plan, records.digest()),
            owners=self.scope.owners,
            effects=footprint.effects.as_row(),
        )
        return Result(
            account=self.account,
            head=head,
            plan=plan,
            query=self.query,
            listings=listing.listings,
            scope=self.scope,
            needs=needs,
            outlook=request_budget.outlook(needs, None, now=self.now),
            footprint=footprint,
            budget_left=self.client.reader.budget_left,
            timetable=self.client.budget.timetable,
            left_out=listing.left_out,
            recovery=recovery,
        )

    def _agreed(self, job: JobPlan) -> JobPlan | None:
        """Return the job if it is as it was when the plan was confirmed."""
        shown = self.departure.shown
        return job if shown is None or shown.get(job.job_id) == job.fingerprint else None

    def confirm(self, done: Result, ports: ExecutionPorts) -> Offboarded:
        """List once more: what is listed now was not deleted, whatever the answers said."""
        kept = self._kept(done)
        # Cut short: nothing can be said about the jobs that were not reached.
        if done.execution is None or done.execution.halted is not None:
            return Offboarded(done, left=self.count(), kept=self.count())
        done = replace(done, recovery=self.recover(ports))
        try:
            inventory.sync(
                self.departure.user,
                self.clients.of(self.departure.user).reader,
                self.context.state.jobs.of(self.account.name, self.departure.user),
                self._sync_request(),
            )
        # Unknown must not read as gone: the copies would be erased.
        except SourceError as error:
            return Offboarded(
                done, left=kept + 1, kept=kept, notes=(f"could not be listed again: {error}",)
            )
        return Offboarded(done, left=self.count(), kept=kept)

    def _kept(self, done: Result) -> int:
        """Return how many jobs may still be there: those without a due delete, and those skipped on
        purpose since.
        """
        before = sum(report.known for report in done.listings)
        skipped = sum(done.execution.skips.values()) if done.execution else 0
        return before - done.plan.totals[Action.DELETE_JOB] + skipped

    def _settle(self, plan: Plan, done: Execution) -> None:
        """Record nothing: deadlines are watched by policy runs."""

    def end(self, result: Result) -> Result:
        """Return the result unchanged: later runs do not compare with an offboarding."""
        return result
