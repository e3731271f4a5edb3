"""The order in which the jobs of a plan are handed to the workers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from sauce_janitor.execute.execution_context import ExecutionContext
from sauce_janitor.execute.job_task import JobTask
from sauce_janitor.execute.lookups import BATCH
from sauce_janitor.model.job_retries import FailureKind, Retry
from sauce_janitor.model.jobs import Action
from sauce_janitor.retention.plan.planner import JobPlan

_MOST_ASLEEP = 10_000
"""At most this many jobs in their pause are kept in memory, in case another of their kind
succeeds.
"""
GLANCE_S = 0.2
"""How often the waiting main thread checks whether a stop was requested."""


class TaskQueue:
    """Hands out the plan: jobs to archive one by one, jobs to delete in batches that share one
    look-up.

    Jobs that failed before are handed out one by one, too, as long as their kind has requests left;
    the others wait for a later run.
    """

    def __init__(self, work: ExecutionContext, jobs: Iterable[JobPlan]) -> None:
        self._work = work
        self._jobs = iter(jobs)
        self._turn = threading.Condition()
        self._single: deque[JobTask] = deque()
        self._deletes: list[JobTask] = []
        self._later: deque[JobTask] = deque()
        self._asleep: deque[JobTask] = deque()
        budget = work.ports.source.budget_left
        self._floor = None if budget is None else int(budget * work.options.kept_for_deletes)

    def take(self) -> list[JobTask]:
        """Return the next tasks, counted as started; an empty list at the end of the plan."""
        with self._turn:
            while True:
                self._work.brake.look()
                load = self._next()
                if load or not self._asleep:
                    break
                # A retry under way may end the pauses of its kind.
                self._turn.wait(GLANCE_S)
            if len(load) == 1:
                self._ask_ahead(load[0])
        for _ in load:
            self._work.tally.begun()
        return load

    def _next(self) -> list[JobTask]:
        while True:
            self._fill()
            if len(self._deletes) >= BATCH or (self._deletes and not self._single):
                load, self._deletes = self._deletes[:BATCH], self._deletes[BATCH:]
                return load
            if not self._single and not self._later:
                return self._wake()
            in_front = bool(self._single)
            task = self._single.popleft() if in_front else self._later.popleft()
            if task.retry is None or self._work.turns.begins(task.retry, in_front=in_front):
                return [task]
            # It gets a second turn after all other jobs.
            if in_front:
                self._later.append(task)
            else:
                self._waits(task.retry.kind)

    def _wake(self) -> list[JobTask]:
        """Return a job whose pause is not over but of whose kind another has succeeded; the others
        wait for a later run.
        """
        while self._asleep and not self._work.turns.is_trying:
            task = self._asleep.popleft()
            assert task.retry is not None
            kind = task.retry.kind
            if self._work.turns.has_recovered(kind) and self._work.turns.begins(
                task.retry, in_front=False
            ):
                return [task]
            self._waits(kind)
        return []

    def ended(self) -> None:
        """Wake the workers that wait: a batch is finished."""
        with self._turn:
            self._turn.notify_all()

    def close(self) -> None:
        """Count the jobs still in their pause as waiting: the run is over, perhaps before the
        plan.
        """
        with self._turn:
            for task in self._asleep:
                assert task.retry is not None
                self._waits(task.retry.kind)
            self._asleep.clear()

    def _fill(self) -> None:
        while len(self._deletes) < BATCH and len(self._single) < BATCH:
            plan = next(self._jobs, None)
            if plan is None:
                return
            task = JobTask.of(plan, self._work.turns.of(plan.job_id))
            # Nothing to do, or no delete address works: archiving would only cost requests.
            if not task.to_do or self._work.is_in_vain(task):
                self._work.ports.passed(1)
                continue
            if task.retry is not None and not self._work.turns.is_due(task.retry):
                self._sleep(task, task.retry)
            elif task.retry is not None and not task.retry.hurried:
                self._later.append(task)
            elif (
                task.retry is not None or Action.ARCHIVE in task.to_do or Action.STOP in task.to_do
            ):
                self._single.append(task)
            elif task.delete is not None:
                self._deletes.append(task)

    def _sleep(self, task: JobTask, retry: Retry) -> None:
        if len(self._asleep) < _MOST_ASLEEP:
            self._asleep.append(task)
        else:
            self._waits(retry.kind)

    def _waits(self, kind: FailureKind) -> None:
        self._work.tally.waits(kind)
        self._work.ports.passed(1)

    def _ask_ahead(self, first: JobTask) -> None:
        """Look up the next jobs to archive with one request. The details of each are used while
        they are fresh.
        """
        if Action.ARCHIVE not in first.to_do or first.details is not None:
            return
        # A job that failed before may not get a turn at all, so it is not looked up ahead.
        after = self._single if first.retry is None else ()
        ahead = [
            first,
            *(task for task in after if Action.ARCHIVE in task.to_do and task.retry is None),
        ][:BATCH]
        answers = self._work.lookups.many([(task.plan.owner, task.plan.job_id) for task in ahead])
        for task in ahead:
            task.details = answers.get(task.plan.job_id)

    def spares(self, task: JobTask) -> bool:
        """Return whether the job must leave the rest of the request budget to jobs with a
        delete.
        """
        left = self._work.ports.source.budget_left
        return (
            task.delete is None
            and self._floor is not None
            and left is not None
            and left <= self._floor
        )
