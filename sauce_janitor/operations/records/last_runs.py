"""Sets the gauges from what the last runs recorded, so that a process that has not run yet exports
what is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sauce_janitor.config import Config
from sauce_janitor.metrics import Metrics
from sauce_janitor.model.job_retries import grouped
from sauce_janitor.model.jobs import HOLD, HOLD_KEY
from sauce_janitor.model.policies import ALL_LIMITS
from sauce_janitor.operations.wiring.pauses import Pauses
from sauce_janitor.state import RunRecord, State

MODES: Final = ("dry_run", "execute")
_LOOKED_BACK: Final = 100
_PLANNED: Final = ("planned_actions", "limit_broken", "overdue_jobs")


def recall(config: Config, state: State, metrics: Metrics) -> None:
    """Set every gauge that a run sets, as the last runs on this state would have. Raise
    StateError.
    """
    metrics.set("paused", 1 if Pauses(state, config.archive.location).is_paused() else 0)
    for account in config.accounts:
        recall_account(account.name, state, metrics)


def recall_account(account: str, state: State, metrics: Metrics) -> None:
    """Set every gauge that a run or a verification of the account sets. Raise StateError."""
    if (full_at := state.jobs.full_at(account)) is not None:
        metrics.set("last_complete_listing_timestamp_seconds", full_at, account=account)
    for mode in MODES:
        done = (
            run
            for run in state.runs.last(account, limit=_LOOKED_BACK, mode=mode)
            if run.result == "done"
        )
        if (newest := next(done, None)) is not None:
            metrics.set(
                "last_success_timestamp_seconds",
                newest.started_at,
                account=account,
                mode=mode,
            )
    metrics.forget("retrying_jobs", account)
    for group in grouped(state.retries.of(account).values()):
        metrics.set("retrying_jobs", group.jobs, account=account, kind=group.kind.value)
    last = state.runs.last(account, limit=_LOOKED_BACK)
    asides = next((run.summary["set_aside"] for run in last if "set_aside" in run.summary), None)
    # No run has recorded any yet: then there is no gauge rather than a false zero.
    if asides is not None:
        metrics.set("rows_set_aside", sum(aside["count"] for aside in asides), account=account)
    if (plan := newest_plan(last)) is not None:
        show_plan(metrics, account, plan)
    if (verified := state.verifications.kept(daily_scope(account))) is not None:
        show_verification(metrics, account, verified)


def daily_scope(account: str) -> str:
    """Return the name under which the state keeps how the last daily verification ended."""
    return f"daily {account}"


def show_verification(metrics: Metrics, account: str, verified: Mapping[str, Any]) -> None:
    """Set the gauges of a recorded daily verification."""
    metrics.set("archive_findings", verified["findings"], account=account)
    metrics.set("last_verification_timestamp_seconds", verified["at"], account=account)


def newest_plan(runs: Iterable[RunRecord]) -> Mapping[str, Any] | None:
    """Return the plan of the newest run that made one, as `run_record` wrote it."""
    return next((run.summary["plan"] for run in runs if "plan" in run.summary), None)


def show_plan(metrics: Metrics, account: str, plan: Mapping[str, Any]) -> None:
    """Set the gauges of a recorded plan, and forget those of an earlier one."""
    # A policy or deadline that was removed must not keep its last number for ever.
    for name in _PLANNED:
        metrics.forget(name, account)
    for policy, counts in plan["by_policy"].items():
        for action, jobs in counts.items():
            named = HOLD if policy == HOLD_KEY else policy
            metrics.set("planned_actions", jobs, account=account, policy=named, action=action)
    for gauge, key in (
        ("inventory_jobs", "jobs"),
        ("held_jobs", "held"),
        ("undecided_jobs", "undecided"),
    ):
        metrics.set(gauge, plan[key], account=account)
    # Records of older releases have no such number.
    metrics.set("incomplete_jobs", plan.get("incomplete", 0), account=account)
    for within in ("24h", "72h"):
        metrics.set(
            "assets_expiring_unarchived", plan[f"expiring_{within}"], account=account, within=within
        )
    for limit in ALL_LIMITS:
        metrics.set("limit_broken", limit in plan["limits_broken"], account=account, limit=limit)
    for deadline, blocked in plan.get("overdue", {}).items():
        for blocker, jobs in blocked.items():
            metrics.set(
                "overdue_jobs", jobs, account=account, deadline=deadline, blocked_by=blocker
            )
