"""One account for a command that looks at or changes single jobs, and the signals that end it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import require_consent
from sauce_janitor.cli.options import select_account
from sauce_janitor.cli.session import CommandSession, open_command_session
from sauce_janitor.errors import JanitorError, StoppedError
from sauce_janitor.operations.manual import ManualSession


@dataclass(frozen=True, slots=True)
class AccountSession:
    """A command's session, and the account that it works on."""

    command: CommandSession
    manual: ManualSession

    @property
    def name(self) -> str:
        """Return the account's name."""
        return self.manual.account.name

    def ask(self, question: str, *, yes: bool) -> None:
        """Ask `question` as `require_consent` does, without the progress line."""
        if yes:
            return
        # While the question waits there is no request to finish: Ctrl-C ends the command at once.
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            # The moving line would overwrite the question.
            with self.command.progress.hidden():
                require_consent(question, yes=False)
        finally:
            signal.signal(signal.SIGINT, handler)

    def report_error(self, error: JanitorError) -> int:
        """Print the error of one of several jobs, and return its exit code.

        Raise the error again if the command was interrupted.
        """
        if self.command.context.stop.is_set():
            raise error
        terminal.echo(f"sauce-janitor: {error}", err=True)
        return error.exit_code


@contextmanager
def open_account_session(
    session: Session, name: str | None, *, accounts_only: bool = False
) -> Iterator[AccountSession]:
    """Open the account `name`, or the only one. A signal ends the command with 130 or 143.

    With `accounts_only`, for a command that changes nothing, the configuration needs no valid
    policies.
    """
    with (
        open_command_session(session, accounts_only=accounts_only) as command,
        ExitStack() as stack,
        ended_by_signal(command),
    ):
        account = select_account(command.config, name)
        yield AccountSession(command, ManualSession(account, command.context, stack))


@contextmanager
def ended_by_signal(command: CommandSession) -> Iterator[None]:
    """End with 130 or 143 if a signal interrupts the block."""
    try:
        yield
    except StoppedError as stopped:
        # Without a signal, something else stopped the run: that error is the result.
        if command.signals.number is None:
            raise
        terminal.echo(f"sauce-janitor: interrupted: {stopped}", err=True)
        raise click.exceptions.Exit(128 + command.signals.number) from stopped
