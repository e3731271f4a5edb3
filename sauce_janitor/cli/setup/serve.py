"""`serve`: run the daemon until a signal ends it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Final

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session, expect_long_work
from sauce_janitor.cli.confirmation import NO_CHANGE

if TYPE_CHECKING:
    from sauce_janitor.daemon.daemon import Daemon

_ENDING: Final = (signal.SIGTERM, signal.SIGINT)
_LOOK_S: Final = 0.2


@click.command()
@click.option(
    "--execute", is_flag=True, help="Carry plans out. Without it, every run is a dry run."
)
@NO_CHANGE
@click.pass_obj
def serve(session: Session, /, *, execute: bool, dry_run: bool) -> int:
    """Run by schedule until stopped, with metrics, health checks and a status page.

    SIGTERM and SIGINT finish the current step (at most 20 s) and exit with 0; a second signal exits
    at once. SIGHUP reloads the configuration, as a change of its file does.
    """
    from sauce_janitor import logs
    from sauce_janitor.config import load
    from sauce_janitor.daemon.daemon import Daemon

    expect_long_work()
    logs.configure(session.log_format, session.log_level or "info", color=session.color)
    return run_until_signal(Daemon(load(session.config_path), execute=execute and not dry_run))


def run_until_signal(daemon: Daemon) -> int:
    """Run the daemon until a signal ends it, and return the exit code.

    Raises ConfigError if it cannot start.
    """
    # This thread waits for signals and takes them one by one. A handler could interrupt any code.
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_ENDING, signal.SIGHUP})
    try:
        daemon.start()
        return _watch(daemon)
    finally:
        daemon.close()


def _watch(daemon: Daemon) -> int:
    while daemon.is_alive():
        got = _next_of({*_ENDING, signal.SIGHUP})
        if got == signal.SIGHUP:
            daemon.reload()
        elif got is not None:
            return _end(daemon)
    # A bug in one of its threads, which has logged it. The runs finish their current jobs.
    return _end(daemon, code=1)


def _end(daemon: Daemon, *, code: int = 0) -> int:
    daemon.stop()
    while not daemon.has_ended():
        if (again := _next_of(set(_ENDING))) is not None:
            _leave(128 + again)
        # A request that hangs may be dropped at any moment: the next run recovers its result.
        if daemon.is_out_of_patience():
            _leave(code)
    return code


def _next_of(signals: AbstractSet[signal.Signals]) -> int | None:
    """Return the next of these signals; None if none came for a moment."""
    # It does not wait: where SIGSTOP and SIGCONT interrupt a wait that is over by then, CPython
    # returns whatever was in memory there, as if it were a signal.
    got = signal.sigtimedwait(signals, 0)
    if got is not None:
        return got.si_signo
    time.sleep(_LOOK_S)
    return None


def _leave(code: int) -> None:
    terminal.flush()
    os._exit(code)
