"""One account on the overview: what it does now, what is next, what the newest plan has, how the
last runs ended, and the figures of its charts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sauce_janitor import report
from sauce_janitor.config import Account
from sauce_janitor.console.figures import figures_of
from sauce_janitor.daemon.agenda import AgendaEntry
from sauce_janitor.daemon.work import RUN, RunningWork
from sauce_janitor.errors import StateError
from sauce_janitor.model.jobs import HOLD, HOLD_KEY, Action
from sauce_janitor.operations.steps.budget_left import standing
from sauce_janitor.retention.plan.deadlines import blocker_text
from sauce_janitor.state import KnownAccount, RunRecord, State
from sauce_janitor.web.overview import (
    AccountView,
    BudgetLeft,
    LabeledFact,
    LatePromise,
    PolicyLine,
    PurgeClock,
    RunLine,
)

_RUNS: Final = 8
_LOOKED_BACK: Final = 50


def view_of(
    account: Account,
    state: State,
    entry: AgendaEntry | None,
    running: RunningWork | None,
    *,
    now: int,
    known: Mapping[str, KnownAccount] | None = None,
) -> AccountView:
    """Return the account's current view. `known` are the state's accounts, which are read where
    they are None. Raise StateError.
    """
    # More than are shown: the last ones may have failed before they had a plan.
    runs = state.runs.last(account.name, limit=_LOOKED_BACK)
    plan = next((run.summary["plan"] for run in runs if "plan" in run.summary), None)
    full_at = state.jobs.full_at(account.name)
    facts = [*_of_listing(full_at, account.full_every_s, now), *(_of_plan(plan) if plan else ())]
    return AccountView(
        name=account.name,
        identity=account.identity().removeprefix(f"{account.name}: "),
        now=None if running is None else _doing(running),
        next_run_at=None if entry is None else entry.due_at,
        dark=_dark(entry, now),
        facts=tuple(facts),
        plan_as_of=None if plan is None else plan["as_of"],
        actions=tuple(report.ACTIONS.values()),
        policies=tuple(_policies(plan)) if plan else (),
        runs=tuple(_line(run) for run in runs[:_RUNS]),
        purge=None if plan is None else _purge(plan),
        budget=_budget(account, state.accounts.all() if known is None else known, state, now),
        late=tuple(_late(plan)) if plan else (),
        figures=figures_of(account.name, state, now=now),
    )


def _doing(running: RunningWork) -> str:
    if running.kind != RUN:
        return "keeping the archive up"
    now = running.steps.now()
    stopping = ", stopping" if running.stop.is_set() else ""
    return f"{now.name}, {now.words()}{stopping}"


def _dark(entry: AgendaEntry | None, now: int) -> str | None:
    dark = None if entry is None else entry.timetable.dark_at(now)
    if dark is None:
        return None
    return f"until {report.when(dark.ends_at)}" + (f": {dark.reason}" if dark.reason else "")


def _of_listing(full_at: int | None, full_every_s: int, now: int) -> Iterator[LabeledFact]:
    if full_at is None:
        yield LabeledFact("Full listing", "not complete yet")
    else:
        yield LabeledFact(
            "Full listing",
            f"{report.span(max(0, now - full_at))} ago",
            # A listing may be late once because a run took long.
            bad=now - full_at > 2 * full_every_s,
        )


def _of_plan(plan: Mapping[str, Any]) -> Iterator[LabeledFact]:
    yield LabeledFact("Jobs known", f"{plan['jobs']:,}")
    yield LabeledFact("Held", f"{plan['held']:,}")
    yield LabeledFact("Undecided", f"{plan['undecided']:,}", bad=plan["undecided"] > 0)
    if lost := report.unstored_words(plan.get("effects", {})):
        yield LabeledFact("Destroyed without a copy by the plan", lost, bad=True)
    if plan["limits_broken"]:
        yield LabeledFact("Limits broken", ", ".join(sorted(set(plan["limits_broken"]))), bad=True)
    for action, waiting in plan["announced"].items():
        words = report.due(Action(action), waiting["jobs"])
        yield LabeledFact("Announced", f"{words}, from {report.when(waiting['first_at'])}")


def _purge(plan: Mapping[str, Any]) -> PurgeClock:
    # Records of older versions have no number for 7 days.
    return PurgeClock(plan["expiring_24h"], plan["expiring_72h"], plan.get("expiring_7d"))


def _late(plan: Mapping[str, Any]) -> Iterator[LatePromise]:
    for deadline, blocked in plan.get("overdue", {}).items():
        most_first = sorted(blocked.items(), key=lambda each: -each[1])
        blockers = tuple((blocker_text(blocker), jobs) for blocker, jobs in most_first if jobs)
        if blockers:
            yield LatePromise(deadline, blockers)


def _budget(
    account: Account, known: Mapping[str, KnownAccount], state: State, now: int
) -> BudgetLeft:
    usual, per_hour = str(account.budget.usual), account.budget.at(now).per_hour
    try:
        found = standing(account, known, state, now=now)
    # The count has a file of its own and may be lost: the daemon works on.
    except StateError:
        return BudgetLeft(usual, per_hour, None)
    return BudgetLeft(usual, per_hour, found["left_this_hour"], found["goes_on_in_s"])


def _policies(plan: Mapping[str, Any]) -> Iterator[PolicyLine]:
    for policy, counts in plan["by_policy"].items():
        name = HOLD if policy == HOLD_KEY else policy
        yield PolicyLine(name, tuple(counts.get(action.value, 0) for action in report.ACTIONS))


def _line(run: RunRecord) -> RunLine:
    outcomes = report.outcomes_text(run.summary.get("outcomes") or {})
    parts = [outcomes] if outcomes else []
    parts += [f"{run.summary['left']:,} left"] if run.summary.get("left") else []
    parts += [str(run.summary[key]) for key in ("halted", "error") if run.summary.get(key)]
    # The clock may have been set back during the run.
    took_s = None if run.ended_at is None else max(0, run.ended_at - run.started_at)
    # A run that is killed writes no result.
    result = run.result or "going on, or killed"
    mode, words = run.mode.replace("_", " "), "; ".join(parts)
    return RunLine(run.started_at, mode, result, took_s, words, run.run_id)
