"""What `plan`, `run` and `apply` work at: configuration and state opened, signals caught, each
account passed over once.
"""

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
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.known_jobs import look
from sauce_janitor.cli.progress import ProgressDisplay
from sauce_janitor.cli.run_reporter import RunReporter
from sauce_janitor.config import Account, Config
from sauce_janitor.config.moments import unix_time
from sauce_janitor.errors import ConfigError, JanitorError, LeaseError, RefusedError
from sauce_janitor.metrics import Metrics
from sauce_janitor.operations.policy_run import run
from sauce_janitor.operations.wiring.run_settings import Order, Result, RunContext
from sauce_janitor.state import State

_MILDEST_FIRST = (
    0,
    RefusedError.exit_code,
    LeaseError.exit_code,
    JanitorError.exit_code,
    ConfigError.exit_code,
)
_TOLD = frozenset(
    {
        "deadline.missed",
        "job.assets_lost",
        "jobs.retrying",
        "policy.undecided",
        "owner.left_out",
        "owners.incomplete",
    }
)
"""Warnings of the log that the report on a terminal says as well, in sentences."""


@dataclass(slots=True)
class Signals:
    """The signal that asked this command to end, if any."""

    stop: threading.Event
    number: int | None = None


@contextmanager
def _signals() -> Iterator[Signals]:
    """SIGINT and SIGTERM set the stop event; a second one, of either, ends the process at once,
    which is always safe.
    """
    caught = Signals(threading.Event())

    def catch(number: int, _frame: object) -> None:
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
    """One command's configuration, state, tools and words."""

    session: Session
    tools: RunContext
    signals: Signals
    shown: ProgressDisplay
    leaving: RunReporter

    @property
    def config(self) -> Config:
        return self.tools.config


@contextmanager
def open_desk(
    session: Session, *, tells: bool = False, reads: bool = False, accounts_only: bool = False
) -> Iterator[CommandSession]:
    """Open it, and leave behind what others are to hear of when it closes.

    With `reads`, for what changes nothing and sends no request, a state that cannot be written here
    will do; with `accounts_only`, for what only looks at Sauce Labs, a configuration without
    policies, or with faults in them. Raises ConfigError, StateError, RefusedError.
    """
    config = session.load(accounts_only=accounts_only)
    watched = terminal.is_terminal(err=True) and session.log_format != "json"
    level = session.log_level or ("warning" if watched else "info")
    told = _TOLD if watched and session.log_level is None else ()
    logs.configure(session.log_format, level, color=session.color, reported=told)
    for warning in config.warnings:
        structlog.get_logger().warning("config.warning", text=str(warning))
    metrics = Metrics()
    with (
        _signals() as signals,
        _opened(config, reads=reads) as state,
        ProgressDisplay(
            color=session.color,
            moving=watched and level != "debug",
            is_stopping=signals.stop.is_set,
        ) as shown,
    ):
        if state.is_read_only:  # what is counted beside it is read from a copy, too
            config = replace(config, state=state.counted_beside())
        tools = RunContext(config, state, metrics, shown, signals.stop)
        leaving = RunReporter(config, state, metrics, tells=tells, clock=tools.clock)
        try:
            yield CommandSession(session, tools, signals, shown, leaving)
        finally:
            leaving.end()


def _opened(config: Config, *, reads: bool) -> State:
    if reads:
        return look(config, scratch=True)
    return State.open(config.state, accept_filesystem=config.accept_filesystem)


def _accounts(config: Config, wanted: tuple[str, ...]) -> list[Account]:
    known = {account.name for account in config.accounts}
    for name in wanted:
        if name not in known:
            raise ConfigError(
                f"there is no account {name!r} in {config.file}; there are: "
                f"{', '.join(sorted(known))}"
            )
    return [account for account in config.accounts if not wanted or account.name in wanted]


def _policies(config: Config, wanted: tuple[str, ...]) -> frozenset[str]:
    known = {
        policy.name for account in config.accounts for policy in config.rules(account.name).policies
    }
    for name in wanted:
        if name not in known:
            raise ConfigError(
                f"there is no policy {name!r} in {config.file}; there are: "
                f"{', '.join(sorted(known))}"
            )
    return frozenset(wanted)


def _as_of(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        found = unix_time(text)
        time = datetime.fromisoformat(text) if found is None else datetime.fromtimestamp(found, UTC)
    except ValueError as wrong:
        raise click.UsageError(
            f"--as-of {text!r} is no time: write it like 2026-06-01T00:00:00Z or 1780272000"
        ) from wrong
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def order_of(
    desk: CommandSession, options: Mapping[str, Any], *, execute: bool
) -> tuple[Order, list[Account]]:
    """What is asked for, and of which accounts. ConfigError, RefusedError, and click\'s
    UsageError.
    """
    accounts = _accounts(desk.config, options["accounts"])
    reviewed = None
    if file := options.get("reviewed"):
        reviewed = {str(plan.get("account")): plan for plan in planfile.read(file)}
        if foreign := sorted(reviewed.keys() - {account.name for account in desk.config.accounts}):
            raise RefusedError(
                f"{file}: the plan is for account {', '.join(foreign)}, which {desk.config.file} "
                "does not have"
            )
        accounts = [account for account in accounts if account.name in reviewed]
    order = Order(
        execute=execute,
        as_of=_as_of(options.get("as_of")),
        offline=bool(options.get("offline")),
        accept_loss=bool(options.get("accept_loss")),
        policies=_policies(desk.config, options["policies"]),
        reviewed=reviewed,
        retry_now=bool(options.get("retry_now")),
    )
    return order, accounts


def pass_over(
    desk: CommandSession,
    order: Order,
    accounts: list[Account],
    then: Callable[[Result], int] = lambda _: 0,
) -> tuple[list[Result], int]:
    """Every account, one after the other; one that fails does not stop the others. The worst exit
    code counts.

    But that nothing was touched (3) is only said when it is true of all.
    """
    results: list[Result] = []
    codes: list[int] = []
    for account in accounts:
        if desk.tools.stop.is_set():
            break
        try:
            result = run(account, desk.tools, order)
        except JanitorError as wrong:
            desk.leaving.error(account.name, wrong)
            if len(accounts) == 1 and not desk.tools.stop.is_set():
                raise
            if not desk.tools.stop.is_set():
                terminal.echo(f"sauce-janitor: {account.name}: {wrong}", err=True)
            codes.append(wrong.exit_code)
            continue
        desk.leaving.result(result)
        results.append(result)
        codes.append(then(result))
    code = max(codes, key=_MILDEST_FIRST.index, default=0)
    touched = any(result.execution is not None for result in results)
    return results, JanitorError.exit_code if touched and code == RefusedError.exit_code else code


def secret_of(desk: CommandSession) -> bytes:
    """What plan files are sealed with."""
    return desk.tools.state.identity.secret
