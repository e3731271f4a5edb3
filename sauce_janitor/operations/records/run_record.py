"""The record of a run in the state, from its start to its end, which `status` shows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from types import TracebackType
from typing import Any, Self

from sauce_janitor.errors import JanitorError, RefusedError, StateError
from sauce_janitor.execute import Execution
from sauce_janitor.inventory import SyncReport
from sauce_janitor.model.failed_actions import alike
from sauce_janitor.model.jobs import HOLD_KEY
from sauce_janitor.operations.wiring.footprint import Footprint
from sauce_janitor.operations.wiring.owners import LeftOut, Owners
from sauce_janitor.planfile import PlanHead
from sauce_janitor.retention.interactions import by_weight
from sauce_janitor.retention.plan.deadlines import overdue_counts
from sauce_janitor.retention.plan.planner import Plan
from sauce_janitor.state import Runs

_LONGEST = 500
_FEW_ROWS = 10
_MANY_ROWS = 50


def aside_row(report: SyncReport) -> dict[str, Any]:
    """Return what was set aside of one owner's list, as in JSON: how many rows, and the first of
    them with job or position, and reason.
    """
    rows = [
        {"job_id": row.id or None, "place": row.skip, "why": row.why, "since": row.since}
        for row in report.asides
    ]
    return {"owner": report.owner, "count": report.aside_count, "rows": rows[:_FEW_ROWS]}


class RunEntry:
    """One run's entry, started and ended by `with`: done, incomplete, refused or failed. An entry
    without a result was killed.
    """

    def __init__(
        self, runs: Runs, run_id: str, account: str, *, mode: str, clock: Callable[[], float]
    ) -> None:
        self._runs, self._run_id, self._account, self._mode, self._clock = (
            runs,
            run_id,
            account,
            mode,
            clock,
        )
        self._summary: dict[str, Any] = {}
        self._complete = True

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Record how long a phase takes, in seconds; the same phase may come again."""
        began = time.monotonic()
        try:
            yield
        finally:
            phases = self._summary.setdefault("phases", {})
            phases[phase] = round(phases.get(phase, 0.0) + time.monotonic() - began, 1)

    def planned(
        self, plan: Plan, head: PlanHead, outlook: Mapping[str, Any], footprint: Footprint
    ) -> None:
        """Record the plan, its size, what it and new jobs need of the budget, and what each policy
        matches.
        """
        by_policy: dict[str, dict[str, int]] = {}
        for (policy, action), jobs in sorted(
            plan.counts.items(), key=lambda item: (item[0][0] or "", item[0][1])
        ):
            by_policy.setdefault(policy or HOLD_KEY, {})[action.value] = jobs
        self._summary["plan"] = {
            "as_of": plan.as_of,
            "policy_digest": head.policy_digest,
            "jobs": plan.inventory,
            "held": plan.held,
            "incomplete": plan.incomplete,
            "undecided": sum(plan.undecided.values()),
            "counts": dict(head.counts),
            "effects": footprint.as_row(),
            "by_policy": by_policy,
            "announced": dict(head.announced),
            "limits_broken": list(head.limits_broken),
            "requests_needed": head.requests_needed,
            "budget": dict(outlook),
            **_expiring(plan),
            "overdue": {name: dict(blocked) for name, blocked in head.overdue.items()},
        }
        postponed = by_weight(plan.postponed)[:_MANY_ROWS]
        self._summary["policies"] = {
            "matched": dict(plan.matched),
            "postponed": [
                each.as_row(jobs) | {"text": each.text(jobs)} for each, jobs in postponed
            ],
            "warnings": [text[:_LONGEST] for text in plan.lints[:_MANY_ROWS]],
        }

    def listed(self, scope: Owners, left_out: Sequence[LeftOut]) -> None:
        """Record the owners, and those whose jobs could not be listed."""
        self._summary["owners"] = {
            "names": list(scope.owners),
            "how": scope.how,
            "gaps": list(scope.gaps),
            "group": scope.group,
        }
        self._summary["left_out"] = [left.row() for left in left_out]
        self._complete = not scope.gaps and all(left.departed for left in left_out)

    def set_aside(self, listings: Sequence[SyncReport]) -> None:
        """Record the rows that could not be read, and the first listings that are not confirmed
        yet.
        """
        self._summary["set_aside"] = [
            aside_row(report) for report in listings if report.aside_count
        ]
        self._summary["unconfirmed"] = [report.owner for report in listings if not report.confirmed]

    def withheld(self, jobs: int) -> None:
        """Record how many due jobs stay until their owner's first listing is confirmed."""
        self._summary["withheld"] = jobs
        # A dry run shows the withheld jobs and leaves nothing undone by it.
        self._complete = self._complete and (self._mode != "execute" or not jobs)

    def executed(
        self, execution: Execution, budget_left: int | None, goes_on_at: int | None = None
    ) -> None:
        """Record what was done, the requests left in the hour, and when a plan that paused for them
        continues.
        """
        counts: Counter[str] = Counter()
        for (_, action, outcome), jobs in sorted(execution.counts.items()):
            counts[f"{action.value}_{outcome.value}"] += jobs
        self._complete = self._complete and execution.complete
        self._summary |= {
            "outcomes": dict(counts),
            "left": execution.left,
            "budget_left": budget_left,
        }
        self._summary["goes_on_at"] = goes_on_at
        self._summary["lost"] = execution.lost
        self._summary["waiting"] = {
            kind.value: jobs for kind, jobs in sorted(execution.waiting.items())
        }
        self._summary["damaged_copies"] = execution.damaged_copies
        self._summary["restored_copies"] = execution.restored_copies
        self._summary |= {"missed": execution.missed, "incomplete": execution.incomplete}
        self._summary["failures"] = [
            {
                "action": group.first.action.value,
                "policy": group.first.policy,
                "kind": None if group.first.kind is None else group.first.kind.value,
                "why": group.first.detail[:_LONGEST],
                "jobs": len(group.job_ids),
                "examples": list(group.job_ids[:_FEW_ROWS]),
            }
            for group in alike(execution.failures)[:_FEW_ROWS]
        ]
        if execution.halted:
            self._summary["halted"] = execution.halted.detail

    def settled(self, plan: Plan) -> None:
        """Record what is late after the plan was carried out."""
        self._summary["plan"]["overdue"] = overdue_counts(plan.late)

    def saved(self, plan: Plan) -> None:
        """Record what still expires after the plan was carried out."""
        self._summary["plan"] |= _expiring(plan)

    def __enter__(self) -> Self:
        self._runs.begin(self._run_id, self._account, mode=self._mode, at=int(self._clock()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A run that is killed never gets here: its entry stays without a result.
        result = "done" if self._complete else "incomplete"
        if error is not None:
            result = "refused" if isinstance(error, RefusedError) else "failed"
            # Another exception's text may quote data or a secret; its type is enough to find the
            # bug.
            text = str(error) if isinstance(error, JanitorError) else type(error).__name__
            # The record is read later, when the pause may be over.
            if isinstance(error, RefusedError):
                text = error.cause
            self._summary["error"] = text.partition("\n")[0][:_LONGEST]
        # The first error is reported, not the failure to record it.
        with suppress(StateError) if error is not None else nullcontext():
            self._runs.finish(
                self._run_id, result=result, at=int(self._clock()), summary=self._summary
            )


def _expiring(plan: Plan) -> dict[str, int]:
    """Return how many jobs lose wanted assets without a copy, by when."""
    return {
        "expiring_24h": plan.expiring_24h_jobs,
        "expiring_72h": plan.expiring_72h_jobs,
        "expiring_7d": plan.expiring_7d_jobs,
    }
