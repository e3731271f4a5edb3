"""Deadlines: promises that are watched. They change nothing; they say which jobs are late, and what
blocks them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from sauce_janitor.counts import counted
from sauce_janitor.model.durations import AgeTest, at_least, due_at
from sauce_janitor.model.job_age import EARLIEST
from sauce_janitor.model.jobs import Action, AssetsStanding, Decision, Job, Record, Verdict, Why
from sauce_janitor.model.policies import Deadline, Duration, Rules
from sauce_janitor.retention.field_tests import FieldTests
from sauce_janitor.retention.job_verdict import JobVerdict
from sauce_janitor.retention.matching import fields_read


class Blocker(StrEnum):
    """What a late job waits for: of several, the one that is hardest to remove, which is the first
    here.
    """

    HOLD = "hold"
    UNFINISHED = "unfinished"
    KEEP = "keep"
    UNDECIDED = "undecided"
    NO_AGE = "no_age"
    NO_POLICY = "no_policy"
    NOT_YET = "not_yet"
    GRACE = "grace"
    NO_RECEIPT = "no_receipt"
    MISSING_FILES = "missing_files"
    FAILED = "failed"
    LIMIT = "limit"
    BUDGET = "budget"
    NOTHING = "nothing"


_BLOCKERS: Final = {
    Why.HELD: Blocker.HOLD,
    Why.UNFINISHED: Blocker.UNFINISHED,
    Why.NO_AGE: Blocker.NO_AGE,
    Why.NO_POLICY: Blocker.NO_POLICY,
    Why.NOT_YET: Blocker.NOT_YET,
    Why.NEVER: Blocker.KEEP,
    Why.KEPT: Blocker.KEEP,
    Why.UNDECIDED: Blocker.UNDECIDED,
    Why.NOT_ARCHIVED: Blocker.NO_RECEIPT,
    Why.GRACE: Blocker.GRACE,
    Why.BUILD: Blocker.KEEP,
    Why.FORBID: Blocker.UNDECIDED,
}
_HARDNESS: Final = {blocker: number for number, blocker in enumerate(Blocker)}


@dataclass(slots=True)
class Late:
    """The jobs that are past one deadline, by what blocks them. `soon` are those that will be
    within its `warn`.

    `going` are the ids of those that nothing blocks, 16 bytes each: the plan deletes what is late
    of them.
    """

    jobs: dict[Blocker, int] = field(default_factory=dict)
    soon: int = 0
    going: bytearray = field(default_factory=bytearray)

    @property
    def total(self) -> int:
        """All jobs that are past it."""
        return sum(self.jobs.values())

    def add(self, blocker: Blocker, jobs: int = 1) -> None:
        """Count jobs that this blocks."""
        self.jobs[blocker] = self.jobs.get(blocker, 0) + jobs

    def block(self, blocker: Blocker) -> None:
        """Note that something blocks everything that the plan would delete."""
        if jobs := self.jobs.pop(Blocker.NOTHING, 0):
            self.add(blocker, jobs)

    def settle(self, failed: Collection[str], *, finished: bool) -> None:
        """Note that the plan was carried out, except for the jobs of these ids. Not `finished`:
        some of the rest had to be left.
        """
        ids = (self.going[at : at + 16].hex() for at in range(0, len(self.going), 16))
        failures = sum(job_id in failed for job_id in ids)
        rest = self.jobs.pop(Blocker.NOTHING, 0) - failures
        if failures:
            self.add(Blocker.FAILED, failures)
        # The run ended early, so whatever it did not reach waits for the next one.
        if rest > 0 and not finished:
            self.add(Blocker.BUDGET, rest)


def block_what_goes(late: Mapping[str, Late], blocker: Blocker) -> None:
    """Note that a limit, or the budget, blocks everything that the plan would delete."""
    for each in late.values():
        each.block(blocker)


def settle(late: Mapping[str, Late], failed: Collection[str], *, finished: bool) -> None:
    """Note that the plan was carried out, see `Late.settle`."""
    for each in late.values():
        each.settle(failed, finished=finished)


def overdue_counts(late: Mapping[str, Late]) -> dict[str, dict[str, int]]:
    """Return how many jobs are past each deadline, by what blocks them."""
    return {
        name: {blocker.value: jobs for blocker, jobs in sorted(each.jobs.items())}
        for name, each in late.items()
    }


_TEXTS: Final = {
    Blocker.HOLD: "held",
    Blocker.UNFINISHED: "not finished",
    Blocker.KEEP: "kept by a rule",
    Blocker.UNDECIDED: "undecided",
    Blocker.NO_AGE: "without an age",
    Blocker.NO_POLICY: "covered by no policy",
    Blocker.NOT_YET: "due later by a policy",
    Blocker.GRACE: "in their grace",
    Blocker.NO_RECEIPT: "without a receipt",
    Blocker.MISSING_FILES: "with files that cannot be fetched",
    Blocker.FAILED: "failed",
    Blocker.LIMIT: "stopped by a limit",
    Blocker.BUDGET: "waiting for the request budget",
    Blocker.NOTHING: "gone with this plan",
}


def blocker_text(blocker: str) -> str:
    """Return what blocks jobs, as the end of `30 jobs are …`, for a blocker in `overdue_counts`."""
    # A newer version may have written another one.
    is_known = blocker in set(Blocker)
    return _TEXTS[Blocker(blocker)] if is_known else blocker.replace("_", " ")


def late_lines(late: Mapping[str, Late]) -> Iterator[str]:
    """Yield a line for each deadline that is missed, or soon will be, with what blocks the jobs."""
    for name, each in sorted(late.items()):
        soon = f"{each.soon:,} will be soon"
        if each.total:
            blocked = ", ".join(
                f"{each.jobs[blocker]:,} {text}"
                for blocker, text in _TEXTS.items()
                if blocker in each.jobs
            )
            are = "is" if each.total == 1 else "are"
            line = f"Deadline {name}: {counted(each.total, 'job')} {are} past it ({blocked})"
            yield f"{line}; {soon}" if each.soon else line
        elif each.soon:
            yield f"Deadline {name}: no job is past it; {soon}"


@dataclass(frozen=True, slots=True)
class _Promise:
    """One half of a deadline: what must be gone, and tests of the time that gives the age: late
    now, and late within `warn`.
    """

    action: Action
    is_late: AgeTest
    is_soon: AgeTest


class DeadlineWatch:
    """The deadlines of one set of rules at one instant, and the jobs that were seen of them."""

    def __init__(self, rules: Rules, *, as_of: int) -> None:
        self._as_of = as_of
        self._facts = FieldTests()
        self._matches = [self._facts.compile(deadline.match) for deadline in rules.deadlines]
        self._promises = [
            tuple(_promises(deadline, as_of, rules.timezone)) for deadline in rules.deadlines
        ]
        self.late = {deadline.name: Late() for deadline in rules.deadlines}
        self._late = list(self.late.values())
        self._known: dict[int, tuple[int, ...]] = {}
        self._blockers: dict[tuple[JobVerdict, Action], Blocker] = {}

    def see(self, record: Record, time: int | None, verdict: JobVerdict) -> bool:
        """Count a job, and return whether its assets are late. A job that only may match counts: an
        unknown field keeps no promise.
        """
        number = self._facts.of(record)
        found = self._known.get(number)
        if found is None:
            found = tuple(n for n, match in enumerate(self._matches) if match(number) is not False)
            self._known[number] = found
        late = False
        for index in found:
            late |= self._count(
                index, record, _since(record.job, self._as_of) if time is None else time, verdict
            )
        return late

    def _count(self, index: int, record: Record, since: int | None, verdict: JobVerdict) -> bool:
        late, is_soon = self._late[index], False
        for promise in self._promises[index]:
            gone = (
                promise.action is Action.DELETE_ASSETS
                and record.assets is not AssetsStanding.PRESENT
            )
            # Nothing is known to count from, or the promise is kept.
            if since is None or gone:
                continue
            if promise.is_late(since):
                blocker = self._blocker(verdict, promise.action)
                late.add(blocker)
                if blocker is Blocker.NOTHING:
                    late.going += bytes.fromhex(record.job.id)
                # A job counts once for each deadline: its later promise is not looked at.
                return promise.action is Action.DELETE_ASSETS
            is_soon = is_soon or promise.is_soon(since)
        late.soon += is_soon
        return False

    def _blocker(self, verdict: JobVerdict, action: Action) -> Blocker:
        key = verdict, action
        found = self._blockers.get(key)
        if found is None:
            found = self._blockers[key] = blocker_of(verdict.decisions, action)
        return found


def blocker_of(decisions: Iterable[Decision], action: Action) -> Blocker:
    """Return what blocks a delete. Assets are gone with their job, too."""
    by_action = {decision.action: decision for decision in decisions}
    assets, job = by_action[Action.DELETE_ASSETS], by_action[Action.DELETE_JOB]
    due = [job] if job.verdict is Verdict.DUE else []
    due += [assets] if action is Action.DELETE_ASSETS and assets.verdict is Verdict.DUE else []
    if due:
        # The delete is tried, but waits for the missing files.
        waits = all(
            any(reason.why is Why.MISSING for reason in decision.reasons) for decision in due
        )
        return Blocker.MISSING_FILES if waits else Blocker.NOTHING
    reasons = list((assets if action is Action.DELETE_ASSETS else job).reasons)
    # The reasons against the assets are the real ones.
    if action is Action.DELETE_ASSETS and all(reason.why is Why.NO_POLICY for reason in reasons):
        # No policy has a say on the assets, so they wait for the job.
        reasons = list(job.reasons)
    if any(reason.why is Why.ASSETS_PROTECTED for reason in reasons):
        reasons += assets.reasons
    blockers = [_BLOCKERS[reason.why] for reason in reasons if reason.why in _BLOCKERS]
    return min(blockers, key=_HARDNESS.__getitem__, default=Blocker.UNDECIDED)


def _promises(deadline: Deadline, as_of: int, zone: ZoneInfo) -> Iterator[_Promise]:
    warned = as_of if deadline.warn is None else due_at(as_of, deadline.warn, zone)
    for action, by in (
        (Action.DELETE_ASSETS, deadline.assets_gone_by),
        (Action.DELETE_JOB, deadline.job_gone_by),
    ):
        if by is not None:
            yield _Promise(action, _test(by, as_of, zone), _test(by, warned, zone))


def _test(by: Duration, as_of: int, zone: ZoneInfo) -> Callable[[int], bool]:
    return at_least(by, as_of=as_of, zone=zone)


def _since(job: Job, as_of: int) -> int | None:
    """Return what a deadline counts from for a job without an age: the latest of its times, None
    when it has none.
    """
    for time in (job.ended_at, job.started_at, job.created_at):
        if isinstance(time, int) and EARLIEST <= time <= as_of:
            return time
    return None


def watched_fields(rules: Rules) -> frozenset[str]:
    """Return the fields that the deadlines read. Decisions do not depend on them."""
    return frozenset().union(*(fields_read(deadline.match) for deadline in rules.deadlines))
