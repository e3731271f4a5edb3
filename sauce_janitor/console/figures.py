"""The figures of an account's charts: read from the notes that its runs left, a few of bounded
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.operations.records.account_figures import (
    AGE_CLASSES,
    OLDEST_CLASS,
    SHOWN_DAYS,
    UNDATED_CLASS,
    InventoryFigures,
    StoredForecast,
    noted_forecast,
    noted_inventory,
)
from sauce_janitor.state import DayFigures, State
from sauce_janitor.web.overview import AccountFigures, DaySeries, NamedSeries

_DONE_DAYS: Final = 30
_ARCHIVE_DAYS: Final = 90
_STATUSES: Final = ("passed", "failed", "error", "other")
_ACTIONS: Final = ("archive", "delete assets", "delete job", "stop", "lost")
_AGES: Final = (*(name for name, _ in AGE_CLASSES), OLDEST_CLASS, UNDATED_CLASS)


def figures_of(account: str, state: State, *, now: int) -> AccountFigures:
    """Return the account's figures; `now` is epoch seconds. Raise StateError."""
    today, notes = now // DAY_S, state.notes
    inventory, forecast = noted_inventory(notes, account), noted_forecast(notes, account)
    known = state.figures.of(account)
    ages = () if inventory is None else tuple(name for name in _AGES if inventory.by_age.get(name))
    return AccountFigures(
        created=_created(inventory),
        age_names=ages,
        ages=_ages(inventory, ages),
        done=_done(known, today),
        archive=_archive(known, today),
        forecast=_forecast(forecast),
        forecast_at=None if forecast is None else forecast.at,
        forecast_missing="" if forecast is None else forecast.why_none,
    )


def _created(inventory: InventoryFigures | None) -> DaySeries:
    if inventory is None:
        return DaySeries(_STATUSES)
    # The plan has read all jobs: a day without any is a zero.
    first = inventory.as_of // DAY_S - SHOWN_DAYS + 1
    rows = []
    for day in range(first, first + SHOWN_DAYS):
        counts = inventory.by_day.get(day, {})
        rows.append(tuple(counts.get(status, 0) for status in _STATUSES))
    return DaySeries(_STATUSES, first, tuple(rows))


def _ages(inventory: InventoryFigures | None, names: Sequence[str]) -> NamedSeries:
    if inventory is None:
        return NamedSeries(_STATUSES)
    rows = []
    for name in names:
        counts = inventory.by_age[name]
        rows.append(tuple(counts.get(status, 0) for status in _STATUSES))
    return NamedSeries(_STATUSES, tuple(rows))


def _done(known: Sequence[DayFigures], today: int) -> DaySeries:
    names = ("deleted jobs", "deleted assets", "archived jobs", "archived bytes", "lost jobs")
    if not known:
        return DaySeries(names)
    by_day, first = {each.day: each for each in known}, today - _DONE_DAYS + 1
    # Without an index of the archive, nobody has measured what is in it.
    is_measured = any(each.archive_bytes is not None for each in known)
    rows: list[tuple[int | None, ...]] = []
    for day in range(first, today + 1):
        each = by_day.get(day, DayFigures(day))
        size = each.archived_bytes if is_measured else None
        rows.append(
            (each.deleted_jobs, each.deleted_assets, each.archived_jobs, size, each.lost_jobs)
        )
    return DaySeries(names, first, tuple(rows))


def _archive(known: Sequence[DayFigures], today: int) -> DaySeries:
    """Return the measured sizes from the first one on. Between two, the archive stayed as it
    was.
    """
    names = ("jobs", "bytes")
    by_day = {each.day: each for each in known if each.archive_bytes is not None}
    if not by_day:
        return DaySeries(names)
    first = max(min(by_day), today - _ARCHIVE_DAYS + 1)
    last = by_day[min(by_day)]
    rows = []
    for day in range(first, today + 1):
        last = by_day.get(day, last)
        rows.append((last.archive_jobs, last.archive_bytes))
    return DaySeries(names, first, tuple(rows))


def _forecast(forecast: StoredForecast | None) -> DaySeries:
    if forecast is None or not forecast.days:
        return DaySeries(_ACTIONS)
    rows = tuple(
        (each.archive, each.delete_assets, each.delete_job, each.stop, each.lost)
        for each in forecast.days
    )
    return DaySeries(_ACTIONS, forecast.days[0].day, rows)
