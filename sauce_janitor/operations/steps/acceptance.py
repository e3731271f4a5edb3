"""Accepting a plan: what is recorded, and what later plans are measured by. Nothing is decided
here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

from sauce_janitor.config import Config
from sauce_janitor.model.jobs import DELETES, Action, JobId
from sauce_janitor.model.policies import ALL_LIMITS, Limits, Rules
from sauce_janitor.retention.plan.limits import Leeway
from sauce_janitor.retention.plan.planner import JobPlan, Plan
from sauce_janitor.state import Acceptances, State

Part: TypeAlias = Callable[[Iterable[JobPlan]], Iterable[JobPlan]] | None
"""Selects the jobs of a plan that are carried out; None: all of them."""


@dataclass(frozen=True, slots=True)
class AcceptedUnder:
    """The account and policy digest of an accepted plan. Jobs that have not changed since
    `known_at` (epoch seconds) are expected from then on.
    """

    account: str
    digest: str
    known_at: int


def leeway(config: Config, state: State, account: str, *, now: int, reviewed: bool) -> Leeway:
    """Return what an account's plan is measured by now. A reviewed plan is approved by its review:
    no limit applies.
    """
    digest = config.policy_digest(account)
    approvals = tuple(
        each for each in config.approvals(account) if each.is_in_force(digest, at=now)
    )
    return Leeway(
        lift=ALL_LIMITS if reviewed else frozenset(),
        medians=_medians(config.rules(account), state, account),
        approvals=approvals + state.approvals.in_force(account, digest, at=now),
    )


def plan_sizes(rules: Rules, state: State, account: str) -> dict[str | None, tuple[int, ...]]:
    """Return the sizes of the last accepted plans, newest first, where max_growth is set: of the
    whole plan under None, else by policy.
    """
    limits: dict[str | None, Limits] = {None: rules.limits}
    limits |= {policy.name: policy.limits for policy in rules.policies}
    return {
        name: state.acceptances.plan_sizes(account, name)
        for name, limit in limits.items()
        if limit.max_growth is not None
    }


def _medians(rules: Rules, state: State, account: str) -> dict[str | None, float]:
    """Return the medians that max_growth is measured by."""
    return {
        name: median(sizes) for name, sizes in plan_sizes(rules, state, account).items() if sizes
    }


def accept(
    plan: Plan, part: Part, rules: Rules, acceptances: Acceptances, under: AcceptedUnder
) -> None:
    """Record that a plan, or the reviewed `part` of it, is accepted.

    Its size is stored and, where the limits count jobs, also the jobs that it may leave undone.
    """
    sizes: Counter[str | None] = Counter()
    if part is None:
        sizes[None] = plan.acting.new
        sizes.update({name: acting.new for name, acting in plan.acting_by_policy.items()})
    else:
        # A review may have removed actions, so the plan's own totals are too large.
        for each in part(plan.jobs()):
            if _change(each):
                sizes.update((None, each.actions[-1].policy))
    # Without such a limit nobody asks for the jobs: a million ids are not stored for nothing.
    counted = any(
        _counts_jobs(limits)
        for limits in (rules.limits, *(policy.limits for policy in rules.policies))
    )
    jobs = _by_action(plan.jobs() if part is None else part(plan.jobs())) if counted else None
    acceptances.accept(under.account, under.digest, at=under.known_at, sizes=sizes, jobs=jobs)


def announce(plan: Plan, state: State, account: str, *, at: int) -> None:
    """Record what is announced from now on, or still is. A job that is no longer announced starts
    again when it comes back.
    """
    for action in DELETES:
        announced = (job_id for job_id, actions in plan.announced() if action in actions)
        state.notices.announce(account, action, announced, at=at)


def _counts_jobs(limits: Limits) -> bool:
    return limits.max_jobs is not None or limits.max_growth is not None


def _change(job: JobPlan) -> Action | None:
    """Return the delete or stop of a planned job, None when it is only archived."""
    action = job.actions[-1].action
    return None if action is Action.ARCHIVE else action


def _by_action(jobs: Iterable[JobPlan]) -> dict[Action, Iterator[JobId]]:
    """Return the jobs by their delete or stop. Ids are packed into 16 bytes, because there may be a
    million.
    """
    ids: dict[Action, bytearray] = {}
    for job in jobs:
        if action := _change(job):
            ids.setdefault(action, bytearray()).extend(bytes.fromhex(job.job_id))
    return {action: _ids(packed) for action, packed in ids.items()}


def _ids(packed: bytearray) -> Iterator[JobId]:
    for at in range(0, len(packed), 16):
        yield JobId(packed[at : at + 16].hex())
