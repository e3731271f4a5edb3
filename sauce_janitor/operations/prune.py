"""Prunes the archive of one account: look at what it holds, decide, check the limits, remove,
journal.

Sauce Labs is not asked. Without `execute` nothing is changed. A hold placed meanwhile protects what
is still there.

One module over 300 lines: what decides and what removes share one session.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace

import structlog

from sauce_janitor.archive import SENTINEL, ArchiveLease, Catalogue, PruneDraft, Pruner, contents_of
from sauce_janitor.config import Account
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError, PermitError, RefusedError
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.model.permits import PrunePermit
from sauce_janitor.operations.archive_listing import ArchiveListing, ListedArchivedJob
from sauce_janitor.operations.records.repeats import RepeatedEvents
from sauce_janitor.operations.steps import acceptance
from sauce_janitor.operations.wiring import archive
from sauce_janitor.operations.wiring.progress import PublishedProgress
from sauce_janitor.operations.wiring.run_settings import ChangeOrder, RunContext
from sauce_janitor.operations.wiring.write_access import AccessSteps, WriteAccess, write_access
from sauce_janitor.retention.plan.archive_pruning import ArchivePruning, JobPruning
from sauce_janitor.retention.plan.prune_plan import PlannedPruning, PrunePlan, measure, why_of
from sauce_janitor.state import Lease, OpenPruning

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


@dataclass(slots=True)
class Pruned:
    """The result of a pruning: the plan, what was removed, what was spared meanwhile (a hold, an
    edit), and what failed, with reasons.

    `recovered` were started by an earlier pruning and are finished now. `halted` says why the plan
    was not carried out completely.
    """

    plan: PrunePlan
    executed: bool = False
    jobs: int = 0
    files: int = 0
    size_bytes: int = 0
    recovered: int = 0
    spared: int = 0
    failures: list[str] = field(default_factory=list)
    halted: str | None = None

    @property
    def complete(self) -> bool:
        """Whether everything planned is removed; True for a dry run."""
        return not self.executed or not (self.failures or self.halted)


def prune(account: Account, context: RunContext, order: PruneOrder) -> Pruned:
    """Prune one account's archive. Raise JanitorError; RefusedError and LeaseError only before
    anything is changed.
    """
    access = write_access(account, context, order)
    with ExitStack() as stack:
        session = _PruneSession(account, context, order, access, stack)
        if session.catalogue is None:
            done = Pruned(PrunePlan(session.now), executed=access is not None)
            order.show(account, done.plan)
            return done
        executor, recovered = session.open()
        done = Pruned(session.plan(), executed=access is not None, recovered=recovered)
        order.show(account, done.plan)
        if executor is None:
            return done
        session.refuse_if_limited(done.plan)
        session.refuse_a_strange_clock(done.plan)
        session.accept()
        executor.carry_out(done)
        return done


class _PruneSession(AccessSteps[Lease, "_PruneExecutor", int]):
    """One pruning's time, archive and rules. `access` is None in a dry run."""

    refused = "pruned"

    def __init__(
        self,
        account: Account,
        context: RunContext,
        order: PruneOrder,
        access: WriteAccess | None,
        stack: ExitStack,
    ) -> None:
        self.account, self.context, self.order, self._stack = account, context, order, stack
        self.access = access
        self.run_id = uuid.uuid4().hex[:12]
        mode = "prune_dry_run" if access is None else "prune"
        notes = context.state.notes
        published = PublishedProgress(
            context.progress, notes, account.name, run_id=self.run_id, mode=mode
        )
        self.context = context = replace(context, progress=stack.enter_context(published))
        self.now = int(context.clock())
        context.state.clock.check(self.now)
        self.rules = context.config.rules(account.name)
        self.digest = context.config.policy_digest(account.name)
        self.pruning = ArchivePruning(self.rules, as_of=self.now)
        self._needs_builds = self.pruning.reads_builds
        self.catalogue = self._open()

    def _open(self) -> Catalogue | None:
        path = self.context.config.archive.path
        known = self.context.state.identity.archive_uuid(str(path))
        if known is None and not (path / SENTINEL).exists():
            return None
        catalogue = self._stack.enter_context(Catalogue.open(path, known_uuid=known))
        self.listing = self._stack.enter_context(
            closing(
                ArchiveListing(
                    catalogue, self.context.state, self.context.config, self.account, as_of=self.now
                )
            )
        )
        return catalogue

    def open(self) -> tuple[_PruneExecutor | None, int]:
        """Take the lease and the right to remove, until the end, and finish what earlier prunings
        began. Neither happens in a dry run.

        Raise RefusedError while paused, LeaseError when the lease is taken.
        """
        if self.access is None:
            return None, 0
        return self.access.open(self._stack, self)

    def check_account(self) -> None:
        """Raise RefusedError for an account that no run was about: nothing vouches that the copies
        under its name are its own.
        """
        name = self.account.name
        if name not in self.context.state.accounts.all():
            raise RefusedError(
                f"no run of account {name} is recorded in this state: run `sauce-janitor run` first"
            )

    def exclude(self) -> Lease:
        """Return the lease: one run or pruning works on an account at a time."""
        return self.context.state.lease(self.account.name, f"prune {self.run_id}", now=self.now)

    def open_archive(self) -> None:
        """Take the archive's lease; the archive is already open for reading."""
        state = self.context.state
        assert self.catalogue is not None
        claimant = archive.claimant(state, run_id=self.run_id)
        self._there = self._stack.enter_context(
            ArchiveLease(self.catalogue.root, state.accounts.key(self.account.name), claimant)
        )

    def ports(self, held: Lease, /) -> _PruneExecutor:
        """Return what removes files."""
        executor = _PruneExecutor(self, held.fence, self._there)
        self._stack.callback(executor.repeats.conclude, executor.log)
        return executor

    def recover(self, ports: _PruneExecutor, /) -> int:
        """Finish what earlier prunings started, and return how many."""
        return ports.recover()

    def look(self, place: tuple[str, ...]) -> tuple[ListedArchivedJob, JobPruning] | None:
        """Return one job as it is now, with the decision on it; None when it is gone."""
        listed = self.listing.look(place)
        if listed is None:
            return None
        erases = self.order.erase is not None
        return listed, (
            self.pruning.erase(listed.job) if erases else self.pruning.prune(listed.job)
        )

    def plan(self) -> PrunePlan:
        """Decide on every job that the archive holds of the account."""
        plan = PrunePlan(self.now)
        if self.order.erase is None:
            if not self.pruning.has_keep_for:
                return plan
            self.listing.keep()
        accepted_at = self.context.state.prunings.accepted_at(self.account.name, self.digest)
        self.context.progress.phase(self.account.name, "look")
        for place in self.listing.places(owner=self.order.erase):
            self.context.progress.step()
            if self.context.stop.is_set():
                break
            try:
                self._add(plan, place, accepted_at)
            except ArchiveUnusableError:
                raise
            except ArchiveError as error:
                plan.unreadable.append(str(error))
        if self.order.erase is None:
            leeway = acceptance.leeway(
                self.context.config,
                self.context.state,
                self.account.name,
                now=self.now,
                reviewed=False,
            )
            measure(plan, self.rules, leeway)
        return plan

    def _add(self, plan: PrunePlan, place: tuple[str, ...], accepted_at: int | None) -> None:
        """Add one job to the plan. Use the archive alone where that shows that nothing is due, as
        for most jobs on most days.
        """
        # Rules about builds need the state, so the archive alone cannot decide then.
        if self.order.erase is None and not self._needs_builds:
            alone = self.listing.look(place, alone=True)
            if alone is None:
                return
            if not self.pruning.may_go(alone.job):
                plan.add(
                    "/".join(place),
                    self.pruning.prune(alone.job),
                    self.pruning.matched(alone.job),
                    accepted_at=accepted_at,
                )
                return
        found = self.look(place)
        if found is not None:
            listed, decided = found
            plan.add(
                "/".join(place),
                decided,
                self.pruning.matched(listed.job),
                accepted_at=accepted_at,
            )

    def refuse_if_limited(self, plan: PrunePlan) -> None:
        """Raise RefusedError when a limit is broken: the whole pruning is refused, not a part of
        it.
        """
        if plan.broken:
            raise RefusedError("\n".join(refusal(plan, self.digest)))

    def refuse_a_strange_clock(self, plan: PrunePlan) -> None:
        """Raise RefusedError when only time makes files due and nobody vouches for the clock: Sauce
        Labs' clock is not asked here.
        """
        if plan.rows and self.order.erase is None and not self.order.vouched:
            self.context.state.clock.check_vouched(self.now)

    def accept(self) -> None:
        """Record that a pruning under these rules is carried out."""
        if self.order.erase is None:
            self.context.state.prunings.accept(self.account.name, self.digest, at=self.now)


