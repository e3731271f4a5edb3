"""`archive reindex`: rebuild what a lost or restored state knows of the archive, from receipts."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import ACCOUNTS, FORMAT
from sauce_janitor.json_output import Shape, key, spread

if TYPE_CHECKING:
    from sauce_janitor.operations.reindex import Reindexed

_NAMED = 3
_REINDEXED = Shape(key("account", itemgetter(0)), spread(itemgetter(1)))


@click.command()
@ACCOUNTS
@FORMAT
@click.pass_obj
def reindex(session: Session, /, accounts: tuple[str, ...], form: str) -> int:
    """Rebuild what the state knows of the archive from its receipts.

    For a state that was lost, or is older than the archive. Changes only the state, and sends
    nothing to Sauce Labs. Exits with 4 if receipts of some jobs cannot be trusted: those jobs stay
    unknown, and --format json names each.
    """
    from sauce_janitor import report
    from sauce_janitor.cli.known_jobs import select_accounts
    from sauce_janitor.cli.session import open_command_session
    from sauce_janitor.errors import JanitorError
    from sauce_janitor.operations.reindex import reindex as reindex_account

    found: dict[str, Reindexed] = {}
    with open_command_session(session) as command:
        for account in select_accounts(command.config, accounts):
            command.progress.phase(account.name, "look")
            found[account.name] = reindex_account(
                account, command.context, step=command.progress.step
            )
        command.progress.end()
    if form == "json":
        json_output.echo(found.items(), _REINDEXED)
    else:
        for name, each in found.items():
            # After a bad disk there may be thousands: the first ones show what is wrong.
            for line in each.unreadable[:_NAMED]:
                terminal.echo(f"Unknown: {report.clean(line)}")
            if len(each.unreadable) > _NAMED:
                terminal.echo(
                    f"… and {len(each.unreadable) - _NAMED:,} more unknown: --format json lists all"
                )
            terminal.echo(
                f"{name}: {report.counted(each.jobs, 'archived job')}, {each.in_inventory:,} known "
                "to the state; added to the journal: "
                f"{report.counted(each.receipts_added, 'receipt')}"
            )
    return JanitorError.exit_code if any(each.unreadable for each in found.values()) else 0
