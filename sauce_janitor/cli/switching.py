"""`pause` and `resume`: the kill switch of a state, obeyed by every process on it before its next write."""

from __future__ import annotations

import getpass
import time

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.consent import AT_ONCE, DRY_RUN, YES, consent


@click.command()
@click.option("--reason", required=True, help="Why; whoever finds it paused is told.")
@AT_ONCE
@DRY_RUN
@click.pass_obj
def pause(session: Session, *, reason: str, dry_run: bool) -> None:
    """Stop every change, by every process on the state, until `resume`. Asks nothing. Plans can still be looked at."""
    from sauce_janitor.config import load
    from sauce_janitor.state import State

    config = load(session.config_path)
    if dry_run:
        terminal.echo(f"would pause {config.state}", err=True)
        return
    with State.open(config.state) as state:
        fresh = state.switch.pause(by=getpass.getuser(), reason=reason, at=int(time.time()))
    terminal.echo("Paused. Nothing is changed until `sauce-janitor resume`." if fresh else "It was paused already.")


@click.command()
@YES
@DRY_RUN
@click.pass_obj
def resume(session: Session, *, yes: bool, dry_run: bool) -> None:
    """Lift a pause."""
    from sauce_janitor.config import load
    from sauce_janitor.state import State

    config = load(session.config_path)
    with State.open(config.state) as state:
        found = state.switch.paused()
        if found is None:
            terminal.echo("It is not paused.")
            return
        question = f"{found.by} paused it: {found.reason}. Go on?"
        if dry_run:
            terminal.echo(f"would lift the pause of {found.by}: {found.reason}", err=True)
            return
        consent(question, yes=yes)
        state.switch.resume(by=getpass.getuser(), at=int(time.time()))
    terminal.echo("Resumed.")
