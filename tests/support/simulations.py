"""Simulations of a few days, and what they delete on which day."""

from __future__ import annotations

from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import Action, Record
from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.plan.costs import TYPICAL_BYTES
from sauce_janitor.retention.what_if.simulate import Setting, Simulation, simulate
from tests.support.jobs import NOW


def simulated(
    made: Rules, jobs: list[Record], days: int = 40, *, day_by_day: bool = False
) -> Simulation:
    ordered = newest_first(jobs, made.age_from)
    return simulate(
        made, lambda: ordered, Setting(NOW, days, sizes=TYPICAL_BYTES), day_by_day=day_by_day
    )


def on_days(found: Simulation, action: Action = Action.DELETE_JOB) -> dict[int, int]:
    return {day.number: day.totals[action] for day in found.days if day.totals[action]}
