"""Limits: the brakes on a plan. A broken limit stops the whole plan before the first change; it
never shortens it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from sauce_janitor.counts import counted
from sauce_janitor.model.policies import Approval, LimitName, Limits, Rules

SMALL_PLAN: Final = 20
"""Plans with fewer acting jobs than this are not measured in percent."""

_NOTHING_CHANGED: Final = "Nothing was changed. "
REVIEW_AND_APPLY: Final = (
    "If the plan is right, run `plan --out FILE`, review it, and run `apply FILE`; if not, fix the"
    " policy"
)
"""What to do about a broken limit."""


@dataclass(slots=True)
class ActingJobs:
    """Distinct jobs with a delete or stop. Expected ones were known to an accepted run, and only
    time has passed since.

    `left` are those expected jobs that an accepted plan already had for the same action, but did
    not reach.
    """

    expected: int = 0
    unexpected: int = 0
    left: int = 0

    @property
    def jobs(self) -> int:
        """All of them."""
        return self.expected + self.unexpected

    @property
    def new(self) -> int:
        """Those that no accepted plan had: jobs that an accepted plan could not reach do not count
        again.
        """
        return self.jobs - self.left


@dataclass(slots=True)
class LimitCounts:
    """What limits are measured by: the jobs seen and those that act, and both by policy (certain
    matches, and the policy that permits).
    """

    inventory: int = 0
    acting: ActingJobs = field(default_factory=ActingJobs)
    matched: dict[str, int] = field(default_factory=dict)
    by_policy: dict[str, ActingJobs] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BrokenLimit:
    """One broken limit: which, of which policy (None: the account's), the numbers, and a text that
    says how to fix it.

    `measured` and `allowed` are percent for max_percent, jobs for the others.
    """

    limit: LimitName
    policy: str | None
    measured: float
    allowed: float
    text: str


@dataclass(frozen=True, slots=True)
class Leeway:
    """What a plan is measured by besides its rules.

    `lift` names limits that are not measured; `approvals` are those in force. `medians` are of the
    sizes (`ActingJobs.new`) of the last 7 accepted plans that had any, by policy, and under None
    for the account; without one, max_growth is not measured.
    """

    lift: frozenset[LimitName] = frozenset()
    medians: Mapping[str | None, float] = field(default_factory=dict)
    approvals: tuple[Approval, ...] = ()


NO_LEEWAY: Final = Leeway()


def measure(
    rules: Rules, tally: LimitCounts, leeway: Leeway, remedy: str = REVIEW_AND_APPLY
) -> tuple[tuple[BrokenLimit, ...], tuple[BrokenLimit, ...]]:
    """Return the limits that the plan breaks, and those that it would break without approvals, in
    the order of `broken_limits`. `remedy` is the sentence that says what to do about a broken one.
    """
    found = broken_limits(rules, tally, lift=leeway.lift, medians=leeway.medians)
    found = tuple(replace(each, text=f"{each.text}. {_NOTHING_CHANGED}{remedy}") for each in found)
    approved = frozenset[str]().union(
        *(each.lifts for each in leeway.approvals if each.allows(tally.acting.new))
    )
    return (
        tuple(limit for limit in found if limit.limit not in approved),
        tuple(limit for limit in found if limit.limit in approved),
    )


def broken_limits(
    rules: Rules, tally: LimitCounts, *, lift: frozenset[str], medians: Mapping[str | None, float]
) -> tuple[BrokenLimit, ...]:
    """Return the limits that the plan breaks, except those in `lift`: the account's first, then by
    policy name.
    """
    found = list(_broken(rules.limits, tally, None, lift=lift, median=medians.get(None)))
    for policy in sorted(rules.policies, key=lambda policy: policy.name):
        found += _broken(
            policy.limits, tally, policy.name, lift=lift, median=medians.get(policy.name)
        )
    return tuple(found)


def _broken(
    limits: Limits,
    tally: LimitCounts,
    policy: str | None,
    *,
    lift: frozenset[str],
    median: float | None,
) -> Iterator[BrokenLimit]:
    acting = tally.acting if policy is None else tally.by_policy.get(policy, ActingJobs())
    subject = f"policy {policy}" if policy else f"the plan{_mostly(tally.by_policy)}"
    # A few jobs of a small inventory are soon a large part of it.
    if (
        limits.max_percent is not None
        and "max_percent" not in lift
        and tally.acting.jobs >= SMALL_PLAN
    ):
        of = tally.inventory if policy is None else tally.matched.get(policy, 0)
        # Without a division: a policy that matches no known job breaks the limit with its first
        # one.
        if acting.unexpected * 100 > limits.max_percent * of:
            percent = 100 * acting.unexpected / of if of else 100.0
            jobs = "known job" if policy is None else "job that it matches"
            if of != 1:
                jobs = "known jobs" if policy is None else "jobs that it matches"
            text = (
                f"max_percent is {limits.max_percent:g} %: {subject} would delete or stop "
                f"{counted(acting.unexpected, 'unexpected job')}, {percent:.1f} % of the {of:,} "
                f"{jobs} (unexpected: no accepted run has seen them)"
            )
            yield BrokenLimit("max_percent", policy, percent, limits.max_percent, text)
    besides = (
        f" besides the {acting.left:,} that an accepted plan has left to do" if acting.left else ""
    )
    if limits.max_jobs is not None and "max_jobs" not in lift and acting.new > limits.max_jobs:
        text = (
            f"max_jobs is {limits.max_jobs:,}: {subject} would delete or stop "
            f"{counted(acting.new, 'job')}{besides}"
        )
        yield BrokenLimit("max_jobs", policy, acting.new, limits.max_jobs, text)
    if limits.max_growth is not None and "max_growth" not in lift and median is not None:
        allowed = limits.max_growth * median
        if acting.new > allowed:
            text = (
                f"max_growth is {limits.max_growth:g}: {subject} would delete or stop "
                f"{counted(acting.new, 'job')}{besides}, more than {allowed:,g}, "
                f"{limits.max_growth:g} times the median of the last plans"
            )
            yield BrokenLimit("max_growth", policy, acting.new, allowed, text)


def _mostly(by_policy: Mapping[str, ActingJobs]) -> str:
    if not by_policy:
        return ""
    name = min(by_policy, key=lambda name: (-by_policy[name].jobs, name))
    # `(offboard)` is no policy, and is the whole plan.
    if name.startswith("("):
        return ""
    return f" (policy {name}: {by_policy[name].jobs:,})"
