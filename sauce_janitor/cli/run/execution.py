"""Carrying plans out, account by account: the plan first, then what became of it, and the exit
code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sauce_janitor import report, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.run.plan_view import about, gaps
from sauce_janitor.cli.session import CommandSession, open_desk, order_of, pass_over
from sauce_janitor.config import Account
from sauce_janitor.errors import JanitorError, RefusedError
from sauce_janitor.execute import Execution
from sauce_janitor.model.jobs import Action
from sauce_janitor.operations.records.run_record import aside_row
from sauce_janitor.operations.wiring.run_settings import Result
from sauce_janitor.retention.plan.planner import Plan


def carry_out(session: Session, options: Mapping[str, Any]) -> int:
    """Every account's plan, carried out; the exit code."""
    with open_desk(session, tells=True) as desk:
        order, accounts = order_of(desk, options, execute=True)
        out = session.console()

        carried = CommandTotals(desk, accounts)

        def show(result: Result) -> None:
            carried.plans[result.account.name] = result.plan
            if options["form"] == "table" and not options.get("end_only"):
                with desk.shown.hidden():
                    is_reviewed = options.get("reviewed") is not None
                    report.show_plan(out, result.plan, about(desk, result), is_reviewed=is_reviewed)

        def tell(result: Result) -> int:
            carried.results[result.account.name] = result
            if options["form"] == "table":
                with desk.shown.hidden():
                    report.show_end(out, result.account.name, ended(result))
            return exit_code(result)

        showing = replace(desk, tools=replace(desk.tools, show=show))
        try:
            results, code = pass_over(showing, order, accounts, tell)
        except Exception:
            # What ends a run may come after deletes: that it ended badly must not hide them.
            if carried.counts():
                carried.close()
            raise
        desk.shown.end()
        if options["form"] == "json":
            terminal.echo(report.json_text([summary(result) for result in results]))
        elif (
            code or desk.signals.number is not None or any(is_halted(result) for result in results)
        ):
            carried.close()
        else:
            terminal.echo(report.done_line(carried.counts()))
        if desk.signals.number is not None:
            return 128 + desk.signals.number
    return code


@dataclass(frozen=True, slots=True)
class CommandTotals:
    """What one command has planned and done so far, by account, whichever way it ends."""

    desk: CommandSession
    accounts: Sequence[Account]
    plans: dict[str, Plan] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    def planned(self) -> Mapping[Action, int]:
        """Return how many actions the plans have."""
        return {
            action: sum(plan.totals[action] for plan in self.plans.values()) for action in Action
        }

    def counts(self) -> Mapping[tuple[Action, str], int]:
        """Return what was done, by action and outcome; of an account whose run raised, what was
        counted until then.
        """
        found: Counter[tuple[Action, str]] = Counter()
        for result in self.results.values():
            found.update(ended(result).counts)
        for (_, pairs), number in self.desk.tools.metrics.counted("actions").items():
            labels = dict(pairs)
            if labels["account"] not in self.results:
                found[Action(labels["action"]), labels["outcome"]] += int(number)
        return found

    def close(self) -> None:
        """Say what was done and what is left; the plan was said before, and is not what became of
        it.
        """
        self.desk.shown.end()
        if not self.plans:
            terminal.echo("Ended before there was a plan: nothing was archived or deleted")
            return
        for line in report.closing_lines(self.planned(), self.counts()):
            terminal.echo(line)
        not_begun = [account.name for account in self.accounts if account.name not in self.plans]
        if not_begun:
            terminal.echo(f"Not begun: {', '.join(not_begun)}")


def is_halted(result: Result) -> bool:
    """Say whether the run ended before its plan did."""
    return result.execution is not None and result.execution.halted is not None


def exit_code(result: Result) -> int:
    """What a command ends with after this run."""
    execution = result.execution
    if result.complete:
        return 0
    if execution is None:
        return JanitorError.exit_code
    code = JanitorError.exit_code if execution.error is None else execution.error.exit_code
    # "Refused" promises that nothing changed, which is not true once a run has begun to execute.
    return JanitorError.exit_code if code == RefusedError.exit_code else code


def ended(result: Result) -> report.Ended:
    """The end of a run in the words of the report."""
    execution = result.execution or Execution()
    counts: dict[tuple[Action, str], int] = {}
    for (_, action, outcome), number in execution.counts.items():
        counts[action, outcome.value] = counts.get((action, outcome.value), 0) + number
    recovery = result.recovery
    settled = recovery.confirmed + recovery.failed
    recovered = (
        f"{settled} deletes that an earlier run began were looked up, {recovery.open} are still "
        "open"
    )
    return report.Ended(
        counts=counts,
        archived_assets=execution.archived_assets,
        archived_bytes=execution.archived_bytes,
        reclaimed_bytes=execution.reclaimed_bytes,
        unlisted_files=execution.unlisted_files,
        left=execution.left,
        halted=execution.halted.detail if execution.halted else None,
        goes_on_at=result.goes_on_at,
        failures=execution.failures,
        skips={skip.value: number for skip, number in execution.skips.items()},
        recovered=recovered if settled or recovery.open else None,
        missing=gaps(result),
        lost=execution.lost,
        missed=execution.missed,
        incomplete=execution.incomplete,
        waiting=report.waiting_line(execution.waiting),
        damaged_copies=execution.damaged_copies,
        restored_copies=execution.restored_copies,
    )


def summary(result: Result) -> dict[str, Any]:
    """A run for machines."""
    execution, told = result.execution or Execution(), ended(result)
    return {
        "account": result.account.name,
        "planned": {action.value: number for action, number in result.plan.totals.items()},
        "effects": dict(result.head.effects),
        "interactions": [dict(row) for row in result.head.interactions],
        "outcomes": {
            f"{action.value}.{outcome}": number
            for (action, outcome), number in sorted(told.counts.items())
        },
        "archived_bytes": execution.archived_bytes,
        "reclaimed_bytes": execution.reclaimed_bytes,
        "unlisted_files": execution.unlisted_files,
        "lost": execution.lost,
        "missed": execution.missed,
        "incomplete": execution.incomplete,
        "waiting": {kind.value: jobs for kind, jobs in sorted(execution.waiting.items())},
        "damaged_copies": execution.damaged_copies,
        "restored_copies": execution.restored_copies,
        "halted": execution.halted.why.value if execution.halted else None,
        "goes_on_at": report.iso(result.goes_on_at),
        "failures": [
            {
                "job_id": each.job_id,
                "action": each.action.value,
                "policy": each.policy,
                "detail": each.detail,
            }
            for each in execution.failures
        ],
        "owners": list(result.scope.owners),
        "owners_missing": list(result.scope.gaps),
        "vanished": {"jobs": result.vanished.jobs, "assets": result.vanished.assets},
        "left_out": [left.row() for left in result.left_out],
        "set_aside": [aside_row(report) for report in result.listings if report.aside_count],
        "unconfirmed": [report.owner for report in result.listings if not report.confirmed],
        "withheld": result.withheld,
        "complete": result.complete,
    }
