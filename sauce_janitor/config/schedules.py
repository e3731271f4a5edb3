"""Turns the schedule of the file into values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from sauce_janitor.config.daemon_values import Blackout, BlackoutPeriod, DailyBlackout, Schedule
from sauce_janitor.config.grammar.schedule import (
    DAY_MIN,
    AccountScheduleTerm,
    BlackoutTerm,
    ScheduleTerm,
)

_EVERY_DAY = frozenset(range(7))


def schedule_of(term: ScheduleTerm, own: AccountScheduleTerm | None, zone: ZoneInfo) -> Schedule:
    """Return the schedule of an account: each key from its own schedule, or from the file's."""
    own = own or AccountScheduleTerm.model_validate({})
    # An account with `blackouts: []` has none, whatever the file's schedule says; without the key
    # it has the file's.
    blackouts = term.blackouts if own.blackouts is None else own.blackouts
    return Schedule(
        cron=own.cron or term.cron,
        jitter_s=(own.jitter or term.jitter).seconds,
        blackouts=tuple(_blackouts(blackouts, zone)),
    )


def _blackouts(terms: Iterable[BlackoutTerm], zone: ZoneInfo) -> Iterable[Blackout]:
    for term in terms:
        if term.from_ is None:
            # Days without times are whole days.
            yield DailyBlackout(0, DAY_MIN, term.days or _EVERY_DAY, term.reason)
        elif isinstance(term.from_, int):
            assert isinstance(term.to, int)
            yield DailyBlackout(term.from_, term.to, term.days or _EVERY_DAY, term.reason)
        else:
            assert isinstance(term.to, dt.date)
            yield BlackoutPeriod(_begin(term.from_, zone), _end(term.to, zone), term.reason)


def _begin(edge: dt.date | dt.datetime, zone: ZoneInfo) -> int:
    moment = edge if isinstance(edge, dt.datetime) else dt.datetime.combine(edge, dt.time(), zone)
    return int(moment.timestamp())


def _end(edge: dt.date | dt.datetime, zone: ZoneInfo) -> int:
    """Return the first second after it: a day is included as a whole."""
    return _begin(edge if isinstance(edge, dt.datetime) else edge + dt.timedelta(days=1), zone)
