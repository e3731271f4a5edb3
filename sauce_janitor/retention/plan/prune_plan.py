"""The plan of a pruning: what would leave the archive, why, and whether a limit forbids it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from sauce_janitor.counts import counted
from sauce_janitor.model.jobs import JobId, Owner, Reason
from sauce_janitor.model.policies import Approval, LimitName, Limits, Rules
from sauce_janitor.retention.plan.archive_pruning import FileTerm, JobPruning
from sauce_janitor.retention.plan.limits import SMALL_PLAN, ActingJobs, BrokenLimit, Leeway

ERASED: Final = "erased by hand"
"""The reason in the record of files that somebody erased by hand, in place of a policy."""


@dataclass(frozen=True, slots=True)
class PlannedPruning:
    """The files of one job that would be removed. `place` is the job's folder in the archive; `why`
    names policy and time.
    """

    place: str
    job_id: JobId
    owner: Owner
    files: tuple[str, ...]
    size_bytes: int
    why: str


@dataclass(slots=True)
class PrunePlan:
    """What one pruning of one account would do, counted.

    `jobs` are in the archive, `protected` counts those that are protected by their first reason,
    and `terms` counts files and bytes by policy and time. `next_at` is when the next file may go
    that may not yet. `broken` limits refuse all of it; `lifted` are those that it would break
    without approvals.
    """

    as_of: int
    jobs: int = 0
    rows: list[PlannedPruning] = field(default_factory=list)
    files: int = 0
    size_bytes: int = 0
    terms: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    protected: Counter[Reason] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    next_at: int | None = None
    acting: ActingJobs = field(default_factory=ActingJobs)
    acting_by_policy: dict[str, ActingJobs] = field(default_factory=dict)
    matched: Counter[str] = field(default_factory=Counter)
    broken: tuple[BrokenLimit, ...] = ()
    lifted: tuple[BrokenLimit, ...] = ()
    _paths: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict, repr=False)

    def add(
        self, place: str, pruning: JobPruning, matched: frozenset[str], *, accepted_at: int | None
    ) -> None:
        """Count one job. Files that were stored by `accepted_at`, the last accepted pruning under
        the same digest, are expected.
        """
        self.jobs += 1
        self.matched.update(matched)
        due = pruning.due(self.as_of)
        # Only jobs whose time is over: the others would stay anyway.
        if pruning.protected and any(
            term.at is not None and term.at <= self.as_of for term in pruning.terms
        ):
            self.protected[pruning.protected[0]] += 1
        later = [term.at for term in pruning.terms if term.at is not None and term.at > self.as_of]
        if later and not pruning.protected:
            self.next_at = min(later) if self.next_at is None else min(self.next_at, *later)
        if not due:
            return
        self._act(place, pruning, due, accepted_at)

    def _act(
        self, place: str, pruning: JobPruning, due: tuple[FileTerm, ...], accepted_at: int | None
    ) -> None:
        paths = tuple(term.file.file for term in due)
        size = sum(term.file.size_bytes for term in due)
        row = PlannedPruning(
            place,
            pruning.job.job_id,
            pruning.job.owner,
            # Most jobs have the same file names: they share one tuple.
            self._paths.setdefault(paths, paths),
            size,
            why_of(due),
        )
        self.rows.append(row)
        self.files += len(due)
        self.size_bytes += size
        for term in due:
            counted = self.terms.setdefault((term.policy or ERASED, term.keep_for or ""), [0, 0])
            counted[0] += 1
            counted[1] += term.file.size_bytes
        # A file that was stored after the accepted pruning was not in it.
        expected = accepted_at is not None and all(
            term.file.stored_at <= accepted_at for term in due
        )
        policies = {term.policy for term in due if term.policy}
        for acting in (
            self.acting,
            *(self.acting_by_policy.setdefault(policy, ActingJobs()) for policy in policies),
        ):
            acting.expected += expected
            acting.unexpected += not expected


def why_of(due: tuple[FileTerm, ...]) -> str:
    """Return why files are removed, for the record that stays: `nightly: keep_for 90d`."""
    reasons = {
        f"{term.policy}: keep_for {term.keep_for}" if term.policy else ERASED for term in due
    }
    return ", ".join(sorted(reasons))


def measure(plan: PrunePlan, rules: Rules, leeway: Leeway) -> None:
    """Measure the plan by the `max_jobs` and `max_percent` of the account and the policies; limits
    that approvals lift are in `lifted`.
    """
    found = list(_broken(plan, rules.limits, None))
    for policy in sorted(rules.policies, key=lambda policy: policy.name):
        found += _broken(plan, policy.limits, policy.name)
    lifted = _lifted(leeway.approvals, plan.acting.jobs) | leeway.lift
    plan.broken = tuple(limit for limit in found if limit.limit not in lifted)
    plan.lifted = tuple(limit for limit in found if limit.limit in lifted)


def _lifted(approvals: tuple[Approval, ...], jobs: int) -> frozenset[str]:
    return frozenset[str]().union(*(each.lifts for each in approvals if each.allows(jobs)))


def _broken(plan: PrunePlan, limits: Limits, policy: str | None) -> Iterator[BrokenLimit]:
    acting = plan.acting if policy is None else plan.acting_by_policy.get(policy, ActingJobs())
    subject = f"policy {policy}" if policy else "this"
    of = plan.jobs if policy is None else plan.matched[policy]
    percent = 100 * acting.unexpected / of if of else 0.0
    limit: LimitName
    if (
        limits.max_percent is not None
        # A few jobs are a large share of a small archive.
        and plan.acting.jobs >= SMALL_PLAN
        and percent > limits.max_percent
    ):
        limit, text = "max_percent", (
            f"max_percent is {limits.max_percent:g} %: {subject} would prune "
            f"{counted(acting.unexpected, 'unexpected job')}, {percent:.1f} % of the "
            f"{counted(of, 'archived job')} "
            "(unexpected: no accepted prune has seen them)"
        )  # fmt: skip
        yield BrokenLimit(limit, policy, percent, limits.max_percent, text)
    if limits.max_jobs is not None and acting.jobs > limits.max_jobs:
        limit, text = (
            "max_jobs",
            f"max_jobs is {limits.max_jobs:,}: {subject} would prune {counted(acting.jobs, 'job')}",
        )
        yield BrokenLimit(limit, policy, acting.jobs, limits.max_jobs, text)
