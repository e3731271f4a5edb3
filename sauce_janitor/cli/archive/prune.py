"""`archive prune`: remove archived files that are past their `keep_for`, with a plan and limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, require_consent
from sauce_janitor.cli.options import ACCOUNTS, FORMAT
from sauce_janitor.json_output import Shape, key, time

if TYPE_CHECKING:
    from rich.console import Console

    from sauce_janitor.cli.session import CommandSession
    from sauce_janitor.config import Account
    from sauce_janitor.operations.prune import PruneOrder
    from sauce_janitor.operations.prune_remover import Pruned
    from sauce_janitor.retention.plan.prune_plan import PrunePlan

_SHOWN = 20
_FAILED = 3


@click.command()
@ACCOUNTS
@FORMAT
@YES
@DRY_RUN
@click.pass_obj
def prune(
    session: Session, /, accounts: tuple[str, ...], form: str, *, yes: bool, dry_run: bool
) -> int:
    """Remove archived files that are past their `keep_for`. Receipts stay, and `prove` still
    passes.

    Shows what will be removed, and why, and asks first. Sends nothing to Sauce Labs. Exits with 3
    if a limit is broken.
    """
    from sauce_janitor import report
    from sauce_janitor.cli.known_jobs import select_accounts
    from sauce_janitor.cli.session import open_command_session
    from sauce_janitor.operations.prune import PruneOrder

    # A dry run also works on a state that this user may only read.
    with open_command_session(session, reads=dry_run) as command:
        selected = select_accounts(command.config, accounts)
        printer = _PrunePrinter(command, form)
        if dry_run or not yes:
            previews, code = _prune_each(command, selected, PruneOrder(show=printer.plan))
            # A plan that breaks a limit removes nothing.
            allowed = [done.plan for _, done in previews if not done.plan.broken]
            rows = list(chain.from_iterable(plan.rows for plan in allowed))
            if dry_run or not rows:
                return printer.end(previews, code)
            with command.progress.hidden():
                files = sum(len(row.files) for row in rows)
                # The date is in the question because a wrong clock would remove files too early.
                today = report.when(max(done.plan.as_of for _, done in previews))
                require_consent(
                    f"It is {today}. Remove {report.counted(files, 'file')} of "
                    f"{report.counted(len(rows), 'job')} from the archive?",
                    yes=False,
                )
        # With --yes there was no preview: the plan is shown now.
        show = printer.plan if yes else _show_nothing
        done, code = _prune_each(
            command, selected, PruneOrder(execute=True, vouched=not yes, show=show)
        )
        return printer.end(done, code)


def _show_nothing(_account: Account, _plan: PrunePlan) -> None:
    """Do nothing: the plan was shown before the question."""


def _prune_each(
    command: CommandSession, accounts: list[Account], order: PruneOrder
) -> tuple[list[tuple[Account, Pruned]], int]:
    """Prune the accounts one after the other; return the results and the first bad exit code.

    An account that fails does not stop the others. Raises the error if there is only one account.
    """
    from sauce_janitor.errors import JanitorError
    from sauce_janitor.operations.prune import prune as prune_account

    results, codes = [], []
    for account in accounts:
        # A signal: the accounts that are left have not begun.
        if command.context.stop.is_set():
            break
        try:
            results.append((account, prune_account(account, command.context, order)))
        except JanitorError as error:
            if len(accounts) == 1:
                raise
            terminal.echo(f"sauce-janitor: {account.name}: {error}", err=True)
            codes.append(error.exit_code)
    codes += [JanitorError.exit_code for _, done in results if not done.complete]
    return results, next(iter(codes), 0)


class _PrunePrinter:
    """Prints the plan and the result."""

    def __init__(self, command: CommandSession, form: str) -> None:
        self._command, self._form = command, form

    def plan(self, account: Account, plan: PrunePlan) -> None:
        """Print the plan, before any file is removed."""
        # JSON has the plan in one document with the result.
        if self._form == "json":
            return
        with self._command.progress.hidden():
            _show_plan(
                self._command.session.console(),
                account.name,
                plan,
                self._command.config.policy_digest(account.name),
            )

    def end(self, results: list[tuple[Account, Pruned]], code: int) -> int:
        """Print the results and return the exit code."""

        command = self._command
        command.progress.end()
        if self._form == "json":
            json_output.echo([PrunedAccount(*each) for each in results], _PRUNED)
        else:
            for account, done in results:
                _print_result(account, done)
        return 128 + command.signals.number if command.signals.number is not None else code


def _print_result(account: Account, done: Pruned) -> None:
    from sauce_janitor import report

    if done.executed:
        terminal.echo(_result_line(account, done))
    for failure in done.failures[:_FAILED]:
        terminal.echo(f"sauce-janitor: {account.name}: {report.clean(failure)}", err=True)
    if len(done.failures) > _FAILED:
        more = (
            f"… and {len(done.failures) - _FAILED:,} more failures: in the log with -v, or in "
            "--format json"
        )
        terminal.echo(f"sauce-janitor: {account.name}: {more}", err=True)


def _show_plan(out: Console, name: str, plan: PrunePlan, digest: str) -> None:
    from sauce_janitor import report

    archived = report.counted(plan.jobs, "archived job")
    if not plan.jobs:
        archived = "nothing to prune: no archived job is under a policy with `keep_for`"
    report.say(out, f"{name}: {archived}")
    for (policy, keep_for), (files, size) in sorted(plan.terms.items()):
        term = f"{policy}, kept for {keep_for}" if keep_for else policy
        report.say(
            out,
            f"to remove: {report.counted(files, 'file')}, {report.size(size)} by {term}",
            indent=2,
        )
    if plan.rows:
        columns = (
            report.Column("Job", "id"),
            report.Column("Size", "size"),
            report.Column("Files", "number"),
            report.Column("Folder", rank=1),
        )
        largest = sorted(plan.rows, key=lambda row: -row.size_bytes)[:_SHOWN]
        cells = ((row.job_id, row.size_bytes, len(row.files), row.place) for row in largest)
        report.show_table(out, columns, cells, indent=4)
    for line in _closing_lines(plan, digest):
        report.say(out, line)


def _closing_lines(plan: PrunePlan, digest: str) -> Iterator[str]:
    from sauce_janitor import report
    from sauce_janitor.operations.prune import refusal

    if len(plan.rows) > _SHOWN:
        yield f"    … and {len(plan.rows) - _SHOWN:,} more jobs: --format json lists all"
    for reason, jobs in plan.protected.most_common():
        protected = f"{report.counted(jobs, 'job')}, {report.clean(reason.text)}"
        yield f"  kept although past `keep_for`: {protected}"
    for unreadable in plan.unreadable[:_SHOWN]:
        yield f"  kept because it cannot be read: {report.clean(unreadable)}"
    if plan.next_at is not None:
        yield f"  the next files may be removed on {report.when(plan.next_at)}"
    for lifted in plan.lifted:
        yield f"  approved: {report.clean(lifted.text)}"
    if plan.broken:
        yield from (f"  {report.clean(line)}" for line in refusal(plan, digest))
    yield (
        f"Prune: {report.counted(len(plan.rows), 'job')}, {report.counted(plan.files, 'file')}, "
        f"{plan.size_bytes:,} bytes"
    )


def _result_line(account: Account, done: Pruned) -> str:
    from sauce_janitor import report

    size = report.size(done.size_bytes)
    files, jobs = report.counted(done.files, "file"), report.counted(done.jobs, "job")
    parts = [f"{files} of {jobs} removed from the archive, {size}"]
    if done.recovered:
        parts.append(f"{done.recovered:,} begun by an earlier prune are finished")
    if done.spared:
        parts.append(f"{report.counted(done.spared, 'job')} changed meanwhile and stay")
    if done.failures:
        parts.append(f"{len(done.failures):,} failed")
    if done.halted:
        left = len(done.plan.rows) - done.jobs - done.spared - len(done.failures)
        parts.append(
            f"halted: {done.halted}, {report.counted(left, 'job')} left: run the same command again"
        )
    return f"Pruned {report.clean(account.name)}: {'; '.join(parts)}"


@dataclass(frozen=True, slots=True)
class PrunedAccount:
    """The result of pruning one account's archive."""

    account: Account
    done: Pruned

    def terms(self) -> Iterator[dict[str, object]]:
        """Yield what goes by each policy and `keep_for`."""
        for (policy, keep_for), (files, size) in sorted(self.done.plan.terms.items()):
            yield {
                "policy": policy,
                "keep_for": keep_for or None,
                "files": files,
                "size_bytes": size,
            }

    def protected(self) -> dict[str, int]:
        """Return how many jobs each reason protects, the most first."""
        return {reason.text: jobs for reason, jobs in self.done.plan.protected.most_common()}


_TO_GO = Shape(key("jobs", lambda plan: len(plan.rows)), "files", "size_bytes")
_ACTION = Shape("job_id", "owner", key("path", "place"), "files", "size_bytes", "why")
_PRUNED = Shape(
    key("account", "account.name"),
    time("as_of", "done.plan.as_of"),
    key("jobs", "done.plan.jobs"),
    key("to_go", "done.plan", _TO_GO),
    key("terms", lambda each: each.terms()),
    key("protected", lambda each: each.protected()),
    key("unreadable", "done.plan.unreadable"),
    time("next_at", "done.plan.next_at"),
    key("limits_broken", "done.plan.broken", Shape("limit", "policy", "text")),
    key("actions", "done.plan.rows", _ACTION),
    key("executed", "done.executed"),
    key("pruned", "done", Shape("jobs", "files", "size_bytes", "recovered", "spared")),
    key("failures", "done.failures"),
    key("halted", "done.halted"),
)
