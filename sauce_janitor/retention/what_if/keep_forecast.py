"""How long keep rules will keep one job: its rank by each rule, and when the rule stops keeping it
at the present rate of new jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from sauce_janitor.model.calendar_periods import CalendarPeriod
from sauce_janitor.model.durations import due_at
from sauce_janitor.model.job_age import is_finished
from sauce_janitor.model.jobs import Record
from sauce_janitor.model.match_text import keep_phrase
from sauce_janitor.model.policies import KeepRule, Rules
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.retention.builds import BuildKeeper
from sauce_janitor.retention.decide import Decider, Records
from sauce_janitor.retention.keep_groups import Keeper
from sauce_janitor.retention.keep_rules import Group

RATE_OVER_S: Final = 30 * DAY_S
"""The present rate is that of the last 30 days."""
_SEARCHED_S: Final = 200 * 366 * DAY_S


@dataclass(frozen=True, slots=True)
class KeepView:
    """One keep rule and one job.

    `rank` is the job's place among the `of` jobs of its group that the rule counts, 1 for the
    newest; None where the rule does not count it. `lets_go_at` (epoch seconds) is when the rule
    stops keeping it, at `per_day` new jobs that count a day; None where it does not keep it, or
    keeps it forever as things stand. `exact`: whatever happens, it does not keep it after that.
    """

    rule: str
    text: str
    keeps: bool
    rank: int | None
    of: int
    per_day: float
    lets_go_at: int | None = None
    exact: bool = False


@dataclass(slots=True)
class _Count:
    """What is counted for one rule: jobs of the group, anchors among them, and calendar periods
    that have jobs.
    """

    of: int = 0
    rank: int | None = None
    recent: int = 0
    anchors: int = 0
    oldest: int | None = None
    periods: set[int] = field(default_factory=set)
    newer_periods: int = 0


class KeepForecast:
    """One keeper, and the group of one job; it must `meet` every job, newest first."""

    def __init__(
        self, keeper: Keeper, group: Group, record: Record, time: int, rules: Rules
    ) -> None:
        self.keeper, self.group, self._record, self._time, self._zone = (
            keeper,
            group,
            record,
            time,
            rules.timezone,
        )
        self.of = 0
        self.rank: int | None = None
        self._counts = [_Count() for _ in keeper.rules]
        self._periods = [self._period(rule) for rule in keeper.rules]

    def meet(self, decider: Decider, record: Record, as_of: int) -> None:
        """Count a job, if it takes slots in the group."""
        case, time = decider.case(record), decider.age_of(record.job)
        # Such jobs take no slots, see `decide`.
        if time is None or record.held or case.holds or not is_finished(record.job):
            return
        context = next((slot.context for slot in case.slots if slot.keeper is self.keeper), None)
        if context is None or not context.takes_slots or self.keeper.group_of(record) != self.group:
            return
        is_it = record.job.id == self._record.job.id
        self.of += 1
        self.rank = self.of if is_it else self.rank
        for n, (where, since) in enumerate(context.truths):
            if where:
                self._count(n, time, as_of, is_anchor=bool(since), is_it=is_it)

    def _count(self, n: int, time: int, as_of: int, *, is_anchor: bool, is_it: bool) -> None:
        count, period_of = self._counts[n], self._periods[n]
        count.of += 1
        count.oldest = time
        if period_of is not None:
            period = period_of(time)
            if is_it:
                count.newer_periods = len(count.periods - {period})
            count.periods.add(period)
        if is_it:
            count.rank = count.of
        if time > as_of - RATE_OVER_S:
            count.recent += 1
            count.anchors += is_anchor

    def views(self, kept_by: frozenset[str], as_of: int) -> Iterable[KeepView]:
        """Yield a view of every rule, once all jobs were met; `kept_by` are the rules that keep the
        job.
        """
        for n, rule in enumerate(self.keeper.rules):
            count = self._counts[n]
            per_day = self._rate(count.recent, count, as_of)
            view = KeepView(
                rule.id, keep_phrase(rule), rule.id in kept_by, count.rank, count.of, per_day
            )
            if view.keeps and count.rank is not None:
                at, exact = self._lets_go(rule, count, per_day, as_of)
                view = replace(view, lets_go_at=at, exact=exact)
            yield view

    def _lets_go(
        self, rule: KeepRule, count: _Count, per_day: float, as_of: int
    ) -> tuple[int | None, bool]:
        assert count.rank is not None
        match rule.kind:
            case "last":
                return _after(rule.count - count.rank + 1, per_day, as_of), False
            case "since_last":
                return _after(1, self._rate(count.anchors, count, as_of), as_of), False
            case "within":
                assert rule.duration is not None
                return due_at(self._time, rule.duration, self._zone) + 1, True
            case "within_of_newest":
                assert rule.duration is not None
                # The window moves only when a new job comes.
                if not per_day:
                    return None, False
                return max(as_of, due_at(self._time, rule.duration, self._zone) + 1), False
            case CalendarPeriod():
                if rule.nonempty:
                    newer = rule.count - count.newer_periods
                    pace = min(per_day, DAY_S / rule.kind.facts.longest_s)
                    return _after(newer, pace, as_of), False
                return self._leaves_window(rule, rule.kind, per_day, as_of)
            case _:
                assert_never(rule.kind)

    def _leaves_window(
        self, rule: KeepRule, kind: CalendarPeriod, per_day: float, as_of: int
    ) -> tuple[int, bool]:
        """Return when the window has moved past the job's period; for today's period, when the next
        job takes the slot.
        """
        period_of = kind.numbering(self._zone)
        own = period_of(self._time)
        low, high = as_of, as_of + (rule.count + 1) * (kind.facts.longest_s + 2 * DAY_S)
        # Period numbers only grow with time, so a binary search finds the border to the second.
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if period_of(middle) >= own + rule.count else (middle, high)
        # In today's period, a newer job takes the slot before the window moves.
        if (
            rule.pick[0] == "newest"
            and own == period_of(as_of)
            and (next_at := _after(1, per_day, as_of)) is not None
        ):
            return min(high, next_at), False
        return high, True

    def _period(self, rule: KeepRule) -> Callable[[int], int] | None:
        """Return a function that numbers the periods that have jobs, where those are counted."""
        if rule.nonempty and isinstance(rule.kind, CalendarPeriod):
            return rule.kind.numbering(self._zone)
        return None

    def _rate(self, number: int, count: _Count, as_of: int) -> float:
        """Return how many come a day, over 30 days, or over as long as the group has jobs."""
        known = as_of - count.oldest if count.oldest is not None else 0
        return number / (max(min(known, RATE_OVER_S), DAY_S) / DAY_S)


def _after(jobs: int, per_day: float, as_of: int) -> int | None:
    # A time beyond every calendar is no forecast.
    if not per_day or jobs / per_day * DAY_S >= _SEARCHED_S:
        return None
    return as_of + int(jobs / per_day * DAY_S)


def survey(decider: Decider, records: Records, watches: list[KeepForecast], *, as_of: int) -> None:
    """Show every job to every forecast: one pass."""
    plain = [watch for watch in watches if not isinstance(watch.keeper, BuildKeeper)]
    if plain:
        for record in records():
            for watch in plain:
                watch.meet(decider, record, as_of)
