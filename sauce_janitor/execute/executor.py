"""How many at once, in which order, and how it ends: the threads that carry a plan out."""

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
"""So many jobs in their pause are kept in memory, in case that one of their kind succeeds."""
GLANCE_S = 0.2
"""How often the waiting main thread looks whether a stop was asked for."""


def carry_out(
    jobs: Iterable[JobPlan],
    parts: ExecutionPorts,
    *,
    workers: int,
    stop: threading.Event,
    options: ExecutionSettings | None = None,
) -> Execution:
    """Do what the plan says, in its order as far as several workers keep one, and say what became
    of every action.

    `jobs` is read as it is needed, by one thread at a time. The run ends early, and says why, when
    `stop` is set, on a pause, the deadline, a spent budget, a lost lease, wrong credentials, five
    jobs in a row without an answer, an unusable archive or journal, or clocks that differ: nothing
    is begun then, no write leaves any more. Raises only what is a bug, after the other workers have
    put down what they had in hand.
    """
    options = options or ExecutionSettings()
    deadline = None if options.deadline_s is None else parts.clock.monotonic() + options.deadline_s
    turns = TurnOrder(parts)

    def told(event: Event) -> None:
        turns.told(event)
        parts.events(event)

    tally = Tally(told)
    brake = Brake(parts, tally, stop, deadline=deadline, workers=workers)
    crew = _Crew(ExecutionContext(parts, tally, brake, options, turns), jobs)
    abandoned = crew.run(max(1, workers), stop)
    for bug in crew.bugs:
        raise bug
    return tally.execution(error=brake.error, abandoned=abandoned)


class _Queue:
    """Hands out the plan: jobs to archive one by one, jobs only to delete by the batch that one
    look-up serves.

    Jobs that failed before come one by one, too, as far as their kind has a share; the others wait
    for a later run.
    """

    def __init__(self, work: ExecutionContext, jobs: Iterable[JobPlan]) -> None:
        self._work = work
        self._jobs = iter(jobs)
        self._turn = threading.Condition()
        self._single: deque[JobTask] = deque()
        self._deletes: list[JobTask] = []
        self._later: deque[JobTask] = deque()
        self._asleep: deque[JobTask] = deque()
        budget = work.parts.source.budget_left
        self._floor = None if budget is None else int(budget * work.options.kept_for_deletes)

    def take(self) -> list[JobTask]:
        """What to do next, all of it counted as begun; nothing when the plan is at its end."""
        with self._turn:
            while True:
                self._work.brake.look()
                load = self._next()
                if load or not self._asleep:
                    break
                self._turn.wait(GLANCE_S)  # a retry under way may end the pauses of its kind
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
            hand = self._single.popleft() if in_front else self._later.popleft()
            if hand.retry is None or self._work.turns.begins(hand.retry, in_front=in_front):
                return [hand]
            if in_front:  # it has another turn when all others are through
                self._later.append(hand)
            else:
                self._waits(hand.retry.kind)

    def _wake(self) -> list[JobTask]:
        """A job whose pause is not over, where another of its kind succeeded meanwhile; the others
        wait for a later run.
        """
        while self._asleep and not self._work.turns.is_trying:
            hand = self._asleep.popleft()
            assert hand.retry is not None
            kind = hand.retry.kind
            if self._work.turns.has_recovered(kind) and self._work.turns.begins(
                hand.retry, in_front=False
            ):
                return [hand]
            self._waits(kind)
        return []

    def ended(self) -> None:
        """What was taken is carried out, or put down: who waits for that looks again."""
        with self._turn:
            self._turn.notify_all()

    def close(self) -> None:
        """The run is over, perhaps before the plan: who is in its pause still waits for its next
        try.
        """
        with self._turn:
            for hand in self._asleep:
                assert hand.retry is not None
                self._waits(hand.retry.kind)
            self._asleep.clear()

    def _fill(self) -> None:
        while len(self._deletes) < BATCH and len(self._single) < BATCH:
            plan = next(self._jobs, None)
            if plan is None:
                return
            hand = JobTask.of(plan, self._work.turns.of(plan.job_id))
            if not hand.to_do or self._work.is_in_vain(hand):
                self._work.parts.passed(1)
                continue
            if hand.retry is not None and not self._work.turns.is_due(hand.retry):
                self._sleep(hand, hand.retry)
            elif hand.retry is not None and not hand.retry.hurried:
                self._later.append(hand)
            elif (
                hand.retry is not None or Action.ARCHIVE in hand.to_do or Action.STOP in hand.to_do
            ):
                self._single.append(hand)
            elif hand.delete is not None:
                self._deletes.append(hand)

    def _sleep(self, hand: JobTask, retry: Retry) -> None:
        if len(self._asleep) < _MOST_ASLEEP:
            self._asleep.append(hand)
        else:
            self._waits(retry.kind)

    def _waits(self, kind: FailureKind) -> None:
        self._work.tally.waits(kind)
        self._work.parts.passed(1)

    def _ask_ahead(self, first: JobTask) -> None:
        """One look-up for the next jobs to archive; what it tells of each is used while it is
        young.
        """
        if Action.ARCHIVE not in first.to_do or first.details is not None:
            return
        # jobs that failed before may not have a turn at all, so that none is asked about ahead of
        # it
        after = self._single if first.retry is None else ()
        ahead = [
            first,
            *(hand for hand in after if Action.ARCHIVE in hand.to_do and hand.retry is None),
        ][:BATCH]
        answers = self._work.asking.many([(hand.plan.owner, hand.plan.job_id) for hand in ahead])
        for hand in ahead:
            hand.details = answers.get(hand.plan.job_id)

    def spares(self, hand: JobTask) -> bool:
        """Whether the job has to leave the rest of the request budget to those with a delete."""
        left = self._work.parts.source.budget_left
        return (
            hand.delete is None
            and self._floor is not None
            and left is not None
            and left <= self._floor
        )


