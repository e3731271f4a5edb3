"""How many requests may leave, by the hour of the day: the configured budget as plain values, and
how long work takes in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

POLITE_PER_SECOND: Final = 2.0
POLITE_PER_HOUR: Final = 1500
POLITE_BURST: Final = 5

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_MINUTES: Final = 24 * 60
_DAY_S: Final = 86_400
_WEEK_DAYS: Final = 7
_NOTHING: Final = 1e-6
_FORESEEN_HOURS: Final = 14 * 24
"""So far ahead a course is followed hour by hour; what is left then goes on at the mean of a
day.
"""


@dataclass(frozen=True, slots=True)
class RequestAllowance:
    """Requests a second and an hour, None without a limit, 0 an hour for none at all; `burst` of
    them may leave at once.
    """

    per_second: float | None = None
    per_hour: int | None = None
    burst: int = POLITE_BURST

    @property
    def unlimited(self) -> bool:
        """Whether nothing limits it."""
        return self.per_second is None and self.per_hour is None

    @property
    def hourly(self) -> float | None:
        """How many it comes to in an hour; None without a limit."""
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


def allowance(
    per_second: float | None, per_hour: int | None, burst: int, *, loopback: bool
) -> RequestAllowance:
    """What was asked for, with the polite default for what was not; a loopback address has no limit
    of itself.
    """
    if loopback:
        return RequestAllowance(per_second, per_hour, burst)
    return RequestAllowance(
        POLITE_PER_SECOND if per_second is None else per_second,
        POLITE_PER_HOUR if per_hour is None else per_hour,
        burst,
    )


@dataclass(frozen=True, slots=True)
class AllowanceWindow:
    """Another allowance on some days (0 is Monday) from `start` up to `end`, minutes after local
    midnight.

    An `end` that is not after `start` is the next day's: the window then belongs to the day on
    which it begins.
    """

    days: frozenset[int]
    start: int
    end: int
    allowance: RequestAllowance

    def minutes(self) -> frozenset[int]:
        """All minutes of the week, from Monday's midnight, that it covers."""
        length = (self.end - self.start) % _DAY_MINUTES or _DAY_MINUTES
        week = _WEEK_DAYS * _DAY_MINUTES
        return frozenset(
            (day * _DAY_MINUTES + self.start + n) % week for day in self.days for n in range(length)
        )

    def covers(self, day: int, minute: int) -> bool:
        """Whether that minute of that weekday lies in it."""
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or (
            (day - 1) % _WEEK_DAYS in self.days and minute < self.end
        )


@dataclass(frozen=True, slots=True)
class AllowanceTimetable:
    """The allowance of every moment: the usual one, but in windows. Hours are of the clock on the
    wall in `zone`.
    """

    usual: RequestAllowance
    windows: tuple[AllowanceWindow, ...] = ()
    zone: tzinfo = UTC

    @property
    def unlimited(self) -> bool:
        """Whether nothing ever limits it."""
        return self.usual.unlimited and all(window.allowance.unlimited for window in self.windows)

    def at(self, moment: float) -> RequestAllowance:
        """What holds at that epoch second."""
        if not self.windows:
            return self.usual
        local = datetime.fromtimestamp(moment, self.zone)
        day, minute = local.weekday(), local.hour * 60 + local.minute
        return next(
            (each.allowance for each in self.windows if each.covers(day, minute)), self.usual
        )

    def changes_at(self, moment: float) -> float:
        """The epoch second after `moment` from which another allowance holds; infinity when there
        is none.
        """
        if self.windows:
            now = self.at(moment)
            for border in self._borders(moment):
                if self.at(border) != now:
                    return border
        return math.inf

    def per_day(self) -> float | None:
        """How many requests a day comes to, as the mean of a week; None when they are unlimited at
        any time.
        """
        hourly = [(window.allowance.hourly, len(window.minutes())) for window in self.windows]
        covered = sum(minutes for _, minutes in hourly)
        week = _WEEK_DAYS * _DAY_MINUTES
        total = 0.0
        for each, minutes in (*hourly, (self.usual.hourly, week - covered)):
            if minutes:
                if each is None:
                    return None
                total += each * minutes / 60
        return total / _WEEK_DAYS

    def seconds_for(self, requests: int, *, now: float, left: int | None = None) -> float | None:
        """How long so many requests take from `now` on; None where nothing limits them.

        `left` is what the hour still gives at `now`, all of it by default. An hour's requests leave
        as fast as a second's limit lets them, then the next hour is waited for.
        """
        allowed = self.at(now)
        if requests <= 0 or allowed.unlimited:
            return 0.0 if requests <= 0 else None
        spent = 0 if left is None or allowed.per_hour is None else max(0, allowed.per_hour - left)
        left_over = float(requests)
        for hour in range(_FORESEEN_HOURS):
            sent, took = _sent(left_over, self._parts(now + hour * _HOUR_S), spent)
            left_over, spent = left_over - sent, 0
            if left_over < _NOTHING:
                return hour * _HOUR_S + took
        mean = self.per_day()
        return _FORESEEN_HOURS * _HOUR_S + left_over / mean * _DAY_S if mean else None

    def _borders(self, moment: float) -> Iterator[float]:
        """Every time after `moment` in the next eight days at which a window begins or ends, in
        order.
        """
        minutes = sorted(
            {border % _DAY_MINUTES for each in self.windows for border in (each.start, each.end)}
        )
        today = datetime.fromtimestamp(moment, self.zone).date()
        for days in range(_WEEK_DAYS + 2):
            date = today + timedelta(days=days)
            for minute in minutes:
                at = datetime.combine(date, time(minute // 60, minute % 60), self.zone).timestamp()
                if at > moment:
                    yield at

    def _parts(self, begins: float) -> list[tuple[float, RequestAllowance]]:
        """The hour from then on, cut where the allowance changes: seconds, and what holds in
        them.
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
    """How many of them leave in the parts of an hour that has `spent` already, and the second in
    which the last one does.
    """
    sent, elapsed, last = 0.0, 0.0, 0.0
    for seconds, allowed in parts:
        room = requests - sent
        if allowed.per_hour is not None:
            room = min(room, max(0.0, allowed.per_hour - spent - sent))
        if allowed.per_second is not None:
            room = min(room, allowed.per_second * seconds)
        if room > 0:
            last = elapsed + (room / allowed.per_second if allowed.per_second is not None else 0.0)
        sent += room
        elapsed += seconds
    return sent, last
