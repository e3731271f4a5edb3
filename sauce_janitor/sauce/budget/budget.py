"""The request budget of one credential: every request waits here for its turn, in both of the
vendor's windows.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sauce_janitor.errors import BudgetSpentError, StoppedError
from sauce_janitor.model.request_allowance import AllowanceTimetable
from sauce_janitor.sauce.budget.count_file import SharedCount, TimeSource
from sauce_janitor.sauce.budget.meter import Meter, Reading, RequestTurn, WaitFor
from sauce_janitor.sauce.budget.rates import told
from sauce_janitor.sauce.http.connection import Connection

SLOWED_S: Final = 3600.0
"""Any 429 halves the rate for so long."""
_LONGEST_HOLD_S: Final = 3600.0
_NO_WAIT_S: Final = 0.001
_HELD_UP_S: Final = 0.005
_SOME: Final = 0.1
"""Of an hour's requests: it is not worth going on for fewer."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request's right to leave: the seconds waited for it, when it was had, and its number in
    the count, if any.
    """

    waited_s: float = 0.0
    taken_at: float = 0.0
    number: int | None = None


class RequestBudget:
    """Says when the next request may leave; shared by every thread that uses the credential, and
    through its meter's file by every process on the same state.

    `patience_s` is the longest wait for an hour's window or for what Sauce Labs asks that a request
    sits out; a longer one is BudgetSpentError, so that a run can pause cleanly. The pace of a
    second's window is always kept to, whatever it takes. All of it raises StateError when the count
    cannot be kept: nothing is sent that is not counted.
    """

    def __init__(
        self,
        meter: Meter,
        timetable: AllowanceTimetable,
        *,
        patience_s: float = 60.0,
        stop: threading.Event | None = None,
        clock: TimeSource = time,
    ) -> None:
        self.timetable = timetable
        self._meter = meter
        self._patience_s = patience_s
        self._stop = stop if stop is not None else threading.Event()
        self._clock = clock
        self._turn = threading.Lock()
        self._prepaid = threading.local()
        self._taken = threading.local()
        self._fastest: dict[str, float] = {}
        self._vendors_left: tuple[int, float] | None = None

    @classmethod
    def of(
        cls,
        connection: Connection,
        *,
        store: SharedCount | None = None,
        stop: threading.Event | None = None,
    ) -> RequestBudget:
        """The budget that the connection's settings ask for, of its address and user name;
        `close()` it.

        With `store`, every process on that state counts together; without it the budget is counted
        in memory.
        """
        meter = Meter(connection.origin, connection.username, store)
        return cls(meter, connection.timetable, patience_s=connection.max_wait_s, stop=stop)

    def close(self) -> None:
        """Let go of the count."""
        self._meter.close()

    def take(self) -> Ticket:
        """Take one request out of the budget, or out of this thread's reservation.

        Raises BudgetSpentError when the wait would be longer than the patience, StoppedError when
        the run was asked to stop.
        """
        prepaid = self._prepaid_here()
        return prepaid.pop() if prepaid else self._queue(1)[0]

    @property
    def taken_here(self) -> int:
        """Requests that the calling thread took so far, repeated and reserved ones too."""
        return getattr(self._taken, "requests", 0)

    def leaves(self, ticket: Ticket) -> None:
        """The request leaves now. One that was held up on its way here, by a reservation or a
        handshake, counts from now on: else those that were let go before would arrive together with
        those after it.
        """
        if ticket.number is not None and self._clock.monotonic() - ticket.taken_at > _HELD_UP_S:
            self._meter.put_off(ticket.number)

    def answered(self, ticket: Ticket, kind: str, took_s: float) -> None:
        """The answer came so long after the request left. What it took longer than the fastest of
        its kind may have been lost on the way there: the request counts from when it can have
        arrived at the latest.
        """
        fastest = self._fastest[kind] = min(took_s, self._fastest.get(kind, took_s))
        if ticket.number is not None and took_s - fastest > _HELD_UP_S:
            self._meter.put_off(ticket.number, ago_s=fastest)

    @contextmanager
    def reserved(self, count: int) -> Iterator[float]:
        """Take `count` requests now, for this thread to spend inside: nothing then waits between,
        say, re-check and delete.

        Yields the seconds waited. What is not spent is lost: the window has counted it.
        """
        prepaid = self._prepaid_here()
        before = len(prepaid)
        taken: list[Ticket] = []
        while len(taken) < count:
            taken.extend(self._queue(count - len(taken)))
        prepaid.extend(taken)
        try:
            yield sum(ticket.waited_s for ticket in taken)
        finally:
            del prepaid[before:]

    def left(self) -> int | None:
        """Requests left in the hour; None when no hourly limit counts: a window of seconds only
        spreads requests out.
        """
        return self._within_the_vendors(self.read())

    def remaining(self) -> dict[str, int]:
        """Requests left by window, `second` and `hour`, as far as there is one."""
        reading = self.read()
        found = {"second": reading.left_second, "hour": self._within_the_vendors(reading)}
        return {window: left for window, left in found.items() if left is not None}

    def goes_on_in(self, *, some: bool = False) -> float:
        """In how many seconds the next request may leave, or a tenth of an hour's with `some`; 0
        now.
        """
        return self.read(share=_SOME if some else 0.0).turn.wait_s

    def read(self, *, share: float = 0.0) -> Reading:
        """How things stand; with a share, the turn is that of so much of an hour's requests."""
        if self._never_limited():
            return Reading(None, None, RequestTurn(), slowed=False)
        return self._meter.read(self.timetable, share)

    def hold_back(self, seconds: float) -> None:
        """Nobody sends for so many seconds, an hour at most: what a Retry-After asks for."""
        self._meter.hold_back(min(seconds, _LONGEST_HOLD_S))

    def learn(self, code: int, headers: Mapping[str, str], *, now: float) -> None:
        """Take in what an answer says of the vendor's limit. `now` is epoch seconds; headers in any
        case and unit.
        """
        if code == 429:
            self._meter.slow_down(SLOWED_S)
        hour = told(headers, now=now)
        if hour is not None:
            self._vendors_left = (hour.left, self._clock.monotonic() + hour.ends_in_s)
            if hour.left <= 0:
                self.hold_back(hour.ends_in_s)

    def _prepaid_here(self) -> list[Ticket]:
        """What this thread has reserved and not spent."""
        tickets: list[Ticket] | None = getattr(self._prepaid, "tickets", None)
        if tickets is None:
            tickets = self._prepaid.tickets = []
        return tickets

    def _within_the_vendors(self, reading: Reading) -> int | None:
        """What is left of the hour, by our count and by what Sauce Labs said last, whichever is
        less.
        """
        if reading.turn.wait_for is WaitFor.VENDOR and reading.turn.wait_s > self._patience_s:
            return 0
        left, said = reading.left_hour, self._vendors_left
        if said is None or self._clock.monotonic() >= said[1]:
            return left
        return said[0] if left is None else min(left, said[0])

    def _never_limited(self) -> bool:
        """Where nothing limits the account nothing is counted, until a 429 or a Retry-After is
        met.
        """
        return self.timetable.unlimited and not self._meter.exists

    def _queue(self, count: int) -> list[Ticket]:
        """Wait for a turn, one thread of a process at a time: of as many as can leave together."""
        tickets = self._turns(count)
        self._taken.requests = self.taken_here + len(tickets)
        return tickets

    def _turns(self, count: int) -> list[Ticket]:
        if self._never_limited():
            self._look()
            return [Ticket()] * count
        began = self._clock.monotonic()
        with self._turn:
            while True:
                self._look()
                turn = self._meter.take(self.timetable, count)
                if turn.wait_for is WaitFor.NOTHING:
                    now = self._clock.monotonic()
                    return _tickets(turn, count, now - began, now)
                if turn.wait_for is not WaitFor.PACE and turn.wait_s > self._patience_s:
                    raise BudgetSpentError(self._spent(turn))
                self._stop.wait(turn.wait_s)

    def _look(self) -> None:
        if self._stop.is_set():
            raise StoppedError("asked to stop while waiting for the request budget")

    def _spent(self, turn: RequestTurn) -> str:
        at = datetime.fromtimestamp(self._clock.time() + turn.wait_s, UTC).strftime(
            "%Y-%m-%d %H:%M UTC"
        )
        minutes = math.ceil(turn.wait_s / 60)
        if turn.wait_for is WaitFor.VENDOR:
            return f"Sauce Labs asks to wait: the next request may leave in {minutes} min, at {at}"
        return f"the request budget is spent: the next request may leave in {minutes} min, at {at}"


def _tickets(turn: RequestTurn, count: int, waited_s: float, now: float) -> list[Ticket]:
    """One for each request that may leave; the first one of them says what was waited."""
    numbers = turn.numbers or [None] * count
    waits = [waited_s if waited_s > _NO_WAIT_S else 0.0] + [0.0] * (len(numbers) - 1)
    return [Ticket(waited, now, number) for waited, number in zip(waits, numbers, strict=True)]
