"""`diff`: what an edit of the policies changes for the known jobs.

It sends nothing to Sauce Labs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import ACCOUNTS
from sauce_janitor.errors import ConfigError, Problem

if TYPE_CHECKING:
    from sauce_janitor.config import Config
    from sauce_janitor.console.policies.account_diff import AccountDiff
    from sauce_janitor.state import State

SOMETHING_CHANGES = 7
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@ACCOUNTS
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 7 if something changes.")
@click.pass_obj
def diff(
    session: Session,
    /,
    old: Path,
    new: Path,
    *,
    accounts: tuple[str, ...],
    form: str,
    detailed_exitcode: bool,
) -> int:
    """Show what changes for the known jobs if configuration OLD becomes NEW. Sends nothing to Sauce
    Labs.

    The jobs are those in the state of NEW, or of OLD if NEW has no state.
    """
    from sauce_janitor.cli import known_jobs
    from sauce_janitor.cli.what_if import diff_text

    before, after = _load_both(old, new)
    session.show_times_as_in(after)
    # A copy of the configuration in another folder may name a state that does not exist.
    config = after if after.state.exists() else before
    with known_jobs.open_to_read(config, known_jobs.existing_state(config.state)) as state:
        found = list(_compare_accounts(before, after, state, accounts, now=int(time.time())))
    if form == "json":
        json_output.write(diff_text.FileDiff(old, new, found), diff_text.DIFF)
    elif form == "markdown":
        terminal.write(diff_text.markdown(old, new, found))
    else:
        out = session.console()
        for each in found:
            diff_text.show(out, each)
    return (
        SOMETHING_CHANGES
        if detailed_exitcode and any(each.comparison.changes for each in found)
        else 0
    )


def _load_both(old: Path, new: Path) -> tuple[Config, Config]:
    """Load both configurations. Raises ConfigError with the errors of both."""
    from sauce_janitor.config import load

    problems: list[Problem] = []
    loaded = []
    for path in (old, new):
        try:
            loaded.append(load(path))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return loaded[0], loaded[1]


def _compare_accounts(
    old: Config, new: Config, state: State, wanted: tuple[str, ...], *, now: int
) -> Iterator[AccountDiff]:
    from sauce_janitor.console.policies.account_diff import compare_account

    names = tuple(dict.fromkeys(account.name for account in (*new.accounts, *old.accounts)))
    for name in wanted:
        if name not in names:
            raise ConfigError(
                f"there is no account {name!r} in {old.file} or {new.file}; there are: "
                f"{', '.join(sorted(names))}"
            )
    selected = [name for name in names if not wanted or name in wanted]
    known = state.accounts.all().keys()
    # Nothing to compare at all is an error; one unknown account of several is left out.
    if not known & set(selected):
        raise ConfigError("no job is known yet: run `sauce-janitor plan` first")
    for name in selected:
        if name in known:
            yield compare_account(name, old, new, state, as_of=now)
        else:
            terminal.echo(
                f"sauce-janitor: no job of account {name} is known yet: it is left out", err=True
            )
