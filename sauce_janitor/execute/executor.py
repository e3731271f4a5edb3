"""The threads that carry out a plan: how many, in which order, and how the run ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from sauce_janitor.errors import BudgetSpentError, CredentialsError, JanitorError, SourceError
from sauce_janitor.execute.brake import Brake, HaltError, halt_of
from sauce_janitor.execute.confirmation import PendingConfirmations
from sauce_janitor.execute.events import Event, Halt
from sauce_janitor.execute.execution_context import ExecutionContext, ExecutionSettings
from sauce_janitor.execute.job_task import JobTask
from sauce_janitor.execute.outcomes import Execution, Tally
from sauce_janitor.execute.ports import ExecutionPorts
from sauce_janitor.execute.steps.archive import archive
from sauce_janitor.execute.steps.delete_rounds import DeleteRounds
from sauce_janitor.execute.steps.stop import stop as stop_job
from sauce_janitor.execute.task_queue import GLANCE_S, TaskQueue
from sauce_janitor.execute.turn_order import TurnOrder
from sauce_janitor.model.job_retries import FailureKind
from sauce_janitor.model.jobs import Action, Owner
from sauce_janitor.retention.plan.planner import JobPlan


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


class _WorkerPool:
    """The workers of one run. A bug in any of them is raised in the thread that started them."""

    def __init__(self, work: ExecutionContext, jobs: Iterable[JobPlan]) -> None:
        self._work = work
        self._queue = TaskQueue(work, jobs)
        self._pending = PendingConfirmations(work.ports, work.tally)
        self._deleting = DeleteRounds(work, self._pending)
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
        # The main thread polls, so that it notices a stop while the workers wait for answers.
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
            # The last worker finishes the run: nothing else can start a job or send a write now.
            if last:
                self._queue.close()
                try:
                    self._guarded(lambda: _settle_absences(self._work))
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
            # The brake has already reported why the run is over.
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
            # Jobs without a delete leave the rest of the budget to those with one.
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


def _settle_absences(work: ExecutionContext) -> None:
    """Settle the jobs whose details say that they do not exist, though a list showed them.

    Their times are listed again at the end of the run: a job that is not listed any more is gone;
    one that is has failed.
    """
    absent = work.take_absent()
    by_owner: dict[Owner, list[JobTask]] = {}
    for task in absent:
        by_owner.setdefault(task.plan.owner, []).append(task)
    try:
        for owner, tasks in by_owner.items():
            work.brake.look()
            _settle_owner(work, owner, tasks)
    finally:
        # Where the run ends first, they are left for the next one.
        work.tally.left(sum(bool(task.to_do) for task in absent))


def _settle_owner(work: ExecutionContext, owner: Owner, tasks: Sequence[JobTask]) -> None:
    try:
        shown = work.ports.listings.contradicted(owner, [task.plan.job_id for task in tasks])
    except (CredentialsError, BudgetSpentError):
        raise
    except SourceError as error:
        shown = {task.plan.job_id: f"the list cannot be asked again: {error}" for task in tasks}
    for task in tasks:
        why = shown.get(task.plan.job_id)
        if why is None:
            work.vanished(task)
        else:
            work.fail(
                task,
                f"Sauce Labs says twice that there is no such job, but {why}",
                FailureKind.VANISHED,
            )