class _Crew:
    """The workers of one run. What each ended with is asked for: a bug in any is raised by who
    started them.
    """

    def __init__(self, work: ExecutionContext, jobs: Iterable[JobPlan]) -> None:
        self._work = work
        self._queue = _Queue(work, jobs)
        self._confirming = PendingConfirmations(work.parts, work.tally)
        self._deleting = DeleteStep(work, self._confirming)
        self._lock = threading.Lock()
        self._working = 0
        self._spared = 0
        self._ended = threading.Event()
        self.bugs: list[BaseException] = []

    def run(self, workers: int, stop: threading.Event) -> int:
        """Work until the plan is at its end or the run is over; the number of threads left behind
        by a stop.
        """
        self._working = workers
        # daemons: a thread that waits for an answer must not keep a process alive that was told to
        # end
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
        """Whatever a worker meets ends up where it is seen: in the halt's reason, or raised in the
        end.
        """
        brake = self._work.brake
        try:
            try:
                step()
            except HaltError:
                pass
            except JanitorError as error:
                brake.pull(halt_of(error), str(error), error)
        except BaseException as bug:  # noqa: BLE001 - a thread cannot raise to its starter; `carry_out` does, with this one
            self.bugs.append(bug)
            brake.give_up()

    def _take_turns(self) -> None:
        while load := self._queue.take():
            try:
                with self._work.turns.trying([hand.retry for hand in load]):
                    self._try(load)
            finally:
                self._work.tally.left(sum(bool(hand.to_do) for hand in load))
                self._work.parts.passed(len(load))
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
        # Another worker found that out since this one was taken: nothing more is archived for a
        # delete that cannot be.
        if self._work.is_in_vain(first):
            return
        if Action.STOP in first.to_do:
            with self._work.about(first):
                stop_job(self._work, self._confirming, first)
        elif Action.ARCHIVE in first.to_do:
            if self._queue.spares(first):
                with self._lock:
                    self._spared += 1
                return
            self._work.brake.afford(3 + self._confirming.requests_due)
            with self._work.about(first):
                archive(self._work, first)
        self._deleting.delete(hand for hand in load if hand.delete is not None)

    def _finish(self) -> None:
        self._confirming.flush()
        # What is due besides was done; the rest is left, and the run has not reached its end.
        if (failure := self._work.parts.addresses.failure) is not None:
            self._work.brake.pull(Halt.ADDRESS, failure)
        if self._spared:
            left = (
                f"{self._spared} jobs to archive wait for a later run: the rest of the request"
                " budget is for deletes"
            )
            self._work.brake.pull(Halt.BUDGET, left)
