"""When runs are due: cron times in a time zone, moved out of black-outs. Pure: callers pass the
time.

APScheduler's `CronTrigger` cannot say this: it counts weekdays from Monday, requires the day of the
month and the weekday to match, and in 3.11 misses the next time at midnight after clocks are set
forward. `status` asks here too, without loading APScheduler.

A wall time is what the clocks of the zone show, as seconds since 1970-01-01 00:00 on those clocks;
an instant is epoch seconds in UTC. Their difference is the zone's offset.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Final
from zoneinfo import ZoneInfo

from sauce_janitor.config import BlackoutPeriod, DailyBlackout, Schedule
from sauce_janitor.model.safety_numbers import DAY_S

_DAY_MIN: Final = 24 * 60
_DAY_0: Final = dt.date(1970, 1, 1).toordinal()
_WEEKDAY_OF_DAY_0: Final = 4
"""1970-01-01 is a Thursday; Sunday is 0."""


@dataclass(frozen=True, slots=True)
class ActiveBlackout:
    """A black-out in force: until when (epoch seconds), and why."""

    ends_at: int
    reason: str | None


@dataclass(frozen=True)
class RunTimes:
    """One account's times, all in whole epoch seconds.

    A schedule for every hour follows the minutes of the clock in every hour. A schedule for certain
    hours is due the first time when clocks are set back over its time. When they are set forward
    over it, it is due when a clock that was not set forward would show it (02:30 is then 03:30).
    """

    schedule: Schedule
    timezone: str

    def due_after(self, last: int) -> int:
        """Return when the run after the one due at `last` is due: the next scheduled time, after
        any black-out.
        """
        due = self._next(last)
        # Where one black-out ends, another may be in force.
        while dark := self.dark_at(due):
            due = dark.ends_at
        return due

    def dark_at(self, at: int) -> ActiveBlackout | None:
        """Return the black-out in force at `at`; of several the one that ends last; None for
        none.
        """
        found = [
            dark for blackout in self.schedule.blackouts if (dark := self._in_force(blackout, at))
        ]
        return max(found, key=lambda dark: dark.ends_at, default=None)

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @cached_property
    def _times_of_day(self) -> tuple[int, ...]:
        """The times that cron names, in seconds since midnight, the earliest first."""
        cron = self.schedule.cron
        return tuple(
            hour * 3600 + minute * 60
            for hour, minute in product(sorted(cron.hours), sorted(cron.minutes))
        )

    def _next(self, after: int) -> int:
        """Return the first instant after `after` at which the schedule is due."""
        wall = self._matching(after + self._offset(after) - self._disorder(after))
        due: int | None = None
        # Where clocks change, a later wall time can be an earlier instant: look that far ahead.
        while due is None or wall <= due + self._offset(due) + self._disorder(due):
            for instant in self._due_at(wall):
                if instant > after and (due is None or instant < due):
                    due = instant
            wall = self._matching(wall + 1)
        return due

    def _disorder(self, instant: int) -> int:
        """Return how far wall times around that instant may come in another order than instants.

        That is nothing unless clocks change, and then a day at most: Samoa left out a whole one.
        """
        offsets = {self._offset(at) for at in (instant - DAY_S, instant, instant + DAY_S)}
        return DAY_S if len(offsets) > 1 else 0

    def _due_at(self, wall: int) -> tuple[int, ...]:
        """Return the instants at which the schedule is due for a wall time that it names."""
        first, last = self._instants(wall)
        if not self.schedule.cron.is_of_every_hour:
            return (first,)
        # It goes on in real time: not at times that are left out, and at repeated ones again.
        return tuple(each for each in (first, last) if each + self._offset(each) == wall)

    def _matching(self, wall: int) -> int:
        """Return the first wall time at or after `wall` that the schedule names."""
        day, since_midnight = divmod(wall, DAY_S)
        while True:
            if self._names_day(day):
                index = bisect_left(self._times_of_day, since_midnight)
                if index < len(self._times_of_day):
                    return day * DAY_S + self._times_of_day[index]
            day, since_midnight = day + 1, 0

    def _names_day(self, day: int) -> bool:
        """Return whether the schedule names that day, counted from 1970-01-01."""
        cron, date = self.schedule.cron, dt.date.fromordinal(_DAY_0 + day)
        if date.month not in cron.months:
            return False
        fits_day = cron.days is None or date.day in cron.days
        fits_weekday = cron.weekdays is None or _weekday(day) in cron.weekdays
        # As cron does: where both are restricted, either is enough.
        if cron.days is not None and cron.weekdays is not None and not cron.needs_both_days:
            return fits_day or fits_weekday
        return fits_day and fits_weekday

    def _in_force(self, blackout: DailyBlackout | BlackoutPeriod, at: int) -> ActiveBlackout | None:
        if isinstance(blackout, BlackoutPeriod):
            return (
                ActiveBlackout(blackout.ends_at, blackout.reason)
                if blackout.starts_at <= at < blackout.ends_at
                else None
            )
        today = (at + self._offset(at)) // DAY_S
        # It may have begun yesterday.
        for begun in (today, today - 1):
            starts_at, ends_at = self._bounds(blackout, begun)
            if _weekday(begun) in blackout.weekdays and starts_at <= at < ends_at:
                return ActiveBlackout(ends_at, blackout.reason)
        return None

    def _bounds(self, blackout: DailyBlackout, day: int) -> tuple[int, int]:
        """Return when the black-out of that day (counted from 1970-01-01) begins and ends. It
        includes all of an hour that the clocks repeat.
        """
        over_midnight = blackout.to_min <= blackout.from_min
        to_min = blackout.to_min + (_DAY_MIN if over_midnight else 0)
        begins, _ = self._instants(day * DAY_S + blackout.from_min * 60)
        _, last_minute = self._instants(day * DAY_S + (to_min - 1) * 60)
        return begins, last_minute + 60

    def _offset(self, instant: int) -> int:
        """Return how many seconds the clocks are ahead of UTC at that instant."""
        return _seconds(dt.datetime.fromtimestamp(instant, self._zone).utcoffset())

    def _instants(self, wall: int) -> tuple[int, int]:
        """Return the first and the last instant at which the clocks show that wall time.

        They differ where clocks are set back over it. Where clocks are set forward over it, it is
        never shown: both are the instant that a clock which had not been set forward would show it
        (RFC 5545, 3.3.5).
        """
        local = dt.datetime.fromtimestamp(wall, dt.UTC).replace(tzinfo=self._zone)
        first, last = (wall - _seconds(local.replace(fold=fold).utcoffset()) for fold in (0, 1))
        return first, max(first, last)


def _weekday(day: int) -> int:
    """Return the weekday of a day counted from 1970-01-01; Sunday is 0."""
    return (day + _WEEKDAY_OF_DAY_0) % 7


def _seconds(offset: dt.timedelta | None) -> int:
    assert offset is not None  # every time zone has one
    return int(offset.total_seconds())
