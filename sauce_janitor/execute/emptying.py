"""Deletes all of a user's jobs in one call, where that is as safe as one by one: everything proven, listed again, on record.

The order of effects is that of one delete (docs/safety.md), for all jobs at once: each job's copy is proven and its assets
are listed; then the whole list is read again, and its oldest answer is at most 10 s old when the call leaves; then there is
an intent for every job in the journal; then the call; then each job is looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sauce_janitor.errors import (
    ArchiveError,
    BudgetSpentError,
    CredentialsError,
    PermitError,
    RefusedError,
    SourceError,
    StoppedError,
)
from sauce_janitor.execute.archiving import forgotten, uncovered
from sauce_janitor.execute.asking import Listed
from sauce_janitor.execute.brake import Brake
from sauce_janitor.execute.confirming import BATCH, Confirming, Sent, is_job_gone, settle
from sauce_janitor.execute.doubting import PATIENCE_S, SEVERAL
from sauce_janitor.execute.events import JobDeleted
from sauce_janitor.execute.outcomes import Tally
from sauce_janitor.execute.parts import Answer, Archived, Parts
from sauce_janitor.retention.handacts import DeleteAllPermit
from sauce_janitor.retention.model import Action, Job, JobId, Owner, State
from sauce_janitor.retention.permits import DeleteJobPermit, NothingWanted, Receipt
from sauce_janitor.retention.planning import PURGED_AFTER_S, JobPlan

IDLE_S: Final = 7 * 86_400
"""So long the user must have had no job."""
FRESH_S: Final = 9.0
"""The listing's first answer may be 10 s old when the call leaves; the last look at the rest gets the last second."""


class Page(Protocol):
    """One list answer; see `inventory.parts.Page`."""

    @property
    def jobs(self) -> tuple[Job, ...]: ...
    @property
    def rejected(self) -> tuple[str, ...]: ...


class BulkGate(Protocol):
    """The one thing that can send the call. Raises as `execute.parts.Gate` does."""

    def delete_all(self, permit: DeleteAllPermit, /) -> Answer: ...


class BulkJournal(Protocol):
    """Puts the intents of many deletes on record, all or none."""

    def intents(self, permits: Sequence[DeleteJobPermit], /, *, policy: str) -> Sequence[int]: ...


@dataclass(frozen=True, slots=True)
class Emptying:
    """What is to be emptied, and what only that needs.

    `listing` reads the user's whole list anew; its iterator raises SourceError where it does not hold together. `proven` reads
    every stored byte of a job again and compares it with its receipts: ArchiveError when one differs. `known` is how many jobs
    the inventory has of the user.
    """

    owner: Owner
    typed: str
    policy: str
    plans: Mapping[JobId, JobPlan]
    known: int
    gate: BulkGate
    journal: BulkJournal
    listing: Callable[[], Iterable[Page]]
    proven: Callable[[Job], Archived | None]


def why_not(plans: Mapping[JobId, JobPlan], known: int) -> str | None:
    """Why one call would delete more than the plan does; None when it would not. To be asked before anything is changed."""
    held = sum(plan.held for plan in plans.values())
    going = sum(any(each.action is Action.DELETE_JOB for each in plan.actions) for plan in plans.values())
    if held:
        return f"{held:,} of the jobs are held"
    if going != known or going != len(plans):
        return (
            f"{known - going:,} of the {known:,} jobs may not be deleted: they run, have no known end, or are undecided"
        )
    return None if going else "there is no job to delete"


def empty(parts: Parts, tally: Tally, brake: Brake, what: Emptying) -> None:
    """Delete them all, and put on record what became of each. RefusedError, SourceError or ArchiveError: nothing was sent."""
    _Emptying(parts, tally, brake, what).run()


