"""`archive prune`: what the archive need not hold any longer leaves it, planned, limited and
journaled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, consent

if TYPE_CHECKING:
    from rich.console import Console

    from sauce_janitor.cli.session import CommandSession
    from sauce_janitor.config import Account
    from sauce_janitor.operations.prune import Pruned, PruneOrder
    from sauce_janitor.retention.plan.prune_plan import PrunePlan

_SHOWN = 20
_FAILED = 3


@click.command()
@click.option(
    "--account", "accounts", multiple=True, metavar="NAME", help="Only this account. Repeatable."
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
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
    from sauce_janitor.cli.known_jobs import chosen
    from sauce_janitor.cli.session import open_desk
    from sauce_janitor.operations.prune import PruneOrder

    with open_desk(session, reads=dry_run) as desk:
        wanted = chosen(desk.config, accounts)
        teller = _Teller(desk, form)
        if dry_run or not yes:
            looks, code = _each(desk, wanted, PruneOrder(show=teller.plan))
            rows = [row for _, done in looks if not done.plan.broken for row in done.plan.rows]
            if dry_run or not rows:
                return teller.end(looks, code)
            with desk.shown.hidden():
                files = sum(len(row.files) for row in rows)
                today = report.when(max(done.plan.as_of for _, done in looks))
                consent(
                    f"It is {today}. Remove {files:,} files of {len(rows):,} jobs from the "
                    "archive?",
                    yes=False,
                )
        show = teller.plan if yes else _unseen
        done, code = _each(desk, wanted, PruneOrder(execute=True, vouched=not yes, show=show))
        return teller.end(done, code)


def _unseen(_account: Account, _plan: PrunePlan) -> None:
    """It was shown already, when it was asked about."""


def _each(
    desk: CommandSession, accounts: list[Account], order: PruneOrder
) -> tuple[list[tuple[Account, Pruned]], int]:
    """Every account, one after the other; one that fails does not stop the others. The first bad
    exit code counts.
    """
    from sauce_janitor.errors import JanitorError
    from sauce_janitor.operations.prune import prune as prune_account

    results, codes = [], []
    for account in accounts:
        if desk.tools.stop.is_set():
            break
        try:
            results.append((account, prune_account(account, desk.tools, order)))
        except JanitorError as wrong:
            if len(accounts) == 1:
                raise
            terminal.echo(f"sauce-janitor: {account.name}: {wrong}", err=True)
            codes.append(wrong.exit_code)
    codes += [JanitorError.exit_code for _, done in results if not done.complete]
    return results, next(iter(codes), 0)


class _Teller:
    """Says what would go and what went."""

    def __init__(self, desk: CommandSession, form: str) -> None:
        self._desk, self._form = desk, form

    def plan(self, account: Account, plan: PrunePlan) -> None:
        """The plan, before anything is carried out."""

        if self._form == "json":
            return
        with self._desk.shown.hidden():
            _show_plan(
                self._desk.session.console(),
                account.name,
                plan,
                self._desk.config.policy_digest(account.name),
            )

    def end(self, results: list[tuple[Account, Pruned]], code: int) -> int:
        """What came of it; the exit code."""
        from sauce_janitor import report

        desk = self._desk
        desk.shown.end()
        if self._form == "json":
            terminal.echo(report.json_text([_as_json(account, done) for account, done in results]))
        for account, done in results if self._form == "table" else ():
            if done.executed:
                terminal.echo(_ended(account, done))
            for failure in done.failures[:_FAILED]:
                terminal.echo(f"sauce-janitor: {account.name}: {report.clean(failure)}", err=True)
            if len(done.failures) > _FAILED:
                more = (
                    f"… and {len(done.failures) - _FAILED:,} more failures: in the log with -v, or "
                    "in --format json"
                )
                terminal.echo(f"sauce-janitor: {account.name}: {more}", err=True)
        return 128 + desk.signals.number if desk.signals.number is not None else code


def _show_plan(out: Console, name: str, plan: PrunePlan, digest: str) -> None:
    from sauce_janitor import report

    report.say(out, f"Archive of {name}: {plan.jobs:,} jobs")
    for (policy, keep_for), (files, size) in sorted(plan.terms.items()):
        word = f"{policy}, held for {keep_for}" if keep_for else policy
        report.say(out, f"to go: {files:,} files, {report.size(size)} by {word}", indent=2)
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
    for line in _rest(plan, digest):
        report.say(out, line)


def _rest(plan: PrunePlan, digest: str) -> Iterator[str]:
    from sauce_janitor import report
    from sauce_janitor.operations.prune import refusal

    if len(plan.rows) > _SHOWN:
        yield f"    … and {len(plan.rows) - _SHOWN:,} jobs more: --format json lists all"
    for reason, jobs in plan.protected.most_common():
        yield f"  stays although its time is over: {jobs:,} jobs, {report.clean(reason.text)}"
    for unreadable in plan.unreadable[:_SHOWN]:
        yield f"  cannot be read, so it stays: {report.clean(unreadable)}"
    if plan.next_at is not None:
        yield f"  the next files may go on {report.when(plan.next_at)}"
    for lifted in plan.lifted:
        yield f"  approved: {report.clean(lifted.text)}"
    if plan.broken:
        yield from (f"  {report.clean(line)}" for line in refusal(plan, digest))
    yield f"Prune: {len(plan.rows)} jobs, {plan.files} files, {plan.size_bytes} bytes"


def _ended(account: Account, done: Pruned) -> str:
    from sauce_janitor import report

    size = report.size(done.size_bytes)
    parts = [f"{done.files:,} files of {done.jobs:,} jobs left the archive, {size}"]
    if done.recovered:
        parts.append(f"{done.recovered:,} begun by an earlier prune are settled")
    if done.spared:
        parts.append(f"{done.spared:,} jobs changed meanwhile and stay")
    if done.failures:
        parts.append(f"{len(done.failures):,} failed")
    if done.halted:
        left = len(done.plan.rows) - done.jobs - done.spared - len(done.failures)
        parts.append(f"halted: {done.halted}, {left:,} jobs are left: go on with the same command")
    return f"Pruned {report.clean(account.name)}: {'; '.join(parts)}"


def _as_json(account: Account, done: Pruned) -> dict[str, Any]:
    from sauce_janitor import report

    plan = done.plan
    return {
        "account": account.name,
        "as_of": report.iso(plan.as_of),
        "jobs": plan.jobs,
        "to_go": {"jobs": len(plan.rows), "files": plan.files, "size_bytes": plan.size_bytes},
        "terms": [
            {"policy": policy, "keep_for": keep_for or None, "files": files, "size_bytes": size}
            for (policy, keep_for), (files, size) in sorted(plan.terms.items())
        ],
        "protected": {reason.text: jobs for reason, jobs in plan.protected.most_common()},
        "unreadable": plan.unreadable,
        "next_at": report.iso(plan.next_at),
        "limits_broken": [
            {"limit": b.limit, "policy": b.policy, "text": b.text} for b in plan.broken
        ],
        "actions": [
            {
                "job_id": row.job_id,
                "owner": row.owner,
                "path": row.place,
                "files": list(row.files),
                "size_bytes": row.size_bytes,
                "why": row.why,
            }
            for row in plan.rows
        ],
        "executed": done.executed,
        "pruned": {
            "jobs": done.jobs,
            "files": done.files,
            "size_bytes": done.size_bytes,
            "recovered": done.recovered,
            "spared": done.spared,
        },
        "failures": done.failures,
        "halted": done.halted,
    }
