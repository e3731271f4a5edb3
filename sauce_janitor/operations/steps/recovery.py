"""Settles what earlier runs and commands started on an account and did not see the end of.

Each owner's jobs are asked about with that owner's credentials. Where these fail, the lines of the
journal stay open, and listing that owner's jobs reports the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from sauce_janitor.clock import CLOCK
from sauce_janitor.errors import BudgetSpentError, ConfigError, CredentialsError, LeaseError
from sauce_janitor.execute import Recovery, recover
from sauce_janitor.execute.events import Event
from sauce_janitor.execute.manual import action as manual_action
from sauce_janitor.execute.ports import JournalPort
from sauce_janitor.operations.wiring.clients import Clients
from sauce_janitor.operations.wiring.run_settings import RunContext


def settle_deletes(
    clients: Clients, journal: JournalPort, events: Callable[[Event], None]
) -> Recovery:
    """Settle the deletes without an outcome, and return how many were confirmed or failed.

    Raise CredentialsError or BudgetSpentError about the account's own credentials.
    """
    confirmed, failed = 0, 0
    for share in clients.shares({one.owner for one in journal.unresolved()}):
        try:
            found = recover(
                share.client.reader, journal, of=share.owners.__contains__, events=events
            )
        except (CredentialsError, BudgetSpentError):
            # The account's own credentials are needed for everything else, too.
            if not share.own:
                raise
            continue
        confirmed, failed = confirmed + found.confirmed, failed + found.failed
    return Recovery(confirmed, failed)


def settle_manual_actions(
    clients: Clients, account: str, context: RunContext, *, run_id: str
) -> None:
    """Settle the manual actions that were cut short, where Sauce Labs can answer; those under way
    are left alone.
    """
    acts = context.state.manual_actions
    if not acts.open(account):
        return
    journal = acts.during(account, run_id, CLOCK.now)
    # A command that holds the lock is at work now: what looks open may be its own action.
    with suppress(LeaseError), acts.lock(account, wait_s=0):
        for act in acts.open(account):
            # One owner's credentials must not keep the others' actions open.
            with suppress(ConfigError, CredentialsError):
                manual_action.settle(clients.of(act.owner).reader, journal, [act])
