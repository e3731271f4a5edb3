"""The request budget of one credential: every request waits here for its turn in the vendor's
windows.

There are two windows: a second and an hour.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sauce_janitor.errors import BudgetSpentError, StoppedError
from sauce_janitor.model.request_allowance import AllowanceTimetable
from sauce_janitor.sauce.budget.meter import Meter, Reading, RequestTurn, WaitFor
from sauce_janitor.sauce.budget.ports import CountStore, TimeSource
from sauce_janitor.sauce.budget.rates import vendor_remaining
from sauce_janitor.sauce.http.connection import Connection

SLOWED_S: Final = 3600.0
"""Any 429 halves the rate for so long."""
_LONGEST_HOLD_S: Final = 3600.0
_NO_WAIT_S: Final = 0.001
_HELD_UP_S: Final = 0.005
_SOME: Final = 0.1
"""A tenth of an hour's requests: it is not worth continuing for fewer."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request's right to leave.

    `waited_s` is how long it waited, `taken_at` when it was taken (monotonic seconds), `number` its
    number in the count, if any.
    """

    waited_s: float = 0.0
    taken_at: float = 0.0
    number: int | None = None


class RequestBudget:
    """Decides when the next request may leave.

    Every thread that uses the credential shares it, and through its meter's store every process on
    the same state does. `patience_s` is the longest wait for an hour's window, or for what Sauce
    Labs asks, that a request sits out; a longer wait raises BudgetSpentError, so that a run can
    pause cleanly. The pace of a second's window is always kept, whatever time it takes. Every
    method raises StateError when the count cannot be kept: nothing is sent that is not counted.
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
        store: CountStore | None = None,
        stop: threading.Event | None = None,
    ) -> RequestBudget:
        """Return the budget of the connection's settings, address and user name; `close()` it.

        With `store`, every process on that state counts together; without it the budget is counted
        in memory.
        """
        meter = Meter(connection.origin, connection.username, store)
        return cls(meter, connection.timetable, patience_s=connection.max_wait_s, stop=stop)

    def close(self) -> None:
        """Close the count."""
        self._meter.close()

    def take(self) -> Ticket:
        """Take one request from the budget, or from this thread's reservation.

        Raises BudgetSpentError when the wait would be longer than the patience, StoppedError when
        the run was asked to stop.
        """
        prepaid = self._prepaid_here()
        return prepaid.pop() if prepaid else self._queue(1)[0]

    @property
    def taken_here(self) -> int:
        """Return the requests that the calling thread took so far, including repeated and reserved
        ones.
        """
        return getattr(self._taken, "requests", 0)

    def leaves(self, ticket: Ticket) -> None:
        """Record that the request leaves now.

        A request that was held up since its turn, by a reservation or a handshake, counts from now
        on. Otherwise it would arrive together with those that left after it. Raises StoppedError
        when the run was asked to stop while it waits for a place in the window.
        """
        if ticket.number is None:
            return
        counted_at, lead_s, next_lead_s = ticket.taken_at, 0.0, 0.0
        while (held_s := self._clock.monotonic() - counted_at - lead_s) > _HELD_UP_S:
            turn = self._meter.go_on(
                self.timetable, ticket.number, held_s=held_s, lead_s=next_lead_s
            )
            # It was held up for longer than the window, which is full by now.
            if turn.wait_for is not WaitFor.NOTHING:
                self._look()
                self._stop.wait(turn.wait_s)
                continue
            counted_at, lead_s = turn.counted_at, next_lead_s
            # Counting may hold it up as well, on a server far away: then it counts from later on.
            next_lead_s = 2 * (self._clock.monotonic() - counted_at)

    def answered(self, ticket: Ticket, kind: str, took_s: float) -> None:
        """Record that the answer came `took_s` after the request left.

        What it took longer than the fastest of its kind may have been lost on the way there: the
        request counts from the latest time at which it can have arrived.
        """
        fastest = self._fastest[kind] = min(took_s, self._fastest.get(kind, took_s))
        if ticket.number is not None and took_s - fastest > _HELD_UP_S:
            self._meter.put_off(ticket.number, ago_s=fastest)

    @contextmanager
    def reserved(self, count: int) -> Iterator[float]:
        """Take `count` requests now, for this thread to spend inside, so that nothing waits in
        between.

        Yields the seconds waited. What is not spent is lost, as the window has counted it.
        """
        prepaid = self._prepaid_here()
        before = len(prepaid)
        taken: list[Ticket] = []
        # The windows may not have room for all at once.
        while len(taken) < count:
            taken.extend(self._queue(count - len(taken)))
        prepaid.extend(taken)
        try:
            yield sum(ticket.waited_s for ticket in taken)
        finally:
            del prepaid[before:]

    def left(self) -> int | None:
        """Return the requests left in the hour; None when no hourly limit applies.

        A window of seconds only spreads requests out.
        """
        return self._within_the_vendors(self.read())

    def remaining(self) -> dict[str, int]:
        """Return the requests left by window, `second` and `hour`, as far as there is one."""
        reading = self.read()
        found = {"second": reading.left_second, "hour": self._within_the_vendors(reading)}
        return {window: left for window, left in found.items() if left is not None}

    def goes_on_in(self, *, some: bool = False) -> float:
        """Return the seconds until the next request may leave, 0 for now.

        With `some`, until a tenth of an hour's requests may leave.
        """
        return self.read(share=_SOME if some else 0.0).turn.wait_s

    def read(self, *, share: float = 0.0) -> Reading:
        """Return the state of the budget; with a share, the turn is that of so much of an hour's
        requests.
        """
        if self._never_limited():
            return Reading(None, None, RequestTurn(), slowed=False)
        return self._meter.read(self.timetable, share)

    def hold_back(self, seconds: float) -> None:
        """Let nobody send for so many seconds, an hour at most: what a Retry-After asks for."""
        self._meter.hold_back(min(seconds, _LONGEST_HOLD_S))

    def learn(self, code: int, headers: Mapping[str, str], *, now: float) -> None:
        """Take in what an answer says of the vendor's limit.

        `now` is epoch seconds UTC; headers may have any case and unit.
        """
        if code == 429:
            self._meter.slow_down(SLOWED_S)
        hour = vendor_remaining(headers, now=now)
        # The hour is shared with the user's own tests, so our count alone is not enough.
        if hour is not None:
            self._vendors_left = (hour.left, self._clock.monotonic() + hour.ends_in_s)
            if hour.left <= 0:
                self.hold_back(hour.ends_in_s)

    def _prepaid_here(self) -> list[Ticket]:
        """Return what this thread has reserved and not spent."""
        tickets: list[Ticket] | None = getattr(self._prepaid, "tickets", None)
        if tickets is None:
            tickets = self._prepaid.tickets = []
        return tickets

    def _within_the_vendors(self, reading: Reading) -> int | None:
        """Return what is left of the hour, by our count or by what Sauce Labs said last: the
        smaller.
        """
        # Sauce Labs asks for a longer wait than a request sits out.
        if reading.turn.wait_for is WaitFor.VENDOR and reading.turn.wait_s > self._patience_s:
            return 0
        left, vendors = reading.left_hour, self._vendors_left
        # The hour that Sauce Labs spoke of has ended.
        if vendors is None or self._clock.monotonic() >= vendors[1]:
            return left
        return vendors[0] if left is None else min(left, vendors[0])

    def _never_limited(self) -> bool:
        """Tell whether nothing has to be counted: the account has no limit, and met no 429 or
        Retry-After.
        """
        return self.timetable.unlimited and not self._meter.exists

    def _queue(self, count: int) -> list[Ticket]:
        """Wait for a turn of as many requests as can leave together, one thread of a process at a
        time.
        """
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
                    return _tickets(turn, count, self._clock.monotonic() - began)
                # The pace of a second's window is always waited for.
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


def _tickets(turn: RequestTurn, count: int, waited_s: float) -> list[Ticket]:
    """Return one ticket for each request that may leave; the first one has the time waited."""
    numbers: Sequence[int | None] = turn.numbers or [None] * count
    waits = [waited_s if waited_s > _NO_WAIT_S else 0.0] + [0.0] * (len(numbers) - 1)
    return [
        Ticket(waited, turn.counted_at, number)
        for waited, number in zip(waits, numbers, strict=True)
    ]
