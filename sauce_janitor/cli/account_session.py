"""What commands that look at or change single jobs work at: one account, its client, and the
signals that end it.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import consent
from sauce_janitor.cli.options import one_account
from sauce_janitor.cli.session import CommandSession, open_desk
from sauce_janitor.errors import JanitorError, StoppedError
from sauce_janitor.operations.manual import ManualSession


@dataclass(frozen=True, slots=True)
class AccountSession:
    """One command's desk, and one account of it in hand."""

    desk: CommandSession
    hand: ManualSession

    @property
    def name(self) -> str:
        """The account's name."""
        return self.hand.account.name

    def ask(self, question: str, *, yes: bool) -> None:
        """`consent`, with Ctrl-C as it is at any other question."""
        if yes:
            return
        caught = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with self.desk.shown.hidden():
                consent(question, yes=False)
        finally:
            signal.signal(signal.SIGINT, caught)

    def wrong(self, error: JanitorError) -> int:
        """Say what went wrong with one of several jobs; the exit code."""
        if self.desk.tools.stop.is_set():
            raise error
        terminal.echo(f"sauce-janitor: {error}", err=True)
        return error.exit_code


@contextmanager
def calling(
    session: Session, wanted: str | None, *, looks: bool = False
) -> Iterator[AccountSession]:
    """Open one account. Ends with 130 or 143 when a signal cut it short. What only `looks` needs no
    policies.
    """
    with (
        open_desk(session, accounts_only=looks) as desk,
        ExitStack() as stack,
        ended_by_signal(desk),
    ):
        account = one_account(desk.config, wanted)
        yield AccountSession(desk, ManualSession(account, desk.tools, stack))


@contextmanager
def ended_by_signal(desk: CommandSession) -> Iterator[None]:
    """What a signal cut short ends with 130 or 143."""
    try:
        yield
    except StoppedError as stopped:
        if desk.signals.number is not None:
            terminal.echo(f"sauce-janitor: interrupted: {stopped}", err=True)
            raise click.exceptions.Exit(128 + desk.signals.number) from stopped
        raise
