"""The runs as the console shows them: what the state recorded of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sauce_janitor import report
from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.model.job_retries import FailureKind
from sauce_janitor.model.jobs import HOLD, HOLD_KEY, Action
from sauce_janitor.state import RunRecord
from sauce_janitor.web.run_pages import (
    ActionCounts,
    FailureLine,
    ListedRun,
    PhaseTime,
    RunList,
    ShownRun,
)

_PAGE: Final = 50
_BAD: Final = frozenset({"failed", "refused", "incomplete"})
_PHASES: Final = {
    "list": "List jobs",
    "plan": "Plan",
    "execute": "Carry out",
}
_OUTCOMES: Final = ("done", "already_gone", "skipped", "failed")


class RunRecords:
    """The runs as the pages read them (see `web.run_pages`)."""

    def __init__(self, access: ConsoleAccess) -> None:
        self._access = access

    def accounts(self) -> Sequence[str]:
        return [account.name for account in self._access.config.accounts]

    def runs(self, account: str, before: tuple[int, str] | None, /) -> RunList:
        found = self._access.state.runs.page(account, before=before, limit=_PAGE + 1)
        return RunList(account, tuple(map(listed_run, found[:_PAGE])), len(found) > _PAGE)

    def run(self, run_id: str, /) -> ShownRun | None:
        run = self._access.state.runs.one(run_id)
        return None if run is None else _shown(run)


def listed_run(run: RunRecord) -> ListedRun:
    """Return a recorded run as one line of a list."""
    summary = run.summary
    outcomes = report.outcomes_text(summary.get("outcomes") or {})
    parts = [outcomes] if outcomes else []
    # Only a dry run ends with a plan that breaks a limit: another one is refused.
    if broken := (summary.get("plan") or {}).get("limits_broken"):
        parts += [f"over {', '.join(sorted(set(broken)))}"] if not outcomes else []
    parts += [f"{summary['left']:,} left"] if summary.get("left") else []
    parts += [str(summary[key]) for key in ("halted", "error") if summary.get(key)]
    # The clock may have been set back during the run.
    took_s = None if run.ended_at is None else max(0, run.ended_at - run.started_at)
    # A run that is killed writes no result.
    result = run.result or "going on, or killed"
    mode = run.mode.replace("_", " ")
    words = "; ".join(parts)
    return ListedRun(run.run_id, run.started_at, mode, result, took_s, words, run.result in _BAD)


def _shown(run: RunRecord) -> ShownRun:
    summary = run.summary
    plan: Mapping[str, Any] | None = summary.get("plan")
    return ShownRun(
        account=run.account,
        listed=listed_run(run),
        error=summary.get("error"),
        remarks=tuple(_remarks(summary)),
        facts=tuple(_facts(run, plan)),
        phases=tuple(_phases(summary.get("phases") or {})),
        outcomes=tuple(_outcomes(summary.get("outcomes") or {})),
        failures=tuple(map(_failure, summary.get("failures") or ())),
        actions=tuple(report.ACTIONS.values()),
        plan=() if plan is None else tuple(_policies(plan)),
        plan_as_of=None if plan is None else plan["as_of"],
    )


def _facts(run: RunRecord, plan: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if plan is not None:
        yield "Jobs known", f"{plan['jobs']:,}"
        yield "Held", f"{plan['held']:,}"
        yield "Undecided", f"{plan['undecided']:,}"
        yield "Requests needed", f"{plan['requests_needed']:,}"
    # A run of an older version, or one without a client, has no budget.
    if (left := run.summary.get("budget_left")) is not None:
        yield "Requests left in the hour", f"{left:,}"


def _remarks(summary: Mapping[str, Any]) -> Iterator[str]:
    if halted := summary.get("halted"):
        yield f"Cut short: {halted}."
    if left := summary.get("left"):
        yield f"Left for the next runs: {report.counted(left, 'job')}."
    waiting = {FailureKind(kind): jobs for kind, jobs in (summary.get("waiting") or {}).items()}
    for kind, jobs in sorted(waiting.items()):
        words = report.failure_words(kind)
        yield f"Waiting for the next try: {report.counted(jobs, 'job')} ({words})."
    if withheld := summary.get("withheld"):
        jobs_due = report.counted(withheld, "due job")
        yield f"Kept until the first listing of their owner is confirmed: {jobs_due}."
    plan = summary.get("plan") or {}
    if broken := plan.get("limits_broken"):
        yield f"Limits broken: {', '.join(sorted(set(broken)))}. Nothing was deleted."
    for owner in summary.get("left_out") or ():
        yield f"Left out, jobs of {owner['owner']}: {owner['why']}."
    if lost := summary.get("lost"):
        yield f"Purged by Sauce Labs before they were archived: {report.counted(lost, 'job')}."
    if damaged := summary.get("damaged_copies"):
        yield f"Damaged copies in the archive: {damaged:,}. Check its disk."


def _phases(phases: Mapping[str, float]) -> Iterator[PhaseTime]:
    total = sum(phases.values())
    # The record's keys are sorted by name; a run goes in this order.
    order = [*_PHASES, *(name for name in phases if name not in _PHASES)]
    for name in order:
        if name in phases:
            percent = round(100 * phases[name] / total) if total else 0
            yield PhaseTime(_PHASES.get(name, name.capitalize()), phases[name], percent)


def _outcomes(counts: Mapping[str, int]) -> Iterator[ActionCounts]:
    for action, words in report.ACTIONS.items():
        numbers = [counts.get(f"{action.value}_{outcome}", 0) for outcome in _OUTCOMES]
        if any(numbers):
            yield ActionCounts(words, *numbers)


def _failure(row: Mapping[str, Any]) -> FailureLine:
    words = report.ACTIONS[Action(row["action"])]
    kind = FailureKind.OTHER if row["kind"] is None else FailureKind(row["kind"])
    policy = row["policy"] or "held"
    return FailureLine(
        f"{words} ({policy})",
        row["why"],
        report.failure_advice(kind),
        row["jobs"],
        tuple(row["examples"]),
    )


def _policies(plan: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for policy, counts in plan["by_policy"].items():
        name = HOLD if policy == HOLD_KEY else policy
        yield name, tuple(counts.get(action.value, 0) for action in report.ACTIONS)
