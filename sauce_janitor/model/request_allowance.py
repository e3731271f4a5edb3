"""How many requests may be sent at which hour: the configured budget as values, and how long work
takes within it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

from sauce_janitor.model.safety_numbers import DAY_S

HOUR_MS: Final = 3_600_000
POLITE_PER_SECOND: Final = 2.0
POLITE_PER_HOUR: Final = 1500
POLITE_BURST: Final = 5

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_MINUTES: Final = 24 * 60
_WEEK_DAYS: Final = 7
_NOTHING: Final = 1e-6
_FORESEEN_HOURS: Final = 14 * 24
"""How far ahead requests are estimated hour by hour; the rest is estimated by the mean of a day."""


@dataclass(frozen=True, slots=True)
class RequestAllowance:
    """How many requests may be sent a second and an hour; None is no limit, and 0 an hour is no
    request. `burst` of them may be sent at once.
    """

    per_second: float | None = None
    per_hour: int | None = None
    burst: int = POLITE_BURST

    @property
    def unlimited(self) -> bool:
        """Whether there is no limit."""
        return self.per_second is None and self.per_hour is None

    @property
    def hourly(self) -> float | None:
        """How many requests an hour allows; None without a limit."""
        rates = [self.per_second * _HOUR_S] if self.per_second is not None else []
        return min([*rates, self.per_hour] if self.per_hour is not None else rates, default=None)

    def __str__(self) -> str:
        if self.per_hour == 0:
            return "none"
        second = [f"{self.per_second:g}/s"] if self.per_second is not None else []
        return (
            ", ".join([*second, *([f"{self.per_hour:,}/h"] if self.per_hour is not None else [])])
            or "no limit"
        )


@dataclass(frozen=True, slots=True)
class CountStanding:
    """A credential's count at one moment: until when nobody sends, the rate is halved, and the hour
    counts as spent.

    `now_ms` and the others are milliseconds of the count's own clock, `moment` is epoch seconds
    UTC.
    """

    now_ms: int
    moment: float
    held_until_ms: int
    slowed_until_ms: int
    doubted_until_ms: int

    @property
    def is_slowed(self) -> bool:
        """Whether the rate is halved."""
        return self.now_ms < self.slowed_until_ms


def credential_id(address: str, username: str) -> str:
    """Return the id under which the requests of a credential are counted, however its name is
    written.
    """
    return hashlib.sha256(f"{address}\n{username.lower()}".encode()).hexdigest()[:16]


def allowance(
    per_second: float | None, per_hour: int | None, burst: int, *, loopback: bool
) -> RequestAllowance:
    """Return what is configured, with the polite default for the rest. A loopback address has no
    default limit.
    """
    # A loopback address is a test server, which needs no protection.
    if loopback:
        return RequestAllowance(per_second, per_hour, burst)
    return RequestAllowance(
        POLITE_PER_SECOND if per_second is None else per_second,
        POLITE_PER_HOUR if per_hour is None else per_hour,
        burst,
    )


@dataclass(frozen=True, slots=True)
class AllowanceWindow:
    """Another allowance on some days (0 is Monday), from `start` to `end`, in minutes after local
    midnight.

    An `end` that is not after `start` is on the next day; the window belongs to the day on which it
    begins.
    """

    days: frozenset[int]
    start: int
    end: int
    allowance: RequestAllowance

    def minutes(self) -> frozenset[int]:
        """Return all minutes of the week that it covers, counted from Monday's midnight."""
        length = (self.end - self.start) % _DAY_MINUTES or _DAY_MINUTES
        week = _WEEK_DAYS * _DAY_MINUTES
        covered: set[int] = set()
        for day in self.days:
            first = day * _DAY_MINUTES + self.start
            # Sunday's window may end on Monday.
            covered |= {minute % week for minute in range(first, first + length)}
        return frozenset(covered)

    def covers(self, day: int, minute: int) -> bool:
        """Return whether it covers that minute of that weekday."""
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        # After midnight the window still belongs to the day before.
        return (day in self.days and minute >= self.start) or (
            (day - 1) % _WEEK_DAYS in self.days and minute < self.end
        )


