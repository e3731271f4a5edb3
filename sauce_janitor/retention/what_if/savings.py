"""The totals of a simulation: what each day's plan does and costs, what Sauce Labs purges, and how
a job is after it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Final
from zoneinfo import ZoneInfo

from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import DELETES, Action, AssetsStanding, Decision, Record
from sauce_janitor.model.safety_numbers import PURGED_AFTER_S
from sauce_janitor.retention.job_verdict import JobVerdict
from sauce_janitor.retention.matching import Truth
from sauce_janitor.retention.plan.costs import WorkCounts, files_wanted
from sauce_janitor.retention.plan.limits import ActingJobs


@dataclass(frozen=True, slots=True)
class CarriedState:
    """How earlier days changed a job; None fields are as in the record. `over`: deleted, or stopped
    and no longer followed.
    """

    assets: AssetsStanding | None = None
    archived: frozenset[str] | None = None
    announced: tuple[tuple[Action, int], ...] | None = None
    over: Action | None = None

    def applied(self, record: Record) -> Record:
        """Return the record in its current state."""
        return replace(
            record,
            assets=record.assets if self.assets is None else self.assets,
            archived=record.archived if self.archived is None else self.archived,
            announced=record.announced if self.announced is None else dict(self.announced),
        )


UNTOUCHED: Final = CarriedState()


@dataclass(slots=True)
class SavingsDay:
    """One day's sums. `fetched` are jobs whose assets are stored, by what is wanted; `lost` are
    those of `purged` that were wanted and not archived.
    """

    counts: dict[tuple[str | None, Action], int] = field(default_factory=dict)
    work: Counter[str] = field(default_factory=Counter)
    fetched: dict[Selection, int] = field(default_factory=dict)
    purged: int = 0
    lost: int = 0
    acting: ActingJobs = field(default_factory=ActingJobs)
    acting_by_policy: dict[str, ActingJobs] = field(default_factory=dict)

    def cost(self) -> WorkCounts:
        """Return what the day has to do."""
        return WorkCounts(**self.work)


class SimulationTotals:
    """The entries of all days, and how an action changes a job.

    Only the actions of `policies` are carried out (empty: all, and then each day's plan is
    accepted). `accepted_at` is the last accepted plan before the first day.
    """

    def __init__(
        self,
        as_ofs: tuple[int, ...],
        zone: ZoneInfo,
        policies: Collection[str],
        accepted_at: int | None,
    ) -> None:
        self.as_ofs = as_ofs
        self.days = [SavingsDay() for _ in as_ofs]
        self._zone, self._policies, self._accepted_at = zone, policies, accepted_at
        self._leaving: Counter[tuple[tuple[Truth, ...], int]] = Counter()

    def act(
        self, day: int, record: Record, time: int | None, verdict: JobVerdict, before: CarriedState
    ) -> CarriedState:
        """Enter what is due for a job on a day, and return its state afterwards. `record` is as it
        was then.
        """
        entry = self.days[day]
        due = verdict.acts(record, time, self._zone)
        if due and due[-1].action is not Action.ARCHIVE:
            self._measure(entry, day, record, due[-1])
        # Limits count the whole plan, above; only the chosen policies are carried out.
        if self._policies:
            due = tuple(decision for decision in due if decision.policy in self._policies)
        if not due:
            return before
        actions = {decision.action for decision in due}
        for decision in due:
            key = decision.policy, decision.action
            entry.counts[key] = entry.counts.get(key, 0) + 1
        self._count_work(day, actions, record, verdict.selection)
        return _after(actions, record, verdict, before)

    def purge_day(self, record: Record) -> int:
        """Return the day from which Sauce Labs has purged the job's assets. It is never the first
        day, which is as the record says.
        """
        ended = record.job.ended_at
        if not isinstance(ended, int):
            return len(self.as_ofs)
        return max(1, bisect_left(self.as_ofs, ended + PURGED_AFTER_S))

    def purge(self, day: int, record: Record, verdict: JobVerdict) -> None:
        """Note that Sauce Labs purged a job's assets between the previous plan and this day's."""
        # What was purged before the first day is not news of this simulation.
        if not self._is_past_purge(record, 0):
            self.days[day].purged += 1
            self.days[day].lost += verdict.unarchived

    def leave(self, truths: tuple[Truth, ...], day: int) -> None:
        """Note that a job with these results of the policies' matches is there for the last time on
        this day.
        """
        self._leaving[truths, day] += 1

    def there(self, day: int) -> Iterator[tuple[tuple[Truth, ...], int]]:
        """Yield how many jobs are there on a day, by the results of the policies' matches."""
        return ((truths, jobs) for (truths, last), jobs in self._leaving.items() if last >= day)

    def _is_past_purge(self, record: Record, day: int) -> bool:
        ended = record.job.ended_at
        return isinstance(ended, int) and ended + PURGED_AFTER_S <= self.as_ofs[day]

    def _measure(self, entry: SavingsDay, day: int, record: Record, decision: Decision) -> None:
        is_first = day == 0 or bool(self._policies)
        accepted_at = self._accepted_at if is_first else self.as_ofs[day - 1]
        expected = accepted_at is not None and record.changed_at <= accepted_at
        left = expected and is_first and record.accepted_for is decision.action
        policy = decision.policy
        assert policy is not None, f"job {record.job.id} is changed by no policy"
        for acting in (entry.acting, entry.acting_by_policy.setdefault(policy, ActingJobs())):
            acting.expected += expected
            acting.unexpected += not expected
            acting.left += left

    def _count_work(
        self, day: int, actions: set[Action], record: Record, selection: Selection | None
    ) -> None:
        work, fetched = self.days[day].work, self.days[day].fetched
        deletes = not actions.isdisjoint(DELETES)
        if Action.ARCHIVE in actions:
            assert selection is not None, (
                f"nothing is wanted of job {record.job.id}, and it is archived"
            )
            is_there = record.assets is AssetsStanding.PRESENT and not self._is_past_purge(
                record, day
            )
            work["archived"] += 1
            work["archived_and_deleted"] += deletes
            # The first day is as its plan says, which counts purged assets, too.
            work["files"] += files_wanted(selection) if is_there or day == 0 else 0
            fetched[selection] = fetched.get(selection, 0) + is_there
        elif deletes:
            work["only_deleted"] += 1
        work["stopped"] += Action.STOP in actions
        work["jobs_gone"] += Action.DELETE_JOB in actions


def _after(
    actions: set[Action], record: Record, verdict: JobVerdict, before: CarriedState
) -> CarriedState:
    after = before
    if Action.ARCHIVE in actions and verdict.selection is not None:
        after = replace(after, archived=(record.archived or frozenset()) | {verdict.selection.key})
    if Action.DELETE_ASSETS in actions:
        after = replace(after, assets=AssetsStanding.DELETED)
    # How a stopped job ends is not known, so it is no longer followed.
    for end in (Action.DELETE_JOB, Action.STOP):
        if end in actions:
            after = replace(after, over=end)
    return after


def announced(
    record: Record, verdict: JobVerdict, before: CarriedState, as_of: int
) -> CarriedState:
    """Return the job's state with its announcements after a day's plan: those that continue keep
    their time, new ones begin, the others end.
    """
    known = record.announced or {}
    announced_since = tuple((action, known.get(action, as_of)) for action in verdict.announce)
    return (
        before
        if dict(announced_since) == dict(known)
        else replace(before, announced=announced_since)
    )
