"""Keep rules over many days at once: what `keep_rules` decides on one day, for every day of a
simulation in one pass.

A set of days is an int whose bit n is day n, so a rule answers for all days with a few operations.
Jobs come newest first, and a job takes its slots on the days on which it is still there. Winners
that are known only at the end (`pick`) cannot be followed here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TypeAlias, assert_never
from zoneinfo import ZoneInfo

from sauce_janitor.model.calendar_periods import CalendarPeriod
from sauce_janitor.model.durations import AgeTest, at_most, due_at
from sauce_janitor.model.jobs import UNKNOWN
from sauce_janitor.model.policies import Duration, KeepRule
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.retention.keep_groups import KeepContext, Keeper
from sauce_janitor.retention.keep_rules import Group

Days: TypeAlias = int
"""A set of days: bit n is day n."""


Spot: TypeAlias = tuple[Group, int]
"""A job's group, and the time from which its age counts."""


@dataclass(frozen=True, slots=True)
class SimulationDays:
    """The days of a simulation: the instants at which plans are made, one a day, and the zone of
    calendar periods.
    """

    as_ofs: tuple[int, ...]
    zone: ZoneInfo

    @classmethod
    def of(cls, as_of: int, days: int, zone: ZoneInfo) -> SimulationDays:
        """Return so many days from `as_of` on, including that one."""
        return cls(tuple(as_of + day * DAY_S for day in range(days)), zone)

    @property
    def all(self) -> Days:
        """All days."""
        return (1 << len(self.as_ofs)) - 1

    def since(self, time: int) -> Days:
        """Return the days at or after a time."""
        return self.all >> (first := bisect_left(self.as_ofs, time)) << first

    def until(self, time: int) -> Days:
        """Return the days at or before a time."""
        return (1 << bisect_right(self.as_ofs, time)) - 1


class KeepSpan(ABC):
    """One keep rule over all days."""

    @abstractmethod
    def keeps(self, spot: Spot, days: Days) -> Days:
        """Return on which of these days the rule would keep such a job."""

    @abstractmethod
    def take(self, spot: Spot, days: Days) -> None:
        """Give the job a slot on these days, where there is one."""