@dataclass(frozen=True, slots=True)
class AllowanceTimetable:
    """The allowance at any time: the usual one outside windows. Hours are local times in `zone`."""

    usual: RequestAllowance
    windows: tuple[AllowanceWindow, ...] = ()
    zone: tzinfo = UTC

    @property
    def unlimited(self) -> bool:
        """Whether there is never a limit."""
        return self.usual.unlimited and all(window.allowance.unlimited for window in self.windows)

    def at(self, moment: float) -> RequestAllowance:
        """Return the allowance at that epoch second."""
        if not self.windows:
            return self.usual
        local = datetime.fromtimestamp(moment, self.zone)
        day, minute = local.weekday(), local.hour * 60 + local.minute
        return next(
            (each.allowance for each in self.windows if each.covers(day, minute)), self.usual
        )

    def changes_at(self, moment: float) -> float:
        """Return the first epoch second after `moment` with another allowance; infinity when there
        is none.
        """
        if self.windows:
            now = self.at(moment)
            for border in self._borders(moment):
                # Two windows that meet may allow the same: that is no change.
                if self.at(border) != now:
                    return border
        return math.inf

    def per_day(self) -> float | None:
        """Return how many requests a day allows, as the mean of a week; None when any time has no
        limit.
        """
        hourly = [(window.allowance.hourly, len(window.minutes())) for window in self.windows]
        covered = sum(minutes for _, minutes in hourly)
        week = _WEEK_DAYS * _DAY_MINUTES
        total = 0.0
        for each, minutes in (*hourly, (self.usual.hourly, week - covered)):
            if minutes:
                # A minute without a limit makes the day's sum infinite.
                if each is None:
                    return None
                total += each * minutes / 60
        return total / _WEEK_DAYS

    def seconds_for(self, requests: int, *, now: float, left: int | None = None) -> float | None:
        """Return how long so many requests take from `now` on; None where there is no limit.

        `left` is what the current hour still allows, by default all of it. The requests of an hour
        are sent as fast as the limit a second allows; the rest waits for the next hour.
        """
        allowed = self.at(now)
        if requests <= 0 or allowed.unlimited:
            return 0.0 if requests <= 0 else None
        # Other processes on the same state have used up part of this hour.
        spent = 0 if left is None or allowed.per_hour is None else max(0, allowed.per_hour - left)
        left_over = float(requests)
        for hour in range(_FORESEEN_HOURS):
            sent, took = _sent(left_over, self._parts(now + hour * _HOUR_S), spent)
            left_over, spent = left_over - sent, 0
            if left_over < _NOTHING:
                return hour * _HOUR_S + took
        # Two weeks show every window; after that, an hour by hour count would cost more than it
        # tells.
        mean = self.per_day()
        return _FORESEEN_HOURS * _HOUR_S + left_over / mean * DAY_S if mean else None

    def _borders(self, moment: float) -> Iterator[float]:
        """Yield every time after `moment` in the next eight days at which a window begins or ends,
        in order.
        """
        borders = {each.start for each in self.windows} | {each.end for each in self.windows}
        minutes = sorted({border % _DAY_MINUTES for border in borders})
        today = datetime.fromtimestamp(moment, self.zone).date()
        # A week and a day: today's borders may be over, and a window of the same weekday begins a
        # week later.
        for days in range(_WEEK_DAYS + 2):
            date = today + timedelta(days=days)
            for minute in minutes:
                at = datetime.combine(date, time(minute // 60, minute % 60), self.zone).timestamp()
                if at > moment:
                    yield at

    def _parts(self, begins: float) -> list[tuple[float, RequestAllowance]]:
        """Return the hour from then on, cut where the allowance changes: seconds, and the allowance
        in them.
        """
        parts: list[tuple[float, RequestAllowance]] = []
        at, ends = begins, begins + _HOUR_S
        while at < ends:
            until = min(self.changes_at(at), ends)
            parts.append((until - at, self.at(at)))
            at = until
        return parts


def _sent(
    requests: float, parts: list[tuple[float, RequestAllowance]], spent: int
) -> tuple[float, float]:
    """Return how many requests are sent in the parts of an hour in which `spent` were sent already,
    and the second in which the last one is sent.
    """
    sent, elapsed, last = 0.0, 0.0, 0.0
    for seconds, allowed in parts:
        room = requests - sent
        if allowed.per_hour is not None:
            # What earlier parts of the hour sent counts in this part as well.
            room = min(room, max(0.0, allowed.per_hour - spent - sent))
        if allowed.per_second is not None:
            room = min(room, allowed.per_second * seconds)
        if room > 0:
            last = elapsed + (room / allowed.per_second if allowed.per_second is not None else 0.0)
        sent += room
        elapsed += seconds
    return sent, last
