"""One round of the daemon: follow the configuration, open the state, report what has ended, have
started what is due.

One module over 300 lines: the one order of these steps, and what they share.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from sauce_janitor.archive import has_archive
from sauce_janitor.clock import Clock
from sauce_janitor.config import Config
from sauce_janitor.daemon import heartbeat
from sauce_janitor.daemon.agenda import Agenda
from sauce_janitor.daemon.config_watch import FollowedConfig
from sauce_janitor.daemon.due_work import DueWork, Works
from sauce_janitor.daemon.ports import QueueInterval, WorkStarter
from sauce_janitor.daemon.scheduler import Scheduler
from sauce_janitor.daemon.work import RUN, UPKEEP, RunningWork, a_run, an_upkeep
from sauce_janitor.errors import (
    ArchiveError,
    ConfigError,
    JanitorError,
    LeaseError,
    RefusedError,
    StateError,
)
from sauce_janitor.metrics import Metrics
from sauce_janitor.notify import Notification, WebhookSender
from sauce_janitor.operations.records import last_runs, notifications
from sauce_janitor.state import QUEUES, State

DRY_RUNS: Final = "dry_run:"
"""What the keys of the notes of dry runs begin with, where several daemons share a state."""
_MESSAGES_S: Final = 1.0
_SHARED_S: Final = 5.0
"""How often the agenda of a shared state is read again, in seconds."""


@dataclass(frozen=True, slots=True)
class LookInterval:
    """How often the daemon looks, in seconds of real time, whatever the clock says.

    `round_s`: the heartbeat, at due work, black-outs and the clock; `watch_s`: at its own status;
    `follow_s`: at the configuration files; `reopen_s`: at a state that could not be opened;
    `token_s`: at the token; `queue`: at the queue of a shared state.
    """

    round_s: float = 1.0
    watch_s: float = 5.0
    follow_s: float = 5.0
    reopen_s: float = 10.0
    token_s: float = 10.0
    queue: QueueInterval = field(default_factory=QueueInterval)


class Rounds:
    """What the daemon does, one round at a time. One thread calls `go`; others may read, and call
    `reload` and `halt`. `wake` is set when the next round should not wait, `stopping` by `halt`.

    `state` is None while it cannot be opened; `closed_because` says why. `last_errors` has the
    error that ended an account's last run, if one did.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        metrics: Metrics,
        *,
        execute: bool,
        pace: LookInterval,
        works: Works | None = None,
    ) -> None:
        self.execute = execute
        self.followed = FollowedConfig(config)
        self.wake = threading.Event()
        self.state: State | None = None
        self.closed_because = "the state is not open yet"
        self.last_errors: dict[str, BaseException | None] = {}
        # Another place needs a restart: two states at once would contradict each other.
        self._place = config.state
        # Several daemons may share a state on a server.
        self.is_shared = not isinstance(config.state, Path)
        # Beside workers that execute, a dry run must not count as the run that was due.
        self.agenda = Agenda(DRY_RUNS if self.is_shared and not execute else "")
        self._host, self._pid = socket.gethostname(), os.getpid()
        self.note = (
            heartbeat.shared_note(self._host, self._pid) if self.is_shared else heartbeat.NOTE
        )
        self._state_key = "state.path" if isinstance(config.state, Path) else "state.url"
        self._work = DueWork(
            works or {RUN: a_run(execute=execute), UPKEEP: an_upkeep(execute=execute)},
            self.agenda,
            lambda: (self.config, self.state),
            execute=execute,
            clock=clock,
            metrics=metrics,
        )
        self.stopping = self._work.stopping
        self._pace = pace
        self._clock, self._metrics, self._poster = clock, metrics, WebhookSender()
        self._tried_at = self._looked_at = -float("inf")
        self._agenda_is_of: Config | None = None
        self._asked = threading.Event()
        self._read_at = -float("inf")
        self._shared_now: Callable[[], float] = self._clock.now
        self._starter: WorkStarter = (
            self._work_queue(config) if self.is_shared else Scheduler(self._work.do, self.wake)
        )
        self._log: Any = structlog.get_logger()

    @property
    def config(self) -> Config:
        """The configuration in use."""
        return self.followed.config

    def reload(self) -> None:
        """Read the configuration again in the next round, which begins at once."""
        self._asked.set()
        self.wake.set()

    def go(self) -> float:
        """Do one round, and return the seconds until something is due (infinity for nothing)."""
        self._follow()
        self.collect()
        if self.state is None:
            self._open()
        return math.inf if self.state is None else self._begin(self.state)

    def collect(self) -> None:
        """Report the work that has ended, and record it as finished unless it was stopped."""
        for account in self._starter.ended():
            work = self._work.under_way().get(account)
            if work is not None and work.ended_at is not None:
                self._tell(work)
                self._record(work, work.ended_at)
            self._work.forget(account)

    def under_way(self) -> dict[str, RunningWork]:
        """Return the work that is running or not yet collected, by account."""
        return self._work.under_way()

    def busy(self) -> frozenset[str]:
        """Return the accounts whose work is under way or waits for a thread."""
        return self._starter.busy()

    def is_idle(self) -> bool:
        """Return whether all work has ended and is collected."""
        return not self.busy()

    def halt(self) -> None:
        """Ask all work to finish the current jobs and end, and begin none any more."""
        self.stopping.set()
        self._starter.halt()
        self._work.interrupt()
        self.wake.set()

    def close(self) -> None:
        """Close the state; all work must have ended."""
        self.halt()
        self._starter.shutdown()
        self._poster.close(_MESSAGES_S)
        if self.state is not None:
            # Another worker's `status` need not wait until the note is old.
            if self.is_shared:
                with suppress(StateError):
                    self.state.notes.forget(self.note)
            self.state.close()

    @property
    def trouble(self) -> str | None:
        """Return why no work can be started at present; None where it can."""
        return self._starter.trouble

    def heartbeat(self, version: str) -> heartbeat.Heartbeat:
        """Return what other processes are told about this daemon."""
        return heartbeat.Heartbeat(
            at=int(self._shared_now()),
            pid=self._pid,
            mode=heartbeat.EXECUTE if self.execute else heartbeat.DRY_RUN,
            next_runs={account: entry.due_at for account, entry in self.agenda.entries.items()},
            host=self._host,
            version=version,
            works_on=tuple(sorted(self.busy())),
        )

    def _work_queue(self, config: Config) -> WorkStarter:
        # Late: a state in a file loads nothing of it.
        try:
            from sauce_janitor.daemon.work_queue import WorkerTasks, WorkQueue
        # After an upgrade without its extra: older versions needed psycopg alone.
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"`state.url` needs {error.name}, which is not installed: install"
                " sauce-janitor[cluster]"
            ) from error
        from sauce_janitor.state.server.server_state import address

        assert not isinstance(config.state, Path)
        # What is no address is a mistake in the configuration: waiting would not help.
        address(config.state.read())
        tasks = WorkerTasks(
            do=self._work.do,
            digest_of=self._digest_of,
            interrupt=self._work.interrupt,
            stalled=lambda account: self._metrics.add("stalled_runs", 1, account=account),
        )
        queue = WorkQueue(
            tasks,
            self.wake,
            config.state.read,
            queue=QUEUES[self.execute],
            most=config.concurrent_runs,
            pace=self._pace.queue,
        )
        self._shared_now = lambda: queue.database_now
        return queue

    def _digest_of(self, name: str) -> str | None:
        config = self.config
        is_known = any(account.name == name for account in config.accounts)
        return config.policy_digest(name) if is_known else None

    # --- the configuration and the state ----------------------------------------------------------

    def _follow(self) -> None:
        asked, real = self._asked.is_set(), time.monotonic()
        if not asked and real - self._looked_at < self._pace.follow_s:
            return
        self._asked.clear()
        self._looked_at = real
        before = self.config
        if self.followed.look(at_once=asked):
            # Runs use the open state and clients the server: neither is exchanged under them.
            restart_needed = (
                (self._state_key, self._place, self.config.state),
                ("web", before.web, self.config.web),
                # Its queue has a thread for each.
                ("concurrent_runs", before.concurrent_runs, self.config.concurrent_runs),
            )
            for what, old, new in restart_needed:
                if old != new:
                    self._log.warning("config.takes_a_restart", key=what)
            for account in {each.name for each in before.accounts} - {
                each.name for each in self.config.accounts
            }:
                self._metrics.forget_account(account)
        self._metrics.set("config_reload_success", 0 if self.followed.faults else 1)

    def _open(self) -> None:
        real = time.monotonic()
        if real - self._tried_at < self._pace.reopen_s:
            return
        self._tried_at = real
        try:
            self.state = self._opened()
        # ArchiveError: a bucket that does not answer may have the archive of a lost state.
        except (StateError, RefusedError, ConfigError, ArchiveError) as error:
            # Tried again and again: the same trouble is one line of the log.
            if str(error) != self.closed_because:
                self._log.error("state.closed", why=str(error))
            self.closed_because = str(error)
        else:
            self._log.info("state.opened", path=str(self._place))

    def _opened(self) -> State:
        # Perhaps its volume is not mounted. A new state would have no holds and no journal.
        if not self._place.exists() and has_archive(self.config.archive.location):
            raise StateError(
                f"the state {self._place} is gone, but the archive {self.config.archive.location}"
                " is there: restore the state from a backup; to begin a new one on purpose, run"
                " `sauce-janitor plan` once by hand, then `sauce-janitor archive adopt` and"
                " `sauce-janitor resume`"
            )
        state = State.open(self._place, accept_filesystem=self.config.accept_filesystem)
        try:
            if (queue := state.queue()) is not None:
                queue.refuse_outdated()
            self._metrics.settle(state.counters)
            last_runs.recall(self.config, state, self._metrics)
        # Close the state, whatever the error was; it is raised again.
        except BaseException:
            state.close()
            raise
        return state

    # --- work -------------------------------------------------------------------------------------

    def _begin(self, state: State) -> float:
        now = int(self._clock.now())
        try:
            if self._agenda_is_of is not self.config:
                self.agenda.follow(self.config, state.notes, now)
                self._agenda_is_of = self.config
        except StateError as error:
            self._log.warning("state.failed", why=str(error))
            return math.inf
        self.agenda.mind_the_clock(now)
        if self.is_shared:
            self._read_agenda(state, now)
        self._stop_in_blackouts(now)
        self._starter.plan(self.agenda.entries, now)
        return self._starter.process()

    def _read_agenda(self, state: State, now: int) -> None:
        """Take over what other workers have done, before anything is put into the queue."""
        is_due = any(entry.due_kind(now) for entry in self.agenda.entries.values())
        if not is_due and time.monotonic() - self._read_at < _SHARED_S:
            return
        before = {
            name: (entry.last, entry.kept_up_at) for name, entry in self.agenda.entries.items()
        }
        try:
            self.agenda.read_again(state.notes, now)
            self._read_at = time.monotonic()
            # What this process measured at its own last run may be long over.
            for name, entry in self.agenda.entries.items():
                if (entry.last, entry.kept_up_at) != before[name]:
                    # How much of the budget the other one has left is not recorded.
                    self._metrics.forget("api_budget_remaining", name)
                    last_runs.recall_account(name, state, self._metrics)
        # Then what is due may be done already. The worker that takes it looks again.
        except StateError as error:
            self._log.debug("state.failed", why=str(error))

    def _stop_in_blackouts(self, now: int) -> None:
        """End work early and cleanly where a black-out has begun; it is due again after it."""
        for name, running in self.under_way().items():
            entry = self.agenda.entries.get(name)
            dark = None if entry is None else entry.timetable.dark_at(now)
            if dark is not None and not running.stop.is_set():
                until, reason = dark.ends_at, dark.reason
                self._log.info("blackout.begins", account=name, until=until, reason=reason)
                running.stop.set()

    def _record(self, work: RunningWork, ended_at: int) -> None:
        if self._work.is_unfinished(work) or self.state is None:
            return
        try:
            self.agenda.dealt_with(work.account, work.kind, self.state.notes, ended_at)
        # The agenda in memory knows it; the next run records it again.
        except StateError as error:
            self._log.warning("state.failed", why=str(error))

    def _tell(self, work: RunningWork) -> None:
        error = work.error
        if work.kind == RUN:
            self.last_errors[work.account] = error
        if error is None:
            self._notify(list(work.result.messages))
            return
        # It waits for the other one's end; that is nothing to act on.
        if self.is_shared and isinstance(error, LeaseError):
            self._log.info(f"{work.kind}.waits", account=work.account, why=str(error))
            self.last_errors[work.account] = None
            return
        if isinstance(error, JanitorError):
            name = type(error).__name__
            self._log.error(f"{work.kind}.ended", account=work.account, why=str(error), error=name)
        else:
            self._log.error(f"{work.kind}.crashed", account=work.account, exc_info=error)
        at = int(self._clock.now())
        self._notify(list(notifications.of_error(work.account, error, at=at)))

    def _notify(self, messages: list[Notification]) -> None:
        if self.state is None or not self.config.webhooks:
            return
        try:
            self._poster.tell(messages, notifications.hooks(self.config), self.state.notes)
        except StateError as error:
            self._log.warning("notify.failed", why=str(error))
