"""Carries out a plan: archive, prove, ask again, put it on record, delete, confirm. It never
decides anything on its own.

Read `parts` for what it needs, `archiving` and `deleting` for the order of effects, `workers` for
how many at once.
"""

from sauce_janitor.execute.executor import carry_out
from sauce_janitor.execute.job_task import ExecutionSettings
from sauce_janitor.execute.outcomes import Execution, Outcome
from sauce_janitor.execute.ports import ExecutionPorts
from sauce_janitor.execute.recovery import Recovery, recover

__all__ = [
    "Execution",
    "ExecutionPorts",
    "ExecutionSettings",
    "Outcome",
    "Recovery",
    "carry_out",
    "recover",
]
