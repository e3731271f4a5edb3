"""Deletes one job or its assets: the checks right before the delete in their order, the permit, the
journal, the DELETE, and what its answer means.

These are steps 10 to 14 of the order of effects; `delete_rounds` does step 9, for several jobs at
once.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import Final

from sauce_janitor.errors import (
    ArchiveError,
    BudgetSpentError,
    CredentialsError,
    PermitError,
    StoppedError,
)
from sauce_janitor.execute.asset_lists import asset_list, empty_list_waits_until
from sauce_janitor.execute.brake import SkipError
from sauce_janitor.execute.confirmation import PendingConfirmations, Sent
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
from sauce_janitor.execute.steps.archive import (
    check_missing,
    check_purged,
    forgotten,
    uncovered,
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


class Next(Enum):
    """What a delete needs next."""

    ENDED = 1
    LOOK_AGAIN = 2  # an answer grew too old on the way
    ARCHIVE_AGAIN = 3  # a listed name is not in the receipts
    OTHER_ADDRESS = 4  # the address is not there, the job is


class DeleteStep:
    """Deletes the job of a task, or its assets, when every check agrees."""

    def __init__(self, work: ExecutionContext, pending: PendingConfirmations) -> None:
        self._work = work
        self._ports = work.ports
        self._pending = pending

    def delete(self, task: JobTask) -> Next:
        """Delete it, or return what must come first. Raise SkipError, ArchiveError or SourceError
        where it must not be deleted now.
        """
        plan = task.plan
        self._work.permitted(task, to_change=True)
        if task.details is None:
            task.details = self._work.lookups.one(plan.owner, plan.job_id)
        # A list showed the job, so a fresh listing must agree before it counts as gone.
        if task.details.document is None:
            self._work.absent(task)
            return Next.ENDED
        job = task.details.document.job
        self._work.same(task, task.details, job)
        if not self._prove(task, job):
            return Next.ARCHIVE_AGAIN
        self._check_doubtful(task, job)
        if task.delete is Action.DELETE_ASSETS and task.listed is not None and task.listed.empty:
            self._work.gone(task, Action.DELETE_ASSETS, "Sauce Labs listed no assets, twice")
            return Next.ENDED
        if self._ports.holds.protects(job):
            raise SkipError(Skip.HELD, "it was held after the plan decided on it")
        self._work.brake.look_before_write()
        # The checks above may have taken seconds, for example to read a build.
        if not self.is_fresh(task) or self.list_age(task) > YOUNG_LIST_S:
            return Next.LOOK_AGAIN
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

    def _send(self, task: JobTask) -> Next:
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
            return Next.LOOK_AGAIN
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
            at = permit.asked_at if self.is_fresh(task) else still_there.at
            task.details = DetailsLookup(still_there.document, at)
            return Next.OTHER_ADDRESS
        task.done(action)
        return Next.ENDED

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

    def list_age(self, task: JobTask) -> float:
        """Return how old the task's asset list is, in seconds; 0 where none is needed."""
        if task.selection is None and not was_purged(self._work, task):
            # Nothing is wanted, so no list is needed.
            return 0.0
        return inf if task.listed is None else self._ports.clock.monotonic() - task.listed.at

    def is_fresh(self, task: JobTask) -> bool:
        """Return whether the task's look-up is young enough for a delete, or still to come."""
        return task.details is None or self._ports.clock.monotonic() - task.details.at <= FRESH_S
