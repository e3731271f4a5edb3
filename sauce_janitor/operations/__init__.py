"""One run, top to bottom: `running.run` is the sentence, the modules beside it its words. Only this
knows every part.
"""

from sauce_janitor.operations.policy_run import run
from sauce_janitor.operations.wiring.progress import Progress
from sauce_janitor.operations.wiring.run_settings import Order, Result, RunContext

__all__ = ["Order", "Progress", "Result", "RunContext", "run"]
