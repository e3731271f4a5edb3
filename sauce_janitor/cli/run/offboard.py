"""`offboard`: delete all jobs of a user who has left, and keep or erase the archived copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, require_consent
from sauce_janitor.cli.options import ACCOUNT, FORMAT, parse_owner, select_account
from sauce_janitor.json_output import Shape, key, spread

if TYPE_CHECKING:
    from sauce_janitor.cli.session import CommandSession
    from sauce_janitor.config import Account
    from sauce_janitor.operations.offboard import Offboarded, OffboardOrder
    from sauce_janitor.operations.prune_remover import Pruned
    from sauce_janitor.operations.wiring.run_settings import Result

_NOT_DONE = 4
_FAILED = 3


@click.command()
@click.argument("user")
@click.option(
    "--archive",
    "fate",
    type=click.Choice(["keep", "erase"]),
    required=True,
    help="keep: archive each job completely first. erase: remove archived copies, too.",
)
@click.option(
    "--bulk",
    is_flag=True,
    help="Use the one call that deletes all of a user's jobs, if it deletes no more than the plan.",
)
@click.option(
    "--confirm",
    "typed",
    metavar="USER",
    help="Repeat the user's name, for --bulk and for --archive erase.",
)
@ACCOUNT
@FORMAT
@YES
@DRY_RUN
@click.pass_obj
def offboard(
    session: Session,
    /,
    user: str,
    *,
    typed: str | None,
    yes: bool,
    dry_run: bool,
    bulk: bool,
    **options: str,
) -> int:
    """Delete all jobs of USER, who has left, at Sauce Labs. Holds and limits apply.

    Shows the plan and asks first. A job that Sauce Labs still lists afterwards has failed. If not
    all jobs can be deleted at once, for example because the budget is spent, run the command again.
    """
    from sauce_janitor.cli.account_session import ended_by_signal
    from sauce_janitor.cli.session import open_command_session
    from sauce_janitor.operations.offboard import OffboardOrder

    owner = parse_owner(user)
    assert owner is not None
    erase = options["fate"] == "erase"
    # The one call names no jobs, and an erased copy is gone: `y` is typed too easily for both.
    needs_name = bulk or erase
    if typed is not None and typed != user:
        raise click.UsageError(
            f"--confirm is {typed!r:.80}, but the user is {user!r:.80}: nothing was done"
        )
    # --yes answers a question, but does not say which user is meant.
    if needs_name and typed is None and not dry_run and (yes or not terminal.can_ask()):
        option = "--bulk" if bulk else "--archive erase"
        raise click.UsageError(f"{option} needs --confirm {user}")
    with open_command_session(session) as command, ended_by_signal(command):
        account = select_account(command.config, options["wanted"])
        order = OffboardOrder(owner, keep=not erase, bulk=bulk, typed=typed or "")
        printer = _OffboardPrinter(command, options["form"])
        # A preview first. With --yes nobody reads it, so the run makes its own plan at once.
        if dry_run or not yes:
            preview = printer.run(account, order)
            if (
                dry_run
                or command.signals.number is not None
                or preview.result.plan.broken
                or not preview.acts
            ):
                return printer.end(preview)
            # The preview of the archive comes last, directly above the question.
            printer.erasing(preview)
            _ask(command, preview, order, needs_name=needs_name and typed is None)
            # The question may wait for hours: no other job is deleted, and none that has changed.
            shown = {job.job_id: job.fingerprint for job in preview.result.plan.jobs()}
            order = replace(order, typed=typed or user if needs_name else "", shown=shown)
        done = printer.run(account, replace(order, execute=True))
        return printer.end(done)


def _ask(
    command: CommandSession, preview: Offboarded, order: OffboardOrder, *, needs_name: bool
) -> None:
    """Raise Abort unless the operator agrees, by typing the user's name if no copy is kept."""
    import signal

    from sauce_janitor import report

    jobs = report.counted(preview.result.plan.job_count, "job")
    # While the question waits there is nothing to finish: Ctrl-C ends the command at once.
    caught = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with command.progress.hidden():
            if not needs_name:
                require_consent(f"Offboard {order.user}, {jobs}?", yes=False)
            elif terminal.ask(f"Type the user's name to delete {jobs} for good") != order.user:
                raise click.Abort
    finally:
        signal.signal(signal.SIGINT, caught)


