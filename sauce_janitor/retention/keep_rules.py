"""One class a keep rule: what it keeps while jobs come newest first. Each remembers only what it
needs of a group.

`take` gives a job its slot among those that count and returns whether the rule keeps it;
`might_keep` does so for a job that takes no slot. Rules whose winners are known only at the end
(`pick`) must `observe` all jobs first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never
from zoneinfo import ZoneInfo

from sauce_janitor.model.calendar_periods import CalendarPeriod
from sauce_janitor.model.durations import AgeTest, at_most
from sauce_janitor.model.jobs import UNKNOWN, Text
from sauce_janitor.model.policies import Duration, KeepRule

Group: TypeAlias = Hashable


Place: TypeAlias = tuple[Group, int, str, Text]
"""A job's group, the time from which its age counts, its id and its status; or those of a build."""


class KeepFold(ABC):
    """One keep rule at work. `_memory` is all that it remembers of its groups while jobs take
    slots.
    """

    _memory: dict[Group, Any]

    @abstractmethod
    def take(self, place: Place) -> bool:
        """Give the job a slot if there is one, and return whether the rule keeps it."""

    @abstractmethod
    def might_keep(self, place: Place) -> bool:
        """Return whether the rule would keep a job that takes no slot. It says yes wherever that is
        possible.
        """

    def rewind(self) -> None:
        """Forget who took slots. Winners that were observed stay known."""
        self._memory.clear()


