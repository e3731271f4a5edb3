"""Carries out a plan: archive, prove, ask again, put it on record, delete, confirm. It never decides anything on its own.

Read `parts` for what it needs, `archiving` and `deleting` for the order of effects, `workers` for how many at once.
"""

from sauce_janitor.execute.hand import Options
from sauce_janitor.execute.outcomes import Execution, Outcome
from sauce_janitor.execute.parts import Parts
from sauce_janitor.execute.recovering import Recovery, recover
from sauce_janitor.execute.workers import carry_out

__all__ = ["Execution", "Options", "Outcome", "Parts", "Recovery", "carry_out", "recover"]
