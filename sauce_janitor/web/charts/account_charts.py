"""The charts of an account on the overview. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sauce_janitor.web.charts.axes import size
from sauce_janitor.web.charts.geometry import day_bars, day_line, gauge, rows
from sauce_janitor.web.charts.values import BarChart, Caption, Gauge, LineChart, RowChart, Series
from sauce_janitor.web.overview import AccountFigures, AccountView, BudgetLeft, DaySeries
from sauce_janitor.web.page_text import when

_TONES: Final[Mapping[str, str]] = {
    "passed": "good",
    "failed": "bad",
    "error": "warn",
    "other": "calm",
    "archive": "link",
    "delete assets": "warn",
    "delete job": "bad",
    "stop": "plum",
}
_UNKNOWN_TONE: Final = "calm"
_ACTION_TONES: Final = {
    name: _TONES[name] for name in ("archive", "delete assets", "delete job", "stop")
}


@dataclass(frozen=True, slots=True)
class AccountCharts:
    """All charts of an account. Without figures there are only `due` and `budget`; without a plan
    or an hourly limit, not even those.
    """

    due: RowChart | None
    budget: Gauge | None
    created: BarChart | None = None
    ages: RowChart | None = None
    deleted: BarChart | None = None
    archived: BarChart | None = None
    archive: LineChart | None = None
    lost: BarChart | None = None
    forecast: BarChart | None = None


def charts_of(account: AccountView) -> AccountCharts:
    """Return the charts of an account."""
    due = None if account.plan_as_of is None else _due(account, account.plan_as_of)
    budget = None if account.budget is None else _budget(account.budget)
    figures = account.figures
    if figures is None:
        return AccountCharts(due, budget)
    return AccountCharts(
        due,
        budget,
        created=_created(figures.created),
        ages=_ages(figures),
        deleted=_deleted(figures.done),
        archived=_archived(figures.done),
        archive=_archive(figures.archive),
        lost=_lost(figures.done),
        forecast=_forecast(figures),
    )


def _due(account: AccountView, as_of: int) -> RowChart:
    about = f"What the plan of {when(as_of)} has, by policy."
    series = [
        Series(
            action,
            _TONES.get(action, _UNKNOWN_TONE),
            [policy.counts[n] for policy in account.policies],
        )
        for n, action in enumerate(account.actions)
    ]
    names = [policy.policy for policy in account.policies]
    return rows(Caption("Due now", about), names, [each for each in series if _is_shown(each)])


def _budget(budget: BudgetLeft) -> Gauge | None:
    if budget.left is None or budget.per_hour is None:
        return None
    about = f"{budget.left:,} of {budget.per_hour:,} requests are left in this hour."
    return gauge(Caption("Request budget", about), budget.left, budget.per_hour)


def _series(series: DaySeries, names: Mapping[str, str]) -> list[Series]:
    """Return the series of these names, each with its tone."""
    return [Series(name, tone, series.of(name)) for name, tone in names.items()]


def _created(series: DaySeries) -> BarChart:
    caption = Caption("Jobs by day", "Known jobs by their day of creation and status.")
    tones = {name: _TONES[name] for name in series.names}
    return day_bars(caption, series.days, _series(series, tones))


def _deleted(done: DaySeries) -> BarChart:
    caption = Caption("Deletes", "Deletes that are confirmed, by day: of assets, and of jobs.")
    shown = [
        Series("assets", "warn", done.of("deleted assets")),
        Series("jobs", "bad", done.of("deleted jobs")),
    ]
    return day_bars(caption, done.days, shown)


def _archived(done: DaySeries) -> BarChart:
    caption = Caption("Archived", "What each day added to the archive.", size, size)
    return day_bars(caption, done.days, [Series("bytes", "link", done.of("archived bytes"))])


def _lost(done: DaySeries) -> BarChart:
    about = "Jobs whose wanted assets Sauce Labs purged before they were archived, by day."
    shown = [Series("jobs", "plum", done.of("lost jobs"))]
    return day_bars(Caption("Lost to the purge", about), done.days, shown)


def _ages(figures: AccountFigures) -> RowChart:
    series = [
        Series(name, _TONES[name], [row[n] for row in figures.ages.values])
        for n, name in enumerate(figures.ages.names)
    ]
    caption = Caption("Jobs by age", "Known jobs by their age and status.")
    return rows(caption, figures.age_names, series)


def _archive(series: DaySeries) -> LineChart:
    caption = Caption("Archive size", "What is stored of this account.", size, size)
    return day_line(caption, series.days, Series("size", "link", series.of("bytes")))


def _forecast(figures: AccountFigures) -> BarChart:
    about = "What becomes due, if every plan is carried out and no job is new."
    if figures.forecast_at is not None:
        about = f"{about} Made {when(figures.forecast_at)}."
    series = figures.forecast
    shown = [each for each in _series(series, _ACTION_TONES) if _is_shown(each)]
    return day_bars(Caption("The next 30 days", about), series.days, shown)


def _is_shown(series: Series) -> bool:
    # Stopping jobs is rare, and a name without a bar is clutter.
    return series.name != "stop" or series.total > 0
