"""Steps 9 to 14 of the order of effects: read the copy back, list again, ask again, journal,
delete, see that it is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
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
from sauce_janitor.execute.brake import SkipError
from sauce_janitor.execute.confirmation import PendingConfirmations, Sent
from sauce_janitor.execute.copies import is_whole
from sauce_janitor.execute.empty_lists import waits_until
from sauce_janitor.execute.events import Skip
from sauce_janitor.execute.job_task import ExecutionContext, JobTask
from sauce_janitor.execute.lookups import DetailsLookup
from sauce_janitor.execute.purge_detection import (
    is_emptied,
    is_purgeable,
    note_listed_again,
    note_purged,
    was_purged,
)
from sauce_janitor.execute.unstarted_jobs import asset_list
from sauce_janitor.execute.write_answers import conclude
from sauce_janitor.model.jobs import Action, Job
from sauce_janitor.model.permits import (
    DeleteAssetsPermit,
    DeleteJobPermit,
    NothingWanted,
    Receipt,
)

FRESH_S: Final = 9.0
"""An answer may be 10 s old when the DELETE leaves; the journal's line before it gets the last
second.
"""
YOUNG_LIST_S: Final = 60.0
LISTING_TURN_S: Final = 40.0
"""A round lists jobs for so long at most, and deletes for 10 s: then its first list is still
younger than 60 s.
"""
READING_TURN_S: Final = 40.0
"""Copies are read from the disk for so long, then those that were read are deleted."""
MOST_LOOKUPS: Final = 6
MOST_ROUNDS: Final = 3
_DOUBTS: Final = 2
"""Requests that a doubtful answer takes to be settled: it must not be left open because the budget
is spent.
"""


class _Next(Enum):
    ENDED = 1
    LOOK_AGAIN = 2  # an answer grew too old on the way
    ARCHIVE_AGAIN = 3  # a listed name is not in the receipts
    OTHER_ADDRESS = 4  # the address is not there, the job is


class DeleteStep:
    """Deletes what is in hand, many by one look-up where nothing has to be fetched before."""

    def __init__(self, work: ExecutionContext, confirming: PendingConfirmations) -> None:
        self._work = work
        self._parts = work.parts
        self._confirming = confirming

    def delete(self, hands: Iterable[JobTask]) -> None:
        """Delete each or say why not, 20 at most; ends with nothing to do for any, unless the whole
        run ends.
        """
        again = self._delete_by_rounds(deque(hands))
        while again:
            hand = again.popleft()
            with self._work.about(hand):
                hand.rounds += 1
                if hand.rounds > MOST_ROUNDS:
                    raise ArchiveError(
                        f"job {hand.plan.job_id}: its assets keep changing while they are archived"
                    )
                if not self._work.is_in_vain(hand):
                    archive(self._work, hand)
            if hand.delete is not None:
                again.extend(self._delete_by_rounds(deque((hand,))))

    def _delete_by_rounds(self, waiting: deque[JobTask]) -> deque[JobTask]:
        """The hands that have to be archived (again) first."""
        again: deque[JobTask] = deque()
        while waiting:
            ready = self._listed(self._read_back(waiting, again), waiting)
            while ready and not self._is_list_old(ready[0]):
                self._work.brake.afford(2 + _DOUBTS + self._confirming.requests_due)
                with self._parts.source.reserved(2):
                    self._look_up(ready)
                    self._next(ready, again)
                while ready and self._is_fresh(ready[0]) and not self._is_list_old(ready[0]):
                    self._work.brake.afford(2 + _DOUBTS + self._confirming.requests_due)
                    with self._parts.source.reserved(2 if ready[0].details is None else 1):
                        self._next(ready, again)
            waiting.extendleft(reversed(ready))
        return again

    def _read_back(self, waiting: deque[JobTask], again: deque[JobTask]) -> deque[JobTask]:
        """Those next in line whose copies are whole; those whose are not go to `again`.

        It comes before everything that is asked of Sauce Labs: a copy may take minutes to read, and
        an answer counts for seconds. A turn, too, is short, so that what was read first is deleted
        soon.
        """
        whole: deque[JobTask] = deque()
        began = self._parts.clock.monotonic()
        while waiting and (not whole or self._parts.clock.monotonic() - began < READING_TURN_S):
            hand = waiting.popleft()
            if self._work.is_in_vain(hand):
                continue
            with self._work.about(hand):
                self._work.permitted(hand, to_change=True)
                (whole if is_whole(self._work, hand) else again).append(hand)
        return whole

    def _listed(self, whole: deque[JobTask], waiting: deque[JobTask]) -> deque[JobTask]:
        """Those next in line, each with a young asset list where one is needed; the rest wait
        on.
        """
        ready: deque[JobTask] = deque()
        began = self._parts.clock.monotonic()
        while whole and (not ready or self._parts.clock.monotonic() - began < LISTING_TURN_S):
            hand = whole.popleft()
            with self._work.about(hand):
                self._work.permitted(hand, to_change=True)
                if self._is_list_old(hand):
                    self._count_look(hand)
                    hand.listed = asset_list(self._work, hand)
                    hand.listed_twice = False
            if hand.delete is not None:
                ready.append(hand)
        waiting.extendleft(reversed(whole))
        return ready

    def _is_list_old(self, hand: JobTask) -> bool:
        """Whether the list would be too old by the end of a round that begins now."""
        return self._list_age(hand) > YOUNG_LIST_S - FRESH_S

    def _list_age(self, hand: JobTask) -> float:
        if hand.selection is None and not was_purged(self._work, hand):
            return 0.0  # nothing wanted, no list needed
        return inf if hand.listed is None else self._parts.clock.monotonic() - hand.listed.at

    def _look_up(self, ready: deque[JobTask]) -> None:
        answers = self._work.asking.many([(hand.plan.owner, hand.plan.job_id) for hand in ready])
        for (
            hand
        ) in ready:  # whatever was answered before assets were fetched does not count any more
            hand.details = answers.get(hand.plan.job_id)

    def _is_fresh(self, hand: JobTask) -> bool:
        return hand.details is None or self._parts.clock.monotonic() - hand.details.at <= FRESH_S

    def _next(self, ready: deque[JobTask], again: deque[JobTask]) -> None:
        hand = ready.popleft()
        turn = self._parts.addresses.turn() if hand.delete is Action.DELETE_JOB else nullcontext()
        with turn, self._work.about(hand):
            if self._work.is_in_vain(hand):  # found out while this one waited for its turn
                return
            while (ended := self._delete_one(hand)) is _Next.OTHER_ADDRESS:
                pass
            match ended:
                case _Next.LOOK_AGAIN:
                    self._count_look(hand)
                    ready.appendleft(hand)
                case _Next.ARCHIVE_AGAIN:
                    again.append(hand)

    def _count_look(self, hand: JobTask) -> None:
        """A Sauce Labs this slow must not keep a worker busy with one job for ever."""
        hand.lookups += 1
        if hand.lookups > MOST_LOOKUPS:
            raise SourceError(
                f"job {hand.plan.job_id}: its answers grow too old before the delete can leave"
            )

    def _delete_one(self, hand: JobTask) -> _Next:
        plan = hand.plan
        self._work.permitted(hand, to_change=True)
        if hand.details is None:
            hand.details = self._work.asking.one(plan.owner, plan.job_id)
        if hand.details.document is None:
            self._work.absent(hand)
            return _Next.ENDED
        job = hand.details.document.job
        self._work.same(hand, hand.details, job)
        if not self._prove(hand, job):
            return _Next.ARCHIVE_AGAIN
        self._check_doubtful(hand, job)
        if hand.delete is Action.DELETE_ASSETS and hand.listed is not None and hand.listed.empty:
            self._work.gone(
                hand, Action.DELETE_ASSETS, "nothing is listed any more, says Sauce Labs twice"
            )
            return _Next.ENDED
        if self._parts.holds.protects(job):
            raise SkipError(Skip.HELD, "a hold was set since it was decided on")
        self._work.brake.look_before_write()
        if not self._is_fresh(hand) or self._list_age(hand) > YOUNG_LIST_S:
            return _Next.LOOK_AGAIN
        return self._send(hand)

    def _prove(self, hand: JobTask, job: Job) -> bool:
        """Whether what a delete destroys is proven stored or, aloud, not wanted."""
        selection = hand.selection
        # Also for a job that is too young to be purged: what is on record counts, not why.
        if was_purged(self._work, hand):
            self._check_still_purged(hand)
        if selection is None:
            if hand.plan.nothing_wanted_by is None:
                raise ArchiveError(
                    f"job {hand.plan.job_id}: nothing says what is to be archived of it, nor that"
                    " nothing is"
                )
            hand.proof = NothingWanted(hand.plan.nothing_wanted_by)
            return True
        if hand.archived is None:
            hand.archived = self._parts.archive.archived(job)
        # What was read back, if anything was, has another receipt: archiving looks at every byte,
        # too.
        if hand.archived is None or hand.archived.sha256 != hand.read_back:
            return False
        assert hand.listed is not None
        self._list_twice(hand)
        check_missing(self._work, hand, job, hand.listed)
        if names := uncovered(hand.archived, hand.listed, selection):
            for name in names:
                if (
                    name not in hand.archived.stored
                    and not selection.wants(name)
                    and not selection.may_lose(name)
                ):
                    raise ArchiveError(
                        f"job {hand.plan.job_id}: a delete would destroy {name!r:.120}, which"
                        " nobody gave up"
                    )
            return False
        if forgotten(hand.archived, selection) and not is_emptied(self._work, hand, job):
            return False
        check_purged(self._work, hand, job, hand.listed)
        if hand.listed.empty and is_purgeable(self._work, job):
            note_purged(self._work, hand, job, hand.archived)
        hand.proof = Receipt(hand.archived.sha256)
        return True

    def _check_doubtful(self, hand: JobTask, job: Job) -> None:
        """SkipError while the delete would rest on empty lists alone, all of them younger than a
        day.
        """
        listed, archived = hand.listed, hand.archived
        if (
            hand.selection is None
            or listed is None
            or archived is None
            or not listed.empty
            or hand.is_believed
        ):
            return
        is_explained = bool(archived.stored) or self._parts.journal.assets_deleted(job.id)
        now = self._parts.clock.now()
        if (
            until := waits_until(job, archived.made_at, now=now, is_explained=is_explained)
        ) is not None:
            at = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            raise SkipError(
                Skip.NOTHING_LISTED,
                "nothing is listed of it, as when Sauce Labs' lists fail: it may go when that is"
                f" still so after {at}",
            )

    def _list_twice(self, hand: JobTask) -> None:
        """One empty answer may be a lie, and nothing in the receipts would contradict it."""
        if hand.listed is not None and hand.listed.empty and not hand.listed_twice:
            hand.listed = asset_list(self._work, hand)
            hand.listed_twice = True

    def _check_still_purged(self, hand: JobTask) -> None:
        """SkipError where assets are listed that were purged: what protects them was left out of
        the decision.
        """
        self._list_twice(hand)
        if hand.listed is not None and note_listed_again(self._work, hand, hand.listed):
            raise SkipError(Skip.CHANGED, "Sauce Labs lists assets again that it had purged")

    def _send(self, hand: JobTask) -> _Next:
        plan, action = hand.plan, hand.delete
        assert action is not None
        permit = self._permit(hand)
        address = permit.address if isinstance(permit, DeleteJobPermit) else None
        policy = hand.to_do[action]
        sent = Sent(
            self._parts.journal.intent(permit, policy=policy),
            action,
            plan.job_id,
            plan.owner,
            policy,
            address,
        )
        gate = self._parts.gate
        try:
            answer = (
                gate.delete_job(permit)
                if isinstance(permit, DeleteJobPermit)
                else gate.delete_assets(permit)
            )
        except PermitError as refused:
            self._parts.journal.outcome(sent.intent, "failed", detail=f"not sent: {refused}")
            hand.details = None  # a permit is good for one try: the next one rests on a new answer
            return _Next.LOOK_AGAIN
        except (BudgetSpentError, StoppedError) as error:
            self._parts.journal.outcome(sent.intent, "failed", detail=f"not sent: {error}")
            raise
        except (
            CredentialsError
        ) as error:  # it was sent: whether a 401 did nothing is asked with credentials that work
            self._parts.journal.outcome(sent.intent, "unknown", detail=str(error))
            raise
        still_there = conclude(self._work, self._confirming, sent, answer, hand.archived)
        if still_there is not None:
            # It counts from the older question, where that is young: a build that was asked for
            # then still serves.
            at = permit.asked_at if self._is_fresh(hand) else still_there.at
            hand.details = DetailsLookup(still_there.document, at)
            return _Next.OTHER_ADDRESS
        hand.done(action)
        return _Next.ENDED

    def _permit(self, hand: JobTask) -> DeleteJobPermit | DeleteAssetsPermit:
        plan, details, proof = hand.plan, hand.details, hand.proof
        assert details is not None
        assert proof is not None
        of_job = (
            plan.job_id,
            plan.owner,
            proof,
            plan.fingerprint,
            details.at,
            self._parts.lease.fence,
        )
        listed_at = None if hand.listed is None else hand.listed.at
        if hand.delete is Action.DELETE_JOB:
            return DeleteJobPermit(*of_job, listed_at, self._parts.addresses.of(plan.job_id))
        return DeleteAssetsPermit(*of_job, listed_at)
