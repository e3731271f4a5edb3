"""Ends a run early. All workers share one brake and check it before every request and once more
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
"""After this many jobs in a row without an answer, the cause is Sauce Labs and not the jobs."""
_A_JOB = 4
"""Requests that a worker may make before it checks the budget again: two for a delete, two for an
answer in doubt.
"""
ASSET_GRACE_S = 8.0
"""How long a download may continue after a stop was requested."""

ENDING: tuple[tuple[type[JanitorError], Halt], ...] = (
    (CredentialsError, Halt.CREDENTIALS),
    (LeaseError, Halt.LEASE),
    (BudgetSpentError, Halt.BUDGET),
    (ArchiveUnusableError, Halt.ARCHIVE),
    (StateError, Halt.STATE),
    (StoppedError, Halt.STOPPED),
    # Raised by the journal, in the transaction that would have written the intent.
    (RefusedError, Halt.PAUSED),
)
"""The errors that concern the whole run, whichever job met them, and the halt each one means."""


def halt_of(error: JanitorError) -> Halt:
    """Return the halt for an error that ends a run, also for one that usually concerns a single
    job.
    """
    # Before ENDING: an UnsafeError is a RefusedError, and there that means a pause.
    if isinstance(error, UnsafeError):
        return Halt.REFUSED
    if (why := next((halt for kind, halt in ENDING if isinstance(error, kind)), None)) is not None:
        return why
    if isinstance(error, ArchiveError):
        return Halt.ARCHIVE
    return Halt.REFUSED if isinstance(error, PermitError) else Halt.SOURCE


class UnsafeError(RefusedError):
    """The planned action is no longer safe: something is not as it was decided on, or cannot be
    checked in time.
    """


class HaltError(Exception):
    """Control flow: the run is over for this thread, and its job is left."""


class SkipError(Exception):
    """Control flow: this job is skipped on purpose."""

    def __init__(self, why: Skip, detail: str) -> None:
        super().__init__(detail)
        self.why = why
        self.detail = detail


class Brake:
    """Ends the run for all workers. The first reason counts; every worker sees it at its next
    check.
    """

    def __init__(
        self,
        ports: ExecutionPorts,
        tally: Tally,
        stop: threading.Event,
        *,
        deadline: float | None = None,
        workers: int = 1,
    ) -> None:
        self._ports = ports
        self._tally = tally
        self._stop = stop
        self._deadline = deadline
        self._lock = threading.Lock()
        left = ports.source.budget_left
        self._under_way = 0 if left is None else min(_A_JOB * (workers - 1), left // 4)
        self._silent = 0
        self._stopped_at: float | None = None
        self.why: Halt | None = None
        self.error: JanitorError | None = None

    def pull(self, why: Halt, detail: str, error: JanitorError | None = None) -> None:
        """End the run for this reason, unless it has already ended for another."""
        # The first reason counts: the others are mostly its consequences.
        with self._lock:
            if self.why is not None:
                return
            self.why, self.error = why, error
        self._tally.tell(Halted(why, detail))

    def give_up(self) -> None:
        """End the run because of a bug, without an event: `carry_out` raises the bug."""
        with self._lock:
            self.why = self.why or Halt.BUG

    def look(self) -> None:
        """Raise HaltError when the run is over, stopped, paused or past its deadline. Called before
        every request.
        """
        if self._stop.is_set():
            self.pull(Halt.STOPPED, "asked to stop")
        elif self._deadline is not None and self._ports.clock.monotonic() >= self._deadline:
            self.pull(Halt.DEADLINE, "the run's time is over")
        elif self._ports.switch.is_paused():
            self.pull(Halt.PAUSED, "paused")
        if self.why is not None:
            raise HaltError

    def look_before_write(self) -> None:
        """Check the archive, both clocks and the lease, too. The last check before a write is
        journaled.
        """
        self._ports.archive.check()
        # A wrong clock makes every age wrong. Without any answer yet there is nothing to compare.
        skew = self._ports.source.clock_skew_s
        if skew is None or abs(skew) > MAX_CLOCK_SKEW_S:
            apart = "cannot be compared" if skew is None else f"are {abs(skew):.0f} s apart"
            self.pull(Halt.CLOCK, f"our clock and Sauce Labs' {apart}: nothing is deleted")
        self.look()
        self._ports.lease.check()

    def afford(self, requests: int) -> None:
        """Raise HaltError when the budget has no room for this many requests and those that other
        workers are about to make.
        """
        # The other workers may spend requests before they check the budget again.
        left = self._ports.source.budget_left
        if left is not None and left < requests + self._under_way:
            self.pull(Halt.BUDGET, "the request budget is spent: a later run continues")
            raise HaltError

    def answered(self) -> None:
        """Reset the count of jobs without an answer: Sauce Labs answered about one."""
        with self._lock:
            self._silent = 0

    def unanswered(self, error: JanitorError) -> None:
        """Count a job without a readable answer; end the run after five in a row."""
        with self._lock:
            self._silent += 1
            silent = self._silent
        if silent >= SILENCE:
            self.pull(
                Halt.SOURCE, f"no usable answer about {SILENCE} jobs in a row: {error}", error
            )

    def out_of_patience(self) -> bool:
        """Return whether a stop was requested so long ago that even the current download is
        abandoned.
        """
        if not self._stop.is_set():
            return False
        now = self._ports.clock.monotonic()
        with self._lock:
            if self._stopped_at is None:
                self._stopped_at = now
            return now - self._stopped_at > ASSET_GRACE_S


class WatchedBody:
    """An asset body that is abandoned when a stop was requested and the download does not end
    soon.
    """

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
