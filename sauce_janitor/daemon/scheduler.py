"""One round of the daemon: open what is closed, follow the configuration, begin what is due,
collect what has ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

import structlog

from sauce_janitor.archive import SENTINEL
from sauce_janitor.clock import Clock
from sauce_janitor.config import Account, Config
from sauce_janitor.daemon.agenda import Agenda
from sauce_janitor.daemon.clocks import LookInterval
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
"""What is done, by kind."""


class Scheduler:
    """What the daemon does, a round at a time; `go` is called by one thread, the rest may be read
    by others.

    `state` is None while it cannot be opened, and `closed_because` says why then; `wrong` has, by
    account, what ended its last run if that was an error.
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
        self.wrong: dict[str, BaseException] = {}
        self._path = (
            config.state
        )  # another path takes a restart: two states at once would be two truths
        self._works = works or {RUN: a_run(execute=execute), UPKEEP: an_upkeep(execute=execute)}
        self._pace = pace
        self._clock, self._metrics, self._poster = clock, metrics, WebhookSender()
        self._tried_at = self._looked_at = -float("inf")
        self._agenda_is_of: Config | None = None
        self._asked = threading.Event()
        self._log: Any = structlog.get_logger()

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.followed.config

    def reload(self) -> None:
        """The next round reads the configuration again."""
        self._asked.set()

    def go(self) -> None:
        """One round."""
        self._follow()
        self.collect()
        if self.state is None:
            self._open()
        if self.state is not None:
            self._begin(self.state)

    def collect(self) -> None:
        """Take up what has ended: what came of it is told, and what was due is dealt with, unless
        it was asked to stop.
        """
        for under in self.runner.collect():
            self._tell(under)
            if not under.stop.is_set() and self.state is not None:
                try:
                    self.agenda.dealt_with(
                        under.account, under.kind, self.state.notes, under.ended_at
                    )
                except StateError as wrong:  # it is remembered in memory, and by the next one
                    self._log.warning("state.failed", why=str(wrong))

    def close(self) -> None:
        """Let go of the state; all work must have ended."""
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
            for what, old, new in (("state.path", self._path, self.config.state),
                                   ("web", before.web, self.config.web)):  # fmt: skip
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
        except (StateError, RefusedError) as wrong:
            if str(wrong) != self.closed_because:
                self._log.error("state.closed", why=str(wrong))
            self.closed_because = str(wrong)
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
        except BaseException:  # let go of the state, whatever it was; raised again
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
        except StateError as wrong:
            self._log.warning("state.failed", why=str(wrong))
            return
        self.agenda.mind_the_clock(now)
        under_way = self.runner.under_way()
        for account in self.config.accounts:
            self._begin_or_halt(account, under_way.get(account.name), state, now)

    def _begin_or_halt(
        self, account: Account, under: RunningWork | None, state: State, now: int
    ) -> None:
        entry = self.agenda[account.name]
        if under is not None:
            dark = entry.timetable.dark_at(now)
            if dark and not under.stop.is_set():
                self._log.info(
                    "blackout.begins", account=account.name, until=dark.ends_at, reason=dark.reason
                )
                under.stop.set()
            return
        kind = entry.due_kind(self._clock.now())
        if kind is not None:
            self._log.info(
                f"{kind}.begins",
                account=account.name,
                mode="execute" if self.execute else "dry_run",
            )
            config = replace(
                self.config, state=self._path
            )  # requests are counted beside the state that is in use
            tools = RunContext(config, state, self._metrics, RunSteps(), clock=self._clock.now)
            self.runner.begin(account, kind, self._works[kind], tools)

    def _tell(self, under: RunningWork) -> None:
        wrong = under.future.exception()
        at = int(self._clock.now())
        if under.kind == RUN:
            self.wrong.pop(under.account, None)
        if wrong is None:
            self._notify(under.future.result())
            return
        if under.kind == RUN:
            self.wrong[under.account] = wrong
        if isinstance(wrong, JanitorError):
            self._log.error(
                f"{under.kind}.ended",
                account=under.account,
                why=str(wrong),
                error=type(wrong).__name__,
            )
        else:  # a bug: it ends this work, not the others'
            self._log.error(f"{under.kind}.crashed", account=under.account, exc_info=wrong)
        self._notify(list(notifications.of_error(under.account, wrong, at=at)))

    def _notify(self, tidings: list[Notification]) -> None:
        if self.state is None or not self.config.webhooks:
            return
        try:
            self._poster.tell(tidings, notifications.hooks(self.config), self.state.notes)
        except StateError as wrong:
            self._log.warning("notify.failed", why=str(wrong))
