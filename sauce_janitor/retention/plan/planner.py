"""Makes the plan: decides about every job, counts, and measures the limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from sauce_janitor.model.durations import due_at
from sauce_janitor.model.job_retries import FailureKind, Retry, purge_is_near
from sauce_janitor.model.jobs import DELETES, AssetsStanding, Decision, JobId, Record, Verdict, Why
from sauce_janitor.model.policies import Rules
from sauce_janitor.model.safety_numbers import DAY_S, PURGED_AFTER_S
from sauce_janitor.retention.decide import Decider, Records
from sauce_janitor.retention.fingerprint import decision_fields, fingerprint_of
from sauce_janitor.retention.job_verdict import JobVerdict
from sauce_janitor.retention.plan.deadlines import Blocker, DeadlineWatch, block_what_goes
from sauce_janitor.retention.plan.limits import NO_LEEWAY, ActingJobs, Leeway, LimitCounts, measure
from sauce_janitor.retention.plan.plan import TIME_BITS, JobPlan, Plan, Waiting
from sauce_janitor.retention.plan.unmatched_patterns import UnmatchedPatterns, inventory_lints
from sauce_janitor.retention.plan.vendor_purge import PurgeCandidates

__all__ = ["PURGED_AFTER_S", "JobPlan", "Plan", "Waiting", "make_plan"]

_NOTHING: Final[Mapping[JobId, Retry]] = {}
_PRIORITIES: Final = {"hold": 0, "high": 1, "normal": 2, "low": 3}


def make_plan(
    rules: Rules,
    records: Records,
    *,
    as_of: int,
    accepted_at: int | None,
    leeway: Leeway = NO_LEEWAY,
    retries: Mapping[JobId, Retry] = _NOTHING,
) -> Plan:
    """Decide about all jobs and count. `records` must be in the order that `decide.decide` needs.

    A job is expected when `accepted_at`, the last accepted run under the same policy digest, is not
    before its `changed_at`. `retries` are the jobs that failed in earlier runs: they change only
    the order.
    """
    planner = _Planner(rules, as_of=as_of, accepted_at=accepted_at, retries=retries)
    plan, tally = planner.plan(records)
    plan.approvals = leeway.approvals
    plan.broken, plan.lifted = measure(rules, tally, leeway)
    if plan.broken:
        block_what_goes(plan.late, Blocker.LIMIT)
    return plan


class _Planner:
    """Makes one plan."""

    def __init__(
        self,
        rules: Rules,
        *,
        as_of: int,
        accepted_at: int | None,
        retries: Mapping[JobId, Retry] = _NOTHING,
    ) -> None:
        self._rules, self._accepted_at, self._retries = rules, accepted_at, retries
        self._decider = Decider(rules, as_of=as_of)
        self._fields = decision_fields(rules)
        self._plan = Plan(as_of)
        self._seen: dict[JobVerdict, int] = {}
        self._priorities: dict[str | None, int] = {
            p.name: _PRIORITIES[p.priority] for p in rules.policies
        }
        self._priorities[None] = _PRIORITIES["hold"]

    def plan(self, records: Records) -> tuple[Plan, LimitCounts]:
        """Return the plan, and what its limits are measured by."""
        plan, seen = self._plan, self._seen
        watch = DeadlineWatch(self._rules, as_of=plan.as_of) if self._rules.deadlines else None
        unmatched, purge_candidates = UnmatchedPatterns(self._rules), PurgeCandidates(plan.as_of)
        self._decider.match_cases.facts.on_value = unmatched.see
        for record, time, verdict in self._decider.verdicts(records):
            seen[verdict] = seen.get(verdict, 0) + 1
            if verdict.due_actions:
                self._act(record, time, verdict)
            is_late = watch is not None and watch.see(record, time, verdict)
            purge_candidates.see(record, verdict, is_late=is_late)
            if verdict.unarchived:
                self._watch(record)
            if verdict.announce:
                plan.announcements.setdefault(verdict.announce, bytearray()).extend(
                    bytes.fromhex(record.job.id)
                )
                self._wait(record, time, verdict)
        plan.rows.sort()
        plan.purge_candidates = purge_candidates.drawn()
        self._count()
        plan.lints = inventory_lints(self._rules, plan, unmatched)
        if watch is not None:
            plan.late = watch.late
        return plan, LimitCounts(plan.inventory, plan.acting, plan.matched, plan.acting_by_policy)

    def _act(self, record: Record, time: int | None, verdict: JobVerdict) -> None:
        plan, rows = self._plan, self._plan.rows
        due = verdict.acts(record, time, self._rules.timezone)
        number = rows.template(
            verdict, due, self._priorities, is_past_purge=self._is_past_purge(record)
        )
        template = rows.template_list[number]
        policy = template.changes
        if policy is not None:
            expected = self._accepted_at is not None and record.changed_at <= self._accepted_at
            left = expected and record.accepted_for is due[-1].action
            if policy not in plan.acting_by_policy:
                plan.acting_by_policy[policy] = ActingJobs()
            for acting in (plan.acting, plan.acting_by_policy[policy]):
                acting.expected += expected
                acting.unexpected += not expected
                acting.left += left
        urgency = self._purge_order(record) if template.archives else (due[-1].due_since or 0)
        made = fingerprint_of(record, self._fields)
        rows.add(record, number, due, print_=made, order=(self._behind(record, due), urgency))

    def _behind(self, record: Record, due: Sequence[Decision]) -> int:
        """Return 1 for a job that failed before; 0 for others, and for a job whose purge is near: a
        later try may be too late.
        """
        job = record.job
        before = self._retries.get(job.id)
        if before is None:
            return 0
        # A job that changed since need not wait, but still comes after those that were not tried.
        is_news = record.changed_at > before.last_failed_at
        # Files that are given up block no delete: they are requested once more right before it.
        goes = before.kind is FailureKind.GIVEN_UP and any(
            decision.action in DELETES for decision in due
        )
        due_at = self._plan.as_of if is_news or goes else before.due_at
        wants_assets = record.assets is AssetsStanding.PRESENT
        hurried = wants_assets and purge_is_near(job.ended_at, as_of=self._plan.as_of)
        self._plan.retries[job.id] = replace(
            before, due_at=min(due_at, before.due_at), hurried=hurried
        )
        return 0 if hurried else 1

    def _wait(self, record: Record, time: int | None, verdict: JobVerdict) -> None:
        """Count the announced deletes that are not due, and when they will be."""
        assert time is not None, f"job {record.job.id} is announced without an age"
        zone, announced = self._rules.timezone, record.announced or {}
        for decision in verdict.decisions:
            action = decision.action
            if action not in verdict.announce or decision.verdict is Verdict.DUE:
                continue
            over = due_at(announced.get(action, self._plan.as_of), self._rules.grace, zone)
            at = max(over, verdict.goes_at(action, record, time, zone))
            waiting = self._plan.waiting.setdefault(action, Waiting(0, 0, at, at))
            waiting.jobs += 1
            waiting.fresh += action not in announced
            waiting.first_at, waiting.last_at = min(waiting.first_at, at), max(waiting.last_at, at)

    def _purge_order(self, record: Record) -> int:
        """Return a number that puts the nearest purge first, and purged jobs last."""
        ended = record.job.ended_at
        # Without an end no purge is in sight.
        if not isinstance(ended, int):
            return 1 << TIME_BITS - 1
        return (1 << TIME_BITS - 1 if self._is_past_purge(record) else 0) + max(ended, 0)

    def _is_past_purge(self, record: Record) -> bool:
        ended = record.job.ended_at
        return isinstance(ended, int) and ended + PURGED_AFTER_S <= self._plan.as_of

    def _watch(self, record: Record) -> None:
        ended = record.job.ended_at
        # Purged assets cannot be saved any more, and deleted ones need not be.
        if isinstance(ended, int) and record.assets is AssetsStanding.PRESENT:
            left = ended + PURGED_AFTER_S - self._plan.as_of
            if 0 < left <= 7 * DAY_S:
                days = math.ceil(left / DAY_S)
                self._plan.expiring_7d_jobs += 1
                self._plan.expiring_72h_jobs += days <= 3
                self._plan.expiring_24h_jobs += days <= 1
                self._plan.expiring[bytes.fromhex(record.job.id)] = days

    def _count(self) -> None:
        plan = self._plan
        names = [policy.name for policy in self._rules.policies]
        plan.matched = dict.fromkeys(names, 0)
        for template, jobs in plan.rows.templates():
            for action, _, policy in template.actions:
                plan.counts[policy, action] = plan.counts.get((policy, action), 0) + jobs
                plan.totals[action] += jobs
        for verdict, jobs in self._seen.items():
            plan.inventory += jobs
            plan.held += jobs if verdict.held else 0
            plan.incomplete += jobs if verdict.lacks else 0
            plan.giving_up += (
                jobs if verdict.selection is not None and verdict.selection.gives_up else 0
            )
            for name, truth in zip(names, verdict.case.truths, strict=True):
                plan.matched[name] += jobs if truth else 0
            for each in verdict.postponed:
                plan.postponed[each] = plan.postponed.get(each, 0) + jobs
            undecided = set()
            for decision in verdict.decisions:
                if decision.verdict is Verdict.KEEP:
                    for reason in decision.reasons:
                        plan.kept[decision.action, reason] = (
                            plan.kept.get((decision.action, reason), 0) + jobs
                        )
                        if reason.why is Why.UNDECIDED:
                            undecided.add((reason.policy or "", reason.rule or ""))
            for key in undecided:
                plan.undecided[key] = plan.undecided.get(key, 0) + jobs
