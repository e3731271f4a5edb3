"""Prunes the archive of one account: look at what it holds, decide, check the limits, remove,
journal.

Sauce Labs is not asked. In a dry run nothing is changed. A hold placed meanwhile protects what is
still there.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from sauce_janitor.archive import ArchiveLease, Catalogue, Pruner, has_archive
from sauce_janitor.config import Account
from sauce_janitor.errors import RefusedError
from sauce_janitor.model.jobs import Owner
from sauce_janitor.model.permits import HeldLease
from sauce_janitor.operations.prune_decider import PruneDecider
from sauce_janitor.operations.prune_remover import Pruned, PrunePorts, PruneRemover
from sauce_janitor.operations.wiring.archive_claims import claimant
from sauce_janitor.operations.wiring.progress import PublishedProgress
from sauce_janitor.operations.wiring.run_settings import ChangeOrder, RunContext
from sauce_janitor.operations.wiring.write_access import AccessSteps, WriteAccess, write_access
from sauce_janitor.retention.plan.prune_plan import PrunePlan

ShowPlan = Callable[[Account, PrunePlan], None]


@dataclass(frozen=True, slots=True)
class PruneOrder(ChangeOrder):
    """What a pruning should do.

    `erase` removes everything that the archive holds of this owner, whatever `keep_for` says; only
    holds protect it, no limit applies, and `why` is the reason to record. `show` is called with the
    plan before anything is removed. `vouched`: a person was shown the time and confirmed it;
    otherwise a run must have compared it with Sauce Labs' clock.
    """

    vouched: bool = False
    erase: Owner | None = None
    why: str | None = None
    show: ShowPlan = lambda _account, _plan: None


def prune(account: Account, context: RunContext, order: PruneOrder) -> Pruned:
    """Prune one account's archive. Raise JanitorError; RefusedError and LeaseError only before
    anything is changed.
    """
    access = write_access(account, context, order)
    with ExitStack() as stack:
        session = _PruneSession(account, context, order, access, stack)
        catalogue = session.open_catalogue()
        if catalogue is None:
            done = Pruned(PrunePlan(session.now), executed=access is not None)
            order.show(account, done.plan)
            return done
        decider = session.decider(catalogue)
        remover, recovered = session.open(decider)
        done = Pruned(decider.plan(), executed=access is not None, recovered=recovered)
        order.show(account, done.plan)
        if remover is None:
            return done
        session.refuse_if_limited(done.plan)
        session.refuse_a_strange_clock(done.plan)
        session.accept()
        remover.carry_out(done)
        return done


class _PruneSession:
    """One pruning's time and archive, and what it checks before it removes anything. `access` is
    None in a dry run.
    """

    def __init__(
        self,
        account: Account,
        context: RunContext,
        order: PruneOrder,
        access: WriteAccess | None,
        stack: ExitStack,
    ) -> None:
        self.account, self.order, self._access, self.stack = account, order, access, stack
        self.run_id = uuid.uuid4().hex[:12]
        mode = "prune_dry_run" if access is None else "prune"
        notes = context.state.notes
        published = PublishedProgress(
            context.progress, notes, account.name, run_id=self.run_id, mode=mode
        )
        self.context = context = replace(context, progress=stack.enter_context(published))
        self.now = int(context.clock())
        context.state.clock.check(self.now)
        self._digest = context.config.policy_digest(account.name)

    def open_catalogue(self) -> Catalogue | None:
        """Open the archive to read; None where no run has used it yet. Raise ArchiveUnusableError
        where it is another one, or not mounted.
        """
        path = self.context.config.archive.location
        known = self.context.state.identity.archive_uuid(str(path))
        if known is None and not has_archive(path):
            return None
        return self.stack.enter_context(Catalogue.open(path, known_uuid=known))

    def decider(self, catalogue: Catalogue) -> PruneDecider:
        """Return what decides on the archive's contents, until the end."""
        decider = PruneDecider(
            self.account, self.context, catalogue, erase=self.order.erase, now=self.now
        )
        return self.stack.enter_context(closing(decider))

    def open(self, decider: PruneDecider) -> tuple[PruneRemover | None, int]:
        """Take the lease and the right to remove, until the end, and finish what earlier prunings
        began. Neither happens in a dry run.

        Raise RefusedError while paused, LeaseError when the lease is taken.
        """
        if self._access is None:
            return None, 0
        return self._access.open(self.stack, _PruneSteps(self, decider))

    def refuse_if_limited(self, plan: PrunePlan) -> None:
        """Raise RefusedError when a limit is broken: the whole pruning is refused, not a part of
        it.
        """
        if plan.broken:
            raise RefusedError("\n".join(refusal(plan, self._digest)))

    def refuse_a_strange_clock(self, plan: PrunePlan) -> None:
        """Raise RefusedError when only time makes files due and nobody vouches for the clock: Sauce
        Labs' clock is not asked here.
        """
        if plan.rows and self.order.erase is None and not self.order.vouched:
            self.context.state.clock.check_vouched(self.now)

    def accept(self) -> None:
        """Record that a pruning under these rules is carried out."""
        # An erasure says nothing about the rules of `keep_for`.
        if self.order.erase is None:
            self.context.state.prunings.accept(self.account.name, self._digest, at=self.now)


