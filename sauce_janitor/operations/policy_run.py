"""One run over one account, top to bottom: inventory, plan, limit, carry out, report. The only code
that knows every part.
"""

from __future__ import annotations

from contextlib import ExitStack

from sauce_janitor.config import Account
from sauce_janitor.execute import Recovery
from sauce_janitor.operations.records.telemetry import counted
from sauce_janitor.operations.run_session import RunSession
from sauce_janitor.operations.steps.listing import ListingResult
from sauce_janitor.operations.wiring.run_settings import Order, Result, RunContext


def run(account: Account, tools: RunContext, order: Order) -> Result:
    """One pass over one account. Raises JanitorError; RefusedError and ConfigError only before
    anything was changed.
    """
    with counted(account.name, tools.metrics, execute=order.execute), ExitStack() as stack:
        visit = RunSession(account, tools, order, stack)
        parts = visit.open_to_change() if order.execute else None
        recovery = visit.recover(parts) if parts else Recovery()
        owners = visit.find_owners()
        survey = ListingResult() if order.offline else visit.list_jobs(owners)
        planned = visit.plan(owners.spelled(survey.spellings), survey, recovery)
        tools.show(planned)
        if parts is None:
            return visit.end(planned)
        visit.refuse_if_limited(planned.plan)
        visit.accept(planned.plan)
        return visit.end(visit.carry_out(planned, parts))
