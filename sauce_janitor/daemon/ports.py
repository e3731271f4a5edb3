"""What the rounds need of whatever starts the work on accounts: the scheduler, or the queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from sauce_janitor.daemon.agenda import AgendaEntry


@dataclass(frozen=True, slots=True)
class QueueInterval:
    """How often a worker looks, in seconds.

    `tick_s`: at what is due, and at the work of dead workers; `heartbeat_s`: how often it says that
    it lives; `stalled_s`: after how long without that it counts as dead.
    """

    tick_s: float = 5.0
    heartbeat_s: float = 10.0
    stalled_s: float = 30.0


class WorkStarter(Protocol):
    """Starts what is due, never two pieces of work of one account at once. One thread, that of the
    rounds, calls it; `busy` and `trouble` are for any thread.
    """

    @property
    def trouble(self) -> str | None:
        """Return why nothing can be started at present; None where something can."""

    def plan(self, entries: Mapping[str, AgendaEntry], now: int) -> None:
        """Take over the times of all accounts."""

    def process(self) -> float:
        """Start what is due, and return the seconds until the next time (infinity for none).

        Raise what kept work from its thread.
        """

    def ended(self) -> Iterator[str]:
        """Yield each account whose work has ended since the last call. What the caller does with
        it is done before its next work can begin.
        """

    def busy(self) -> frozenset[str]:
        """Return the accounts of which work was started and not yet returned by `ended`."""

    def halt(self) -> None:
        """Start nothing any more."""

    def shutdown(self) -> None:
        """End, once nothing is busy any more."""
