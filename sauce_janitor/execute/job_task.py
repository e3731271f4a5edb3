"""A job in hand: what is still to be done about it, what is known of it so far, and how it may end
without being done.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

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
    ActionFailed,
    ActionSkipped,
    AlreadyGone,
    AssetsDeleted,
    Event,
    JobDeleted,
    Skip,
)
from sauce_janitor.execute.lookups import AssetLookup, DetailsLookup, Lookups
from sauce_janitor.execute.outcomes import Tally
from sauce_janitor.execute.ports import Archived, ExecutionPorts
from sauce_janitor.execute.turn_order import TurnOrder
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import Action, Job, JobState, Owner
from sauce_janitor.model.permits import NothingWanted, Receipt
from sauce_janitor.model.retries import FailureKind, Retry
from sauce_janitor.retention.plan.planner import JobPlan

_RUN_ENDING = tuple(error for error, _ in ENDING)


class _NotTriedError(ForbiddenError):
    """Nothing was asked: that it is refused is known from before."""


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """How a plan is carried out; times in seconds.

    `settle_s`: no asset is touched sooner after a job's end. `kept_for_deletes`: this share of the
    request budget is left to jobs with a delete (0 where the plan has none). `deadline_s`: no job
    is begun or gone on with later. `grace_s`: how long a stop waits for answers under way.
    """

    settle_s: int = 600
    kept_for_deletes: float = 0.2
    deadline_s: float | None = None
    grace_s: float = 15.0


@dataclass(slots=True)
class JobTask:
    """One job of the plan on its way.

    `to_do` maps the actions not yet ended to the policies that want them, "" where it is a hold
    that wants an archive. `is_believed`: Sauce Labs has had no asset list for it for a day, and it
    never started. `read_back` is the SHA-256 of the receipt whose copy this run read from the disk;
    `is_damaged`: that copy was not as stored, and waits to be restored; `is_lost`: all of it is
    gone.
    """

    plan: JobPlan
    to_do: dict[Action, str] = field(default_factory=dict)
    details: DetailsLookup | None = None
    listed: AssetLookup | None = None
    listed_twice: bool = False
    proof: Receipt | NothingWanted | None = None
    archived: Archived | None = None
    is_believed: bool = False
    read_back: str | None = None
    is_damaged: bool = False
    is_lost: bool = False
    was_purged: bool | None = None
    rounds: int = 0
    lookups: int = 0
    retry: Retry | None = None

    @classmethod
    def of(cls, plan: JobPlan, retry: Retry | None = None) -> JobTask:
        """With all that the plan wants done; both deletes due are one DELETE of the job. `retry`:
        it failed before.
        """
        to_do = {decision.action: decision.policy or "" for decision in plan.actions}
        if Action.DELETE_JOB in to_do:
            to_do.pop(Action.DELETE_ASSETS, None)
        return cls(plan, to_do, retry=retry)

    @property
    def delete(self) -> Action | None:
        """The one delete to do, if any."""
        return next(
            (
                action
                for action in (Action.DELETE_JOB, Action.DELETE_ASSETS)
                if action in self.to_do
            ),
            None,
        )

    @property
    def selection(self) -> Selection | None:
        """What is to be stored before anything is destroyed; None when nobody wants anything."""
        selection = self.plan.selection
        return selection if selection is not None and selection.assets else None

    def done(self, action: Action) -> str:
        """Take an ended action off the list; the policy that wanted it."""
        return self.to_do.pop(action)


class ExecutionContext:
    """What all workers share while one plan is carried out."""

    def __init__(
        self,
        parts: ExecutionPorts,
        tally: Tally,
        brake: Brake,
        options: ExecutionSettings,
        turns: TurnOrder,
    ) -> None:
        self.parts = parts
        self.tally = tally
        self.turns = turns
        self.brake = brake
        self.options = options
        self.asking = Lookups(parts, brake)
        self._lock = threading.Lock()
        self._absent: list[JobTask] = []
        self.forbidden: set[Owner] = set()
        self.unchangeable: set[Owner] = set()

    @contextmanager
    def about(self, hand: JobTask) -> Iterator[None]:
        """Whatever goes wrong inside is this job's alone, unless it is about the whole run."""
        plan = hand.plan
        try:
            yield
        except SkipError as skip:
            self.skip(hand, skip.why, skip.detail)
        except NotReadyError as not_ready:
            self.skip(hand, Skip.NOT_READY, str(not_ready))
        except _RUN_ENDING:
            raise
        except _NotTriedError as known:
            self.fail(hand, str(known), None)
        except ForbiddenError as forbidden:
            self.forbidden.add(plan.owner)
            self.fail(hand, str(forbidden), FailureKind.FORBIDDEN)
        except SourceError as error:
            unavailable = isinstance(error, SourceUnavailableError)
            self.fail(
                hand, str(error), FailureKind.UNAVAILABLE if unavailable else FailureKind.ANSWER
            )
            if hand.details is None or unavailable:
                self._unanswered(
                    hand, error
                )  # else Sauce does answer, and it is the job's own trouble
        except ArchiveError as error:
            lacks = isinstance(error, IncompleteError)
            self.fail(hand, str(error), FailureKind.MISSING_FILES if lacks else FailureKind.ARCHIVE)
        except JanitorError as error:
            self.fail(hand, str(error))
        else:
            self.brake.answered()
            if hand.retry is not None:
                self.turns.answered(hand.retry)

    def _unanswered(self, hand: JobTask, error: JanitorError) -> None:
        # a job that had no answer before is no news: five of them in a row must not end the run for
        # all others
        if hand.retry is None:
            self.brake.unanswered(error)
        else:
            self.turns.unanswered(hand.retry)

    def permitted(self, hand: JobTask, *, to_change: bool = False) -> None:
        """ForbiddenError for a job of an owner that a 403 was about before: nothing is asked of him
        again.

        Who may only look at an owner's jobs goes on archiving them: Sauce purges what is not
        archived in time.
        """
        owner = hand.plan.owner
        if owner in self.forbidden:
            raise _NotTriedError(f"{owner}: these credentials may not act for this user (403)")
        if to_change and owner in self.unchangeable:
            raise _NotTriedError(
                f"{owner}: these credentials may not change this user's jobs (403)"
            )

    def is_in_vain(self, hand: JobTask) -> bool:
        """Whether the job is to be deleted and Sauce Labs serves no address that does: it is left
        as it is.
        """
        return hand.delete is Action.DELETE_JOB and self.parts.addresses.failure is not None

    def skip(self, hand: JobTask, why: Skip, detail: str) -> None:
        """Leave the job alone: all that was still to do of it is skipped."""
        for action in tuple(hand.to_do):
            policy = hand.done(action)
            self.tally.tell(
                ActionSkipped(hand.plan.job_id, hand.plan.owner, policy, action, why, detail)
            )

    def fail(
        self, hand: JobTask, detail: str, kind: FailureKind | None = FailureKind.OTHER
    ) -> None:
        """The job stays: all that was still to do of it has failed. It is tried again by its kind;
        None: it was not tried.
        """
        for action in tuple(hand.to_do):
            policy = hand.done(action)
            self.tally.tell(
                ActionFailed(hand.plan.job_id, hand.plan.owner, policy, action, detail, kind)
            )

    def absent(self, hand: JobTask) -> None:
        """The details say twice that there is no such job: what was to be done of it waits until a
        listing agrees.
        """
        with self._lock:
            self._absent.append(replace(hand, to_do=dict(hand.to_do)))
        hand.to_do.clear()

    def take_absent(self) -> Sequence[JobTask]:
        """All of these, each once."""
        with self._lock:
            absent, self._absent = self._absent, []
        return absent

    def vanished(self, hand: JobTask) -> None:
        """The job is not there any more: nothing to delete, nothing left to archive."""
        plan = hand.plan
        detail = (
            "Sauce Labs says twice that there is no such job, and a fresh listing does not show it"
        )
        if Action.ARCHIVE in hand.to_do:
            policy = hand.done(Action.ARCHIVE)
            why, kind = f"not archived: {detail}", FailureKind.VANISHED
            self.tally.tell(
                ActionFailed(plan.job_id, plan.owner, policy, Action.ARCHIVE, why, kind)
            )
        for action in tuple(hand.to_do):
            self.gone(hand, action, detail)

    def gone(self, hand: JobTask, action: Action, detail: str) -> None:
        """What the action was to delete is not there; on record, though this run sent nothing."""
        plan, policy = hand.plan, hand.to_do[action]
        is_ours = self.parts.journal.found_gone(
            action, plan.owner, plan.job_id, policy=policy, detail=detail
        )
        hand.done(action)
        self.tally.tell(self._end(plan, policy, action, detail, is_ours=is_ours))

    @staticmethod
    def _end(plan: JobPlan, policy: str, action: Action, detail: str, *, is_ours: bool) -> Event:
        # An earlier run sent this delete and never learned its outcome: the recovery could not
        # look, and now it is known.
        if is_ours and action is Action.DELETE_JOB:
            return JobDeleted(plan.job_id, plan.owner, policy)
        if is_ours and action is Action.DELETE_ASSETS:
            return AssetsDeleted(plan.job_id, plan.owner, policy, None)
        return AlreadyGone(plan.job_id, plan.owner, policy, action, detail)

    def same(
        self, hand: JobTask, asked: DetailsLookup, job: Job, *, state: JobState = JobState.FINISHED
    ) -> None:
        """SkipError unless the job of `asked` is still the one that was decided on, and settled."""
        if job.state is not state:
            raise SkipError(Skip.CHANGED, f"it is {job.state.value} now")
        if self.parts.fingerprint(job, asked.at) != hand.plan.fingerprint:
            raise SkipError(Skip.CHANGED, "it changed after the plan decided on it")
        if state is JobState.FINISHED:
            ended_at = job.ended_at
            if (
                not isinstance(ended_at, int)
                or self.parts.clock.now() - ended_at < self.options.settle_s
            ):
                raise SkipError(Skip.UNSETTLED, f"it ended less than {self.options.settle_s} s ago")
