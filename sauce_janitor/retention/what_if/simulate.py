"""Simulates what policies will do day by day to the jobs that are known now: no new job comes, and
nothing but time changes.

Every day a plan is made and carried out completely, archiving first. A broken limit is reported,
but the plan is carried out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from sauce_janitor.model.jobs import Action
from sauce_janitor.model.policies import Approval, Rules
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.retention.decide import Decider, Records
from sauce_janitor.retention.matching import Truth
from sauce_janitor.retention.plan.costs import bytes_wanted, requests_needed
from sauce_janitor.retention.plan.limits import (
    ActingJobs,
    BrokenLimit,
    Leeway,
    LimitCounts,
    measure,
)
from sauce_janitor.retention.what_if.job_courses import DayByDay, OnePass
from sauce_janitor.retention.what_if.savings import SavingsDay, SimulationTotals

LONGEST_DAYS: Final = 3660
_PLANS: Final = 7
ASSUMPTIONS: Final = (
    "no job is new or changes: what is known today grows older, and running jobs keep running",
    (
        "a run a day at this time of day carries out the whole plan, within any request budget, "
        "and nothing fails"
    ),
    (
        "archiving counts as done once it is due; a stopped job is not followed further; "
        "local holds stay"
    ),
    "Sauce Labs purges assets 30 days after a job's end",
    "a broken limit is reported and then lifted",
)
"""What a simulation assumes."""


@dataclass(frozen=True, slots=True)
class Day:
    """One day's plan. `as_of` is epoch seconds; `jobs` are there before it; `counts` and `totals`
    are like those of a plan.

    `requests` and `archive_bytes` are estimates (see `costs`). `purged` jobs lost their assets to
    Sauce Labs since the day before; `lost` of them were wanted and not archived. `broken` are the
    limits that the plan breaks.
    """

    number: int
    as_of: int
    jobs: int
    counts: Mapping[tuple[str | None, Action], int]
    totals: Mapping[Action, int]
    requests: int
    archive_bytes: float
    purged: int
    lost: int
    acting: ActingJobs
    broken: tuple[BrokenLimit, ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    """The days, the first is today. `jobs_left` are there after the last one."""

    days: tuple[Day, ...]
    jobs_left: int

    @property
    def first_broken(self) -> Day | None:
        """The first day whose plan breaks a limit."""
        return next((day for day in self.days if day.broken), None)

    @property
    def totals(self) -> dict[Action, int]:
        """The actions of all days."""
        return {action: sum(day.totals[action] for day in self.days) for action in Action}

    @property
    def counts(self) -> dict[tuple[str | None, Action], int]:
        """The actions of all days by policy; None is what a hold archives."""
        found: dict[tuple[str | None, Action], int] = {}
        for day in self.days:
            for key, number in day.counts.items():
                found[key] = found.get(key, 0) + number
        return found


@dataclass(frozen=True, slots=True)
class Setting:
    """What a simulation starts from: `days` many plans, the first at `as_of`.

    `policies`: only their actions are carried out (empty: all). `accepted_at` as for
    `planner.make_plan`. `plan_sizes`, for max_growth, are those of the last accepted plans, newest
    first, by policy, and under None for the account. `approvals` are those under the policies'
    digest; each counts until it is over. `sizes` are mean bytes a job by class (`costs.class_of`).
    """

    as_of: int
    days: int
    policies: frozenset[str] = frozenset()
    accepted_at: int | None = None
    plan_sizes: Mapping[str | None, tuple[int, ...]] = field(default_factory=dict)
    approvals: tuple[Approval, ...] = ()
    sizes: Mapping[str, float] = field(default_factory=dict)


def simulate(
    rules: Rules, records: Records, setting: Setting, *, day_by_day: bool = False
) -> Simulation:
    """Go through the days. `records` are in the order that `decide.decide` needs, those of the
    future too.

    It takes one pass, and memory only for groups. Rules whose winners are known only at the end, or
    `day_by_day`, take a pass a day, and memory for the jobs that change. Both give the same result.
    """
    assert 1 <= setting.days <= LONGEST_DAYS, f"{setting.days} days"
    as_ofs = tuple(setting.as_of + day * DAY_S for day in range(setting.days))
    ledger = SimulationTotals(as_ofs, rules.timezone, setting.policies, setting.accepted_at)
    one_pass = OnePass(rules, records, ledger)
    course = (
        one_pass if one_pass.can_follow and not day_by_day else DayByDay(rules, records, ledger)
    )
    course.follow()
    growth = _Growth(setting)
    days = tuple(_day(rules, ledger, number, setting, growth) for number in range(setting.days))
    last = days[-1]
    # A stopped job is not followed further, so it is not there on the next day.
    gone = last.totals[Action.DELETE_JOB] + last.totals[Action.STOP]
    return Simulation(days, last.jobs - gone)


def takes_one_pass(rules: Rules) -> bool:
    """Return whether `simulate` takes one pass over the records under these rules, and not one a
    day.
    """
    keepers = Decider(rules, as_of=0).match_cases.keepers
    return not any(keeper.is_late for keeper in keepers)


class _Growth:
    """The sizes of the last accepted plans, as the days go by."""

    def __init__(self, setting: Setting) -> None:
        self._known = {name: list(sizes) for name, sizes in setting.plan_sizes.items()}
        self._is_accepted = not setting.policies

    def medians(self) -> dict[str | None, float]:
        """Return what max_growth is measured by."""
        return {name: median(sizes[:_PLANS]) for name, sizes in self._known.items() if sizes}

    def accept(self, entry: SavingsDay) -> None:
        """Note that the day's plan goes ahead."""
        # A plan of some policies only is no accepted plan.
        for name, sizes in self._known.items() if self._is_accepted else ():
            acting = entry.acting if name is None else entry.acting_by_policy.get(name)
            # Plans without new jobs would pull the median down to nothing.
            if acting is not None and acting.new:
                sizes.insert(0, acting.new)


def _day(
    rules: Rules, ledger: SimulationTotals, number: int, setting: Setting, growth: _Growth
) -> Day:
    entry = ledger.days[number]
    there = tuple(ledger.there(number))
    jobs = sum(count for _, count in there)
    totals = dict.fromkeys(Action, 0)
    for (_, action), count in entry.counts.items():
        totals[action] += count
    # An approval ends on its day; a later plan must keep the limits again.
    approvals = tuple(each for each in setting.approvals if ledger.as_ofs[number] < each.until)
    broken = _broken(rules, entry, there, Leeway(medians=growth.medians(), approvals=approvals))
    growth.accept(entry)
    return Day(
        number=number,
        as_of=ledger.as_ofs[number],
        jobs=jobs,
        counts=entry.counts,
        totals=totals,
        requests=requests_needed(entry.cost()),
        archive_bytes=sum(
            bytes_wanted(selection, setting.sizes) * count
            for selection, count in entry.fetched.items()
        ),
        purged=entry.purged,
        lost=entry.lost,
        acting=entry.acting,
        broken=broken,
    )


def _broken(
    rules: Rules,
    entry: SavingsDay,
    there: Collection[tuple[tuple[Truth, ...], int]],
    leeway: Leeway,
) -> tuple[BrokenLimit, ...]:
    matched = {
        policy.name: sum(count for truths, count in there if truths[n])
        for n, policy in enumerate(rules.policies)
    }
    tally = LimitCounts(
        sum(count for _, count in there), entry.acting, matched, entry.acting_by_policy
    )
    return measure(rules, tally, leeway)[0]
