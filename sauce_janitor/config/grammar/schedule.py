"""`schedule`: when the daemon runs, and its black-outs."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Final

from pydantic import Field, model_validator

from sauce_janitor.config.grammar.durations import duration
from sauce_janitor.config.grammar.scalars import (
    Grammar,
    OneOrMany,
    Parsed,
    invalid,
    no_entries,
    text_of,
    unix_moment,
)
from sauce_janitor.config.source.cron import Cron, parse_cron, weekdays_of
from sauce_janitor.config.source.problems import shown
from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.policies import Duration
from sauce_janitor.model.safety_numbers import DAY_S

TIME_OF_DAY: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])|24:00")
DAY_MIN: Final = 24 * 60


def cron(value: object) -> Cron:
    """Return the schedule of five fields: minute hour day month weekday."""
    return parse_cron(text_of(value, "a schedule such as 17 * * * *"))


CronTerm = Annotated[Cron, Parsed(cron, {"type": "string"})]


def jitter(value: object) -> Duration:
    """Return a duration between zero and a day."""
    read = duration(value)
    if read.months or read.seconds > DAY_S:
        raise ValueError(f"{read.text} is too long: the jitter is at most 24h")
    return read


Jitter = Annotated[
    Duration,
    Parsed(
        jitter, {"type": "string", "pattern": "^[0-9]+(s|min|h|d)$", "examples": ["0s", "10min"]}
    ),
]


def minutes_after_midnight(text: str) -> int:
    """Return a time of day that `TIME_OF_DAY` matches, in minutes; 24:00 is the day's end."""
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def edge(value: object) -> int | dt.date | dt.datetime:
    """Return the begin or end of a black-out: a time of day in minutes, a day, or a moment.

    A moment has its offset from UTC, or is a Unix timestamp.
    """
    found = unix_moment(value)
    if found is not None:
        return found
    text = text_of(value, 'a time such as "18:00", or a date')
    if TIME_OF_DAY.fullmatch(text):
        return minutes_after_midnight(text)
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return dt.date.fromisoformat(text)
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f'{shown(text)} is not a time: write "18:00", 2026-12-24 or 2026-12-24T18:00:00Z'
        ) from None
    if moment.tzinfo is None:
        raise ValueError(
            f"{shown(text)} has no time zone: write it as 2026-12-24T18:00:00Z, or the day alone"
        )
    return moment


def days(value: object) -> frozenset[int]:
    """Return weekdays, Sunday as 0."""
    return weekdays_of(text_of(value, "weekdays such as mon-fri"))


Edge = Annotated[
    int | dt.date | dt.datetime,
    Parsed(
        edge,
        {
            "type": ["string", "integer"],
            "examples": ["18:00", "2026-12-24", "2026-12-24T18:00:00Z", 1798135200],
        },
    ),
]
Days = Annotated[
    frozenset[int],
    Parsed(days, {"type": "string", "examples": ["mon-fri", "sat,sun"]}),
]


class BlackoutTerm(Grammar):
    """When `serve` starts no run, and stops a current one: a time of day, whole weekdays, or a
    period of days.
    """

    from_: Edge | None = Field(
        None,
        alias="from",
        description='A time of day (`"08:00"`), a day, a moment, or a Unix timestamp.',
        examples=["08:00"],
    )
    to: Edge | None = Field(
        None,
        description="Its end, of the same kind. A day is included as a whole.",
        examples=["18:00"],
    )
    days: Days | None = Field(
        None,
        description="Weekdays on which it begins. Without times: these whole days.",
        examples=["mon-fri"],
    )
    reason: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Why; `status` and the page show it.", examples=["change freeze"]
    )

    @model_validator(mode="after")
    def _is_a_period(self) -> BlackoutTerm:
        if self.from_ is None and self.to is None:
            if self.days is None:
                raise invalid('has no time: write from and to ("08:00", or a date), or days')
            return self
        if self.from_ is None or self.to is None:
            raise invalid("needs both from and to, or neither")
        if isinstance(self.from_, int) != isinstance(self.to, int):
            raise invalid("mixes a time of day with a date: write two times or two dates")
        if not isinstance(self.from_, int) and self.days is not None:
            raise invalid("days: cannot be combined with dates: remove one of the two")
        # It could mean a whole day or no time at all.
        if self.from_ == self.to and isinstance(self.from_, int):
            raise invalid(
                "begins and ends at the same time: for whole days write only days, or from:"
                ' "00:00" and to: "24:00"'
            )
        if _is_backwards(self.from_, self.to):
            raise invalid("ends before it begins: exchange from and to")
        if self.from_ == DAY_MIN:
            raise invalid('from: "24:00" is the end of a day: write "00:00"')
        return self


def _is_backwards(start: int | dt.date | dt.datetime, end: int | dt.date | dt.datetime) -> bool:
    """Return whether a period of days ends before it begins.

    Two times of day are never backwards: the period goes on to the next day. A day and a moment are
    compared by days.
    """
    if isinstance(start, int) or isinstance(end, int):
        return False
    if isinstance(start, dt.datetime) and isinstance(end, dt.datetime):
        return end <= start
    first, last = (edge.date() if isinstance(edge, dt.datetime) else edge for edge in (start, end))
    return last < first


def leave_time(terms: list[BlackoutTerm]) -> None:
    """Raise an error if the weekly black-outs together leave no minute to run."""
    free = set(range(7 * DAY_MIN))
    for term in terms:
        # Dates are over one day; only what comes back every week can leave no time at all.
        if term.from_ is None or isinstance(term.from_, int):
            first, last = term.from_ or 0, term.to if isinstance(term.to, int) else DAY_MIN
            # A period that ends before it begins goes on to the next day.
            length = (last - first) if first < last else (last - first + DAY_MIN)
            for day in range(7) if term.days is None else term.days:
                free -= {
                    (day * DAY_MIN + first + minute) % (7 * DAY_MIN) for minute in range(length)
                }
    if not free:
        raise invalid("blackouts: leave no time of the week to run")


class AccountScheduleTerm(Grammar):
    """When `serve` runs for this account. Missing keys are as in `schedule`."""

    cron: CronTerm | None = Field(
        None, description="Minute hour day month weekday, in `timezone`.", examples=["17 3 * * *"]
    )
    jitter: Jitter | None = Field(None, description="Longest random delay.", examples=["10min"])
    blackouts: Annotated[list[BlackoutTerm], OneOrMany()] | None = Field(
        None, description="Instead of those of `schedule`.", examples=[[{"days": "sat,sun"}]]
    )

    @model_validator(mode="after")
    def _leaves_time(self) -> AccountScheduleTerm:
        leave_time(self.blackouts or [])
        return self


class ScheduleTerm(Grammar):
    """When `serve` runs. Several missed runs become one, and a run never starts while the previous
    one goes on.
    """

    cron: CronTerm = Field(
        parse_cron("17 * * * *"),
        description="Minute hour day month weekday, in `timezone`.",
        examples=["17 * * * *"],
    )
    jitter: Jitter = Field(
        parse_duration("60s"), description="Longest random delay.", examples=["60s"]
    )
    blackouts: Annotated[list[BlackoutTerm], OneOrMany()] = Field(
        default_factory=no_entries,
        description=(
            "When no run starts, and a current one stops. If a run was due, one starts afterwards."
        ),
        examples=[
            [
                {"from": "08:00", "to": "18:00", "days": "mon-fri"},
                {"from": "2026-12-20", "to": "2027-01-02"},
            ]
        ],
    )

    @model_validator(mode="after")
    def _leaves_time(self) -> ScheduleTerm:
        leave_time(self.blackouts)
        return self
