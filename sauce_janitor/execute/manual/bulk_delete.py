"""Deletes all of a user's jobs in one call, where that is as safe as one by one: everything proven,
listed again, on record.

The order of effects is that of one delete (docs/explanation/safety.md), for all jobs at once: each
job's copy is proven and its assets are listed; then the whole list is read again, and its oldest
answer is at most 10 s old when the call leaves; then there is an intent for every job in the
journal; then the call; then each job is looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sauce_janitor.errors import (
    ArchiveError,
    BudgetSpentError,
    CredentialsError,
    PermitError,
    SourceError,
    StoppedError,
)
from sauce_janitor.execute.archive_step import forgotten, uncovered
from sauce_janitor.execute.brake import Brake, UnsafeError
from sauce_janitor.execute.confirmation import (
    BATCH,
    PendingConfirmations,
    Sent,
    is_job_gone,
    settle,
)
from sauce_janitor.execute.delete_addresses import UNSERVED
from sauce_janitor.execute.empty_lists import waits_until
from sauce_janitor.execute.events import Halt, JobDeleted
from sauce_janitor.execute.lookups import AssetLookup
from sauce_janitor.execute.manual.bulk_conditions import UserListPage, each_once, too_slow, unfit
from sauce_janitor.execute.outcomes import Tally
from sauce_janitor.execute.ports import Archived, ExecutionPorts, WriteResult
from sauce_janitor.model.job_changes import DeleteAllPermit
from sauce_janitor.model.jobs import Action, Job, JobId, Owner
from sauce_janitor.model.permits import DeleteJobPermit, NothingWanted, Receipt
from sauce_janitor.model.safety_numbers import PURGED_AFTER_S
from sauce_janitor.retention.plan.planner import JobPlan


class BulkGatePort(Protocol):
    """The one thing that can send the call. Raises as `execute.parts.Gate` does."""

    def delete_all(self, permit: DeleteAllPermit, /) -> WriteResult: ...


class BulkJournal(Protocol):
    """Puts the intents of many deletes on record, all or none."""

    def intents(self, permits: Sequence[DeleteJobPermit], /, *, policy: str) -> Sequence[int]: ...


@dataclass(frozen=True, slots=True)
class BulkDelete:
    """What is to be emptied, and what only that needs.

    `listing` reads the user's whole list anew; its iterator raises SourceError where it does not
    hold together. `proven` reads every stored byte of a job again and compares it with its
    receipts: ArchiveError when one differs. `known` is how many jobs the inventory has of the user.
    """

    owner: Owner
    typed: str
    policy: str
    plans: Mapping[JobId, JobPlan]
    known: int
    gate: BulkGatePort
    journal: BulkJournal
    listing: Callable[[], Iterable[UserListPage]]
    proven: Callable[[Job], Archived | None]


def empty(parts: ExecutionPorts, tally: Tally, brake: Brake, what: BulkDelete) -> None:
    """Delete them all, and put on record what became of each. UnsafeError, SourceError or
    ArchiveError: nothing was sent.
    """
    _Emptying(parts, tally, brake, what).run()


class _Emptying:
    def __init__(self, parts: ExecutionPorts, tally: Tally, brake: Brake, what: BulkDelete) -> None:
        self._parts, self._tally, self._brake, self._what = parts, tally, brake, what
        self._proofs: dict[JobId, Receipt | NothingWanted] = {}
        self._bare = 0

    def run(self) -> None:
        parts, what = self._parts, self._what
        for job in self._listed():
            self._brake.look()
            self._proofs[job.id] = self._prove(job)
            parts.passed(1)
        if self._bare:
            raise UnsafeError(
                f"nothing is listed of {self._bare:,} jobs that are too young to be purged, as when"
                " Sauce Labs' lists fail: delete one by one, without --bulk, or run the command"
                " again in a day"
            )
        began = parts.clock.monotonic()
        jobs = list(self._listed())
        self._same(jobs, began)
        self._brake.look_before_write()
        permits = [
            DeleteJobPermit(
                job.id,
                job.owner,
                self._proofs[job.id],
                what.plans[job.id].fingerprint,
                began,
                parts.lease.fence,
            )
            for job in jobs
        ]
        sent = self._begin(permits)
        permit = DeleteAllPermit(
            what.owner, what.typed, frozenset(job.id for job in jobs), began, parts.lease.fence
        )
        try:
            answer = what.gate.delete_all(permit)
        except (PermitError, BudgetSpentError, StoppedError) as refused:
            for one in sent:
                parts.journal.outcome(one.intent, "failed", detail=f"not sent: {refused}")
            raise
        except CredentialsError as error:  # it was sent
            for one in sent:
                parts.journal.outcome(one.intent, "unknown", detail=str(error))
            raise
        self._conclude(sent, answer)

    # --- before -----------------------------------------------------------------------------------

    def _listed(self) -> Iterator[Job]:
        return each_once(self._pages(), self._what.owner)

    def _pages(self) -> Iterator[UserListPage]:
        """The user's list, asked for anew, with a look at the brake after each page."""
        for page in self._what.listing():
            yield page
            self._brake.look()

    def _prove(self, job: Job) -> Receipt | NothingWanted:
        """That what the call destroys of this job is stored, byte for byte, or not wanted."""
        plan = self._what.plans.get(job.id)
        if plan is None:
            raise UnsafeError(
                f"job {job.id} of {job.owner} is not in the plan: somebody made it meanwhile"
            )
        if plan.selection is None or not plan.selection.assets:
            if plan.nothing_wanted_by is None:
                raise ArchiveError(
                    f"job {job.id}: nothing says what is to be archived of it, nor that nothing is"
                )
            return NothingWanted(plan.nothing_wanted_by)
        archived = self._what.proven(job)
        if archived is None:
            raise ArchiveError(f"job {job.id}: the archive holds nothing of it")
        listed = self._assets(job)
        if names := uncovered(archived, listed, plan.selection):
            raise ArchiveError(f"job {job.id}: {names[0]!r:.120} is listed and not archived")
        explained = listed.empty and (
            self._is_purgeable(job) or self._parts.journal.assets_deleted(job.id)
        )
        if not explained and (names := forgotten(archived, plan.selection)):
            raise ArchiveError(
                f"job {job.id}: {names[0]!r:.120} was listed before and never archived"
            )
        # The call spares no job: one that has to wait for a day holds up all of them.
        self._bare += listed.empty and self._waits(job, archived)
        return Receipt(archived.sha256)

    def _waits(self, job: Job, archived: Archived) -> bool:
        """Whether an empty list alone, and none of a day ago, says that there is nothing of the job
        to lose.
        """
        is_explained = bool(archived.stored) or self._parts.journal.assets_deleted(job.id)
        now = self._parts.clock.now()
        return waits_until(job, archived.made_at, now=now, is_explained=is_explained) is not None

    def _is_purgeable(self, job: Job) -> bool:
        return (
            isinstance(job.ended_at, int)
            and self._parts.clock.now() - job.ended_at >= PURGED_AFTER_S
        )

    def _assets(self, job: Job) -> AssetLookup:
        """What is listed; a 404 or nothing only counts when it is said twice, a 404 only where it
        can be.
        """
        parts = self._parts
        for _ in range(2):
            self._brake.look()
            at = parts.clock.monotonic()
            listing = parts.source.assets(job.owner, job.id)
            if listing is not None and listing.names:
                break
        if (
            listing is None
            and not self._is_purgeable(job)
            and not parts.journal.assets_deleted(job.id)
        ):
            raise SourceError(
                f"job {job.id}: its asset list is missing (404), and it is too young to be purged"
            )
        return AssetLookup(None if listing is None else listing.names, at)

    def _same(self, jobs: Sequence[Job], began: float) -> None:
        """UnsafeError unless the list is what was planned and proven, none of it held, nothing
        young, and read in time.
        """
        parts, what = self._parts, self._what
        if (reason := unfit(jobs, what.owner, what.plans, parts.clock.now())) is not None:
            raise UnsafeError(reason)
        for job in jobs:
            if (
                parts.fingerprint(job, began) != what.plans[job.id].fingerprint
                or job.id not in self._proofs
            ):
                raise UnsafeError(
                    f"job {job.id} changed after it was decided on: run the command again"
                )
            if parts.holds.protects(job):
                raise UnsafeError(f"job {job.id} is held: delete one by one, without --bulk")
        if (reason := too_slow(jobs, what.owner, parts.clock.monotonic() - began)) is not None:
            raise UnsafeError(reason)

    def _begin(self, permits: Sequence[DeleteJobPermit]) -> list[Sent]:
        policy = self._what.policy
        numbers = self._what.journal.intents(permits, policy=policy)
        return [
            Sent(number, Action.DELETE_JOB, permit.job_id, permit.owner, policy)
            for number, permit in zip(numbers, permits, strict=True)
        ]

    # --- after ------------------------------------------------------------------------------------

    def _conclude(self, sent: Sequence[Sent], answer: WriteResult) -> None:
        """Look for each job; what is still there has failed."""
        if answer.status is not None and 200 <= answer.status < 300 and not answer.doubtful:
            confirming = PendingConfirmations(self._parts, self._tally)
            for one in sent:
                confirming.add(one)
            confirming.flush()
            return
        said = (
            f"answered {answer.status}: {answer.detail}"
            if answer.status is not None
            else f"no answer: {answer.detail}"
        )
        is_absent = answer.status in UNSERVED
        left = sum(
            self._ask(sent[start : start + BATCH], said, is_absent=is_absent)
            for start in range(0, len(sent), BATCH)
        )
        if is_absent and left:
            self._brake.pull(
                Halt.ADDRESS,
                "Sauce Labs does not offer the call that deletes all jobs of a user here (it"
                f" answered {answer.status}, and {left:,} jobs are still there): say offboard again"
                " without --bulk, which deletes them one by one",
            )

    def _ask(self, batch: Sequence[Sent], said: str, *, is_absent: bool) -> int:
        """How many of them are still there. `is_absent`: the call is missing, so no job of them has
        failed by itself.
        """
        left = 0
        source = self._parts.source
        try:
            found = source.jobs([one.job_id for one in batch]) or {}
        except (SourceError, StoppedError):
            found = {}  # then each is asked about alone
        for one in batch:
            try:
                gone = one.job_id not in found and is_job_gone(source, one.owner, one.job_id)
            except (SourceError, StoppedError) as error:
                settle(
                    self._parts,
                    self._tally,
                    one,
                    "unknown",
                    f"{said}, and could not be asked again: {error}",
                )
                continue
            if gone:
                settle(self._parts, self._tally, one, "confirmed", f"{said}, and it is gone")
                self._tally.tell(JobDeleted(one.job_id, one.owner, one.policy))
                continue
            left += 1
            detail = f"{said}, and it is still there"
            if is_absent:  # told once for all of them
                self._parts.journal.outcome(one.intent, "failed", detail=detail)
            else:
                settle(self._parts, self._tally, one, "failed", detail)
        return left
