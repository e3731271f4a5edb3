"""Carry out a plan: archive, verify, ask again, journal, delete, confirm. Nothing is decided here.

Read `ports` for what execution needs from other packages, `steps` for the order of effects, and
`executor` for the threads.
"""

from typing import TYPE_CHECKING

from sauce_janitor.facade import late_names

if TYPE_CHECKING:
    from sauce_janitor.execute.execution_context import ExecutionSettings
    from sauce_janitor.execute.executor import carry_out
    from sauce_janitor.execute.outcomes import Execution, Outcome
    from sauce_janitor.execute.ports import ExecutionPorts
    from sauce_janitor.execute.recovery import Recovery, recover
else:
    __getattr__ = late_names(
        __name__,
        {
            "execution_context": "ExecutionSettings",
            "executor": "carry_out",
            "outcomes": "Execution Outcome",
            "ports": "ExecutionPorts",
            "recovery": "Recovery recover",
        },
    )

__all__ = [
    "Execution",
    "ExecutionPorts",
    "ExecutionSettings",
    "Outcome",
    "Recovery",
    "carry_out",
    "recover",
]
