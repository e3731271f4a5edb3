"""One round of the daemon: open what is closed, follow the configuration, begin what is due, collect what has ended."""

from __future__ import annotations

import threading
import time
from typing import Any, Final

import structlog

from sauce_janitor.archive import SENTINEL
from sauce_janitor.config import Config
from sauce_janitor.daemon.agenda import Agenda
from sauce_janitor.daemon.clocks import Clock
from sauce_janitor.daemon.following import Followed
from sauce_janitor.daemon.runner import Runner, Steps, Under
from sauce_janitor.errors import JanitorError, RefusedError, StateError
from sauce_janitor.metrics import Metrics
from sauce_janitor.pipeline import Tools
from sauce_janitor.state import State

_TRY_AGAIN_S: Final = 10
_LOOK_S: Final = 5


class Rounds:
    """What the daemon does, a round at a time; `go` is called by one thread, the rest may be read by others.

    `state` is None while it cannot be opened, and `closed_because` says why then.
    """

    def __init__(self, config: Config, clock: Clock, metrics: Metrics, *, execute: bool) -> None:
        self.execute = execute
        self.followed = Followed(config)
        self.agenda = Agenda()
        self.runner = Runner(execute=execute)
        self.state: State | None = None
        self.closed_because = "the state is not open yet"
        self._path = config.state  # another path takes a restart: two states at once would be two truths
        self._clock, self._metrics = clock, metrics
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
        self._collect()
        if self.state is None:
            self._open()
        if self.state is not None:
            self._begin(self.state)

    def go_last(self) -> None:
        """A round of ending: only what has ended is collected."""
        self._collect()

    def close(self) -> None:
        """Let go of the state; every run must have ended."""
        self.runner.close()
        if self.state is not None:
            self.state.close()

    # --- what a round is made of -----------------------------------------------------------------------------------------

    def _follow(self) -> None:
        asked, real = self._asked.is_set(), time.monotonic()
        if not asked and real - self._looked_at < _LOOK_S:
            return
        self._asked.clear()
        self._looked_at = real
        before = self.config
        if self.followed.look(at_once=asked):
            for what, old, new in (("state.path", before.state, self.config.state),
                                   ("web.listen", before.web.listen, self.config.web.listen)):  # fmt: skip
                if old != new:
                    self._log.warning("config.takes_a_restart", key=what, in_force=str(old))
        self._metrics.set("config_reload_success", 0 if self.followed.faults else 1)

    def _open(self) -> None:
        real = time.monotonic()
        if real - self._tried_at < _TRY_AGAIN_S:
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
                f"the state {self._path} is gone, but the archive {self.config.archive.path} is there: restore the "
                "state from a backup; to begin a new one on purpose, run `sauce-janitor plan` once by hand"
            )
        return State.open(self._path)

    def _begin(self, state: State) -> None:
        now = int(self._clock.now())
        if self._agenda_is_of is not self.config:
            self.agenda.follow(self.config, state.notes, now)
            self._agenda_is_of = self.config
        self.agenda.mind_the_clock(now)
        under_way = self.runner.under_way()
        for account in self.config.accounts:
            if account.name not in under_way and self.agenda[account.name].is_due(self._clock.now()):
                self._log.info("run.begins", account=account.name, due_at=self.agenda[account.name].due_at,
                               mode="execute" if self.execute else "dry_run")  # fmt: skip
                self.runner.begin(
                    account.name, Tools(self.config, state, self._metrics, Steps(), clock=self._clock.now)
                )

    def _collect(self) -> None:
        for under in self.runner.collect():
            self._tell(under)
            if not under.stop.is_set() and self.state is not None:
                self.agenda.dealt_with(under.account, self.state.notes, int(self._clock.now()))

    def _tell(self, under: Under) -> None:
        wrong = under.future.exception()
        if wrong is None:
            return
        if isinstance(wrong, JanitorError):
            self._log.error("run.ended", account=under.account, why=str(wrong), kind=type(wrong).__name__)
        else:  # a bug: it ends this run, not the others
            self._log.error("run.crashed", account=under.account, exc_info=wrong)
