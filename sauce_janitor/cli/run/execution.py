"""Executes plans, account by account: shows the plan, then its result, and sets the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sauce_janitor import json_output, report, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.run.plan_view import about, gaps
from sauce_janitor.cli.session import CommandSession, open_command_session, read_order, run_accounts
from sauce_janitor.config import Account
from sauce_janitor.errors import JanitorError, RefusedError
from sauce_janitor.execute import Execution
from sauce_janitor.json_output import Key, Shape, key, time
from sauce_janitor.model.jobs import Action
from sauce_janitor.operations.records.run_record import aside_row
from sauce_janitor.operations.wiring.run_settings import Result
from sauce_janitor.retention.plan.planner import Plan


def carry_out(session: Session, options: Mapping[str, Any]) -> int:
    """Execute the plan of every account and return the exit code."""
    with open_command_session(session, is_run=True) as command:
        order, accounts = read_order(command, options, execute=True)
        out = session.console()

        totals = CommandTotals(command, accounts)

        def show(result: Result) -> None:
            totals.plans[result.account.name] = result.plan
            # `demo` has shown the same plan in the step before.
            if options["form"] == "table" and not options.get("end_only"):
                with command.progress.hidden():
                    is_reviewed = options.get("reviewed") is not None
                    report.show_plan(
                        out, result.plan, about(command, result), is_reviewed=is_reviewed
                    )

        def show_end(result: Result) -> int:
            totals.results[result.account.name] = result
            if options["form"] == "table":
                with command.progress.hidden():
                    report.show_end(out, result.account.name, ended(result))
            return exit_code(result)

        showing = replace(command, context=replace(command.context, show=show))
        try:
            results, code = run_accounts(showing, order, accounts, show_end)
        except Exception:
            # The error may come after deletes, which must be reported nevertheless.
            if totals.counts():
                totals.close()
            raise
        command.progress.end()
        if options["form"] == "json":
            json_output.echo(results, RUN_RESULT)
        # Not everything is done: say what is left, and that the same command continues.
        elif (
            code
            or command.signals.number is not None
            or any(is_halted(result) for result in results)
        ):
            totals.close()
        else:
            terminal.echo(report.done_line(totals.counts()))
        if command.signals.number is not None:
            return 128 + command.signals.number
    return code


@dataclass(frozen=True, slots=True)
class CommandTotals:
    """The plans and results of one command so far, by account."""

    command: CommandSession
    accounts: Sequence[Account]
    plans: dict[str, Plan] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    def planned(self) -> Mapping[Action, int]:
        """Return how many actions of each kind the plans have."""
        return {
            action: sum(plan.totals[action] for plan in self.plans.values()) for action in Action
        }

    def counts(self) -> Mapping[tuple[Action, str], int]:
        """Return what was done, by action and outcome.

        For an account whose run ended with an error, that is what the metrics counted until then.
        """
        found: Counter[tuple[Action, str]] = Counter()
        for result in self.results.values():
            found.update(ended(result).counts)
        for (_, pairs), number in self.command.context.metrics.counted("actions").items():
            labels = dict(pairs)
            # A run that ended with an error has no result, but its deletes were counted.
            if labels["account"] not in self.results:
                found[Action(labels["action"]), labels["outcome"]] += int(number)
        return found

    def close(self) -> None:
        """Print what was done and what is left of the plans."""
        self.command.progress.end()
        # Errors before the plan, such as a listing that failed, have changed nothing.
        if not self.plans:
            terminal.echo("Ended before there was a plan: nothing was archived or deleted.")
            return
        for line in report.closing_lines(self.planned(), self.counts()):
            terminal.echo(line)
        not_begun = [account.name for account in self.accounts if account.name not in self.plans]
        if not_begun:
            terminal.echo(f"Not begun: {', '.join(not_begun)}")


def is_halted(result: Result) -> bool:
    """Return whether the run ended before its plan did."""
    return result.execution is not None and result.execution.halted is not None


def exit_code(result: Result) -> int:
    """Return the exit code of a command after this run."""
    execution = result.execution
    if result.complete:
        return 0
    # Nothing was carried out, but the plan does not cover all jobs, or an earlier change is still
    # in doubt.
    if execution is None:
        return JanitorError.exit_code
    code = JanitorError.exit_code if execution.error is None else execution.error.exit_code
    # "Refused" promises that nothing changed, which is not true once a run has begun to execute.
    return JanitorError.exit_code if code == RefusedError.exit_code else code


def ended(result: Result) -> report.Ended:
    """Return the end of a run as the report prints it."""
    # A preview carries out nothing: all counts are zero.
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


def _run(name: str) -> Key:
    """Return the key of a number that only a run that executes has; else it is that of none."""
    return key(name, lambda result: getattr(result.execution or Execution(), name))


def _outcomes(result: Result) -> dict[str, int]:
    counts = sorted(ended(result).counts.items())
    return {f"{action.value}.{outcome}": number for (action, outcome), number in counts}


def _waiting(result: Result) -> dict[str, int]:
    execution = result.execution or Execution()
    return {kind.value: jobs for kind, jobs in sorted(execution.waiting.items())}


RUN_RESULT = Shape(
    key("account", "account.name"),
    key("planned", "plan.totals"),
    key("effects", "head.effects"),
    key("interactions", "head.interactions"),
    key("outcomes", _outcomes),
    *map(_run, ("archived_bytes", "reclaimed_bytes", "unlisted_files", "lost", "missed")),
    _run("incomplete"),
    key("waiting", _waiting),
    *map(_run, ("damaged_copies", "restored_copies")),
    key("halted", "execution.halted.why"),
    time("goes_on_at"),
    key(
        "failures",
        lambda result: (result.execution or Execution()).failures,
        Shape("job_id", "action", "policy", "detail"),
    ),
    key("owners", "scope.owners"),
    key("owners_missing", "scope.gaps"),
    key("vanished", shape=Shape("jobs", "assets")),
    key("left_out", lambda result: [left.row() for left in result.left_out]),
    key(
        "set_aside",
        lambda result: [aside_row(each) for each in result.listings if each.aside_count],
    ),
    key(
        "unconfirmed",
        lambda result: [each.owner for each in result.listings if not each.confirmed],
    ),
    "withheld",
    "complete",
)
"""The keys of a run's result in JSON."""