class _Emptying:
    def __init__(self, parts: Parts, tally: Tally, brake: Brake, what: Emptying) -> None:
        self._parts, self._tally, self._brake, self._what = parts, tally, brake, what
        self._proofs: dict[JobId, Receipt | NothingWanted] = {}
        self._bare = 0

    def run(self) -> None:
        parts, what = self._parts, self._what
        for job in self._listed():
            self._brake.look()
            self._proofs[job.id] = self._prove(job)
        if self._bare >= SEVERAL:
            raise RefusedError(
                f"nothing is listed of {self._bare:,} jobs that are too young to be purged, as when Sauce Labs' lists fail: "
                "delete one by one, without --bulk, or try again in a day"
            )
        began = parts.clock.monotonic()
        jobs = list(self._listed())
        self._same(jobs, began)
        self._brake.look_before_write()
        permits = [
            DeleteJobPermit(
                job.id, job.owner, self._proofs[job.id], what.plans[job.id].fingerprint, began, parts.lease.fence
            )
            for job in jobs
        ]
        sent = self._begin(permits)
        permit = DeleteAllPermit(what.owner, what.typed, frozenset(job.id for job in jobs), began, parts.lease.fence)
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

    # --- before -------------------------------------------------------------------------------------------------------

    def _listed(self) -> Iterator[Job]:
        """Every job of the user's list, each once. SourceError when part of it cannot be read."""
        seen: set[JobId] = set()
        for page in self._what.listing():
            if page.rejected:
                raise SourceError(f"part of the list of {self._what.owner} cannot be read: {page.rejected[0]}")
            for job in page.jobs:
                if job.id not in seen:
                    seen.add(job.id)
                    yield job
            self._brake.look()

    def _prove(self, job: Job) -> Receipt | NothingWanted:
        """That what the call destroys of this job is stored, byte for byte, or not wanted."""
        plan = self._what.plans.get(job.id)
        if plan is None:
            raise RefusedError(f"job {job.id} of {job.owner} is not in the plan: somebody made it meanwhile")
        if plan.selection is None or not plan.selection.assets:
            if plan.nothing_wanted_by is None:
                raise ArchiveError(f"job {job.id}: nothing says what is to be archived of it, nor that nothing is")
            return NothingWanted(plan.nothing_wanted_by)
        archived = self._what.proven(job)
        if archived is None:
            raise ArchiveError(f"job {job.id}: the archive holds nothing of it")
        listed = self._assets(job)
        if names := uncovered(archived, listed, plan.selection):
            raise ArchiveError(f"job {job.id}: {names[0]!r:.120} is listed and not archived")
        explained = listed.empty and (self._is_purgeable(job) or self._parts.journal.assets_deleted(job.id))
        if not explained and (names := forgotten(archived, plan.selection)):
            raise ArchiveError(f"job {job.id}: {names[0]!r:.120} was listed before and never archived")
        self._bare += listed.empty and self._is_bare(job, archived)
        return Receipt(archived.sha256)

    def _is_bare(self, job: Job, archived: Archived) -> bool:
        """Whether an empty list alone, and none of a day ago, says that there is nothing of the job to lose."""
        parts = self._parts
        explained = archived.stored or self._is_purgeable(job) or parts.journal.assets_deleted(job.id)
        return not explained and parts.clock.now() - archived.made_at < PATIENCE_S

    def _is_purgeable(self, job: Job) -> bool:
        return isinstance(job.ended_at, int) and self._parts.clock.now() - job.ended_at >= PURGED_AFTER_S

    def _assets(self, job: Job) -> Listed:
        """What is listed; a 404 or nothing only counts when it is said twice, a 404 only where it can be."""
        parts = self._parts
        for _ in range(2):
            self._brake.look()
            at = parts.clock.monotonic()
            listing = parts.source.assets(job.owner, job.id)
            if listing is not None and listing.names:
                break
        if listing is None and not self._is_purgeable(job) and not parts.journal.assets_deleted(job.id):
            raise SourceError(f"job {job.id}: its asset list is missing (404), and it is too young to be purged")
        return Listed(None if listing is None else listing.names, at)

    def _same(self, jobs: Sequence[Job], began: float) -> None:
        """RefusedError unless the list is what was planned and proven, none of it held, nothing young, and read in time."""
        parts, what = self._parts, self._what
        if {job.id for job in jobs} != what.plans.keys():
            raise RefusedError(f"the jobs of {what.owner} are not those of the plan any more: run it again")
        newest = parts.clock.now() - IDLE_S
        for job in jobs:
            if job.owner != what.owner or job.state is not State.FINISHED:
                raise RefusedError(f"job {job.id} is {job.owner}'s and {job.state.value} now")
            if parts.fingerprint(job, began) != what.plans[job.id].fingerprint or job.id not in self._proofs:
                raise RefusedError(f"job {job.id} is not as it was when it was decided on: run it again")
            times = (job.created_at, job.started_at, job.ended_at)
            if any(not isinstance(time, int) or time > newest for time in times):
                raise RefusedError(
                    f"{what.owner} had a job in the last 7 days ({job.id}): delete one by one, without --bulk"
                )
            if parts.holds.protects(job):
                raise RefusedError(f"job {job.id} is held: delete one by one, without --bulk")
        if parts.clock.monotonic() - began > FRESH_S:
            raise RefusedError(
                f"the list of {what.owner}'s {len(jobs):,} jobs takes longer than {FRESH_S:g} s to read, and a hold set "
                "meanwhile might be missed: delete one by one, without --bulk"
            )

    def _begin(self, permits: Sequence[DeleteJobPermit]) -> list[Sent]:
        policy = self._what.policy
        numbers = self._what.journal.intents(permits, policy=policy)
        return [
            Sent(number, Action.DELETE_JOB, permit.job_id, permit.owner, policy)
            for number, permit in zip(numbers, permits, strict=True)
        ]

    # --- after --------------------------------------------------------------------------------------------------------

    def _conclude(self, sent: Sequence[Sent], answer: Answer) -> None:
        """Look for each job; what is still there has failed."""
        if answer.status is not None and 200 <= answer.status < 300 and not answer.doubtful:
            confirming = Confirming(self._parts, self._tally)
            for one in sent:
                confirming.add(one)
            confirming.flush()
            return
        said = (
            f"answered {answer.status}: {answer.detail}" if answer.status is not None else f"no answer: {answer.detail}"
        )
        for start in range(0, len(sent), BATCH):
            self._ask(sent[start : start + BATCH], said)

    def _ask(self, batch: Sequence[Sent], said: str) -> None:
        source = self._parts.source
        try:
            found = source.jobs([one.job_id for one in batch]) or {}
        except (SourceError, StoppedError):
            found = {}  # then each is asked about alone
        for one in batch:
            try:
                gone = one.job_id not in found and is_job_gone(source, one.owner, one.job_id)
            except (SourceError, StoppedError) as error:
                settle(self._parts, self._tally, one, "unknown", f"{said}, and could not be asked again: {error}")
                continue
            if gone:
                settle(self._parts, self._tally, one, "confirmed", f"{said}, and it is gone")
                self._tally.tell(JobDeleted(one.job_id, one.owner, one.policy))
            else:
                settle(self._parts, self._tally, one, "failed", f"{said}, and it is still there")
