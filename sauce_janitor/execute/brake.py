"""What ends a run early: one brake for all workers, looked at before every request and once more
before every write.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from sauce_janitor.errors import (
    ArchiveError,
    ArchiveUnusableError,
    BudgetSpentError,
    CredentialsError,
    JanitorError,
    LeaseError,
    PermitError,
    RefusedError,
    StateError,
    StoppedError,
)
from sauce_janitor.execute.events import Halt, Halted, Skip
from sauce_janitor.execute.outcomes import Tally
from sauce_janitor.execute.ports import AssetStream, ExecutionPorts
from sauce_janitor.model.safety_numbers import MAX_CLOCK_SKEW_S

SILENCE = 5
"""So many jobs in a row that Sauce did not answer about: it is not the jobs."""
_A_JOB = 4
"""Requests that a worker makes before it asks again what is left: two for a delete, two for an
answer in doubt.
"""
ASSET_GRACE_S = 8.0
"""How long an asset in hand may go on after a stop was asked for."""

ENDING: tuple[tuple[type[JanitorError], Halt], ...] = (
    (CredentialsError, Halt.CREDENTIALS),
    (LeaseError, Halt.LEASE),
    (BudgetSpentError, Halt.BUDGET),
    (ArchiveUnusableError, Halt.ARCHIVE),
    (StateError, Halt.STATE),
    (StoppedError, Halt.STOPPED),
    (
        RefusedError,
        Halt.PAUSED,
    ),  # by the journal, in the transaction that would have written the intent
)
"""The errors that are about the whole run, whichever job met them, and the halt each means."""


def halt_of(error: JanitorError) -> Halt:
    """Return the halt that an error means where it ends a run, also one that is usually about a
    single job.
    """
    if isinstance(error, UnsafeError):
        return Halt.REFUSED
    if (why := next((halt for kind, halt in ENDING if isinstance(error, kind)), None)) is not None:
        return why
    if isinstance(error, ArchiveError):
        return Halt.ARCHIVE
    return Halt.REFUSED if isinstance(error, PermitError) else Halt.SOURCE


class UnsafeError(RefusedError):
    """What was planned is not safe any more: something is not as it was decided on, or cannot be
    told in time.
    """


class HaltError(Exception):
    """Control flow: the run is over for this thread; what it has in hand is put down."""


class SkipError(Exception):
    """Control flow: this job is left alone on purpose."""

    def __init__(self, why: Skip, detail: str) -> None:
        super().__init__(detail)
        self.why = why
        self.detail = detail


class Brake:
    """Pulled once, by whoever finds the first reason; every worker finds it pulled at its next
    look.
    """

    def __init__(
        self,
        parts: ExecutionPorts,
        tally: Tally,
        stop: threading.Event,
        *,
        deadline: float | None = None,
        workers: int = 1,
    ) -> None:
        self._parts = parts
        self._tally = tally
        self._stop = stop
        self._deadline = deadline
        self._lock = threading.Lock()
        left = parts.source.budget_left
        self._under_way = 0 if left is None else min(_A_JOB * (workers - 1), left // 4)
        self._silent = 0
        self._stopped_at: float | None = None
        self.why: Halt | None = None
        self.error: JanitorError | None = None

    def pull(self, why: Halt, detail: str, error: JanitorError | None = None) -> None:
        """End the run for this reason, unless it has ended for another already."""
        with self._lock:
            if self.why is not None:
                return
            self.why, self.error = why, error
        self._tally.tell(Halted(why, detail))

    def give_up(self) -> None:
        """A bug showed: end the run without telling anybody but who started it, by raising it
        there.
        """
        with self._lock:
            self.why = self.why or Halt.BUG

    def look(self) -> None:
        """Before every request: HaltError when the run is over, stopped, paused or past its
        deadline.
        """
        if self._stop.is_set():
            self.pull(Halt.STOPPED, "asked to stop")
        elif self._deadline is not None and self._parts.clock.monotonic() >= self._deadline:
            self.pull(Halt.DEADLINE, "the run's time is over")
        elif self._parts.switch.is_paused():
            self.pull(Halt.PAUSED, "paused")
        if self.why is not None:
            raise HaltError

    def look_before_write(self) -> None:
        """Also the archive, the lease and both clocks; the last thing before a write is put on
        record.
        """
        self._parts.archive.check()
        skew = self._parts.source.clock_skew_s
        if skew is None or abs(skew) > MAX_CLOCK_SKEW_S:
            apart = "cannot be compared" if skew is None else f"are {abs(skew):.0f} s apart"
            self.pull(Halt.CLOCK, f"our clock and Sauce's {apart}: nothing is deleted")
        self.look()
        self._parts.lease.check()

    def afford(self, requests: int) -> None:
        """HaltError when the budget has no room for so many more requests, and what other workers
        are about to make.
        """
        left = self._parts.source.budget_left
        if left is not None and left < requests + self._under_way:
            self.pull(Halt.BUDGET, "the request budget is spent: the rest goes on in a later run")
            raise HaltError

    def answered(self) -> None:
        """Sauce answered about a job."""
        with self._lock:
            self._silent = 0

    def unanswered(self, error: JanitorError) -> None:
        """It did not, or not in a way that can be read."""
        with self._lock:
            self._silent += 1
            silent = self._silent
        if silent >= SILENCE:
            self.pull(
                Halt.SOURCE, f"no usable answer about {SILENCE} jobs in a row: {error}", error
            )

    def out_of_patience(self) -> bool:
        """Whether a stop was asked for so long ago that even the asset in hand is abandoned."""
        if not self._stop.is_set():
            return False
        now = self._parts.clock.monotonic()
        with self._lock:
            if self._stopped_at is None:
                self._stopped_at = now
            return now - self._stopped_at > ASSET_GRACE_S


class WatchedBody:
    """A body that is abandoned when a stop was asked for and it does not end soon."""

    def __init__(self, body: AssetStream, brake: Brake) -> None:
        self._body = body
        self._brake = brake

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._body:
            if self._brake.out_of_patience():
                self._brake.look()
            yield chunk

    @property
    def framed(self) -> bool:
        return self._body.framed

    @property
    def content_type(self) -> str | None:
        return self._body.content_type
