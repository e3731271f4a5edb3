"""Does what is due for an account, and knows what is under way and what must be tried again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import structlog

from sauce_janitor.clock import Clock
from sauce_janitor.config import Config
from sauce_janitor.daemon import heartbeat
from sauce_janitor.daemon.agenda import Agenda
from sauce_janitor.daemon.work import RunningWork, Work
from sauce_janitor.errors import LeaseError, StateError
from sauce_janitor.metrics import Metrics
from sauce_janitor.operations.wiring.run_settings import RunContext
from sauce_janitor.state import LeaseStatus, State

_LEASE_S: Final = 30.0
"""After how long work is tried again that met a lease of which the end is unknown."""
_STATE_S: Final = 15.0
"""After how long work is tried again that lost the state, at first: it doubles each time."""
_STATE_MOST_S: Final = 60.0
"""At most after how long. It goes on within a minute after the state can be used again."""
Works: TypeAlias = Mapping[str, Work]
"""The work to do, by kind."""


class DueWork:
    """The work on accounts that are due. `do` is called in threads, one for an account at most; any
    thread may call the rest.

    `current()` returns the configuration in use, and the state; None while it cannot be opened.
    """

    def __init__(
        self,
        works: Works,
        agenda: Agenda,
        current: Callable[[], tuple[Config, State | None]],
        *,
        execute: bool,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._works, self._agenda, self._current = works, agenda, current
        # That of the start: another place needs a restart.
        self._place = current()[0].state
        # Several daemons may share a state on a server.
        self._is_shared = not isinstance(self._place, Path)
        self._execute, self._clock, self._metrics = execute, clock, metrics
        self._running: dict[str, RunningWork] = {}
        self._cut_off: dict[str, int] = {}
        self.stopping = threading.Event()
        self._log: Any = structlog.get_logger()

    def under_way(self) -> dict[str, RunningWork]:
        """Return the work that is running or not yet collected, by account."""
        return dict(self._running)

    def forget(self, account: str) -> None:
        """Forget the account's work, which is collected."""
        self._running.pop(account, None)

    def interrupt(self) -> None:
        """Ask all work to finish the current jobs and end; it is due again."""
        for running in self.under_way().values():
            running.stop.set()

    def do(self, name: str) -> float | None:
        """Do what is due for an account. Return after how many seconds it must be tried again, None
        for not before it is due again.
        """
        (config, state), now = self._current(), int(self._clock.now())
        account = next((each for each in config.accounts if each.name == name), None)
        if state is None or account is None or name not in self._agenda.entries:
            return None
        try:
            entry = self._agenda.entries[name]
            # Another worker may have done it since it was put into the queue.
            if self._is_shared:
                entry = self._agenda.recorded(name, state.notes, now)
            # Asked again: it may have waited for a thread until a black-out or another
            # configuration.
            kind = entry.due_kind(now)
            if kind is None:
                return None
            # For hours, perhaps. Each run that is refused would be a line in the history.
            if self._execute and (lease := _held_lease(state, name)) is not None:
                why = f"{lease.holder_words}, holds the lease"
                self._log.info(f"{kind}.waits", account=name, why=why)
                return lease.free_in_s
        except StateError:
            return _STATE_S
        work = self._running[name] = RunningWork(name, kind)
        # `stopping` is set before what is running is stopped: no work is missed by both.
        if self.stopping.is_set():
            work.stop.set()
            return 0.0
        mode = heartbeat.EXECUTE if self._execute else heartbeat.DRY_RUN
        self._log.info(f"{kind}.begins", account=name, mode=mode)
        # Requests are counted beside the state that is in use.
        context = RunContext(
            replace(config, state=self._place),
            state,
            self._metrics,
            work.steps,
            stop=work.stop,
            clock=self._clock.now,
        )
        try:
            work.result = self._works[kind](account, context)
        # A bug ends this work only, not that of other accounts: the next round reports it.
        except BaseException as error:  # noqa: BLE001
            work.error = error
        # What is due later is new work, however late this one is collected.
        work.ended_at = int(self._clock.now())
        return self._again_s(work)

    def is_unfinished(self, work: RunningWork) -> bool:
        """Return whether the work is still due, although it ended."""
        if work.stop.is_set():
            return True
        # Alone on its state, a daemon waits for the next time: whoever has the lease does the work.
        # Here the other worker may be dead, and then nobody else would do it before.
        is_cut_off = work.result.is_cut_off or isinstance(work.error, LeaseError | StateError)
        return self._is_shared and is_cut_off

    def _again_s(self, work: RunningWork) -> float | None:
        """Return after how many seconds the work must be tried again, None for not at all."""
        if not self.is_unfinished(work):
            self._cut_off.pop(work.account, None)
            return None
        if work.stop.is_set():
            return 0.0
        if isinstance(work.error, LeaseError):
            return work.error.free_in_s or _LEASE_S
        # A state that stays unusable must not be asked at full speed.
        tries = self._cut_off[work.account] = self._cut_off.get(work.account, 0) + 1
        return float(min(_STATE_MOST_S, _STATE_S * 2 ** min(tries - 1, 10)))


def _held_lease(state: State, account: str) -> LeaseStatus | None:
    """Return the lease that somebody holds on the account in a state that several share."""
    if (queue := state.queue()) is None:
        return None
    return next(
        (each for each in queue.look().leases if each.account == account and each.is_held), None
    )
