"""The course of each job over the days of a simulation: all days of one job at once, or day after
day over all jobs.

Both give the same result, so they stand in one module. The first needs one pass, and memory only
for groups. It cannot foresee winners that are known only after all jobs of a day (`pick`, `unit:
build`): for those, every day is decided like its plan.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sauce_janitor.model.durations import due_at
from sauce_janitor.model.job_age import EARLIEST, age_times, is_finished
from sauce_janitor.model.jobs import Action, AssetsStanding, JobState, Record
from sauce_janitor.model.policies import Duration, Rules
from sauce_janitor.retention import holds
from sauce_janitor.retention.decide import Decider, Records
from sauce_janitor.retention.job_verdict import (
    AGELESS,
    ASSETS_ANNOUNCED,
    ASSETS_DELETED,
    ASSETS_PURGED,
    HELD,
    JOB_ANNOUNCED,
    RUNNING,
    UNFINISHED,
    JobVerdict,
)
from sauce_janitor.retention.match_cases import MatchCase
from sauce_janitor.retention.verdicts import VerdictMaker
from sauce_janitor.retention.what_if.keep_spans import Days, RankedSpans, SimulationDays, SpanKeeper
from sauce_janitor.retention.what_if.savings import (
    UNTOUCHED,
    CarriedState,
    SimulationTotals,
    announced,
)

_ANNOUNCED = {Action.DELETE_ASSETS: ASSETS_ANNOUNCED, Action.DELETE_JOB: JOB_ANNOUNCED}


class DayByDay:
    """Decides every day anew from what the days before left: one pass a day, and memory for the
    jobs that changed.
    """

    def __init__(self, rules: Rules, records: Records, ledger: SimulationTotals) -> None:
        self._rules, self._records, self._ledger = rules, records, ledger
        self._carried: dict[str, CarriedState] = {}
        self._gone_of_builds: Counter[str] = Counter()
        self._purged_today: set[str] = set()

    def follow(self) -> None:
        """Go through all days."""
        for day, as_of in enumerate(self._ledger.as_ofs):
            self._follow_day(day, as_of)

    def _follow_day(self, day: int, as_of: int) -> None:
        ledger, changed, gone = self._ledger, dict[str, CarriedState](), Counter[str]()
        for record, time, verdict in Decider(self._rules, as_of=as_of).verdicts(
            lambda: self._left(day)
        ):
            before = self._carried.get(record.job.id, UNTOUCHED)
            if record.job.id in self._purged_today:
                ledger.purge(day, record, verdict)
            after = (
                ledger.act(day, record, time, verdict, before) if verdict.due_actions else before
            )
            after = announced(record, verdict, after, as_of)
            if after is not before:
                changed[record.job.id] = after
            if after.over is not None or day == len(ledger.as_ofs) - 1:
                ledger.leave(verdict.case.truths, day)
            if after.over is Action.DELETE_JOB and isinstance(record.build_id, str):
                gone[record.build_id] += 1
        self._carried.update(changed)
        self._gone_of_builds.update(gone)
        self._purged_today.clear()

    def _left(self, day: int) -> Iterator[Record]:
        for record in self._records():
            before = self._carried.get(record.job.id, UNTOUCHED)
            if before.over is not None:
                continue
            now = record if before is UNTOUCHED else before.applied(record)
            purge_day = self._ledger.purge_day(record)
            # Sauce Labs purges by its own clock, whatever the plans do.
            if now.assets is AssetsStanding.PRESENT and day >= purge_day:
                now = replace(now, assets=AssetsStanding.PURGED)
                if day == purge_day:
                    self._purged_today.add(record.job.id)
            # The jobs that earlier days deleted still have to add up to the build's counters.
            counters, build = record.build_counters, record.build_id
            if counters is not None and isinstance(build, str) and self._gone_of_builds[build]:
                deleted = counters.deleted + self._gone_of_builds[build]
                now = replace(now, build_counters=replace(counters, deleted=deleted))
            yield now


@dataclass(frozen=True, slots=True, eq=False)
class _Terms:
    """What time and rank change for the jobs of a case: durations by what they count from, with
    their bits; and keep slots.
    """

    case: MatchCase
    age_bits: tuple[tuple[str, Duration, int], ...]
    slots: tuple[tuple[SpanKeeper, RankedSpans, int], ...]


@dataclass(frozen=True, slots=True)
class _Spell:
    """The days on which a job is of one case; on the `active` ones it is ranked. `lines` are bits
    and their days.
    """

    days: Days
    terms: _Terms
    active: Days
    lines: tuple[tuple[int, Days], ...]


class OnePass:
    """Follows each job through all its days at once, newest first."""

    def __init__(self, rules: Rules, records: Records, ledger: SimulationTotals) -> None:
        self._rules, self._records, self._ledger = rules, records, ledger
        self._zone = rules.timezone
        self._calendar = SimulationDays(ledger.as_ofs, rules.timezone)
        self._match_cases = Decider(rules, as_of=ledger.as_ofs[0]).match_cases
        self._age_of = age_times(rules.age_from)
        self._graces = [due_at(as_of, rules.grace, rules.timezone) for as_of in ledger.as_ofs]
        self._keepers: dict[int, SpanKeeper] = {}
        self._terms: dict[tuple[int, frozenset[str]], _Terms] = {}

    @property
    def can_follow(self) -> bool:
        """Whether every winner is known as it comes."""
        return not any(keeper.is_late for keeper in self._match_cases.keepers)

    def follow(self) -> None:
        """Go through all jobs."""
        for record in self._records():
            self._follow_job(record)

    # --- how time changes a job -------------------------------------------------------------------

    def _follow_job(self, record: Record) -> None:
        time = self._age_of(record.job)
        spells = self._spells(record, time)
        through = self._walk(record, time, spells)
        self._ledger.leave(spells[0].terms.case.truths, through)
        # The job takes slots only on the days on which it still exists.
        there = (2 << through) - 1
        for spell in spells:
            if time is not None and (days := spell.active & there):
                for keeper, ranked, _ in spell.terms.slots:
                    keeper.take(ranked, (keeper.keeper.group_of(record), time), days)

    def _spells(self, record: Record, time: int | None) -> list[_Spell]:
        number, left = self._match_cases.facts.of(record), self._calendar.all
        terms = self._terms_of(number, frozenset())
        if not terms.case.holds:
            return [self._spell(record, time, terms, left)]
        # Each hold that ends begins a new spell, with the case of the holds that are left.
        ends = {
            hold.id: holds.ends_at(hold, record.job, self._zone)
            for hold in self._match_cases.holding(number)
        }
        spells, lifted = [], frozenset[str]()
        for end in sorted({end for end in ends.values() if end is not None}):
            after = self._calendar.since(end)
            if days := left & ~after:
                spells.append(self._spell(record, time, self._terms_of(number, lifted), days))
            left &= after
            lifted |= {identity for identity, own in ends.items() if own == end}
        if left:
            spells.append(self._spell(record, time, self._terms_of(number, lifted), left))
        return spells

    def _spell(self, record: Record, time: int | None, terms: _Terms, days: Days) -> _Spell:
        # Before its own time the job would lie in the future, and has no age.
        aged = 0 if time is None else days & self._calendar.since(time)
        lines = [(AGELESS, days & ~aged)] if aged != days else []
        for kind, duration, bit in terms.age_bits:
            base = record.job.started_at if kind == "start" else time
            if isinstance(base, int) and (kind != "start" or base >= EARLIEST):
                known = aged if kind != "start" else days & self._calendar.since(base)
                due = self._due_days(kind, due_at(base, duration, self._zone))
                lines.append((bit, due & known))
        is_aside = record.held or bool(terms.case.holds) or not is_finished(record.job)
        active = 0 if is_aside else aged
        if time is not None and active:
            for keeper, ranked, shift in terms.slots:
                kept_bits = keeper.keep_bits(ranked, (keeper.keeper.group_of(record), time), active)
                lines += [(bits << shift, kept) for bits, kept in kept_bits]
        return _Spell(days, terms, active, tuple(lines))

    def _due_days(self, kind: str, due: int) -> Days:
        if kind != "grace":
            return self._calendar.since(due)
        first = bisect_left(self._graces, due)
        return self._calendar.all >> first << first

    def _terms_of(self, number: int, lifted: frozenset[str]) -> _Terms:
        terms = self._terms.get((number, lifted))
        if terms is None:
            case = self._match_cases.open(number, lifted=lifted)
            slots = []
            for slot in case.slots:
                keeper = self._keepers.setdefault(
                    id(slot.keeper), SpanKeeper(slot.keeper, self._calendar)
                )
                slots.append((keeper, keeper.ranked(slot.context), slot.shift))
            terms = self._terms[number, lifted] = _Terms(case, tuple(_age_bits(case)), tuple(slots))
        return terms

    # --- what the plans do to it ------------------------------------------------------------------

    def _walk(self, record: Record, time: int | None, spells: list[_Spell]) -> int:
        """Decide on the days on which something may change, and return the last day on which the
        job is there.
        """
        ledger, as_ofs, last = self._ledger, self._ledger.as_ofs, len(self._ledger.as_ofs) - 1
        # Between two turns every day decides the same: only the turns have to be looked at.
        turns = 0
        for spell in spells:
            turns |= spell.days & ~(spell.days << 1)
            for _, days in spell.lines:
                turns |= days ^ days << 1
        purge_day = (
            ledger.purge_day(record) if record.assets is AssetsStanding.PRESENT else last + 1
        )
        turns |= 1 << purge_day | self._maturing(record)
        now, carried, day = record, UNTOUCHED, 0
        while True:
            if day >= purge_day and now.assets is AssetsStanding.PRESENT:
                now = replace(now, assets=AssetsStanding.PURGED)
            verdict = self._verdict(now, spells, day)
            if day == purge_day and now.assets is AssetsStanding.PURGED:
                ledger.purge(day, record, verdict)
            after = ledger.act(day, now, time, verdict, carried) if verdict.due_actions else carried
            after = announced(now, verdict, after, as_ofs[day])
            if after.over is not None:
                return day
            if after is not carried:
                now, carried = after.applied(record), after
                turns |= self._maturing(now)
            later = turns >> day + 1
            # What was due changed the job, so the next day differs, too. `later & -later` is the
            # lowest set bit: the next turn.
            if verdict.due_actions:
                day += 1
            else:
                day += (later & -later).bit_length() if later else last + 1
            if day > last:
                return last

    def _verdict(self, record: Record, spells: list[_Spell], day: int) -> JobVerdict:
        spell = next(spell for spell in spells if spell.days >> day & 1)
        flags = 0
        if not is_finished(record.job):
            flags = UNFINISHED | RUNNING if record.job.state is JobState.RUNNING else UNFINISHED
        if record.held:
            flags |= HELD
        if record.assets is not AssetsStanding.PRESENT:
            flags |= ASSETS_DELETED if record.assets is AssetsStanding.DELETED else ASSETS_PURGED
        for action, since in (
            (record.announced or {}).items() if self._match_cases.has_grace else ()
        ):
            if self._matured(since) <= day:
                flags |= _ANNOUNCED[action]
        for bits, days in spell.lines:
            if days >> day & 1:
                flags |= bits
        case = spell.terms.case
        key = flags if record.archived is None else (flags, record.archived)
        verdict: JobVerdict | None = case.verdicts.get(key)
        if verdict is None:
            made = VerdictMaker(
                case, flags, record.archived, has_grace=self._match_cases.has_grace
            ).rule()
            verdict = case.verdicts[key] = made
        return verdict

    def _matured(self, since: int) -> int:
        """Return the first day on which something announced at that time has been so for the whole
        grace period.
        """
        return bisect_left(self._ledger.as_ofs, due_at(since, self._rules.grace, self._zone))

    def _maturing(self, record: Record) -> Days:
        turns = 0
        for since in (record.announced or {}).values():
            turns |= 1 << self._matured(since)
        return turns


def _age_bits(case: MatchCase) -> Iterator[tuple[str, Duration, int]]:
    """Yield what the age bits of the case count from."""
    seen = set()
    for action, claims in case.claims.items():
        for claim in claims:
            if claim.after is None:
                continue
            for kind, bit in (
                ("start" if action is Action.STOP else "age", claim.due),
                ("grace", claim.announced),
            ):
                if bit and bit not in seen:
                    seen.add(bit)
                    yield kind, claim.after, bit