class _OffboardPrinter:
    """Prints the plan and the result."""

    def __init__(self, command: CommandSession, form: str) -> None:
        self._command, self._form = command, form
        self._is_shown = False

    def run(self, account: Account, order: OffboardOrder) -> Offboarded:
        """Offboard the user, or only plan it, and show the plan once."""
        from sauce_janitor.operations.offboard import offboard as offboard_user

        context = replace(self._command.context, show=self._show)
        return offboard_user(account, context, order)

    def _show(self, result: Result) -> None:
        from sauce_janitor import report
        from sauce_janitor.cli.run.plan_view import about

        # The plan after the question has no other jobs: it is not shown again.
        if self._form == "json" or self._is_shown:
            return
        self._is_shown = True
        with self._command.progress.hidden():
            report.show_plan(
                self._command.session.console(), result.plan, about(self._command, result)
            )

    def erasing(self, preview: Offboarded) -> None:
        """Print what would be removed from the archive, before the question."""
        from sauce_janitor import report

        if preview.erased is not None and self._form == "table":
            for line in _erased(preview.erased):
                report.say(self._command.session.console(), line)

    def end(self, done: Offboarded) -> int:
        """Print the result and return the exit code."""
        from sauce_janitor import report
        from sauce_janitor.cli.run.execution import ended, exit_code, is_halted
        from sauce_janitor.model.jobs import Action

        command = self._command
        command.progress.end()
        if self._form == "json":
            json_output.echo(done, _offboarded())
        else:
            out = command.session.console()
            if done.result.execution is not None:
                report.show_end(out, done.result.account.name, ended(done.result))
            for line in _lines(done):
                report.say(out, line)
            planned = {action: done.result.plan.totals[action] for action in Action}
            if is_halted(done.result) or (
                done.result.execution is not None and not done.result.complete
            ):
                for line in report.closing_lines(planned, ended(done.result).counts):
                    terminal.echo(line)
            elif done.result.execution is not None:
                terminal.echo(report.done_line(ended(done.result).counts))
            else:
                terminal.echo(report.last_line(planned))
        if command.signals.number is not None:
            return 128 + command.signals.number
        # A plan that breaks a limit is refused: nothing has changed.
        if done.result.execution is None and done.result.plan.broken:
            return 3
        return exit_code(done.result) or (0 if done.complete or done.paused else _NOT_DONE)


def _lines(done: Offboarded) -> Iterator[str]:
    from sauce_janitor import report
    from sauce_janitor.execute.events import Skip

    if done.result.execution is not None:
        user = done.result.scope.owners[0]
        on_purpose = f", {done.kept:,} of them on purpose" if done.kept else ""
        yield f"Left at Sauce Labs: {report.counted(done.left, 'job')} of {user}{on_purpose}"
        # Sauce Labs also answers with an empty list when its lists fail.
        if waiting := done.result.execution.skips.get(Skip.NOTHING_LISTED):
            yield (
                f"Sauce Labs lists no assets of {report.counted(waiting, 'job')}. Wait for a day, "
                "then run the command again"
            )
    yield from done.notes
    if done.erased is not None:
        yield from _erased(done.erased)
    # Copies are erased only after every job is gone at Sauce Labs.
    elif done.erases and done.result.execution is not None:
        yield "Nothing was erased from the archive yet: the jobs must be deleted first"


def _erased(erased: Pruned) -> Iterator[str]:
    from sauce_janitor import report

    plan = erased.plan
    if erased.executed:
        files, jobs = report.counted(erased.files, "file"), report.counted(erased.jobs, "job")
        size = report.size(erased.size_bytes)
        yield f"Erased from the archive: {files} of {jobs}, {size}; their receipts stay"
    else:
        yield (
            f"To be erased from the archive: {report.counted(plan.files, 'file')} of "
            f"{report.counted(len(plan.rows), 'job')}, {report.size(plan.size_bytes)}"
        )
    for reason, number in plan.protected.most_common():
        yield f"Stays in the archive: {report.counted(number, 'job')}, {reason.text}"
    failures = (*erased.failures, *plan.unreadable)
    yield from (f"Failed: {failure}" for failure in failures[:_FAILED])
    if len(failures) > _FAILED:
        yield (
            f"… and {len(failures) - _FAILED:,} more failures: in the log with -v, or in --format "
            "json"
        )
    if erased.halted:
        yield f"Incomplete: {erased.halted}; run the command again for the rest"


def _offboarded() -> Shape:
    from sauce_janitor.cli.run.execution import RUN_RESULT

    erased = Shape(
        "jobs",
        "files",
        "size_bytes",
        key("planned_jobs", lambda pruned: len(pruned.plan.rows)),
        key("planned_files", "plan.files"),
        key("failures", lambda pruned: [*pruned.failures, *pruned.plan.unreadable]),
        "halted",
    )
    return Shape(
        spread("result", RUN_RESULT),
        key("user", lambda done: done.result.scope.owners[0]),
        key("limits_broken", lambda done: [each.limit for each in done.result.plan.broken]),
        "left",
        "kept",
        key("erased", shape=erased),
        "complete",
    )
