"""Says when the next request of a credential may leave, by the count of those that were sent."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from sauce_janitor.model.request_allowance import (
    HOUR_MS,
    AllowanceTimetable,
    CountStanding,
    RequestAllowance,
)
from sauce_janitor.sauce.budget.credential_rows import FileCount
from sauce_janitor.sauce.budget.ports import CountStore, CountTurn, RequestCount, TimeSource
from sauce_janitor.sauce.budget.rates import RateWindow, rate_windows


class WaitFor(Enum):
    """What a request has to wait for."""

    NOTHING = "nothing"
    # The window of seconds, which spreads requests out.
    PACE = "pace"
    # The window of an hour, or the hours of the day.
    HOUR = "hour"
    # Sauce Labs asked to wait.
    VENDOR = "vendor"


@dataclass(frozen=True, slots=True)
class RequestTurn:
    """Whether requests may leave: now, when they wait for nothing; else ask again in `wait_s`.

    `numbers` are those of the requests that may leave, where they were counted; `counted_at` is
    when, in monotonic seconds of this process, or a little earlier.
    """

    wait_s: float = 0.0
    wait_for: WaitFor = WaitFor.NOTHING
    numbers: Sequence[int] = ()
    counted_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The state of a budget.

    Requests left in either window (None: it does not limit), when the next may leave, and whether
    the rate is halved.
    """

    left_second: int | None
    left_hour: int | None
    turn: RequestTurn
    slowed: bool


class Meter:
    """One credential's budget, counted in a store that all processes share, or in memory. Any
    thread may use it.

    `close()` it. Every method raises StateError when the count cannot be kept.
    """

    def __init__(
        self,
        address: str,
        username: str,
        store: CountStore | None = None,
        *,
        clock: TimeSource = time,
    ) -> None:
        self._clock = clock
        self._count: RequestCount = (
            FileCount(address, username, None, clock)
            if store is None
            else store.open(address, username, clock)
        )

    def close(self) -> None:
        """Close the count."""
        self._count.close()

    @property
    def exists(self) -> bool:
        """Tell whether anything was ever counted or recorded. This is cheap, for accounts without a
        limit.
        """
        return self._count.exists()

    def take(self, timetable: AllowanceTimetable, requests: int = 1) -> RequestTurn:
        """Count so many requests if they may leave now, all together or none.

        Where a window is narrower, as many as fit in it are counted.
        """
        return self._count.do(lambda turn: self._take(turn, timetable, requests))

    def go_on(
        self, timetable: AllowanceTimetable, number: int, *, held_s: float, lead_s: float = 0.0
    ) -> RequestTurn:
        """Make the request with that number, which was held up for so long, count from now on, or
        from `lead_s` later on.

        Where it was held up for longer than its window of seconds, it has no place there any more:
        it waits for one.
        """

        def work(turn: CountTurn) -> RequestTurn:
            counted_at = self._clock.monotonic()
            now = turn.standing()
            windows = rate_windows(timetable.at(now.moment), slowed=now.is_slowed)
            pace = next((each for each in windows if _kind(each.interval_ms) is WaitFor.PACE), None)
            if pace is not None and held_s * 1000 >= pace.interval_ms:
                wait = _wait_ms(turn, pace, now.now_ms, 1)
                if wait > 0:
                    return RequestTurn(wait / 1000, WaitFor.PACE)
            turn.put_off(number, now.now_ms + math.ceil(lead_s * 1000))
            return RequestTurn(counted_at=counted_at)

        return self._count.do(work)

    def put_off(self, number: int, *, ago_s: float) -> None:
        """Make the request with that number count only from `ago_s` ago."""

        def write(turn: CountTurn) -> None:
            turn.put_off(number, turn.standing().now_ms - int(ago_s * 1000))

        self._count.do(write)

    def read(self, timetable: AllowanceTimetable, share: float = 0.0) -> Reading:
        """Return the state of the budget; count nothing.

        The turn is that of one request, or of such a share of an hour's requests.
        """
        return self._count.do(lambda turn: _read(turn, timetable, share))

    def hold_back(self, seconds: float) -> None:
        """Let nobody send for so many seconds."""
        self._count.do(lambda turn: turn.hold_until(_in(turn, seconds)))

    def slow_down(self, seconds: float) -> None:
        """Halve every rate for so long."""
        self._count.do(lambda turn: turn.slow_until(_in(turn, seconds)))

    def _take(self, turn: CountTurn, timetable: AllowanceTimetable, requests: int) -> RequestTurn:
        # Before the count's clock is read: whatever holds up the rest counts as held up.
        counted_at = self._clock.monotonic()
        now = turn.standing()
        allowed, changes_in = _allowed(timetable, now)
        windows = rate_windows(allowed, slowed=now.is_slowed)
        blocked = _blocked(now, allowed, windows, changes_in)
        if blocked is not None or not windows:
            return blocked or RequestTurn()
        # A window that is narrower than the request for many lets only a part of them leave.
        together = min(requests, *(window.limit for window in windows))
        # Late: `status` only reads a count.
        from pyrate_limiter import Rate, SlidingWindowLog

        rates, algorithm = (
            [Rate(each.limit, each.interval_ms) for each in windows],
            SlidingWindowLog(),
        )
        sent = turn.sent_since([algorithm.window_start(rate, now.now_ms) for rate in rates])
        decision = algorithm.decide(rates, sent, together, now.now_ms, turn.sent_at)
        if decision.failing_rate is None:
            forget = now.now_ms - 2 * max(HOUR_MS, windows[-1].interval_ms)
            return RequestTurn(
                numbers=turn.add(together, now, forget=forget), counted_at=counted_at
            )
        wait = max(decision.retry_after_ms or 0, 1) / 1000
        return RequestTurn(min(wait, changes_in), _kind(decision.failing_rate.interval))


