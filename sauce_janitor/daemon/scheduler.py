"""One round of the daemon: open the state, follow the configuration, start what is due, collect
what has ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import structlog

from sauce_janitor.archive import SENTINEL
from sauce_janitor.clock import Clock
from sauce_janitor.config import Account, Config
from sauce_janitor.daemon.agenda import Agenda
from sauce_janitor.daemon.config_watch import FollowedConfig
from sauce_janitor.daemon.runner import Runner, RunningWork, RunSteps, Work
from sauce_janitor.daemon.work import RUN, UPKEEP, a_run, an_upkeep
from sauce_janitor.errors import JanitorError, RefusedError, StateError
from sauce_janitor.metrics import Metrics
from sauce_janitor.notify import Notification, WebhookSender
from sauce_janitor.operations.records import last_runs, notifications
from sauce_janitor.operations.wiring.run_settings import RunContext
from sauce_janitor.state import State

_MESSAGES_S: Final = 1.0
Works: TypeAlias = Mapping[str, Work]
"""The work to do, by kind."""


@dataclass(frozen=True, slots=True)
class LookInterval:
    """How often the daemon looks, in seconds of real time, whatever the clock says.

    `round_s`: for due work (by its clock); `watch_s`: at its own status; `follow_s`: at the
    configuration files; `reopen_s`: at a state that could not be opened; `token_s`: at the token.
    """

    round_s: float = 1.0
    watch_s: float = 5.0
    follow_s: float = 5.0
    reopen_s: float = 10.0
    token_s: float = 10.0


class Scheduler:
    """What the daemon does, one round at a time. One thread calls `go`; others may read.

    `state` is None while it cannot be opened; `closed_because` says why. `last_errors` has, by
    account, the error that ended its last run, if one did.
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
        self.agenda = Agenda()
        self.runner = Runner()
        self.state: State | None = None
        self.closed_because = "the state is not open yet"
        self.last_errors: dict[str, BaseException] = {}
        # Another path needs a restart: two states at once would contradict each other.
        self._path = config.state
        self._works = works or {RUN: a_run(execute=execute), UPKEEP: an_upkeep(execute=execute)}
        self._pace = pace
        self._clock, self._metrics, self._poster = clock, metrics, WebhookSender()
        self._tried_at = self._looked_at = -float("inf")
        self._agenda_is_of: Config | None = None
        self._asked = threading.Event()
        self._log: Any = structlog.get_logger()

    @property
    def config(self) -> Config:
        """The configuration in use."""
        return self.followed.config

    def reload(self) -> None:
        """Read the configuration again in the next round."""
        self._asked.set()

    def go(self) -> None:
        """Do one round."""
        self._follow()
        self.collect()
        if self.state is None:
            self._open()
        if self.state is not None:
            self._begin(self.state)

    def collect(self) -> None:
        """Collect what has ended: report its result, and record it as finished unless it was
        stopped.
        """
        for running in self.runner.collect():
            self._tell(running)
            if not running.stop.is_set() and self.state is not None:
                try:
                    self.agenda.dealt_with(
                        running.account, running.kind, self.state.notes, running.ended_at
                    )
                # The agenda in memory knows it; the next run records it again.
                except StateError as error:
                    self._log.warning("state.failed", why=str(error))

    def close(self) -> None:
        """Close the state; all work must have ended."""
        self.runner.close()
        self._poster.close(_MESSAGES_S)
        if self.state is not None:
            self.state.close()

    # --- the configuration and the state ----------------------------------------------------------

    def _follow(self) -> None:
        asked, real = self._asked.is_set(), time.monotonic()
        if not asked and real - self._looked_at < self._pace.follow_s:
            return
        self._asked.clear()
        self._looked_at = real
        before = self.config
        if self.followed.look(at_once=asked):
            restart_needed = (
                ("state.path", self._path, self.config.state),
                ("web", before.web, self.config.web),
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
        except (StateError, RefusedError) as error:
            if str(error) != self.closed_because:
                self._log.error("state.closed", why=str(error))
            self.closed_because = str(error)
        else:
            self._log.info("state.opened", path=str(self._path))

    def _opened(self) -> State:
        sentinel = self.config.archive.path / SENTINEL
        if not self._path.exists() and sentinel.exists():
            raise StateError(
                f"the state {self._path} is gone, but the archive {self.config.archive.path} is"
                " there: restore the state from a backup; to begin a new one on purpose, run"
                " `sauce-janitor plan` once by hand, then `sauce-janitor archive adopt` and"
                " `sauce-janitor resume`"
            )
        state = State.open(self._path, accept_filesystem=self.config.accept_filesystem)
        try:
            self._metrics.settle(state.counters)
            last_runs.recall(self.config, state, self._metrics)
        # Close the state, whatever the error was; it is raised again.
        except BaseException:
            state.close()
            raise
        return state

    # --- work -------------------------------------------------------------------------------------

    def _begin(self, state: State) -> None:
        now = int(self._clock.now())
        try:
            if self._agenda_is_of is not self.config:
                self.agenda.follow(self.config, state.notes, now)
                self._agenda_is_of = self.config
        except StateError as error:
            self._log.warning("state.failed", why=str(error))
            return
        self.agenda.mind_the_clock(now)
        under_way = self.runner.under_way()
        for account in self.config.accounts:
            self._begin_or_halt(account, under_way.get(account.name), state, now)

    def _begin_or_halt(
        self, account: Account, running: RunningWork | None, state: State, now: int
    ) -> None:
        entry = self.agenda[account.name]
        if running is not None:
            dark = entry.timetable.dark_at(now)
            # A black-out ends a run early and cleanly; the next one continues after it.
            if dark and not running.stop.is_set():
                self._log.info(
                    "blackout.begins", account=account.name, until=dark.ends_at, reason=dark.reason
                )
                running.stop.set()
            return
        kind = entry.due_kind(self._clock.now())
        if kind is not None:
            self._log.info(
                f"{kind}.begins",
                account=account.name,
                mode="execute" if self.execute else "dry_run",
            )
            # Requests are counted beside the state that is in use.
            config = replace(self.config, state=self._path)
            context = RunContext(config, state, self._metrics, RunSteps(), clock=self._clock.now)
            self.runner.begin(account, kind, self._works[kind], context)

    def _tell(self, running: RunningWork) -> None:
        error = running.future.exception()
        at = int(self._clock.now())
        if running.kind == RUN:
            self.last_errors.pop(running.account, None)
        if error is None:
            self._notify(running.future.result())
            return
        if running.kind == RUN:
            self.last_errors[running.account] = error
        if isinstance(error, JanitorError):
            self._log.error(
                f"{running.kind}.ended",
                account=running.account,
                why=str(error),
                error=type(error).__name__,
            )
        else:
            # A bug ends this work only, not that of other accounts.
            self._log.error(f"{running.kind}.crashed", account=running.account, exc_info=error)
        self._notify(list(notifications.of_error(running.account, error, at=at)))

    def _notify(self, messages: list[Notification]) -> None:
        if self.state is None or not self.config.webhooks:
            return
        try:
            self._poster.tell(messages, notifications.hooks(self.config), self.state.notes)
        except StateError as error:
            self._log.warning("notify.failed", why=str(error))
