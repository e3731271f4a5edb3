"""`archive adopt`: make this state the owner of an archive that belongs to another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, current_user, require_consent
from sauce_janitor.terminal import echo

if TYPE_CHECKING:
    from sauce_janitor.operations.adoption import ArchiveOwnership


@click.command()
@YES
@DRY_RUN
@click.pass_obj
def adopt(session: Session, /, *, yes: bool, dry_run: bool) -> None:
    """Make this state the owner of the archive: after a restore from a backup, or when the state
    that owned it is lost.

    From then on the other state is refused. Exits with 5 while a run works on the archive.
    """
    from sauce_janitor import logs, report
    from sauce_janitor.operations.adoption import adopt as take_over
    from sauce_janitor.operations.adoption import ownership
    from sauce_janitor.state import State

    config = session.load()
    logs.configure(session.log_format, session.log_level or "info", color=session.color)
    with State.open(config.state, accept_filesystem=config.accept_filesystem) as state:
        found = ownership(config.archive, state)
        if found.is_ours:
            echo(f"The archive {config.archive.location} belongs to this state already.")
            return
        # Above the question: whether the other state is really out of use is the operator's to
        # know.
        for line in _lines(found):
            echo(report.clean(line), err=True)
        if dry_run:
            echo(f"would take over the archive {config.archive.location}", err=True)
            return
        require_consent(
            f"Take over the archive {config.archive.location}? Nothing else may work on it.",
            yes=yes,
        )
        take_over(config.archive, state, by=current_user())
    echo(
        f"Adopted: the archive {config.archive.location} belongs to this state. Review "
        "`sauce-janitor plan` before a run."
    )


def _lines(found: ArchiveOwnership) -> list[str]:
    from sauce_janitor import report

    owner = (
        f"It belongs to state {found.owner[:8]} on {found.host}."
        if found.owner
        else "It belongs to no state yet."
    )
    uses = [
        f"{use.account}: last used by {use}, since {report.when(use.since)}" for use in found.uses
    ]
    return [owner, *uses]
