"""The daemon as a whole: its threads, its server, its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import structlog

from sauce_janitor import __version__
from sauce_janitor.archive.storage.sites import site_of
from sauce_janitor.clock import CLOCK, Clock
from sauce_janitor.config import Config
from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.console.changes import ConsoleChanges
from sauce_janitor.console.sections import console_sections
from sauce_janitor.console.sign_ins import SessionTimes, SignIns
from sauce_janitor.daemon.rounds import LookInterval, Rounds
from sauce_janitor.daemon.status import DaemonStatus
from sauce_janitor.daemon.token import Token
from sauce_janitor.daemon.users import FollowedUsers
from sauce_janitor.errors import ArchiveUnusableError
from sauce_janitor.facade import import_late_modules
from sauce_janitor.metrics import Metrics
from sauce_janitor.web.access.sign_in import sign_in_section
from sauce_janitor.web.changes.change_pages import change_section
from sauce_janitor.web.console import make_console, posts_of
from sauce_janitor.web.guard import AccessRules, Guard
from sauce_janitor.web.overview import Overview, Readiness
from sauce_janitor.web.pages import MEMORY_PATHS, OPEN_PATHS, probe_routes
from sauce_janitor.web.policies.playground_page import PLAYGROUND
from sauce_janitor.web.request_slots import RequestSlots
from sauce_janitor.web.server import RunningServer, ServerLimits

_DRY_RUN: Final = "DRY RUN: nothing is archived or deleted; `serve --execute` carries plans out"
_THREADS: Final = 8
"""How many requests are answered at once; a video or a long log occupies one."""
_SLOTS: Final = 5
"""How many of them may be for pages; one more may wait. The others answer monitoring."""
_PATIENCE_S: Final = 18.0
"""How long runs may take to finish their current jobs: the daemon must end within 20 s."""


class Daemon:
    """Runs every account on its schedule until it is stopped. Any thread may call its methods."""

    def __init__(
        self,
        config: Config,
        *,
        execute: bool,
        clock: Clock | None = None,
        pace: LookInterval | None = None,
    ) -> None:
        self._pace = pace or LookInterval()
        self._clock = clock or CLOCK
        self._metrics = Metrics()
        self._rounds = Rounds(config, self._clock, self._metrics, execute=execute, pace=self._pace)
        self._access = ConsoleAccess(
            lambda: self._rounds.config,
            lambda: self._rounds.state,
            lambda: self._rounds.closed_because,
        )
        self._token, self._users = Token(config.web), FollowedUsers(config.web)
        self._web = config.web
        self._status = DaemonStatus(
            self._rounds, self._clock, self._metrics, trouble=lambda: self._users.trouble
        )
        self._serving: RunningServer | None = None
        self._sign_ins: SignIns | None = None
        self._ended = threading.Event()
        self._failed = False
        self._stopped_at: float | None = None
        self._threads = [
            threading.Thread(target=self._go_round, name="rounds", daemon=True),
            threading.Thread(target=self._keep_watch, name="watch", daemon=True),
        ]
        self._log: Any = structlog.get_logger()

    @property
    def url(self) -> str:
        """The address of its pages."""
        assert self._serving is not None
        return self._serving.url

    def start(self) -> None:
        """Start listening and working. Raise ConfigError when the address is taken, or the token or
        the file of users cannot be read.
        """
        # First: a bad token ends the command before anything listens.
        self._token.read()
        self._users.read()
        import_late_modules()
        # What keeps the archive is imported, too. Where it cannot be, the pages say so.
        with suppress(ArchiveUnusableError):
            site_of(self._rounds.config.archive.location)
        self._metrics.set("config_reload_success", 1)
        self._serving = self._server()
        self._log.info(
            "daemon.started",
            version=__version__,
            url=self._serving.url,
            file=str(self._rounds.config.file),
            mode="execute" if self._rounds.execute else "dry_run",
        )
        # A daemon with a forgotten --execute looks as if it worked.
        if not self._rounds.execute:
            self._log.warning("daemon.dry_run", text=_DRY_RUN)
        for warning in self._rounds.config.warnings:
            self._log.warning("config.warning", text=str(warning))
        for thread in self._threads:
            thread.start()

    def _server(self) -> RunningServer:
        """Start the server of the pages."""
        shown = _Shown(self, self._status, self._metrics)
        sections = (
            *console_sections(self._access, shown, self._clock),
            change_section(ConsoleChanges(self._access, self._clock)),
        )
        session = None
        # Where nobody can sign in, there is no form.
        if self._web.users is not None:
            times = SessionTimes(self._web.session_s, self._web.idle_s)
            sign_ins = SignIns(self._users.value, lambda: self._access.state, self._clock, times)
            sections, session = (*sections, sign_in_section(sign_ins)), sign_ins.find
            self._sign_ins = sign_ins
        pages = make_console(sections, probe_routes(shown))
        rules = AccessRules(
            listen=self._web.listen,
            hosts=self._web.hosts,
            token=self._token.value if self._web.token is not None else None,
            open_paths=OPEN_PATHS | ({"/metrics"} if self._web.metrics_open else set()),
            session=session,
            accepts_post=posts_of(pages),
            text_paths=frozenset({PLAYGROUND}),
        )
        guard = Guard(RequestSlots(pages, _SLOTS, MEMORY_PATHS), rules)
        limits = ServerLimits(threads=_THREADS, text_paths=frozenset({PLAYGROUND}))
        return RunningServer(guard, self._web.listen, limits)

    def is_alive(self) -> bool:
        """Return whether its threads do their work, or have not begun yet."""
        # It listens a moment before they begin, and a probe in that moment must not restart it.
        begun = all(thread.ident is None or thread.is_alive() for thread in self._threads)
        return begun and not self._failed

    def reload(self) -> None:
        """Read the configuration again, between runs."""
        self._rounds.reload()

    def stop(self) -> None:
        """Ask every run to finish its current jobs; `has_ended` returns when that is done."""
        self._stopped_at = time.monotonic()
        self._log.info("daemon.stopping", under_way=sorted(self._rounds.busy()))
        self._rounds.halt()

    def has_ended(self) -> bool:
        """Return whether every run has ended and everything is recorded."""
        return not any(thread.is_alive() for thread in self._threads)

    def is_out_of_patience(self) -> bool:
        """Return whether a stop was requested so long ago that what still runs hangs."""
        if self._stopped_at is None or time.monotonic() - self._stopped_at < _PATIENCE_S:
            return False
        self._log.warning("daemon.left_hanging", under_way=sorted(self._rounds.busy()))
        return True

    def close(self) -> None:
        """Stop serving, and close the state if no run uses it any more."""
        if self._serving is not None:
            self._serving.stop()
        self._access.close()
        # Work that hangs still uses the state: the process ends with it open, which is safe.
        if self.has_ended():
            self._rounds.close()
            self._log.info("daemon.stopped")

    def _go_round(self) -> None:
        with self._noting_failure():
            wake = self._rounds.wake
            while not self._rounds.stopping.is_set():
                wake.clear()
                due_in_s = self._rounds.go()
                # The heartbeat: a clock that jumps, or a suspended machine, makes no timer ring.
                self._clock.wait(wake, min(due_in_s, self._pace.round_s))
        # After a stop or a failure, wait for the runs; `is_out_of_patience` limits how long.
        self._rounds.halt()
        while not self._rounds.is_idle():
            with self._noting_failure():
                self._rounds.collect()
            time.sleep(0.05)
        self._ended.set()

    def _keep_watch(self) -> None:
        with self._noting_failure():
            token_at = time.monotonic()
            while not self._ended.is_set():
                if time.monotonic() - token_at >= self._pace.token_s:
                    self._token.read_again()
                    self._users.read_again()
                    token_at = time.monotonic()
                self._status.look()
                if self._sign_ins is not None:
                    self._sign_ins.store_seen()
                self._ended.wait(self._pace.watch_s)
            # Once more: it stores what the last runs have counted.
            self._status.look()

    @contextmanager
    def _noting_failure(self) -> Iterator[None]:
        """Log a bug in a thread, after which the daemon is not alive: `serve` then ends it, and the
        runs finish their current jobs first.
        """
        try:
            yield
        # Whatever it is, the runs must still be stopped.
        except Exception as error:  # noqa: BLE001
            self._failed = True
            self._log.error("daemon.failed", exc_info=error)


class _Shown:
    """What the pages show, kept ready in memory."""

    def __init__(self, daemon: Daemon, status: DaemonStatus, metrics: Metrics) -> None:
        self._daemon, self._status, self._metrics = daemon, status, metrics

    def alive(self) -> bool:
        return self._daemon.is_alive()

    def readiness(self) -> Readiness:
        return self._status.readiness

    def metrics(self) -> bytes:
        return self._metrics.page()

    def overview(self) -> Overview:
        return self._status.overview
