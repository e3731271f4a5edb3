"""The status of the daemon: what keeps it from being ready, and what the page shows of every
account.

It reads the state and the disk in its own thread and keeps the result: no page waits for either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from sauce_janitor import __version__
from sauce_janitor.clock import Clock
from sauce_janitor.config import Account
from sauce_janitor.daemon import archive_probe, heartbeat
from sauce_janitor.daemon.accounts import view_of
from sauce_janitor.daemon.agenda import AgendaEntry
from sauce_janitor.daemon.rounds import Rounds
from sauce_janitor.daemon.work import RUN
from sauce_janitor.daemon.workers import shared_work
from sauce_janitor.errors import ConfigError, CredentialsError, RefusedError, StateError
from sauce_janitor.metrics import Metrics
from sauce_janitor.operations.adoption import why_refused
from sauce_janitor.operations.wiring.pauses import Pauses
from sauce_janitor.state import KnownAccount, QueueStatus, State
from sauce_janitor.web.overview import AccountView, Overview, Readiness, SharedWork

_OVERDUE_S: Final = 600
_VIEW_S: Final = 30.0
"""How long what was read of an account is shown again while it does nothing here, in seconds."""
_BUCKET_S: Final = 30.0
"""How long what a bucket said of an archive is shown, in seconds."""


@dataclass(frozen=True, slots=True)
class _KeptView:
    """What was shown of an account, and what it was made from."""

    account: Account
    times: tuple[int, int, int] | None
    view: AccountView
    was_running: bool
    at: float = field(default_factory=time.monotonic)

    def is_of(self, account: Account, times: tuple[int, int, int] | None) -> bool:
        """Return whether it can be shown again. A run by hand, or another worker's, shows a little
        later.
        """
        is_fresh = time.monotonic() - self.at < _VIEW_S
        return is_fresh and not self.was_running and (self.account, self.times) == (account, times)


class DaemonStatus:
    """Looks, and keeps the result in `readiness` and `overview`. One thread looks, any thread may
    read. `trouble` returns one more reason not to be ready.
    """

    def __init__(
        self,
        rounds: Rounds,
        clock: Clock,
        metrics: Metrics,
        *,
        trouble: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._trouble = trouble
        self._rounds, self._clock, self._metrics = rounds, clock, metrics
        self._beat_at = -float("inf")
        self._works_on: tuple[str, ...] = ()
        self._accounts: tuple[AccountView, ...] = ()
        self._sharing: SharedWork | None = None
        self._queued: frozenset[str] = frozenset()
        self._kept: dict[str, _KeptView] = {}
        self._archive_at = -float("inf")
        self._archive_about: object = None
        self._archive_told: tuple[str, ...] = ()
        self._paused: str | None = None
        self._state_trouble: str | None = None
        self._log: Any = structlog.get_logger()
        self.overview = self._overview(())
        self.readiness = Readiness(("starting",))

    def look(self) -> None:
        """Read the current status. Store what was counted, and read what others counted."""
        state = self._rounds.state
        trouble = None
        if state is not None:
            # Separately: on a full disk nothing can be stored, and the status is still shown.
            for part in (self._keep, self._see):
                try:
                    part(state)
                except StateError as error:
                    trouble = trouble or str(error)
        if trouble is not None and trouble != self._state_trouble:
            self._log.error("state.failed", why=trouble)
        self._state_trouble = trouble
        self._metrics.set("state_available", 1 if state is not None and trouble is None else 0)
        reasons = tuple(self._reasons(state))
        self.readiness, self.overview = Readiness(reasons), self._overview(reasons)

    def _keep(self, state: State) -> None:
        self._metrics.settle(state.counters)
        beat = self._rounds.heartbeat(__version__)
        # In real time: a clock that is set back must not delay the note. At once where the work has
        # changed, which others show.
        is_due = time.monotonic() - self._beat_at >= heartbeat.EVERY_S
        if is_due or (self._rounds.is_shared and beat.works_on != self._works_on):
            state.notes.write(self._rounds.note, beat.text())
            self._works_on = beat.works_on
            heartbeat.forget_old(state.notes, now=beat.at)
            self._beat_at = time.monotonic()

    def _see(self, state: State) -> None:
        pause = Pauses(state, self._rounds.config.archive.location).paused()
        self._metrics.set("paused", 1 if pause else 0)
        self._paused = (
            None
            if pause is None
            else f"By {pause.by}: {pause.reason}. `sauce-janitor resume` lifts it."
        )
        # Once for all of them.
        known = state.accounts.all()
        self._accounts = tuple(
            self._view(account, state, known) for account in self._rounds.config.accounts
        )
        if (queue := state.queue()) is not None:
            self._see_queue(queue.look(of_dry_runs=not self._rounds.execute), state)

    def _see_queue(self, queue: QueueStatus, state: State) -> None:
        """Show the workers, the queue and the leases of a state that several share."""
        beats = heartbeat.alive(state.notes, now=queue.now)
        self._metrics.set("workers", len(beats))
        self._metrics.set("queue_jobs", queue.waiting, status="waiting")
        self._metrics.set("queue_jobs", queue.running, status="running")
        self._metrics.set("queue_wait_seconds", queue.wait_s)
        # An account that left the configuration keeps its lease in the state.
        configured = {account.name for account in self._rounds.config.accounts}
        for lease in queue.leases:
            if lease.account in configured:
                self._metrics.set("lease_fence", lease.fence, account=lease.account)
        self._sharing, self._queued = shared_work(queue, beats), queue.accounts

    def _view(
        self, account: Account, state: State, known: Mapping[str, KnownAccount]
    ) -> AccountView:
        entry, now = self._rounds.agenda.entries.get(account.name), int(self._clock.now())
        running = self._rounds.under_way().get(account.name)
        times = None if entry is None else (entry.last, entry.due_at, entry.kept_up_at)
        # Of hundreds of accounts, few have changed since the last look.
        kept = self._kept.get(account.name)
        if running is None and kept is not None and kept.is_of(account, times):
            return kept.view
        view = view_of(account, state, entry, running, now=now, known=known)
        self._kept[account.name] = _KeptView(account, times, view, running is not None)
        return view

    def _overview(self, reasons: tuple[str, ...]) -> Overview:
        return Overview(
            at=int(self._clock.now()),
            version=__version__,
            executes=self._rounds.execute,
            paused=self._paused,
            troubles=reasons,
            faults=self._rounds.followed.faults,
            warnings=tuple(str(warning) for warning in self._rounds.config.warnings),
            accounts=self._accounts,
            sharing=self._sharing,
        )

    # --- readiness --------------------------------------------------------------------------------

    def _reasons(self, state: State | None) -> list[str]:
        rounds, now = self._rounds, int(self._clock.now())
        reasons = [f"the configuration is not valid: {fault}" for fault in rounds.followed.faults]
        if (trouble := self._trouble()) is not None:
            reasons.append(trouble)
        # Everything below is in the state, or depends on it.
        if state is None:
            return [*reasons, rounds.closed_because]
        if self._state_trouble is not None:
            return [*reasons, self._state_trouble]
        try:
            state.clock.check(now)
            known = state.identity.archive_uuid(str(rounds.config.archive.location))
        except (RefusedError, StateError) as error:
            return [*reasons, str(error)]
        reasons += self._archive_reasons(state, known)
        # It takes no work then; other workers do.
        if rounds.trouble is not None:
            reasons.append(rounds.trouble)
        for account in rounds.config.accounts:
            reasons += self._reasons_of(account.name, now)
        return reasons

    def _archive_reasons(self, state: State, known: str | None) -> tuple[str, ...]:
        settings = self._rounds.config.archive
        names = tuple(each.name for each in self._rounds.config.accounts)
        about = (settings, names, known)
        # A bucket is asked over the network, for each account. What it says changes rarely.
        is_fresh = time.monotonic() - self._archive_at < _BUCKET_S
        if is_fresh and about == self._archive_about and not isinstance(settings.location, Path):
            return self._archive_told
        trouble = archive_probe.trouble(settings, known)
        self._metrics.set("archive_available", 1 if trouble is None else 0)
        told: tuple[str, ...] = ()
        if trouble is not None:
            told = (trouble,)
        # Only a run that executes needs the archive to belong to this state.
        elif self._rounds.execute:
            refused = (why_refused(settings, state, name) for name in names)
            told = tuple(dict.fromkeys(why for why in refused if why is not None))
        self._archive_about, self._archive_told = about, told
        self._archive_at = time.monotonic()
        return told

    def _reasons_of(self, account: str, now: int) -> list[str]:
        error, entry = (
            self._rounds.last_errors.get(account),
            self._rounds.agenda.entries.get(account),
        )
        # Somebody must act. Other errors may be gone at the next run.
        if isinstance(error, ConfigError | CredentialsError):
            return [f"account {account}: {error}"]
        running = self._rounds.under_way().get(account)
        # What waits for a thread or a worker is late because others run, and nobody must act. What
        # another worker does is recorded at its end.
        waits = running is None and (account in self._rounds.busy() or account in self._queued)
        is_running = waits or (running is not None and running.kind == RUN)
        return (
            [f"account {account}: its run is overdue"]
            if entry and not is_running and _is_overdue(entry, now)
            else []
        )


def _is_overdue(entry: AgendaEntry, now: int) -> bool:
    """Return whether a run should have started long ago; during a black-out none should."""
    return entry.timetable.dark_at(now) is None and now > entry.due_at + entry.jitter_s + _OVERDUE_S