class _Tally:
    """Counts to `count` on every day at once, in binary: plane n has the digits of weight 2**n of
    all days.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._planes: dict[Group, list[Days]] = {}
        self._full: dict[Group, Days] = {}

    def full(self, group: Group) -> Days:
        """Return the days on which the group has its count."""
        return self._full.get(group, 0)

    def add(self, group: Group, days: Days) -> None:
        """Add one on these days."""
        # A ripple-carry adder: one bitwise step adds a digit on all days at once.
        carry = days & ~self.full(group)
        planes = self._planes.setdefault(group, [0] * self._count.bit_length())
        reached = carry
        for n, plane in enumerate(planes):
            planes[n], carry = plane ^ carry, plane & carry
            reached &= planes[n] if self._count >> n & 1 else ~planes[n]
        if reached:
            self._full[group] = self.full(group) | reached


class _Last(KeepSpan):
    def __init__(self, count: int) -> None:
        self._taken = _Tally(count)

    def keeps(self, spot: Spot, days: Days) -> Days:
        return days & ~self._taken.full(spot[0])

    def take(self, spot: Spot, days: Days) -> None:
        self._taken.add(spot[0], days)


class SinceLastSpan(KeepSpan):
    """`since_last`: the days on which the anchor has come. It must close its group before it is
    asked itself.
    """

    def __init__(self) -> None:
        self._closed: dict[Group, Days] = {}

    def keeps(self, spot: Spot, days: Days) -> Days:
        """Keep it until the anchor."""
        return days & ~self._closed.get(spot[0], 0)

    def take(self, spot: Spot, days: Days) -> None:
        """There are no slots."""

    def close(self, group: Group, days: Days) -> None:
        """Note that the anchor is there on these days."""
        self._closed[group] = self._closed.get(group, 0) | days


class _Within(KeepSpan):
    def __init__(self, duration: Duration, calendar: SimulationDays) -> None:
        self._duration, self._calendar = duration, calendar

    def keeps(self, spot: Spot, days: Days) -> Days:
        return days & self._calendar.until(due_at(spot[1], self._duration, self._calendar.zone))

    def take(self, spot: Spot, days: Days) -> None:
        """There are no slots."""


class _WithinOfNewest(KeepSpan):
    def __init__(self, duration: Duration, zone: ZoneInfo) -> None:
        self._duration, self._zone = duration, zone
        self._newest: dict[Group, list[tuple[Days, AgeTest]]] = {}

    def keeps(self, spot: Spot, days: Days) -> Days:
        # On each day the newest job that was there counts.
        for known, young in self._newest.get(spot[0], ()):
            if not young(spot[1]):
                days &= ~known
        return days

    def take(self, spot: Spot, days: Days) -> None:
        newest = self._newest.setdefault(spot[0], [])
        for known, _ in newest:
            days &= ~known
        if days:
            newest.append((days, at_most(self._duration, as_of=spot[1], zone=self._zone)))


class _NewestOfPeriod(KeepSpan):
    """The newest job of each period. Jobs come newest first, so only the current period of a group
    is remembered.
    """

    def __init__(self, rule: KeepRule, calendar: SimulationDays) -> None:
        assert isinstance(rule.kind, CalendarPeriod)
        self._period = rule.kind.numbering(calendar.zone)
        self._firsts = [self._period(as_of) - rule.count + 1 for as_of in calendar.as_ofs]
        self._counted = _Tally(rule.count) if rule.nonempty else None
        self._seen: dict[Group, tuple[int, Days]] = {}

    def keeps(self, spot: Spot, days: Days) -> Days:
        group, period = spot[0], self._period(spot[1])
        if self._counted is not None:
            days &= ~self._counted.full(group)
        else:
            # The window moves with the days: an older period falls out of it first.
            days &= (1 << bisect_right(self._firsts, period)) - 1
        # The days on which a newer job already took this period's slot.
        before = self._seen.get(group)
        return days & ~before[1] if before and before[0] == period else days

    def take(self, spot: Spot, days: Days) -> None:
        group, period = spot[0], self._period(spot[1])
        new = self.keeps(spot, days)
        before = self._seen.get(group)
        self._seen[group] = period, new | (before[1] if before and before[0] == period else 0)
        if self._counted is not None:
            self._counted.add(group, new)


def span_of(rule: KeepRule, calendar: SimulationDays) -> KeepSpan:
    """Return a fresh span for a keep rule whose winners are known as they come."""
    match rule.kind:
        case "last":
            return _Last(rule.count)
        case "since_last":
            return SinceLastSpan()
        case "within":
            assert rule.duration is not None
            return _Within(rule.duration, calendar)
        case "within_of_newest":
            assert rule.duration is not None
            return _WithinOfNewest(rule.duration, calendar.zone)
        case CalendarPeriod():
            assert rule.pick[0] == "newest"
            return _NewestOfPeriod(rule, calendar)
        case _:
            assert_never(rule.kind)


@dataclass(frozen=True, slots=True, eq=False)
class RankedSpans:
    """What a keeper's spans need of all jobs with one context: the rules that count them, with
    their bits, and those they close.
    """

    context: KeepContext
    spans: tuple[tuple[KeepSpan, int, bool], ...]


class SpanKeeper:
    """A keeper (see `keep_groups.Keeper`, whose bits these are) that ranks a job on all days at
    once.
    """

    def __init__(self, keeper: Keeper, calendar: SimulationDays) -> None:
        self.keeper = keeper
        self._spans = tuple(span_of(rule, calendar) for rule in keeper.rules)

    def ranked(self, context: KeepContext) -> RankedSpans:
        """Return what is needed of a context of the keeper."""
        counted = []
        for n, (span, (where, since)) in enumerate(zip(self._spans, context.truths, strict=True)):
            if where:
                counted.append(
                    (
                        span,
                        1 << n,
                        bool(since) and context.takes_slots and isinstance(span, SinceLastSpan),
                    )
                )
        return RankedSpans(context, tuple(counted))

    def keep_bits(self, ranked: RankedSpans, spot: Spot, days: Days) -> list[tuple[int, Days]]:
        """Return bits and the days on which they are set, of the days asked for. The job takes no
        slot yet, see `take`.
        """
        group = spot[0]
        if group is None:
            return [(ranked.context.certain | self.keeper.null_group, days)]
        if group is UNKNOWN:
            return [(ranked.context.certain | self.keeper.unknown_group, days)]
        found = [(ranked.context.certain, days)] if ranked.context.certain else []
        for span, bit, is_anchor in ranked.spans:
            if not is_anchor and (kept := span.keeps(spot, days)):
                found.append((bit, kept))
        return found

    def take(self, ranked: RankedSpans, spot: Spot, days: Days) -> None:
        """Let the job take its slots on the days on which it is there."""
        group = spot[0]
        # A job of which it is unclear whether it counts must not push another one out.
        if not ranked.context.takes_slots or group is None or group is UNKNOWN:
            return
        for span, _, is_anchor in ranked.spans:
            if is_anchor and isinstance(span, SinceLastSpan):
                span.close(group, days)
            else:
                span.take(spot, days)
