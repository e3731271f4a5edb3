"""The forecast of the next days, for the console: what the policies will do to the known jobs.

A simulation takes about as long as a plan, so it is made once a day, or when the policies change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

from sauce_janitor.config import Account
from sauce_janitor.errors import StoppedError
from sauce_janitor.model.jobs import Action, Record
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.operations.records.account_figures import (
    ForecastDay,
    StoredForecast,
    note_forecast,
    noted_forecast,
)
from sauce_janitor.operations.wiring.run_settings import RunContext
from sauce_janitor.retention.what_if.simulate import Day, Setting, simulate, takes_one_pass
from sauce_janitor.state import Query

FORECAST_DAYS: Final = 30
_MOST_JOBS: Final = 20_000
"""With more jobs, no forecast is made that takes a pass over them for every day."""
_MANY_PASSES: Final = (
    "rules with `unit: build` or `pick` would need a pass over all jobs for every day;"
    " `sauce-janitor simulate` does it"
)


def forecast_daily(account: Account, context: RunContext, query: Query, *, jobs: int) -> None:
    """Make and store the account's forecast, unless today's is there. `query` selects the `jobs`
    known jobs that a plan is about. Raise StateError.
    """
    now, notes = int(context.clock()), context.state.notes
    digest = context.config.policy_digest(account.name)
    last = noted_forecast(notes, account.name)
    is_current = last is not None and last.policy_digest == digest
    # A clock that was set back must not delay it for long.
    if last is not None and is_current and last.at // DAY_S == now // DAY_S:
        return
    rules = context.config.rules(account.name)
    if jobs > _MOST_JOBS and not takes_one_pass(rules):
        stored = StoredForecast(now, digest, why_none=_MANY_PASSES)
        note_forecast(notes, account.name, stored)
        return
    # Asked to stop: the next run makes it.
    with suppress(StoppedError), context.state.jobs.snapshot(query) as snapshot:
        records = _until(context.stop.is_set, snapshot.records)
        simulation = simulate(rules, records, Setting(now, FORECAST_DAYS))
        days = tuple(map(_stored, simulation.days))
        note_forecast(notes, account.name, StoredForecast(now, digest, days))


def _stored(day: Day) -> ForecastDay:
    totals = day.totals
    return ForecastDay(
        day.as_of // DAY_S,
        totals[Action.ARCHIVE],
        totals[Action.DELETE_ASSETS],
        totals[Action.DELETE_JOB],
        totals[Action.STOP],
        day.lost,
    )


def _until(
    is_stopped: Callable[[], bool], records: Callable[[], Iterable[Record]]
) -> Callable[[], Iterator[Record]]:
    """Return the records, until somebody asks to stop. Raise StoppedError then."""

    def left() -> Iterator[Record]:
        for record in records():
            if is_stopped():
                raise StoppedError("asked to stop while a forecast was made")
            yield record

    return left
