"""Deletes several jobs in rounds, so that Sauce Labs' answers are fresh when a delete is sent.

A round reads copies back and lists assets (step 9 of the order of effects), and looks up all its
jobs with one request. Then each delete follows within seconds. A job that must be archived (again)
leaves the round and comes back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Final

from sauce_janitor.errors import ArchiveError, SourceError
from sauce_janitor.execute.asset_lists import asset_list
from sauce_janitor.execute.confirmation import PendingConfirmations
from sauce_janitor.execute.copies import is_whole
from sauce_janitor.execute.execution_context import ExecutionContext
from sauce_janitor.execute.job_task import JobTask
from sauce_janitor.execute.steps.archive import archive
from sauce_janitor.execute.steps.delete import FRESH_S, YOUNG_LIST_S, DeleteStep, Next
from sauce_janitor.model.jobs import Action

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


class DeleteRounds:
    """Deletes jobs and assets, several with one look-up where nothing has to be fetched before."""

    def __init__(self, work: ExecutionContext, pending: PendingConfirmations) -> None:
        self._work = work
        self._ports = work.ports
        self._pending = pending
        self._step = DeleteStep(work, pending)

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
                while ready and self._step.is_fresh(ready[0]) and not self._is_list_old(ready[0]):
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
        return self._step.list_age(task) > YOUNG_LIST_S - FRESH_S

    def _look_up(self, ready: deque[JobTask]) -> None:
        answers = self._work.lookups.many([(task.plan.owner, task.plan.job_id) for task in ready])
        # Answers from before the assets were fetched no longer count.
        for task in ready:
            task.details = answers.get(task.plan.job_id)

    def _next(self, ready: deque[JobTask], again: deque[JobTask]) -> None:
        task = ready.popleft()
        turn = self._ports.addresses.turn() if task.delete is Action.DELETE_JOB else nullcontext()
        with turn, self._work.about(task):
            # Another worker may have found that while this one waited for its turn.
            if self._work.is_in_vain(task):
                return
            while (ended := self._step.delete(task)) is Next.OTHER_ADDRESS:
                pass
            match ended:
                case Next.LOOK_AGAIN:
                    self._count_look(task)
                    ready.appendleft(task)
                case Next.ARCHIVE_AGAIN:
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
