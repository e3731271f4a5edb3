"""What all workers share while a plan is carried out, and how a job ends without success."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sauce_janitor.errors import (
    ArchiveError,
    ForbiddenError,
    IncompleteError,
    JanitorError,
    NotReadyError,
    SourceError,
    SourceUnavailableError,
)
from sauce_janitor.execute.brake import ENDING, Brake, SkipError
from sauce_janitor.execute.events import (
    ActionSkipped,
    AlreadyGone,
    AssetsDeleted,
    Event,
    JobDeleted,
    Skip,
)
from sauce_janitor.execute.job_task import JobTask
from sauce_janitor.execute.lookups import DetailsLookup, Lookups
from sauce_janitor.execute.outcomes import Tally
from sauce_janitor.execute.ports import ExecutionPorts
from sauce_janitor.execute.turn_order import TurnOrder
from sauce_janitor.model.failed_actions import ActionFailed
from sauce_janitor.model.job_retries import FailureKind
from sauce_janitor.model.jobs import Action, Job, JobState, Owner
from sauce_janitor.model.safety_numbers import KEPT_FOR_DELETES
from sauce_janitor.retention.plan.planner import JobPlan

_RUN_ENDING = tuple(error for error, _ in ENDING)


class _NotTriedError(ForbiddenError):
    """Nothing was sent: an earlier answer already refused it."""


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """How a plan is carried out; times in seconds.

    `settle_s`: no asset is touched sooner after a job's end. `kept_for_deletes`: this share of the
    request budget is kept for jobs with a delete (0 where the plan has none). `deadline_s`: after
    this time no job is started or continued. `grace_s`: how long a stop waits for answers under
    way.
    """

    settle_s: int = 600
    kept_for_deletes: float = KEPT_FOR_DELETES
    deadline_s: float | None = None
    grace_s: float = 15.0


class ExecutionContext:
    """What all workers share while one plan is carried out."""

    def __init__(
        self,
        ports: ExecutionPorts,
        tally: Tally,
        brake: Brake,
        options: ExecutionSettings,
        turns: TurnOrder,
    ) -> None:
        self.ports = ports
        self.tally = tally
        self.turns = turns
        self.brake = brake
        self.options = options
        self.lookups = Lookups(ports, brake)
        self._lock = threading.Lock()
        self._absent: list[JobTask] = []
        self.forbidden: set[Owner] = set()
        self.unchangeable: set[Owner] = set()

    @contextmanager
    def about(self, task: JobTask) -> Iterator[None]:
        """Turn every error inside into this job's failure or skip, unless it concerns the whole
        run.
        """
        plan = task.plan
        try:
            yield
        except SkipError as skip:
            self.skip(task, skip.why, skip.detail)
        except NotReadyError as not_ready:
            self.skip(task, Skip.NOT_READY, str(not_ready))
        except _RUN_ENDING:
            raise
        except _NotTriedError as known:
            self.fail(task, str(known), None)
        # A 403 is about the owner: their other jobs are not tried in this run.
        except ForbiddenError as forbidden:
            self.forbidden.add(plan.owner)
            self.fail(task, str(forbidden), FailureKind.FORBIDDEN)
        except SourceError as error:
            unavailable = isinstance(error, SourceUnavailableError)
            self.fail(
                task, str(error), FailureKind.UNAVAILABLE if unavailable else FailureKind.ANSWER
            )
            if task.details is None or unavailable:
                # Otherwise Sauce Labs does answer, and only this job has a problem.
                self._unanswered(task, error)
        except ArchiveError as error:
            lacks = isinstance(error, IncompleteError)
            self.fail(task, str(error), FailureKind.MISSING_FILES if lacks else FailureKind.ARCHIVE)
        except JanitorError as error:
            self.fail(task, str(error))
        else:
            self.brake.answered()
            if task.retry is not None:
                self.turns.answered(task.retry)

    def _unanswered(self, task: JobTask, error: JanitorError) -> None:
        # A job that had no answer in an earlier run says nothing new about Sauce Labs: five of them
        # in a row must not end the run for all others.
        if task.retry is None:
            self.brake.unanswered(error)
        else:
            self.turns.unanswered(task.retry)

    def permitted(self, task: JobTask, *, to_change: bool = False) -> None:
        """Raise ForbiddenError for a job of an owner whose jobs an earlier 403 refused: Sauce Labs
        is not asked again.

        Where only changes were refused, the jobs are still archived: Sauce Labs purges what is not
        archived in time.
        """
        owner = task.plan.owner
        if owner in self.forbidden:
            raise _NotTriedError(f"{owner}: these credentials may not act for this user (403)")
        if to_change and owner in self.unchangeable:
            raise _NotTriedError(
                f"{owner}: these credentials may not change this user's jobs (403)"
            )

    def is_in_vain(self, task: JobTask) -> bool:
        """Return whether the job is to be deleted but no delete address works: nothing is done
        about it.
        """
        return task.delete is Action.DELETE_JOB and self.ports.addresses.failure is not None

    def skip(self, task: JobTask, why: Skip, detail: str) -> None:
        """Leave the job alone: skip every action still to do."""
        for action in tuple(task.to_do):
            policy = task.done(action)
            self.tally.tell(
                ActionSkipped(task.plan.job_id, task.plan.owner, policy, action, why, detail)
            )

    def fail(
        self, task: JobTask, detail: str, kind: FailureKind | None = FailureKind.OTHER
    ) -> None:
        """Fail every action still to do; the job stays. `kind` says when it is tried again; None:
        it was not tried.
        """
        for action in tuple(task.to_do):
            policy = task.done(action)
            self.tally.tell(
                ActionFailed(task.plan.job_id, task.plan.owner, policy, action, detail, kind)
            )

    def absent(self, task: JobTask) -> None:
        """Set the job aside until a fresh listing agrees: the details say twice that it does not
        exist.
        """
        with self._lock:
            self._absent.append(replace(task, to_do=dict(task.to_do)))
        task.to_do.clear()

    def take_absent(self) -> Sequence[JobTask]:
        """Return the jobs set aside by `absent`, each once."""
        with self._lock:
            absent, self._absent = self._absent, []
        return absent

    def vanished(self, task: JobTask) -> None:
        """End the actions of a job that no longer exists: nothing to delete, nothing left to
        archive.
        """
        plan = task.plan
        detail = (
            "Sauce Labs says twice that there is no such job, and a fresh listing does not show it"
        )
        # Its assets are lost, so archiving it has failed; a delete has nothing left to do.
        if Action.ARCHIVE in task.to_do:
            policy = task.done(Action.ARCHIVE)
            why, kind = f"not archived: {detail}", FailureKind.VANISHED
            self.tally.tell(
                ActionFailed(plan.job_id, plan.owner, policy, Action.ARCHIVE, why, kind)
            )
        for action in tuple(task.to_do):
            self.gone(task, action, detail)

    def gone(self, task: JobTask, action: Action, detail: str) -> None:
        """Record that what the action was to delete does not exist, though this run sent
        nothing.
        """
        plan, policy = task.plan, task.to_do[action]
        is_ours = self.ports.journal.found_gone(
            action, plan.owner, plan.job_id, policy=policy, detail=detail
        )
        task.done(action)
        self.tally.tell(self._end(plan, policy, action, detail, is_ours=is_ours))

    @staticmethod
    def _end(plan: JobPlan, policy: str, action: Action, detail: str, *, is_ours: bool) -> Event:
        # An earlier run sent this delete and never learned its outcome, and recovery had no answer
        # either. Now the outcome is known.
        if is_ours and action is Action.DELETE_JOB:
            return JobDeleted(plan.job_id, plan.owner, policy)
        if is_ours and action is Action.DELETE_ASSETS:
            return AssetsDeleted(plan.job_id, plan.owner, policy, None)
        return AlreadyGone(plan.job_id, plan.owner, policy, action, detail)

    def same(
        self, task: JobTask, asked: DetailsLookup, job: Job, *, state: JobState = JobState.FINISHED
    ) -> None:
        """Raise SkipError unless the job of `asked` is still the one the plan decided on, and
        settled.
        """
        if job.state is not state:
            raise SkipError(Skip.CHANGED, f"it is {job.state.value} now")
        # The fingerprint covers every field and build that the decision read.
        if self.ports.fingerprint(job, asked.at) != task.plan.fingerprint:
            raise SkipError(Skip.CHANGED, "it changed after the plan decided on it")
        if state is JobState.FINISHED:
            ended_at = job.ended_at
            if (
                not isinstance(ended_at, int)
                or self.ports.clock.now() - ended_at < self.options.settle_s
            ):
                raise SkipError(Skip.UNSETTLED, f"it ended less than {self.options.settle_s} s ago")
