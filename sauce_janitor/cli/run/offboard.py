"""`offboard`: all jobs of a user who has left are archived, or their copies erased, and deleted at
Sauce Labs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, consent
from sauce_janitor.cli.options import ACCOUNT, FORMAT, one_account
from sauce_janitor.cli.options import owner as user_name

if TYPE_CHECKING:
    from sauce_janitor.cli.session import CommandSession
    from sauce_janitor.config import Account
    from sauce_janitor.operations.offboard import Offboarded, OffboardOrder
    from sauce_janitor.operations.prune import Pruned
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
    **given: str,
) -> int:
    """Delete all jobs of USER, who has left, at Sauce Labs. Holds and limits apply.

    Shows the plan and asks first. Jobs that are still listed afterwards have failed. If not all
    jobs can be deleted at once, for example because the budget is spent, run the command again.
    """
    from sauce_janitor.cli.account_session import ended_by_signal
    from sauce_janitor.cli.session import open_desk
    from sauce_janitor.operations.offboard import OffboardOrder

    whose = user_name(user)
    assert whose is not None
    erase = given["fate"] == "erase"
    needs_name = bulk or erase
    if typed is not None and typed != user:
        raise click.UsageError(
            f"--confirm says {typed!r:.80}, and the user is {user!r:.80}: nothing was asked or done"
        )
    if needs_name and typed is None and not dry_run and (yes or not terminal.can_ask()):
        raise click.UsageError(f"{'--bulk' if bulk else '--archive erase'} needs --confirm {user}")
    with open_desk(session) as desk, ended_by_signal(desk):
        account = one_account(desk.config, given["wanted"])
        order = OffboardOrder(whose, keep=not erase, bulk=bulk, typed=typed or "")
        told = _Told(desk, given["form"])
        if dry_run or not yes:
            looked = told.run(account, order)
            if (
                dry_run
                or desk.signals.number is not None
                or looked.result.plan.broken
                or not looked.acts
            ):
                return told.end(looked)
            told.erasing(looked)
            _ask(desk, looked, order, needs_name=needs_name and typed is None)
            shown = {job.job_id: job.fingerprint for job in looked.result.plan.jobs()}
            order = replace(order, typed=typed or user if needs_name else "", shown=shown)
        done = told.run(account, replace(order, execute=True))
        return told.end(done)


def _ask(
    desk: CommandSession, looked: Offboarded, order: OffboardOrder, *, needs_name: bool
) -> None:
    """Go on only when the operator says so; by typing the name where more than a copy is lost."""
    import signal

    jobs = looked.result.plan.job_count
    caught = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with desk.shown.hidden():
            if not needs_name:
                consent(f"Offboard {order.user}, {jobs:,} jobs?", yes=False)
            elif (
                terminal.ask(f"Type the user's name to delete {jobs:,} jobs for good") != order.user
            ):
                raise click.Abort
    finally:
        signal.signal(signal.SIGINT, caught)


class _Told:
    """Says what is planned and what came of it."""

    def __init__(self, desk: CommandSession, form: str) -> None:
        self._desk, self._form = desk, form
        self._is_shown = False

    def run(self, account: Account, order: OffboardOrder) -> Offboarded:
        """Offboard, or look, and show the plan on the way, once."""
        from sauce_janitor.operations.offboard import offboard as offboard_user

        tools = replace(self._desk.tools, show=self._show)
        return offboard_user(account, tools, order)

    def _show(self, result: Result) -> None:
        from sauce_janitor import report
        from sauce_janitor.cli.run.plan_view import about

        if self._form == "json" or self._is_shown:
            return
        self._is_shown = True
        with self._desk.shown.hidden():
            report.show_plan(self._desk.session.console(), result.plan, about(self._desk, result))

    def erasing(self, looked: Offboarded) -> None:
        """What would leave the archive, before anything is asked."""
        from sauce_janitor import report

        if looked.erased is not None and self._form == "table":
            for line in _erased(looked.erased):
                report.say(self._desk.session.console(), line)

    def end(self, done: Offboarded) -> int:
        """What came of it; the exit code."""
        from sauce_janitor import report
        from sauce_janitor.cli.run.execution import ended, exit_code, is_halted
        from sauce_janitor.model.jobs import Action

        desk = self._desk
        desk.shown.end()
        if self._form == "json":
            terminal.echo(report.json_text(_as_json(done)))
        else:
            out = desk.session.console()
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
        if desk.signals.number is not None:
            return 128 + desk.signals.number
        if done.result.execution is None and done.result.plan.broken:
            return 3
        return exit_code(done.result) or (0 if done.complete or done.paused else _NOT_DONE)


def _lines(done: Offboarded) -> Iterator[str]:
    from sauce_janitor.execute.events import Skip

    if done.result.execution is not None:
        user = done.result.scope.owners[0]
        on_purpose = f", {done.kept:,} of them on purpose" if done.kept else ""
        yield f"Left at Sauce Labs: {done.left:,} jobs of {user}{on_purpose}"
        if waiting := done.result.execution.skips.get(Skip.NOTHING_LISTED):
            yield (
                f"Nothing is listed of {waiting:,} jobs, which wait for a day: run the command "
                "again after that"
            )
    yield from done.notes
    if done.erased is not None:
        yield from _erased(done.erased)
    elif done.erases and done.result.execution is not None:
        yield "Nothing was erased from the archive: that comes when the jobs are gone"


def _erased(erased: Pruned) -> Iterator[str]:
    from sauce_janitor import report

    plan = erased.plan
    if erased.executed:
        went = f"{erased.files:,} files of {erased.jobs:,} jobs, {report.size(erased.size_bytes)}"
        yield f"Erased from the archive: {went}; their receipts stay"
    else:
        yield (
            f"To be erased from the archive: {plan.files:,} files of {len(plan.rows):,} jobs, "
            f"{report.size(plan.size_bytes)}"
        )
    for reason, jobs in plan.protected.most_common():
        yield f"Stays in the archive: {jobs:,} jobs, {reason.text}"
    failures = (*erased.failures, *plan.unreadable)
    yield from (f"Failed: {failure}" for failure in failures[:_FAILED])
    if len(failures) > _FAILED:
        yield (
            f"… and {len(failures) - _FAILED:,} more failures: in the log with -v, or in --format "
            "json"
        )
    if erased.halted:
        yield f"Cut short: {erased.halted}; run the command again for the rest"


def _as_json(done: Offboarded) -> dict[str, Any]:
    from sauce_janitor.cli.run.execution import summary

    erased = done.erased
    return {
        **summary(done.result),
        "user": done.result.scope.owners[0],
        "limits_broken": [broken.limit for broken in done.result.plan.broken],
        "left": done.left,
        "kept": done.kept,
        "erased": None
        if erased is None
        else {
            "jobs": erased.jobs,
            "files": erased.files,
            "size_bytes": erased.size_bytes,
            "planned_jobs": len(erased.plan.rows),
            "planned_files": erased.plan.files,
            "failures": [*erased.failures, *erased.plan.unreadable],
            "halted": erased.halted,
        },
        "complete": done.complete,
    }