class LastJobs(KeepFold):
    """`last: N` counts the jobs of a group."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._memory: dict[Group, int] = {}

    def take(self, place: Place) -> bool:
        """Keep it while there are slots."""
        taken = self._memory.get(place[0], 0)
        if taken >= self._count:
            return False
        self._memory[place[0]] = taken + 1
        return True

    def might_keep(self, place: Place) -> bool:
        """Keep it if there would be a slot."""
        return self._memory.get(place[0], 0) < self._count


class SinceLast(KeepFold):
    """`since_last: {…}` remembers whether the anchor came. Call `close` at the anchor before its
    own `take`: it is not newer than itself.
    """

    def __init__(self) -> None:
        self._memory: dict[Group, bool] = {}

    def take(self, place: Place) -> bool:
        """Keep it until the anchor has come."""
        return place[0] not in self._memory

    might_keep = take

    def close(self, group: Group) -> None:
        """Note that the anchor has come: every later job is older."""
        self._memory[group] = True


class Within(KeepFold):
    """`within: D` compares with `as_of`. It keeps a job of exactly that age, too."""

    def __init__(self, young: AgeTest) -> None:
        self._memory = {}
        self._young = young

    def take(self, place: Place) -> bool:
        """Keep it while it is young."""
        return self._young(place[1])

    might_keep = take


class WithinOfNewest(KeepFold):
    """`within_of_newest: D` compares with the first job that counted, which is the newest."""

    def __init__(self, duration: Duration, zone: ZoneInfo) -> None:
        self._duration, self._zone = duration, zone
        self._memory: dict[Group, AgeTest] = {}

    def take(self, place: Place) -> bool:
        """Keep it if it is the newest, or near enough to it."""
        group, time, _, _ = place
        young = self._memory.get(group)
        # Jobs come newest first, so the first one that counts is the newest.
        if young is None:
            self._memory[group] = at_most(self._duration, as_of=time, zone=self._zone)
            return True
        return young(time)

    def might_keep(self, place: Place) -> bool:
        """Keep it if it is near enough to the newest, or newer than every job that counted."""
        young = self._memory.get(place[0])
        return young is None or young(place[1])


class PeriodWindow:
    """Which calendar periods of a group count: the last N up to `as_of`, or the N newest that have
    jobs (`nonempty`).
    """

    def __init__(self, rule: KeepRule, *, as_of: int, zone: ZoneInfo) -> None:
        assert isinstance(rule.kind, CalendarPeriod)
        self.period: Callable[[int], int] = rule.kind.numbering(zone)
        self._count, self._nonempty = rule.count, rule.nonempty
        self._first = self.period(as_of) - rule.count + 1
        self._horizon = rule.kind.surely_before(rule.count, as_of)

    def period_of(self, time: int) -> int | None:
        """Return the period of a time; None where it is certainly before the window."""
        # Any period may count: which ones are empty is known only from the jobs.
        if self._nonempty:
            return self.period(time)
        # Most jobs are far outside the window: this saves their calendar arithmetic.
        if time < self._horizon:
            return None
        period = self.period(time)
        return period if period >= self._first else None

    def has_room(self, seen: int) -> bool:
        """Return whether one more period counts for a group of which `seen` periods counted."""
        return not self._nonempty or seen < self._count


class NewestOfPeriod(KeepFold):
    """`daily: N` and the like with the newest job of each period: remembers the periods seen."""

    def __init__(self, window: PeriodWindow) -> None:
        self._window = window
        self._memory: dict[Group, set[int]] = {}

    def take(self, place: Place) -> bool:
        """Keep it if it is the first of a period that counts."""
        group, time, _, _ = place
        period = self._window.period_of(time)
        if period is None:
            return False
        seen = self._memory.setdefault(group, set())
        if period in seen or not self._window.has_room(len(seen)):
            return False
        seen.add(period)
        return True

    def might_keep(self, place: Place) -> bool:
        """Keep it if it would be the first."""
        group, time, _, _ = place
        period = self._window.period_of(time)
        seen = self._memory.get(group, set())
        return period is not None and period not in seen and self._window.has_room(len(seen))


class PickOfPeriod(KeepFold):
    """`daily: N` and the like with a `pick`: remembers the best job of each period; winners are
    known when all jobs were observed.
    """

    def __init__(self, window: PeriodWindow, pick: tuple[str, ...]) -> None:
        self._window, self._pick = window, pick
        self._memory = {}
        self._best: dict[Group, dict[int, tuple[int, str]]] = {}

    def observe(self, place: Place) -> None:
        """Remember the better job of the period."""
        group, time, identity, status = place
        period = self._window.period_of(time)
        if period is None or self._is_unclear(status):
            return
        best = self._best.setdefault(group, {})
        # Jobs come newest first, so a period without room is older than those that count.
        if period not in best and not self._window.has_room(len(best)):
            return
        fitting = (n for n, word in enumerate(self._pick) if _fits(word, status))
        preference = next(fitting, len(self._pick))
        before = best.get(period)
        is_oldest = preference < len(self._pick) and self._pick[preference] == "oldest"
        # `oldest` prefers the later of two equal ones, because jobs come newest first.
        if before is None or preference < before[0] or (preference == before[0] and is_oldest):
            best[period] = (preference, identity)

    def take(self, place: Place) -> bool:
        """Keep it if it won its period, or if its status is unknown."""
        group, time, identity, status = place
        # With its real status it could be the winner.
        if self._is_unclear(status):
            return True
        period = self._window.period_of(time)
        winner = self._best.get(group, {}).get(period) if period is not None else None
        # A period in which no job has a wanted status keeps none.
        return winner is not None and winner[1] == identity and winner[0] < len(self._pick)

    def might_keep(self, place: Place) -> bool:
        """Keep it if its period counts: it may be the winner."""
        group, time, _, status = place
        period = self._window.period_of(time)
        best = self._best.get(group, {})
        return self._is_unclear(status) or (
            period is not None and (period in best or self._window.has_room(len(best)))
        )

    def _is_unclear(self, status: Text) -> bool:
        return status is UNKNOWN and any(word not in {"newest", "oldest"} for word in self._pick)


def _fits(word: str, status: Text) -> bool:
    return (
        word in {"newest", "oldest"} or word == status or (word == "errored" and status == "error")
    )


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A keep rule and its fold; `late` is the same fold where it must observe all jobs before the
    first `take`.
    """

    rule: KeepRule
    fold: KeepFold
    late: PickOfPeriod | None = None


def compile_rule(rule: KeepRule, *, as_of: int, zone: ZoneInfo) -> CompiledRule:
    """Return a fresh fold for a keep rule."""
    match rule.kind:
        case "last":
            return CompiledRule(rule, LastJobs(rule.count))
        case "since_last":
            return CompiledRule(rule, SinceLast())
        case "within":
            assert rule.duration is not None
            return CompiledRule(rule, Within(at_most(rule.duration, as_of=as_of, zone=zone)))
        case "within_of_newest":
            assert rule.duration is not None
            return CompiledRule(rule, WithinOfNewest(rule.duration, zone))
        case CalendarPeriod():
            window = PeriodWindow(rule, as_of=as_of, zone=zone)
            # The first job of a period that comes is its newest: no second pass is needed.
            if rule.pick[0] == "newest":
                return CompiledRule(rule, NewestOfPeriod(window))
            picking = PickOfPeriod(window, rule.pick)
            return CompiledRule(rule, picking, late=picking)
        case _:
            assert_never(rule.kind)
