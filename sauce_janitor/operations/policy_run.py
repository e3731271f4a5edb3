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


def run(account: Account, context: RunContext, order: Order) -> Result:
    """One pass over one account. Raises JanitorError; RefusedError and ConfigError only before
    anything was changed.
    """
    with counted(account.name, context.metrics, execute=order.execute), ExitStack() as stack:
        session = RunSession(account, context, order, stack)
        ports = session.open_to_change() if order.execute else None
        recovery = session.recover(ports) if ports else Recovery()
        owners = session.find_owners()
        listing = ListingResult() if order.offline else session.list_jobs(owners)
        planned = session.plan(owners.spelled(listing.spellings), listing, recovery)
        context.show(planned)
        if ports is None:
            return session.end(planned)
        session.refuse_if_limited(planned.plan)
        session.accept(planned.plan)
        return session.end(session.carry_out(planned, ports))