def refusal(plan: PrunePlan, digest: str) -> Iterator[str]:
    """Yield every broken limit with its numbers, and the command that lifts them."""
    yield from (f"{broken.text}. Nothing was pruned" for broken in plan.broken)
    lift = " ".join(f"--lift {name}" for name in sorted({broken.limit for broken in plan.broken}))
    yield f"To approve it: sauce-janitor approve {digest} {lift} --reason WHY"


class _PruneExecutor:
    """Removes files: looks at every job again, journals before and after each, and finishes what
    was started before.
    """

    def __init__(self, session: _PruneSession, fence: int, lease: ArchiveLease) -> None:
        self._session, self._fence = session, fence
        context, name = session.context, session.account.name
        assert session.catalogue is not None
        self._catalogue = session.catalogue
        self._journal = context.state.prunings.during(
            name, session.run_id, lambda: int(context.clock())
        )
        self._key = context.state.accounts.key(name)
        self._pruner = Pruner(
            session.catalogue.root,
            self._key,
            run_id=session.run_id,
            now=lambda: int(context.clock()),
            lease=lease,
        )
        self.log = structlog.get_logger().bind(account=name, run_id=session.run_id)
        self.repeats = RepeatedEvents()

    def recover(self) -> int:
        """Finish what earlier prunings started, and return how many. A newer hold keeps what is
        left, until it ends.
        """
        count = 0
        for begun in self._session.context.state.prunings.open(self._session.account.name):
            try:
                count += self._finish(begun)
            except ArchiveError as error:
                self._unfinished(begun.job_id, str(error))
        return count

    def _unfinished(self, job_id: JobId, detail: str) -> None:
        self.repeats.warning(
            self.log, "prune.unfinished", example=job_id, job_id=job_id, detail=detail
        )

    def _finish(self, begun: OpenPruning) -> bool:
        for place in self._catalogue.places_of(begun.job_id, account=self._key, owner=begun.owner):
            contents = contents_of(self._catalogue.root, place)
            made = (
                next((each for each in contents.records if each.sha256 == begun.record), None)
                if contents
                else None
            )
            if made is None:
                continue
            # Files that are still there are protected by a hold that was set since.
            if self._pruner.left(place, made) and self._session.listing.is_held(place):
                self._unfinished(begun.job_id, "a hold protects what is left of it")
                return False
            self._pruner.finish(place, made)
            self._journal.end(begun.intent, "pruned", detail="finished after an interruption")
            self.log.info(
                "archive.pruned", job_id=begun.job_id, files=len(made.record.files), recovered=True
            )
            return True
        self._journal.end(begun.intent, "left", detail="interrupted before anything was removed")
        return True

    def carry_out(self, done: Pruned) -> None:
        """Remove what the plan says, as far as it still applies."""
        context = self._session.context
        context.progress.phase(self._session.account.name, "prune", len(done.plan.rows))
        for row in done.plan.rows:
            if context.stop.is_set():
                done.halted = "stopped"
                return
            try:
                self._one(row, done)
            except (ArchiveUnusableError, RefusedError) as error:
                done.halted = str(error)
                return
            except (ArchiveError, PermitError) as error:
                done.failures.append(f"job {row.job_id}: {error}")
                self.repeats.error(
                    self.log,
                    "prune.failed",
                    example=row.job_id,
                    job_id=row.job_id,
                    detail=str(error),
                )
            context.progress.step()

    def _one(self, row: PlannedPruning, done: Pruned) -> None:
        session = self._session
        found = session.look(tuple(row.place.split("/")))
        due = found[1].due(session.now) if found else ()
        still = tuple(term for term in due if term.file.file in set(row.files))
        # Held, or stored again, since the plan was made: the next pruning decides.
        if found is None or len(still) != len(row.files):
            done.spared += 1
            return
        listed = found[0]
        permit = PrunePermit(
            row.job_id,
            row.owner,
            frozenset(row.files),
            session.order.why or why_of(still),
            self._fence,
        )
        contents = listed.contents
        draft = self._pruner.draft(contents.place, contents.receipts, contents.records, permit)
        intent = self._journal.begin(permit, record=draft.sha256, size_bytes=row.size_bytes)
        with self._or_left(intent, draft):
            self._pruner.prune(draft)
        self._journal.end(
            intent, "pruned", detail=f"{len(row.files)} files, {row.size_bytes} bytes"
        )
        done.jobs, done.files = done.jobs + 1, done.files + len(row.files)
        done.size_bytes += row.size_bytes
        self.log.info(
            "archive.pruned",
            job_id=row.job_id,
            files=len(row.files),
            bytes=row.size_bytes,
            why=permit.why,
        )

    @contextmanager
    def _or_left(self, intent: int, draft: PruneDraft) -> Iterator[None]:
        """Journal at once when nothing was removed. When something may have been, the next pruning
        finishes it.
        """
        try:
            yield
        except ArchiveError as error:
            contents = contents_of(self._catalogue.root, draft.place)
            if contents is not None and all(
                each.sha256 != draft.sha256 for each in contents.records
            ):
                self._journal.end(intent, "left", detail=str(error))
            raise


def totals(results: Iterable[Pruned]) -> tuple[int, int, int]:
    """Return the jobs, files and bytes removed, over all accounts."""
    done = tuple(results)
    return (
        sum(each.jobs for each in done),
        sum(each.files for each in done),
        sum(each.size_bytes for each in done),
    )
