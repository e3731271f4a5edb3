"""The session of a command: its configuration and state, its signals, and one run an account."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import click
import structlog

from sauce_janitor import logs, planfile, terminal
from sauce_janitor.cli.app import Session, expect_long_work
from sauce_janitor.cli.known_jobs import open_to_read, select_accounts, select_policies
from sauce_janitor.cli.progress import ProgressDisplay
from sauce_janitor.cli.run_reporter import RunReporter
from sauce_janitor.config import Account, Config
from sauce_janitor.config.moments import unix_time
from sauce_janitor.errors import ConfigError, JanitorError, LeaseError, RefusedError
from sauce_janitor.metrics import Metrics
from sauce_janitor.operations.policy_run import run
from sauce_janitor.operations.wiring.run_settings import Order, Result, RunContext
from sauce_janitor.state import State

_BY_SEVERITY = (
    0,
    RefusedError.exit_code,
    LeaseError.exit_code,
    JanitorError.exit_code,
    ConfigError.exit_code,
)
"""Exit codes of runs, the mildest first."""
_IN_THE_REPORT = frozenset(
    {
        "deadline.missed",
        "job.assets_lost",
        "jobs.retrying",
        "policy.undecided",
        "owner.left_out",
        "owners.incomplete",
    }
)
"""Warnings that the report on a terminal also has, as sentences: the log leaves them out there."""


@dataclass(slots=True)
class Signals:
    """The event that ends the command, and the number of the signal that set it."""

    stop: threading.Event
    number: int | None = None


@contextmanager
def catch_signals() -> Iterator[Signals]:
    """Let SIGINT and SIGTERM set the stop event instead of ending the process."""
    caught = Signals(threading.Event())

    def catch(number: int, _frame: object) -> None:
        # A second signal ends the process at once, which is always safe.
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        caught.number = number
        caught.stop.set()

    before = {number: signal.signal(number, catch) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class CommandSession:
    """What a command works with: the global options, the run's context, signals and output."""

    session: Session
    context: RunContext
    signals: Signals
    progress: ProgressDisplay
    reporter: RunReporter

    @property
    def config(self) -> Config:
        """Return the configuration."""
        return self.context.config


@contextmanager
def open_command_session(
    session: Session, *, is_run: bool = False, reads: bool = False, accounts_only: bool = False
) -> Iterator[CommandSession]:
    """Open a command's session. With `is_run`, export metrics and send messages at its end.

    With `reads`, for a command that changes nothing and sends no request, the state may be
    read-only. With `accounts_only`, for a command that only reads at Sauce Labs, the configuration
    needs no valid policies. Raises ConfigError, StateError, RefusedError.
    """
    expect_long_work()
    config = session.load(accounts_only=accounts_only)
    # JSON lines are for a program, even on a terminal: then nothing moves there.
    is_watched = terminal.is_terminal(err=True) and session.log_format != "json"
    level = session.log_level or ("warning" if is_watched else "info")
    # With a log level of the user's own choice, the log is complete.
    reported = _IN_THE_REPORT if is_watched and session.log_level is None else ()
    logs.configure(session.log_format, level, color=session.color, reported=reported)
    for warning in config.warnings:
        structlog.get_logger().warning("config.warning", text=str(warning))
    metrics = Metrics()
    with (
        catch_signals() as signals,
        _opened(config, reads=reads) as state,
        ProgressDisplay(
            color=session.color,
            moving=is_watched and level != "debug",
            is_stopping=signals.stop.is_set,
        ) as progress,
    ):
        # The request counter beside a read-only state cannot be written either: use its copy.
        if state.is_read_only:
            config = replace(config, state=state.counted_beside())
        context = RunContext(config, state, metrics, progress, signals.stop)
        reporter = RunReporter(config, state, metrics, is_run=is_run, clock=context.clock)
        try:
            yield CommandSession(session, context, signals, progress, reporter)
        finally:
            reporter.end()


def _opened(config: Config, *, reads: bool) -> State:
    if reads:
        return open_to_read(config, scratch=True)
    return State.open(config.state, accept_filesystem=config.accept_filesystem)


def _as_of(text: str | None) -> int | None:
    """Return the epoch seconds of --as-of. A time without a zone is in UTC."""
    if text is None:
        return None
    try:
        found = unix_time(text)
        time = datetime.fromisoformat(text) if found is None else datetime.fromtimestamp(found, UTC)
    except ValueError as error:
        raise click.UsageError(
            f"--as-of {text!r} is not a time: write it like 2026-06-01T00:00:00Z or 1780272000"
        ) from error
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def read_order(
    command: CommandSession, options: Mapping[str, Any], *, execute: bool
) -> tuple[Order, list[Account]]:
    """Return what the options order, and for which accounts.

    Raises ConfigError, UsageError, and RefusedError for a plan file of another configuration.
    """
    accounts = select_accounts(command.config, options["accounts"])
    reviewed = None
    if file := options.get("reviewed"):
        reviewed = {str(plan.get("account")): plan for plan in planfile.read(file)}
        configured = {account.name for account in command.config.accounts}
        if foreign := sorted(reviewed.keys() - configured):
            raise RefusedError(
                f"{file}: the plan is for account {', '.join(foreign)}, which "
                f"{command.config.file} does not have"
            )
        # Accounts that are not in the plan file have nothing that was reviewed.
        accounts = [account for account in accounts if account.name in reviewed]
    order = Order(
        execute=execute,
        as_of=_as_of(options.get("as_of")),
        offline=bool(options.get("offline")),
        accept_loss=bool(options.get("accept_loss")),
        policies=select_policies(command.config, options["policies"]),
        reviewed=reviewed,
        retry_now=bool(options.get("retry_now")),
    )
    return order, accounts


def run_accounts(
    command: CommandSession,
    order: Order,
    accounts: list[Account],
    then: Callable[[Result], int] = lambda _: 0,
) -> tuple[list[Result], int]:
    """Run the accounts one after the other; return the results and the worst exit code.

    An account that fails does not stop the others. `then` gets each result and returns its exit
    code.
    """
    results: list[Result] = []
    codes: list[int] = []
    for account in accounts:
        # A signal: the accounts that are left have not begun, and nothing of them is changed.
        if command.context.stop.is_set():
            break
        try:
            result = run(account, command.context, order)
        except JanitorError as error:
            command.reporter.error(account.name, error)
            is_stopping = command.context.stop.is_set()
            # The error of the only account is the command's: `main` prints it, and its exit code
            # counts.
            if len(accounts) == 1 and not is_stopping:
                raise
            # Once the command is stopping, every account ends with the same error.
            if not is_stopping:
                terminal.echo(f"sauce-janitor: {account.name}: {error}", err=True)
            codes.append(error.exit_code)
            continue
        command.reporter.result(result)
        results.append(result)
        codes.append(then(result))
    code = max(codes, key=_BY_SEVERITY.index, default=0)
    # "Refused" (3) promises that nothing changed: with several accounts it must be true of all.
    if code == RefusedError.exit_code and any(result.execution is not None for result in results):
        code = JanitorError.exit_code
    return results, code


def plan_secret(command: CommandSession) -> bytes:
    """Return the key with which plan files are sealed."""
    return command.context.state.identity.secret
