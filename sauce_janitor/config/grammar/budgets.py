"""`budget`: how many requests a credential may send, and hours of the day with another number."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, Final

from pydantic import Field, model_validator

from sauce_janitor.config.grammar.scalars import (
    Grammar,
    OneOrMany,
    Parsed,
    invalid,
    no_entries,
    text_of,
)
from sauce_janitor.config.grammar.schedule import (
    DAY_MIN,
    TIME_OF_DAY,
    Days,
    minutes_after_midnight,
)
from sauce_janitor.config.source.cron import WEEKDAYS
from sauce_janitor.config.source.problems import shown
from sauce_janitor.model.request_allowance import POLITE_BURST, AllowanceWindow, RequestAllowance

_SUNDAY_LAST: Final = 6
"""Turns a weekday with Sunday as 0 into one with Monday as 0: (day + 6) % 7."""


def time_of_day(value: object) -> int:
    """Return a time of day in minutes after midnight."""
    text = text_of(value, 'a time of day such as "18:00"')
    if not TIME_OF_DAY.fullmatch(text):
        raise ValueError(f'{shown(text)} is not a time of day: write it as "18:00"')
    return minutes_after_midnight(text)


TimeOfDay = Annotated[
    int,
    Parsed(
        time_of_day,
        {
            "type": "string",
            "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$|^24:00$",
            "examples": ["18:00"],
        },
    ),
]
PerSecond = Annotated[float, Field(gt=0, le=100)]
Burst = Annotated[int, Field(ge=1, le=1000)]


class BudgetWindowTerm(Grammar):
    """Hours with other limits, in `timezone`. Missing keys are as in `budget`."""

    from_: TimeOfDay | None = Field(
        None, alias="from", description="When it begins.", examples=["08:00"]
    )
    to: TimeOfDay | None = Field(
        None, description="When it ends; if before `from`, on the next day.", examples=["18:00"]
    )
    days: Days | None = Field(
        None,
        description="Weekdays on which it begins. Without times: these whole days.",
        examples=["mon-fri"],
    )
    per_second: PerSecond | None = Field(None, description="Requests per second.", examples=[1])
    per_hour: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None, description="Requests per hour; 0 allows none.", examples=[500]
    )
    burst: Burst | None = Field(None, description="Requests at once.", examples=[1])

    @model_validator(mode="after")
    def _is_a_window(self) -> BudgetWindowTerm:
        if (self.from_ is None) != (self.to is None):
            raise invalid("needs both from and to, or neither")
        if self.from_ is None and self.days is None:
            raise invalid('has no time: write from and to ("08:00"), or days')
        if self.from_ is not None and self.from_ == self.to:
            raise invalid(
                "begins and ends at the same time: for whole days write only days, or from:"
                ' "00:00" and to: "24:00"'
            )
        if self.from_ == DAY_MIN:
            raise invalid('from: "24:00" is the end of a day: write "00:00"')
        if self.per_second is None and self.per_hour is None and self.burst is None:
            raise invalid("changes nothing: write per_hour, per_second or burst")
        return self

    def window(self, usual: RequestAllowance) -> AllowanceWindow:
        """Return the window as a value, with missing limits as in `usual`."""
        days = self.days if self.days is not None else range(7)
        return AllowanceWindow(
            days=frozenset((day + _SUNDAY_LAST) % 7 for day in days),
            start=self.from_ or 0,
            end=DAY_MIN if self.to is None else self.to,
            allowance=RequestAllowance(
                usual.per_second if self.per_second is None else self.per_second,
                usual.per_hour if self.per_hour is None else self.per_hour,
                usual.burst if self.burst is None else self.burst,
            ),
        )


class BudgetTerm(Grammar):
    """How many requests a credential may send. Sauce Labs allows each user 10/s and 3,500/h, shared
    with your tests. All processes on one state share this budget.
    """

    per_second: PerSecond | None = Field(
        None, description="Default: 2; no limit on a loopback address.", examples=[2]
    )
    per_hour: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None,
        description="In any 60 minutes. Default: 1500; no limit on a loopback address.",
        examples=[1500],
    )
    burst: Burst = Field(POLITE_BURST, description="Requests at once.", examples=[5])
    windows: Annotated[list[BudgetWindowTerm], OneOrMany()] = Field(
        default_factory=no_entries,
        description="Hours with other limits, such as when your tests run. They must not overlap.",
        examples=[[{"from": "08:00", "to": "18:00", "days": "mon-fri", "per_hour": 500}]],
    )

    @model_validator(mode="after")
    def _is_one_number_at_a_time(self) -> BudgetTerm:
        minutes = [term.window(RequestAllowance()).minutes() for term in self.windows]
        # Of two windows at the same minute neither is more specific, so the number would depend on
        # their order.
        for (first, early), (second, late) in combinations(enumerate(minutes), 2):
            if both := early & late:
                raise invalid(
                    f"windows[{first}] and windows[{second}] overlap, on {_named(min(both))}:"
                    " change one of them"
                )
        none = [
            covered
            for term, covered in zip(self.windows, minutes, strict=True)
            if term.per_hour == 0
        ]
        # A run would wait forever for its first request.
        if len(frozenset[int]().union(*none)) == 7 * DAY_MIN:
            raise invalid("windows: leave no time of the week for requests")
        return self


def _named(minute: int) -> str:
    day, minute = divmod(minute, DAY_MIN)
    return f"{WEEKDAYS[(day + 1) % 7]} at {minute // 60:02}:{minute % 60:02}"
