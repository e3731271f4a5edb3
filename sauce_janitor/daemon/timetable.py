"""When runs are due: cron's times in a time zone, moved out of black-outs. Pure: it is told what time it is."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

from sauce_janitor.config import Daily, Schedule, Stretch
from sauce_janitor.config.crons import WEEKDAYS, Cron

_DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True)
class Dark:
    """A black-out in force: until when (epoch seconds), and why."""

    ends_at: int
    reason: str | None


@dataclass(frozen=True)
class Timetable:
    """One account's times, all in whole epoch seconds. A repeated hour (DST) counts once for a schedule of certain hours."""

    schedule: Schedule
    timezone: str

    def due_after(self, last: int) -> int:
        """When the run after the one that was due at `last` is due: the next time of the schedule, after any black-out."""
        due = self._next(last)
        while dark := self.dark_at(due):
            due = dark.ends_at
        return due

    def dark_at(self, at: int) -> Dark | None:
        """The black-out in force at `at`; of several the one that ends last."""
        found = [dark for blackout in self.schedule.blackouts if (dark := self._in_force(blackout, at))]
        return max(found, key=lambda dark: dark.ends_at, default=None)

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @cached_property
    def _trigger(self) -> BaseTrigger:
        return _trigger(self.schedule.cron, self._zone)

    def _next(self, after: int) -> int:
        now = dt.datetime.fromtimestamp(after, self._zone)
        while True:
            now = _later(now, dt.timedelta(seconds=1), self._zone)
            found: dt.datetime = self._trigger.get_next_fire_time(None, now)
            again = found.fold == 1 and found.utcoffset() != found.replace(fold=0).utcoffset()
            if self.schedule.cron.is_of_every_hour or not again:
                return int(found.timestamp())
            now = found

    def _in_force(self, blackout: Daily | Stretch, at: int) -> Dark | None:
        if isinstance(blackout, Stretch):
            return Dark(blackout.ends_at, blackout.reason) if blackout.starts_at <= at < blackout.ends_at else None
        today = dt.datetime.fromtimestamp(at, self._zone).date()
        for begun in (today, today - dt.timedelta(days=1)):  # it may have begun yesterday
            starts_at, ends_at = self._bounds(blackout, begun)
            if begun.isoweekday() % 7 in blackout.weekdays and starts_at <= at < ends_at:
                return Dark(ends_at, blackout.reason)
        return None

    def _bounds(self, blackout: Daily, day: dt.date) -> tuple[int, int]:
        over_midnight = blackout.to_min <= blackout.from_min
        return self._at(day, blackout.from_min), self._at(day, blackout.to_min + (_DAY_MIN if over_midnight else 0))

    def _at(self, day: dt.date, minute: int) -> int:
        local = dt.datetime.combine(day + dt.timedelta(days=minute // _DAY_MIN), dt.time(), self._zone)
        return int((local + dt.timedelta(minutes=minute % _DAY_MIN)).timestamp())


def _later(moment: dt.datetime, span: dt.timedelta, zone: ZoneInfo) -> dt.datetime:
    return (moment.astimezone(dt.UTC) + span).astimezone(zone)


def _trigger(cron: Cron, zone: ZoneInfo) -> BaseTrigger:
    """APScheduler's trigger of cron's times.

    It counts weekdays from Monday and wants both days of the month and weekdays to fit; cron counts from Sunday, and where both
    are restricted either will do. So it is given names, and two triggers.
    """
    fields = {"minute": _listed(cron.minutes), "hour": _listed(cron.hours), "month": _listed(cron.months)}
    days = [] if cron.days is None else [{"day": _listed(cron.days)}]
    weekdays = [] if cron.weekdays is None else [{"day_of_week": ",".join(WEEKDAYS[day] for day in cron.weekdays)}]
    triggers = [CronTrigger(**fields, **more, second="0", timezone=zone) for more in (days + weekdays or [{}])]
    return triggers[0] if len(triggers) == 1 else OrTrigger(triggers)


def _listed(values: frozenset[int]) -> str:
    return ",".join(map(str, sorted(values)))
