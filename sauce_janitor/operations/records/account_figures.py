"""What a run leaves in the state for the console's charts besides its summary: the jobs by day of
creation and age, and a forecast.

Each is one note of bounded size, which the next run replaces.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from sauce_janitor.errors import StateError
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.state import Notes, State

SHOWN_DAYS: Final = 60
"""How many days of creation are kept one by one, today included."""
AGE_CLASSES: Final = (
    ("under 1 day", 1),
    ("1 to 7 days", 7),
    ("7 to 30 days", 30),
    ("30 to 90 days", 90),
    ("90 days to 1 year", 365),
)
"""Classes of age: what each is called, and the first age in days that it does not include."""
OLDEST_CLASS: Final = "over 1 year"
UNDATED_CLASS: Final = "unknown"
_OTHER_SHAPE: Final = (AttributeError, LookupError, TypeError, ValueError)
"""What reading a note raises that is missing, damaged or of another version. The next run replaces
it.
"""
_INVENTORY: Final = "inventory figures {}"
_FORECAST: Final = "forecast {}"


@dataclass(frozen=True, slots=True)
class InventoryFigures:
    """The known jobs as of a plan (epoch seconds): how many of each status were created on each day
    (days since 1970 in UTC; only the last ones), and are in each class of age.
    """

    as_of: int
    by_day: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    by_age: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForecastDay:
    """What becomes due on a day (days since 1970 in UTC), if every plan is carried out. `lost` jobs
    have wanted assets that are purged before they are archived.
    """

    day: int
    archive: int
    delete_assets: int
    delete_job: int
    stop: int
    lost: int


@dataclass(frozen=True, slots=True)
class StoredForecast:
    """A forecast, made at `at` (epoch seconds) under these policies. `why_none` says why it has no
    days, "" where it has.
    """

    at: int
    policy_digest: str
    days: tuple[ForecastDay, ...] = ()
    why_none: str = ""


def inventory_figures(
    counts: Mapping[tuple[int | None, str], int], *, as_of: int
) -> InventoryFigures:
    """Return the figures of jobs that are counted by day of creation and status."""
    today = as_of // DAY_S
    by_day: dict[int, dict[str, int]] = {}
    by_age: dict[str, dict[str, int]] = {}
    for (day, status), jobs in counts.items():
        classes = [by_age.setdefault(_age_class(day, today), {})]
        if day is not None and today - SHOWN_DAYS < day <= today:
            classes.append(by_day.setdefault(day, {}))
        for each in classes:
            each[status] = each.get(status, 0) + jobs
    return InventoryFigures(as_of, by_day, by_age)


class RunFigures:
    """Stores the figures of one account's run, unless they are not `kept`."""

    def __init__(
        self, state: State, account: str, clock: Callable[[], float], *, kept: bool
    ) -> None:
        self._state, self._account, self._clock, self._kept = state, account, clock, kept

    def note_inventory(self, counts: Mapping[tuple[int | None, str], int]) -> None:
        """Store how many jobs there are, counted by day of creation and status."""
        if self._kept:
            figures = inventory_figures(counts, as_of=int(self._clock()))
            values = {"as_of": figures.as_of, "by_day": figures.by_day, "by_age": figures.by_age}
            self._state.notes.write(_INVENTORY.format(self._account), json.dumps(values))

    def add_up(self) -> None:
        """Add what was done since the last run to the sums of its days."""
        # Only charts need them, and the next run catches up.
        with suppress(StateError):
            if self._kept:
                self._state.figures.add_up(self._account, now=int(self._clock()))


def note_forecast(notes: Notes, account: str, forecast: StoredForecast) -> None:
    """Store the forecast in place of the last one."""
    values = {
        "at": forecast.at,
        "policy_digest": forecast.policy_digest,
        "days": [
            (each.day, each.archive, each.delete_assets, each.delete_job, each.stop, each.lost)
            for each in forecast.days
        ],
        "why_none": forecast.why_none,
    }
    notes.write(_FORECAST.format(account), json.dumps(values))


def noted_inventory(notes: Notes, account: str) -> InventoryFigures | None:
    """Return the figures of the account's last plan; None before the first one."""
    try:
        values = json.loads(notes.read(_INVENTORY.format(account)) or "{}")
        # A key in JSON is always text.
        by_day = {int(day): _counts(counts) for day, counts in values["by_day"].items()}
        by_age = {str(name): _counts(counts) for name, counts in values["by_age"].items()}
        return InventoryFigures(int(values["as_of"]), by_day, by_age)
    except _OTHER_SHAPE:
        return None


def noted_forecast(notes: Notes, account: str) -> StoredForecast | None:
    """Return the account's last forecast; None before the first one."""
    try:
        values = json.loads(notes.read(_FORECAST.format(account)) or "{}")
        days = tuple(ForecastDay(*map(int, each)) for each in values["days"])
        digest, why = str(values["policy_digest"]), str(values["why_none"])
        return StoredForecast(int(values["at"]), digest, days, why)
    except _OTHER_SHAPE:
        return None


def _counts(values: Mapping[str, int]) -> dict[str, int]:
    return {str(status): int(jobs) for status, jobs in values.items()}


def _age_class(day: int | None, today: int) -> str:
    if day is None:
        return UNDATED_CLASS
    return next((name for name, before in AGE_CLASSES if today - day < before), OLDEST_CLASS)
