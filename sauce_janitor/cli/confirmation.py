"""The question before a change, with the options `--yes` and `--dry-run`."""

from __future__ import annotations

import getpass
import os

import click

from sauce_janitor import terminal

YES = click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
DRY_RUN = click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done.")
NO_CHANGE = click.option(
    "-n", "--dry-run", is_flag=True, help="Change nothing, whatever other options say."
)
"""For a command with --execute: it beats that option."""
YES_IGNORED = click.option(
    "-y", "--yes", is_flag=True, expose_value=False, hidden=True, help="Nothing is asked anyway."
)
"""For a command that only protects, and so never asks: scripts may pass --yes to every command."""


def current_user() -> str:
    """Return the name of the user who runs this command, or `uid N` if the system has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container often runs under a number that its /etc/passwd does not have.
        return f"uid {os.getuid()}"


def require_consent(question: str, *, yes: bool) -> None:
    """Ask `question` unless `yes`. Raise Abort for a no, UsageError if there is no terminal."""
    if yes:
        return
    # A script must not wait for ever on a question that nobody reads.
    if not terminal.can_ask():
        raise click.UsageError("there is no terminal to ask for confirmation: add --yes")
    if not terminal.confirm(question):
        raise click.Abort
