"""`pause` and `resume`: the switch that stops the changes of all processes."""

from __future__ import annotations

import time

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, YES_IGNORED, current_user, require_consent


@click.command()
@click.option(
    "--reason",
    default="no reason given",
    help="The reason, shown by `status` and refused commands.",
)
@YES_IGNORED
@DRY_RUN
@click.pass_obj
def pause(session: Session, *, reason: str, dry_run: bool) -> int:
    """Stop every change, by every process on the state or its archive, until `resume`. Needs no
    confirmation.

    `plan` and other commands that only read still work. Exits with 4 if only the state or only the
    archive could be written; changes stop in either case.
    """
    from sauce_janitor.archive import MirroredPause
    from sauce_janitor.operations.wiring import pauses
    from sauce_janitor.state import State

    config = session.load()
    if dry_run:
        terminal.echo(
            f"would pause {config.state} and the archive {config.archive.location}", err=True
        )
        return 0
    mark = MirroredPause(current_user(), reason, int(time.time()))
    # It opens the state itself: a damaged one must not prevent a pause.
    done = pauses.pause(
        lambda: State.open(config.state, accept_filesystem=config.accept_filesystem),
        config.archive.location,
        mark,
    )
    terminal.echo(
        "Paused. Nothing is changed until `sauce-janitor resume`."
        if done.fresh or done.troubles
        else "It was paused already: see `sauce-janitor status`. Its reason has not changed."
    )
    for trouble in done.troubles:
        terminal.echo(f"sauce-janitor: paused in one place only: {trouble}", err=True)
    return done.troubles[0].exit_code if done.troubles else 0


@click.command()
@YES
@DRY_RUN
@click.pass_obj
def resume(session: Session, *, yes: bool, dry_run: bool) -> None:
    """Lift a pause, in the state and in the archive."""
    from sauce_janitor.operations.wiring.pauses import Pauses, pause_in_force
    from sauce_janitor.state import State

    config = session.load()
    with State.open(config.state, accept_filesystem=config.accept_filesystem) as state:
        found = pause_in_force(state, config.archive.location)
        if found is None:
            terminal.echo("It is not paused.")
            return
        question = f"{found.by} paused it: {found.reason}. Resume?"
        if dry_run:
            terminal.echo(f"would lift the pause of {found.by}: {found.reason}", err=True)
            return
        require_consent(question, yes=yes)
        Pauses(state, config.archive.location).resume(by=current_user(), at=int(time.time()))
    terminal.echo("Resumed.")
