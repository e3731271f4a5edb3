"""The request budget of one credential: how many requests may leave, in both of the vendor's windows.

Source: the vendor's "Rate Limit Breakdown": 10 requests a second, 3,500 an hour a user, shared with the user's own tests.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pyrate_limiter import AbstractBucket, InMemoryBucket, Rate, RateItem

from sauce_janitor.errors import BudgetSpentError, StoppedError
from sauce_janitor.sauce.connection import Connection

_HOUR_MS: Final = 3_600_000
_MARGIN: Final = (
    1.02  # requests that leave evenly do not arrive evenly: windows are taken a little longer than they are
)
_CHASTENED_S: Final = 3600.0  # any 429 halves the rate for an hour
_VENDORS_PER_SECOND: Final = 10
_UNASKED_RATE: Final = 5.0  # half of what the vendor allows a second: for who had no limit set and met a 429
_EPOCH_NOT_DELTA: Final = 1_000_000_000
_LEFT_TO_OTHERS: Final = 0.05  # of an hourly window: the last part is the user's tests'
_HOURLY_WINDOW: Final = 100  # a limit from here on is an hour's, below it a second's


class Budget:
    """Says when the next request may leave; shared by every thread that uses the credential.

    `patience_s` is the longest wait that `take` sits out; a longer one is BudgetSpentError, so that a run can pause
    cleanly. The bucket may be any of pyrate-limiter's (a persisted one counts across processes and restarts).
    """

    def __init__(
        self,
        bucket: AbstractBucket | None,
        *,
        patience_s: float = 60.0,
        stop: threading.Event | None = None,
    ) -> None:
        self._bucket = bucket
        self._rates = list(bucket.rates) if bucket is not None else []
        self._patience_s = patience_s
        self._stop = stop if stop is not None else threading.Event()
        self._lock = threading.Lock()
        self._prepaid = threading.local()
        self._not_before = 0.0
        self._chastened_until = 0.0

    @classmethod
    def of(
        cls,
        connection: Connection,
        *,
        store: Path | None = None,
        stop: threading.Event | None = None,
    ) -> Budget:
        """The budget that the connection's settings ask for, of its address and user name.

        `store` is the state's file: every process on the same state counts together, beside it. Without it the budget is
        counted in memory.
        """
        _ = store
        rates = window_rates(*connection.rates, burst=connection.burst)
        return cls(InMemoryBucket(rates) if rates else None, patience_s=connection.max_wait_s, stop=stop)

    def take(self, count: int = 1, *, block: bool = True) -> float:
        """Take `count` requests out of the budget; the seconds waited for them.

        Raises BudgetSpentError when the wait would be longer than the patience (or any, if not `block`), StoppedError
        when the run was asked to stop.
        """
        waited = 0.0
        for step in self._steps(self._unpaid(count)):
            waited += self._take_step(step, waited, block=block)
        return waited

    @contextmanager
    def reserved(self, count: int) -> Iterator[float]:
        """Take `count` requests now, for this thread to spend inside: nothing then waits between, say, re-check and delete.

        Yields the seconds waited. What is not spent is lost: the window has counted it.
        """
        before = getattr(self._prepaid, "count", 0)
        self._prepaid.count = 0
        waited = self.take(count)
        self._prepaid.count = before + count
        try:
            yield waited
        finally:
            self._prepaid.count = min(before, self._prepaid.count)

    def wait_for(self, count: int) -> float:
        """About how many seconds until `count` more requests will have left, if nobody else takes any."""
        with self._lock:
            if self._bucket is None:
                return max(0.0, self._not_before - time.monotonic())
            now = _now(self._bucket)
            waits = [self._window_wait(self._bucket, rate, count, now) for rate in self._bucket.rates]
            return max(*waits, 0.0, self._not_before - time.monotonic())

    def left(self) -> int | None:
        """Requests left in the hour; None when no hourly limit counts: a window of seconds only spreads requests out."""
        with self._lock:
            if self._bucket is None or self._bucket.rates[-1].interval < _HOUR_MS:
                return None
            self._bucket.leak(_now(self._bucket))
            return max(0, self._bucket.rates[-1].limit - _whole(self._bucket.count()))

    def hold_back(self, seconds: float) -> None:
        """Nobody sends for so many seconds: what a Retry-After asks for."""
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def learn(self, code: int, headers: Mapping[str, str], *, now: float) -> None:
        """Take in what an answer says of the vendor's limit. `now` is epoch seconds; headers in any case and unit."""
        if code == 429:
            self._slow_down()
        remaining = _number(headers.get("X-Ratelimit-Remaining"))
        limit = _number(headers.get("X-Ratelimit-Limit"))
        reset = _number(headers.get("X-Ratelimit-Reset"))
        if remaining is None or reset is None:
            return
        hourly = limit is not None and limit >= _HOURLY_WINDOW
        if not hourly and self._bucket is not None:
            return  # a second's window is ours to keep: to wait for its reset each time would halve the rate for nothing
        floor = limit * _LEFT_TO_OTHERS if hourly and limit is not None else 0.0
        if remaining <= floor:
            delta = reset
            if reset >= _EPOCH_NOT_DELTA:
                delta = (reset / 1000 if reset >= _EPOCH_NOT_DELTA * 1000 else reset) - now
            self.hold_back(min(max(delta, 0.0), _CHASTENED_S))

    def _unpaid(self, count: int) -> int:
        paid = min(count, getattr(self._prepaid, "count", 0))
        if paid:
            self._prepaid.count -= paid
        return count - paid

    def _steps(self, count: int) -> Iterator[int]:
        """At once where the narrowest window can hold them, else one by one."""
        if self._bucket is not None and count > min(rate.limit for rate in self._bucket.rates):
            yield from (1 for _ in range(count))
        elif count:
            yield count

    def _take_step(self, count: int, waited_before: float, *, block: bool) -> float:
        waited = 0.0
        while True:
            if self._stop.is_set():
                raise StoppedError("asked to stop while waiting for the request budget")
            wait = self._try(count)
            if wait <= 0:
                return waited
            if not block or waited_before + waited + wait > self._patience_s:
                raise BudgetSpentError(
                    f"the request budget is spent: the next request may leave in {math.ceil(wait)} s"
                )
            began = time.monotonic()
            self._stop.wait(wait)
            waited += time.monotonic() - began

    def _try(self, count: int) -> float:
        """0 when the requests were taken, else the seconds until another try is worth it."""
        with self._lock:
            pause = self._not_before - time.monotonic()
            if pause > 0:
                return pause
            if self._bucket is None:
                return 0.0
            self._forgive(self._bucket)
            now = _now(self._bucket)
            self._bucket.leak(now)
            item = RateItem("request", now, weight=count)
            if self._bucket.put(item):
                return 0.0
            return max(_whole(self._bucket.waiting(item)), 1) / 1000

    def _slow_down(self) -> None:
        with self._lock:
            already = time.monotonic() < self._chastened_until
            self._chastened_until = time.monotonic() + _CHASTENED_S
            if already:
                return
            if self._bucket is None:
                self._bucket = InMemoryBucket(window_rates(_UNASKED_RATE, None, burst=1))
                self._rates = list(self._bucket.rates)
                return
            first, *rest = self._rates
            halved = [
                Rate(first.limit, first.interval * 2),
                *(Rate(max(1, one.limit // 2), one.interval) for one in rest),
            ]
            self._bucket.rates = [halved[0], *(one for one in halved[1:] if one.limit > halved[0].limit)]

    def _forgive(self, bucket: AbstractBucket) -> None:
        if self._chastened_until and time.monotonic() >= self._chastened_until:
            self._chastened_until = 0.0
            bucket.rates = self._rates

    @staticmethod
    def _window_wait(bucket: AbstractBucket, rate: Rate, count: int, now: int) -> float:
        whole = min(count, rate.limit)
        blocking = bucket.peek(rate.limit - whole)
        assert blocking is None or isinstance(blocking, RateItem)
        first = max(0, blocking.timestamp + rate.interval - now) if blocking is not None else 0
        return (first + (count - whole) / rate.limit * rate.interval) / 1000


def window_rates(per_second: float | None, per_hour: int | None, *, burst: int) -> list[Rate]:
    """Both windows as pyrate-limiter wants them: shorter first, each wider one larger and tighter, useless ones left out.

    In any second at most `per_second + burst` leave, so the burst is cut to what the vendor's own limit has room for.
    """
    rates: list[Rate] = []
    if per_second is not None:
        room = int(_VENDORS_PER_SECOND - per_second)
        if per_hour is not None:
            room = min(room, per_hour - 1)
        burst = max(1, min(burst, room))
        rates.append(Rate(burst, math.ceil(burst / per_second * 1000 * _MARGIN)))
    if per_hour is not None:
        hour = Rate(per_hour, _HOUR_MS)
        if not rates or (hour.limit > rates[0].limit and hour.interval > rates[0].interval):
            within = not rates or hour.limit / hour.interval <= rates[0].limit / rates[0].interval
            rates.extend([hour] if within else [])
        else:
            rates = [hour]
    return rates


def _now(bucket: AbstractBucket) -> int:
    """Milliseconds on the bucket's own clock."""
    return _whole(bucket.now())  # type: ignore[no-untyped-call]  # pyrate-limiter leaves it untyped


def _whole(value: object) -> int:
    """Buckets may be asynchronous; ours are not."""
    assert isinstance(value, int)
    return value


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