class _PruneSteps(AccessSteps[HeldLease, PruneRemover, int]):
    """The steps in which a pruning takes its access."""

    refused = "pruned"

    def __init__(self, session: _PruneSession, decider: PruneDecider) -> None:
        self._session, self._decider = session, decider
        self._state, self._name = session.context.state, session.account.name

    def check_account(self) -> None:
        """Raise RefusedError for an account that no run was about: nothing vouches that the copies
        under its name are its own.
        """
        if self._name not in self._state.accounts.all():
            raise RefusedError(
                f"no run of account {self._name} is recorded in this state: run `sauce-janitor run`"
                " first"
            )

    def exclude(self) -> HeldLease:
        """Return the lease: one run or pruning works on an account at a time."""
        return self._state.lease(self._name, f"prune {self._session.run_id}", now=self._session.now)

    def open_archive(self) -> None:
        """Take the archive's lease; the archive is already open for reading."""
        holder = claimant(self._state, run_id=self._session.run_id)
        root, key = self._decider.catalogue.root, self._state.accounts.key(self._name)
        self._lease = self._session.stack.enter_context(ArchiveLease(root, key, holder))

    def ports(self, held: HeldLease, /) -> PruneRemover:
        """Return what removes files, for whoever holds both leases."""
        session = self._session
        run_id, clock = session.run_id, session.context.clock
        pruner = Pruner(
            self._decider.catalogue.root,
            self._state.accounts.key(self._name),
            run_id=run_id,
            now=lambda: int(clock()),
            lease=self._lease,
        )
        ports = PrunePorts(
            account=self._name,
            run_id=run_id,
            context=session.context,
            journal=self._state.prunings.during(
                self._name, run_id, lambda: int(clock()), fence=held.fence
            ),
            pruner=pruner,
            fence=held.fence,
            why=session.order.why,
        )
        return session.stack.enter_context(closing(PruneRemover(self._decider, ports)))

    def recover(self, ports: PruneRemover, /) -> int:
        """Finish what earlier prunings started, and return how many."""
        return ports.recover()


def refusal(plan: PrunePlan, digest: str) -> Iterator[str]:
    """Yield every broken limit with its numbers, and the command that lifts them."""
    yield from (f"{broken.text}. Nothing was pruned" for broken in plan.broken)
    lift = " ".join(f"--lift {name}" for name in sorted({broken.limit for broken in plan.broken}))
    yield f"To approve it: sauce-janitor approve {digest} {lift} --reason WHY"
