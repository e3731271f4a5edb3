"""Steps 9 to 14 of the order of effects: read the copy back, list again, ask again, journal,
delete, confirm.

One module over 300 lines: the checks before a delete are read in their order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import nullcontext
from enum import Enum
from math import inf
from typing import Final

from sauce_janitor.errors import (
    ArchiveError,
    BudgetSpentError,
    CredentialsError,
    PermitError,
    SourceError,
    StoppedError,
)
from sauce_janitor.execute.archive_step import (
    archive,
    check_missing,
    check_purged,
    forgotten,
    uncovered,
)
from sauce_janitor.execute.asset_lists import asset_list, empty_list_waits_until
from sauce_janitor.execute.brake import SkipError
from sauce_janitor.execute.confirmation import PendingConfirmations, Sent
from sauce_janitor.execute.copies import is_whole
from sauce_janitor.execute.events import Skip
from sauce_janitor.execute.execution_context import ExecutionContext
from sauce_janitor.execute.job_task import JobTask
from sauce_janitor.execute.lookups import DetailsLookup
from sauce_janitor.execute.purge_detection import (
    is_emptied,
    is_purgeable,
    note_listed_again,
    note_purged,
    was_purged,
)
from sauce_janitor.execute.write_answers import conclude
from sauce_janitor.model.jobs import Action, Job
from sauce_janitor.model.permits import (
    DeleteAssetsPermit,
    DeleteJobPermit,
    NothingWanted,
    Receipt,
)
from sauce_janitor.times import when

FRESH_S: Final = 9.0
"""An answer may be 10 s old when the DELETE is sent; the last second is for the journal's line
before it.
"""
YOUNG_LIST_S: Final = 60.0
"""An asset list may be this old when the DELETE is sent."""
LISTING_TURN_S: Final = 40.0
"""A round lists jobs for at most this long and deletes for 10 s, so its first list is still younger
than 60 s.
"""
READING_TURN_S: Final = 40.0
"""Copies are read from the disk for this long; then the jobs whose copies were read are deleted."""
MOST_LOOKUPS: Final = 6
MOST_ROUNDS: Final = 3
_DOUBTS: Final = 2
"""Requests that settle a doubtful answer. They are kept free, so that a spent budget never leaves
it open.
"""


class _Next(Enum):
    ENDED = 1
    LOOK_AGAIN = 2  # an answer grew too old on the way
    ARCHIVE_AGAIN = 3  # a listed name is not in the receipts
    OTHER_ADDRESS = 4  # the address is not there, the job is


class DeleteStep:
    """Deletes jobs and assets, several with one look-up where nothing has to be fetched before."""

    def __init__(self, work: ExecutionContext, pending: PendingConfirmations) -> None:
        self._work = work
        self._ports = work.ports
        self._pending = pending

    def delete(self, tasks: Iterable[JobTask]) -> None:
        """Delete each, or say why not; at most 20. Afterwards nothing is left to do for any, unless
        the whole run ends.
        """
        again = self._delete_by_rounds(deque(tasks))
        while again:
            task = again.popleft()
            with self._work.about(task):
                task.rounds += 1
                if task.rounds > MOST_ROUNDS:
                    raise ArchiveError(
                        f"job {task.plan.job_id}: its assets keep changing while they are archived"
                    )
                # Where no address deletes jobs, nothing is archived for a delete either.
                if not self._work.is_in_vain(task):
                    archive(self._work, task)
            if task.delete is not None:
                again.extend(self._delete_by_rounds(deque((task,))))

    def _delete_by_rounds(self, waiting: deque[JobTask]) -> deque[JobTask]:
        """Delete in rounds; return the tasks that must be archived (again) first."""
        again: deque[JobTask] = deque()
        while waiting:
            ready = self._listed(self._read_back(waiting, again), waiting)
            while ready and not self._is_list_old(ready[0]):
                # The look-up and the DELETE wait for the budget together: an answer is valid for
                # seconds, and waiting between them would make it too old.
                self._work.brake.afford(2 + _DOUBTS + self._pending.requests_due)
                with self._ports.source.reserved(2):
                    self._look_up(ready)
                    self._next(ready, again)
                while ready and self._is_fresh(ready[0]) and not self._is_list_old(ready[0]):
                    self._work.brake.afford(2 + _DOUBTS + self._pending.requests_due)
                    with self._ports.source.reserved(2 if ready[0].details is None else 1):
                        self._next(ready, again)
            waiting.extendleft(reversed(ready))
        return again

    def _read_back(self, waiting: deque[JobTask], again: deque[JobTask]) -> deque[JobTask]:
        """Return the next tasks whose copies are whole; the others go to `again`.

        This comes before every question to Sauce Labs: reading a copy may take minutes, and an
        answer is valid for seconds. A turn is short, too, so that the copies read first are deleted
        soon.
        """
        whole: deque[JobTask] = deque()
        began = self._ports.clock.monotonic()
        while waiting and (not whole or self._ports.clock.monotonic() - began < READING_TURN_S):
            task = waiting.popleft()
            if self._work.is_in_vain(task):
                continue
            with self._work.about(task):
                self._work.permitted(task, to_change=True)
                (whole if is_whole(self._work, task) else again).append(task)
        return whole

    def _listed(self, whole: deque[JobTask], waiting: deque[JobTask]) -> deque[JobTask]:
        """Return the next tasks, each with a fresh asset list where one is needed; the rest keep
        waiting.
        """
        ready: deque[JobTask] = deque()
        began = self._ports.clock.monotonic()
        while whole and (not ready or self._ports.clock.monotonic() - began < LISTING_TURN_S):
            task = whole.popleft()
            with self._work.about(task):
                self._work.permitted(task, to_change=True)
                if self._is_list_old(task):
                    self._count_look(task)
                    task.listed = asset_list(self._work, task)
                    task.listed_twice = False
            if task.delete is not None:
                ready.append(task)
        waiting.extendleft(reversed(whole))
        return ready

    def _is_list_old(self, task: JobTask) -> bool:
        """Return whether the list would be too old at the end of a round that starts now."""
        return self._list_age(task) > YOUNG_LIST_S - FRESH_S

    def _list_age(self, task: JobTask) -> float:
        if task.selection is None and not was_purged(self._work, task):
            # Nothing is wanted, so no list is needed.
            return 0.0
        return inf if task.listed is None else self._ports.clock.monotonic() - task.listed.at

    def _look_up(self, ready: deque[JobTask]) -> None:
        answers = self._work.lookups.many([(task.plan.owner, task.plan.job_id) for task in ready])
        # Answers from before the assets were fetched no longer count.
        for task in ready:
            task.details = answers.get(task.plan.job_id)

    def _is_fresh(self, task: JobTask) -> bool:
        return task.details is None or self._ports.clock.monotonic() - task.details.at <= FRESH_S

    def _next(self, ready: deque[JobTask], again: deque[JobTask]) -> None:
        task = ready.popleft()
        turn = self._ports.addresses.turn() if task.delete is Action.DELETE_JOB else nullcontext()
        with turn, self._work.about(task):
            # Another worker may have found that while this one waited for its turn.
            if self._work.is_in_vain(task):
                return
            while (ended := self._delete_one(task)) is _Next.OTHER_ADDRESS:
                pass
            match ended:
                case _Next.LOOK_AGAIN:
                    self._count_look(task)
                    ready.appendleft(task)
                case _Next.ARCHIVE_AGAIN:
                    again.append(task)

    def _count_look(self, task: JobTask) -> None:
        """Count a look-up; raise SourceError when there are too many. A slow Sauce Labs must not
        keep a worker on one job forever.
        """
        task.look_count += 1
        if task.look_count > MOST_LOOKUPS:
            raise SourceError(
                f"job {task.plan.job_id}: Sauce Labs answers too slowly: its answers are too old"
                " before the delete can be sent"
            )

    def _delete_one(self, task: JobTask) -> _Next:
        plan = task.plan
        self._work.permitted(task, to_change=True)
        if task.details is None:
            task.details = self._work.lookups.one(plan.owner, plan.job_id)
        # A list showed the job, so a fresh listing must agree before it counts as gone.
        if task.details.document is None:
            self._work.absent(task)
            return _Next.ENDED
        job = task.details.document.job
        self._work.same(task, task.details, job)
        if not self._prove(task, job):
            return _Next.ARCHIVE_AGAIN
        self._check_doubtful(task, job)
        if task.delete is Action.DELETE_ASSETS and task.listed is not None and task.listed.empty:
            self._work.gone(task, Action.DELETE_ASSETS, "Sauce Labs listed no assets, twice")
            return _Next.ENDED
        if self._ports.holds.protects(job):
            raise SkipError(Skip.HELD, "it was held after the plan decided on it")
        self._work.brake.look_before_write()
        # The checks above may have taken seconds, for example to read a build.
        if not self._is_fresh(task) or self._list_age(task) > YOUNG_LIST_S:
            return _Next.LOOK_AGAIN
        return self._send(task)

    def _prove(self, task: JobTask, job: Job) -> bool:
        """Return whether everything that the delete destroys is proven stored or explicitly not
        wanted.
        """
        selection = task.selection
        # Also for a job that is too young to be purged: the record counts, whatever its reason.
        if was_purged(self._work, task):
            self._check_still_purged(task)
        if selection is None:
            # "Nothing is wanted" must come from a policy, never from a missing rule.
            if task.plan.nothing_wanted_by is None:
                raise ArchiveError(
                    f"job {task.plan.job_id}: no policy says what to archive of it, or that nothing"
                    " is wanted"
                )
            task.proof = NothingWanted(task.plan.nothing_wanted_by)
            return True
        if task.archived is None:
            task.archived = self._ports.archive.archived(job)
        # The copy read back, if any, has another receipt. Archiving reads every byte, too.
        if task.archived is None or task.archived.sha256 != task.read_back:
            return False
        assert task.listed is not None
        self._list_twice(task)
        check_missing(self._work, task, job, task.listed)
        # A listed name that is not covered is archived first. One that no policy wants and none may
        # lose would never be covered: that is an error.
        if names := uncovered(task.archived, task.listed, selection):
            for name in names:
                if (
                    name not in task.archived.stored
                    and not selection.wants(name)
                    and not selection.may_lose(name)
                ):
                    raise ArchiveError(
                        f"job {task.plan.job_id}: a delete would destroy {name!r:.120}, which no"
                        " policy gives up"
                    )
            return False
        # Files that were listed once and never stored may still exist at Sauce Labs.
        if forgotten(task.archived, selection) and not is_emptied(self._work, task, job):
            return False
        check_purged(self._work, task, job, task.listed)
        if task.listed.empty and is_purgeable(self._work, job):
            note_purged(self._work, task, job, task.archived)
        task.proof = Receipt(task.archived.sha256)
        return True

    def _check_doubtful(self, task: JobTask, job: Job) -> None:
        """Raise SkipError while the delete would rest on a list that has been empty for less than a
        day, and nothing explains that.
        """
        listed, archived = task.listed, task.archived
        if (
            task.selection is None
            or listed is None
            or archived is None
            or not listed.empty
            or task.is_believed
        ):
            return
        if (until := empty_list_waits_until(self._ports, job, archived)) is not None:
            raise SkipError(
                Skip.NOTHING_LISTED,
                "Sauce Labs lists no assets of it, as when its lists fail: it may be deleted if"
                f" that is still so after {when(until)}",
            )

    def _list_twice(self, task: JobTask) -> None:
        """List again after an empty list: one empty answer may be wrong, and no receipt would
        contradict it.
        """
        if task.listed is not None and task.listed.empty and not task.listed_twice:
            task.listed = asset_list(self._work, task)
            task.listed_twice = True

    def _check_still_purged(self, task: JobTask) -> None:
        """Raise SkipError where purged assets are listed again: the decision ignored the rules that
        protect them.
        """
        self._list_twice(task)
        if task.listed is not None and note_listed_again(self._work, task, task.listed):
            raise SkipError(Skip.CHANGED, "Sauce Labs lists assets again that it had purged")

    def _send(self, task: JobTask) -> _Next:
        plan, action = task.plan, task.delete
        assert action is not None
        permit = self._permit(task)
        address = permit.address if isinstance(permit, DeleteJobPermit) else None
        policy = task.to_do[action]
        sent = Sent(
            self._ports.journal.intent(permit, policy=policy),
            action,
            plan.job_id,
            plan.owner,
            policy,
            address,
        )
        gate = self._ports.gate
        try:
            answer = (
                gate.delete_job(permit)
                if isinstance(permit, DeleteJobPermit)
                else gate.delete_assets(permit)
            )
        except PermitError as refused:
            self._ports.journal.outcome(sent.intent, "failed", detail=f"not sent: {refused}")
            # A permit is valid for one try: the next one needs a new answer.
            task.details = None
            return _Next.LOOK_AGAIN
        # Nothing was sent, and the run ends: the intent must not stay open.
        except (BudgetSpentError, StoppedError) as error:
            self._ports.journal.outcome(sent.intent, "failed", detail=f"not sent: {error}")
            raise
        # It was sent. Whether it had an effect can only be asked with credentials that work.
        except CredentialsError as error:
            self._ports.journal.outcome(sent.intent, "unknown", detail=str(error))
            raise
        still_there = conclude(self._work, self._pending, sent, answer, task.archived)
        if still_there is not None:
            # Its age counts from the older question where that is fresh, so that the build asked
            # for then is still valid.
            at = permit.asked_at if self._is_fresh(task) else still_there.at
            task.details = DetailsLookup(still_there.document, at)
            return _Next.OTHER_ADDRESS
        task.done(action)
        return _Next.ENDED

    def _permit(self, task: JobTask) -> DeleteJobPermit | DeleteAssetsPermit:
        plan, details, proof = task.plan, task.details, task.proof
        assert details is not None
        assert proof is not None
        of_job = (
            plan.job_id,
            plan.owner,
            proof,
            plan.fingerprint,
            details.at,
            self._ports.lease.fence,
        )
        listed_at = None if task.listed is None else task.listed.at
        if task.delete is Action.DELETE_JOB:
            return DeleteJobPermit(*of_job, listed_at, self._ports.addresses.of(plan.job_id))
        return DeleteAssetsPermit(*of_job, listed_at)