def _read(turn: CountTurn, timetable: AllowanceTimetable, share: float) -> Reading:
    now = turn.standing()
    allowed, changes_in = _allowed(timetable, now)
    windows = rate_windows(allowed, slowed=now.is_slowed)
    next_turn = _blocked(now, allowed, windows, changes_in) or RequestTurn()
    left: dict[WaitFor, int] = {WaitFor.HOUR: 0} if allowed.per_hour == 0 else {}
    for window in windows:
        kind = _kind(window.interval_ms)
        [sent] = turn.sent_since([now.now_ms - window.interval_ms])
        left[kind] = max(0, window.limit - sent)
        room = max(1, int(window.limit * share)) if kind is WaitFor.HOUR else 1
        wait = _wait_ms(turn, window, now.now_ms, room) / 1000
        if next_turn.wait_for in {WaitFor.NOTHING, WaitFor.PACE} and wait > next_turn.wait_s:
            next_turn = RequestTurn(min(wait, changes_in), kind)
    # While a request waits for the hour, none is left in it.
    if next_turn.wait_for is WaitFor.HOUR and WaitFor.HOUR in left:
        left[WaitFor.HOUR] = 0
    return Reading(left.get(WaitFor.PACE), left.get(WaitFor.HOUR), next_turn, now.is_slowed)


def _wait_ms(turn: CountTurn, window: RateWindow, now: int, room: int) -> int:
    """Return the milliseconds until the window has room for so many more."""
    # The request that leaves the window last of those that take the room.
    blocking = turn.sent_at(window.limit - room)
    return 0 if blocking is None else max(0, blocking + window.interval_ms + 1 - now)


def _in(turn: CountTurn, seconds: float) -> int:
    return turn.standing().now_ms + math.ceil(seconds * 1000)


def _allowed(timetable: AllowanceTimetable, now: CountStanding) -> tuple[RequestAllowance, float]:
    """Return what is allowed now, and in how many seconds that changes."""
    return timetable.at(now.moment), timetable.changes_at(now.moment) - now.moment


def _blocked(
    now: CountStanding,
    allowed: RequestAllowance,
    windows: Sequence[RateWindow],
    changes_in: float,
) -> RequestTurn | None:
    """Return what keeps everybody from sending, whatever was counted."""
    if now.now_ms < now.held_until_ms:
        return RequestTurn((now.held_until_ms - now.now_ms) / 1000, WaitFor.VENDOR)
    if allowed.per_hour == 0:
        return RequestTurn(changes_in, WaitFor.HOUR)
    if allowed.per_hour is not None and now.now_ms < now.doubted_until_ms:
        wait = (now.doubted_until_ms - now.now_ms) / 1000
        return RequestTurn(min(wait, changes_in), WaitFor.HOUR)
    # Without an hour's limit, too, what was sent just before a count was lost is in its window.
    if windows and _kind(windows[0].interval_ms) is WaitFor.PACE:
        wait = (now.doubted_until_ms - HOUR_MS + windows[0].interval_ms - now.now_ms) / 1000
        return RequestTurn(min(wait, changes_in), WaitFor.PACE) if wait > 0 else None
    return None


def _kind(interval_ms: int) -> WaitFor:
    return WaitFor.HOUR if interval_ms > HOUR_MS else WaitFor.PACE
