"""What commands that change something by hand share: they ask on a terminal, and need --yes without
one.
"""

from __future__ import annotations

import getpass
import os

import click

from sauce_janitor import terminal

YES = click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
DRY_RUN = click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done.")


AT_ONCE = click.option(
    "-y", "--yes", is_flag=True, expose_value=False, hidden=True, help="Nothing is asked anyway."
)
"""For a command that only protects: it never asks, and takes --yes as scripts have it from the
commands that do.
"""


def who() -> str:
    """Who runs this command; in a container whose user has no name, its number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def consent(question: str, *, yes: bool) -> None:
    """Ask, unless told not to. UsageError without a terminal to ask on, Abort for a no."""
    if yes:
        return
    if not terminal.can_ask():
        raise click.UsageError("without a terminal to ask on, say --yes")
    if not terminal.confirm(question):
        raise click.Abort
