"""`account`: list the accounts that the state knows, or rename one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import FORMAT
from sauce_janitor.json_output import Shape, key, time

if TYPE_CHECKING:
    from sauce_janitor.config import Config
    from sauce_janitor.state import State

_LONGEST_NAME: Final = 64


@click.group()
def account() -> None:
    """List the accounts that the state knows, or rename one. Sends nothing to Sauce Labs."""


@account.command(name="list")
@FORMAT
@click.pass_obj
def list_accounts(session: Session, /, *, form: str) -> None:
    """List the accounts of the configuration and of the state, with user, address and number of
    known jobs.
    """
    from sauce_janitor import report
    from sauce_janitor.cli import known_jobs

    config = session.load(accounts_only=True)
    with known_jobs.open_to_read(config, known_jobs.existing_state(config.state)) as state:
        rows = _listed(config, state)
    if form == "json":
        json_output.write(rows, _ACCOUNT)
        return
    columns = (
        report.Column("Account"), report.Column("User"), report.Column("Address", rank=1),
        report.Column("Jobs", "number"), report.Column("Known", "prose"),
    )  # fmt: skip
    cells = [(row.name, row.username, row.base_url, row.jobs, _binding_text(row)) for row in rows]
    report.show_table(session.console(), columns, cells)


@dataclass(frozen=True, slots=True)
class ListedAccount:
    """One account of the configuration, the state or both; `bound_at` is in epoch seconds."""

    name: str
    username: str | None
    base_url: str
    jobs: int
    in_configuration: bool
    bound_at: int | None
    is_bound: bool
    archive_folder: str


_ACCOUNT = Shape(
    key("account", "name"),
    "username",
    "base_url",
    "jobs",
    "in_configuration",
    time("bound_at"),
    "is_bound",
    "archive_folder",
)


def _listed(config: Config, state: State) -> list[ListedAccount]:
    configured = {each.name: each for each in config.accounts}
    found, rows = state.accounts.all(), []
    # An account may be in one of the two only: new, or removed from the configuration.
    for name in sorted({*configured, *found}):
        in_state = found.get(name)
        rows.append(
            ListedAccount(
                name,
                in_state.username if in_state else None,
                in_state.base_url if in_state else configured[name].base_url,
                jobs=state.jobs.count(name),
                in_configuration=name in configured,
                # 0: bound before the state had a column for the time.
                bound_at=(in_state.bound_at or None) if in_state else None,
                is_bound=in_state is not None and in_state.is_bound,
                archive_folder=in_state.key if in_state else name,
            )
        )
    return rows


def _binding_text(row: ListedAccount) -> str:
    from sauce_janitor import report

    if not row.in_configuration:
        return "not in the configuration"
    if not row.is_bound:
        return "not yet: no listing has shown a job"
    return f"since {report.when(row.bound_at)}" if row.bound_at else "yes"


@account.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.pass_obj
def rename(session: Session, /, old: str, new: str) -> None:
    """Rename account OLD of the state to NEW. Rename it in the configuration, too.

    Its jobs, holds, runs, metrics and archived jobs stay with it. The journal and the archive's
    folder keep the former name. The next run lists every job again, and its limits count every job
    as new. Two accounts are never merged. The command exits with 5 while a run works on the
    account.
    """
    from sauce_janitor import logs
    from sauce_janitor.cli import known_jobs
    from sauce_janitor.config.grammar.document import ACCOUNT_NAME
    from sauce_janitor.operations.rename import rename as rename_account
    from sauce_janitor.state import State

    # The configuration would refuse such a name, and the account could not be used any more.
    if not re.fullmatch(ACCOUNT_NAME, new) or len(new) > _LONGEST_NAME:
        raise click.UsageError(
            f"{new!r:.80} cannot be an account's name: write small letters, digits, dots, - and _"
        )
    config = session.load(accounts_only=True)
    logs.configure(session.log_format, session.log_level or "warning", color=session.color)
    path = known_jobs.existing_state(config.state)
    with State.open(path, accept_filesystem=config.accept_filesystem) as state:
        renamed = rename_account(config, state, old, new)
    terminal.echo(
        f"Renamed: account {old} is now {new} ({renamed.username} at {renamed.base_url})."
    )
    names = {each.name: each for each in config.accounts}
    # The order is free: the configuration may have the new name already.
    if new not in names:
        where = f" ({names[old].source.file}:{names[old].source.line})" if old in names else ""
        terminal.echo(
            f"The configuration does not have {new} yet: rename {old} there, too{where}.", err=True
        )
