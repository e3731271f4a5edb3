"""Deletes all jobs of a user with one call, where that is as safe as one by one: everything
verified, listed again, journaled.

The order of effects is that of one delete (docs/explanation/safety.md), for all jobs at once. Each
job's copy is verified and its assets are listed. The whole list is read again, and its oldest
answer is at most 10 s old when the call is sent. The journal gets an intent for every job. Then
comes the call, and then each job is looked up (`bulk_answer`).
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
from sauce_janitor.execute.asset_lists import empty_list_waits_until
from sauce_janitor.execute.brake import Brake, UnsafeError
from sauce_janitor.execute.confirmation import (
    Sent,
)
from sauce_janitor.execute.lookups import AssetLookup
from sauce_janitor.execute.manual.bulk_answer import conclude_all
from sauce_janitor.execute.manual.bulk_conditions import each_once, too_slow, unfit
from sauce_janitor.execute.outcomes import Tally
from sauce_janitor.execute.ports import ExecutionPorts
from sauce_janitor.execute.steps.archive import forgotten, uncovered
from sauce_janitor.model.job_lists import JobPage
from sauce_janitor.model.jobs import Action, Job, JobId, Owner
from sauce_janitor.model.permits import DeleteAllPermit, DeleteJobPermit, NothingWanted, Receipt
from sauce_janitor.model.safety_numbers import PURGED_AFTER_S
from sauce_janitor.model.stored_jobs import StoredJob
from sauce_janitor.model.write_answers import WriteAnswer
from sauce_janitor.retention.plan.planner import JobPlan


class BulkGatePort(Protocol):
    """The only thing that can send the call. Raises as `execute.ports.GatePort` does."""

    def delete_all(self, permit: DeleteAllPermit, /) -> WriteAnswer: ...


class BulkJournal(Protocol):
    """Journals the intents of several deletes, all or none."""

    def intents(self, permits: Sequence[DeleteJobPermit], /, *, policy: str) -> Sequence[int]: ...


@dataclass(frozen=True, slots=True)
class BulkDelete:
    """The user whose jobs are deleted, and what only this call needs.

    `listing` reads the user's whole list again; its iterator raises SourceError where the pages do
    not fit together. `proven` reads every stored byte of a job again and compares it with its
    receipts; it raises ArchiveError when one differs. `known` is how many jobs the inventory has of
    the user.
    """

    owner: Owner
    typed: str
    policy: str
    plans: Mapping[JobId, JobPlan]
    known: int
    gate: BulkGatePort
    journal: BulkJournal
    listing: Callable[[], Iterable[JobPage]]
    proven: Callable[[Job], StoredJob | None]


def empty(ports: ExecutionPorts, tally: Tally, brake: Brake, what: BulkDelete) -> None:
    """Delete all of them, and journal the result of each. After UnsafeError, SourceError or
    ArchiveError nothing was sent.
    """
    _Emptying(ports, tally, brake, what).run()


class _Emptying:
    def __init__(self, ports: ExecutionPorts, tally: Tally, brake: Brake, what: BulkDelete) -> None:
        self._ports, self._tally, self._brake, self._what = ports, tally, brake, what
        self._proofs: dict[JobId, Receipt | NothingWanted] = {}
        self._bare = 0

    def run(self) -> None:
        ports, what = self._ports, self._what
        for job in self._listed():
            self._brake.look()
            self._proofs[job.id] = self._prove(job)
            ports.passed(1)
        if self._bare:
            raise UnsafeError(
                f"the asset lists of {self._bare:,} jobs are empty, and the jobs too young to be"
                " purged, as when Sauce Labs' lists fail: delete one by one, without --bulk, or run"
                " the command again in a day"
            )
        # The second listing: what is deleted is what this one shows, seconds before the call.
        began = ports.clock.monotonic()
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
                ports.lease.fence,
            )
            for job in jobs
        ]
        sent = self._begin(permits)
        permit = DeleteAllPermit(
            what.owner, what.typed, frozenset(job.id for job in jobs), began, ports.lease.fence
        )
        try:
            answer = what.gate.delete_all(permit)
        except (PermitError, BudgetSpentError, StoppedError) as refused:
            for one in sent:
                ports.journal.outcome(one.intent, "failed", detail=f"not sent: {refused}")
            raise
        # It was sent, so the outcomes are unknown.
        except CredentialsError as error:
            for one in sent:
                ports.journal.outcome(one.intent, "unknown", detail=str(error))
            raise
        conclude_all(ports, self._tally, self._brake, sent, answer)

    def _listed(self) -> Iterator[Job]:
        return each_once(self._pages(), self._what.owner)

    def _pages(self) -> Iterator[JobPage]:
        """Read the user's list again, with a check of the brake after each page."""
        for page in self._what.listing():
            yield page
            self._brake.look()

    def _prove(self, job: Job) -> Receipt | NothingWanted:
        """Return the proof that everything the call destroys of this job is stored, byte for byte,
        or not wanted.
        """
        plan = self._what.plans.get(job.id)
        # The call would delete it all the same.
        if plan is None:
            raise UnsafeError(
                f"job {job.id} of {job.owner} is not in the plan: it was started after the plan was"
                " made"
            )
        if plan.selection is None or not plan.selection.assets:
            # "Nothing is wanted" must come from a policy, never from a missing rule.
            if plan.nothing_wanted_by is None:
                raise ArchiveError(
                    f"job {job.id}: no policy says what to archive of it, or that nothing is wanted"
                )
            return NothingWanted(plan.nothing_wanted_by)
        archived = self._what.proven(job)
        if archived is None:
            raise ArchiveError(f"job {job.id}: the archive holds nothing of it")
        listed = self._assets(job)
        if names := uncovered(archived, listed, plan.selection):
            raise ArchiveError(f"job {job.id}: {names[0]!r:.120} is listed and not archived")
        explained = listed.empty and (
            self._is_purgeable(job) or self._ports.journal.assets_deleted(job.id)
        )
        if not explained and (names := forgotten(archived, plan.selection)):
            raise ArchiveError(
                f"job {job.id}: {names[0]!r:.120} was listed before and never archived"
            )
        # The call deletes every job, so one that must wait for a day holds up all of them.
        if listed.empty and empty_list_waits_until(self._ports, job, archived) is not None:
            self._bare += 1
        return Receipt(archived.sha256)

    def _is_purgeable(self, job: Job) -> bool:
        return (
            isinstance(job.ended_at, int)
            and self._ports.clock.now() - job.ended_at >= PURGED_AFTER_S
        )

    def _assets(self, job: Job) -> AssetLookup:
        """Return what is listed. An empty list or a 404 counts only when it comes twice, a 404 only
        where something explains it.
        """
        ports = self._ports
        # A single empty list may be wrong, and no receipt would contradict it.
        for _ in range(2):
            self._brake.look()
            at = ports.clock.monotonic()
            listing = ports.source.assets(job.owner, job.id)
            if listing is not None and listing.names:
                # A later empty list starts a new day.
                ports.retries.listed(job.id)
                break
        if (
            listing is None
            and not self._is_purgeable(job)
            and not ports.journal.assets_deleted(job.id)
        ):
            raise SourceError(
                f"job {job.id}: its asset list is missing (404), and it is too young to be purged"
            )
        return AssetLookup(None if listing is None else listing.names, at)

    def _same(self, jobs: Sequence[Job], began: float) -> None:
        """Raise UnsafeError unless the list is what was planned and verified, no job is held, none
        is young, and it was read in time.
        """
        ports, what = self._ports, self._what
        if (reason := unfit(jobs, what.owner, what.plans, ports.clock.now())) is not None:
            raise UnsafeError(reason)
        for job in jobs:
            if (
                ports.fingerprint(job, began) != what.plans[job.id].fingerprint
                or job.id not in self._proofs
            ):
                raise UnsafeError(
                    f"job {job.id} changed after it was decided on: run the command again"
                )
            if ports.holds.protects(job):
                raise UnsafeError(f"job {job.id} is held: delete one by one, without --bulk")
        if (reason := too_slow(jobs, what.owner, ports.clock.monotonic() - began)) is not None:
            raise UnsafeError(reason)

    def _begin(self, permits: Sequence[DeleteJobPermit]) -> list[Sent]:
        policy = self._what.policy
        numbers = self._what.journal.intents(permits, policy=policy)
        return [
            Sent(number, Action.DELETE_JOB, permit.job_id, permit.owner, policy)
            for number, permit in zip(numbers, permits, strict=True)
        ]
