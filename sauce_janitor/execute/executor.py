"""The threads that carry out a plan: how many, in which order, and how the run ends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from sauce_janitor.errors import BudgetSpentError, JanitorError
from sauce_janitor.execute.absences import settle_absences
from sauce_janitor.execute.archive_step import archive
from sauce_janitor.execute.brake import Brake, HaltError, halt_of
from sauce_janitor.execute.confirmation import PendingConfirmations
from sauce_janitor.execute.delete_step import DeleteStep
from sauce_janitor.execute.events import Event, Halt
from sauce_janitor.execute.job_task import ExecutionContext, ExecutionSettings, JobTask
from sauce_janitor.execute.lookups import BATCH
from sauce_janitor.execute.outcomes import Execution, Tally
from sauce_janitor.execute.ports import ExecutionPorts
from sauce_janitor.execute.stop_step import stop as stop_job
from sauce_janitor.execute.turn_order import TurnOrder
from sauce_janitor.model.jobs import Action
from sauce_janitor.model.retries import FailureKind, Retry
from sauce_janitor.retention.plan.planner import JobPlan

_MOST_ASLEEP = 10_000
"""At most this many jobs in their pause are kept in memory, in case another of their kind
succeeds.
"""
GLANCE_S = 0.2
"""How often the waiting main thread checks whether a stop was requested."""


def carry_out(
    jobs: Iterable[JobPlan],
    ports: ExecutionPorts,
    *,
    workers: int,
    stop: threading.Event,
    options: ExecutionSettings | None = None,
) -> Execution:
    """Carry out the plan, in its order as far as several workers keep one, and return the result of
    every action.

    `jobs` is read as needed, by one thread at a time. The run ends early, and reports why, when
    `stop` is set, on a pause, at the deadline, on a spent budget, a lost lease, wrong credentials,
    five jobs in a row without an answer, an unusable archive or journal, or clocks that differ.
    From then on no job is started and no write is sent. Raises only for a bug, after the other
    workers have stopped.
    """
    options = options or ExecutionSettings()
    deadline = None if options.deadline_s is None else ports.clock.monotonic() + options.deadline_s
    turns = TurnOrder(ports)

    def on_event(event: Event) -> None:
        turns.record(event)
        ports.events(event)

    tally = Tally(on_event)
    brake = Brake(ports, tally, stop, deadline=deadline, workers=workers)
    pool = _WorkerPool(ExecutionContext(ports, tally, brake, options, turns), jobs)
    abandoned = pool.run(max(1, workers), stop)
    for bug in pool.bugs:
        raise bug
    return tally.execution(error=brake.error, abandoned=abandoned)


class _Queue:
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


class _WorkerPool:
    """The workers of one run. A bug in any of them is raised in the thread that started them."""

    def __init__(self, work: ExecutionContext, jobs: Iterable[JobPlan]) -> None:
        self._work = work
        self._queue = _Queue(work, jobs)
        self._pending = PendingConfirmations(work.ports, work.tally)
        self._deleting = DeleteStep(work, self._pending)
        self._lock = threading.Lock()
        self._working = 0
        self._spared = 0
        self._ended = threading.Event()
        self.bugs: list[BaseException] = []

    def run(self, workers: int, stop: threading.Event) -> int:
        """Work until the plan or the run ends. Return the number of threads still alive after a
        stop.
        """
        self._working = workers
        # Daemon threads: one that waits for an answer must not keep a stopped process alive.
        threads = [
            threading.Thread(target=self._work_on, name=f"worker-{n + 1}", daemon=True)
            for n in range(workers)
        ]
        for thread in threads:
            thread.start()
        while not self._ended.wait(GLANCE_S):
            if stop.is_set():
                self._ended.wait(self._work.options.grace_s)
                break
        if self._ended.is_set():
            for thread in threads:
                thread.join()
        return sum(thread.is_alive() for thread in threads)

    def _work_on(self) -> None:
        try:
            self._guarded(self._take_turns)
        finally:
            with self._lock:
                self._working -= 1
                last = self._working == 0
            if last:
                self._queue.close()
                try:
                    self._guarded(lambda: settle_absences(self._work))
                    self._guarded(self._finish)
                finally:
                    self._ended.set()

    def _guarded(self, step: Callable[[], None]) -> None:
        """Run the step; an error becomes the reason why the run ends, a bug is kept for `carry_out`
        to raise.
        """
        brake = self._work.brake
        try:
            try:
                step()
            except HaltError:
                pass
            except JanitorError as error:
                brake.pull(halt_of(error), str(error), error)
        except BaseException as bug:  # noqa: BLE001 - `carry_out` raises it
            self.bugs.append(bug)
            brake.give_up()

    def _take_turns(self) -> None:
        while load := self._queue.take():
            try:
                with self._work.turns.trying([task.retry for task in load]):
                    self._try(load)
            finally:
                self._work.tally.left(sum(bool(task.to_do) for task in load))
                self._work.ports.passed(len(load))
                self._queue.ended()

    def _try(self, load: list[JobTask]) -> None:
        try:
            self._carry(load)
        except (BudgetSpentError, HaltError) as over:
            is_spent = isinstance(over, BudgetSpentError) or self._work.brake.why is Halt.BUDGET
            if is_spent and len(load) == 1 and load[0].to_do:
                self._work.turns.put_down(load[0].plan.job_id)
            raise

    def _carry(self, load: list[JobTask]) -> None:
        first = load[0]
        # Another worker may have found meanwhile that no delete address works: then nothing more is
        # archived for a delete that cannot happen.
        if self._work.is_in_vain(first):
            return
        if Action.STOP in first.to_do:
            with self._work.about(first):
                stop_job(self._work, self._pending, first)
        elif Action.ARCHIVE in first.to_do:
            if self._queue.spares(first):
                with self._lock:
                    self._spared += 1
                return
            self._work.brake.afford(3 + self._pending.requests_due)
            with self._work.about(first):
                archive(self._work, first)
        self._deleting.delete(task for task in load if task.delete is not None)

    def _finish(self) -> None:
        self._pending.flush()
        # Everything else was done. The jobs to delete are left, so the run counts as cut short.
        if (failure := self._work.ports.addresses.failure) is not None:
            self._work.brake.pull(Halt.ADDRESS, failure)
        if self._spared:
            left = (
                f"{self._spared} jobs to archive wait for a later run: the rest of the request"
                " budget is for deletes"
            )
            self._work.brake.pull(Halt.BUDGET, left)
