"""Settles what earlier runs and commands started on an account and did not see the end of.

Each owner's jobs are asked about with that owner's credentials. Where these fail, the lines of the
journal stay open, and listing that owner's jobs reports the reason.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from sauce_janitor.clock import CLOCK
from sauce_janitor.errors import BudgetSpentError, ConfigError, CredentialsError, LeaseError
from sauce_janitor.execute import ExecutionPorts, Recovery, recover
from sauce_janitor.execute.manual import action as manual_action
from sauce_janitor.execute.ports import LeasePort
from sauce_janitor.execute.recovery import ready_in_s
from sauce_janitor.model.open_intents import OpenIntent, under_way_s
from sauce_janitor.operations.records.telemetry import Telemetry
from sauce_janitor.operations.wiring.clients import Clients
from sauce_janitor.operations.wiring.run_settings import RunContext


def settle_deletes(
    clients: Clients, ports: ExecutionPorts, context: RunContext, telemetry: Telemetry
) -> Recovery:
    """Settle the deletes without an outcome, and return how many were confirmed or failed. Wait
    until none of them can be under way any more; after a stop, leave the younger ones open.

    Raise CredentialsError or BudgetSpentError about the account's own credentials.
    """
    confirmed, failed = 0, 0
    journal = ports.journal
    ready = _ready(ports, context, telemetry)
    for share in clients.shares({one.owner for one in ready}):
        of = frozenset(one for one in ready if one.owner in share.owners)
        try:
            found = recover(
                share.client.reader, journal, of=of.__contains__, events=telemetry.event
            )
        except (CredentialsError, BudgetSpentError):
            # The account's own credentials are needed for everything else, too.
            if not share.own:
                raise
            continue
        confirmed, failed = confirmed + found.confirmed, failed + found.failed
    return Recovery(confirmed, failed)


def _ready(
    ports: ExecutionPorts, context: RunContext, telemetry: Telemetry
) -> frozenset[OpenIntent]:
    """Wait until none of the intents can be under way, and return those that are not."""
    now = context.clock()
    waits = {
        one: ready_in_s(one, now, _idle_s(one, ports.lease)) for one in ports.journal.unresolved()
    }
    # The clock is not asked again after the wait: it may have been set back meanwhile.
    if wait_for_writes(waits.values(), context, telemetry):
        return frozenset(waits)
    # Asked to stop: the younger ones are left for the next run.
    return frozenset(one for one, left_s in waits.items() if not left_s)


def _idle_s(one: OpenIntent, lease: LeasePort) -> float | None:
    # What this run began itself has a time of this machine's clock.
    return None if one.fence == lease.fence else lease.idle_s


def wait_for_writes(waits_s: Collection[float], context: RunContext, telemetry: Telemetry) -> bool:
    """Wait until none of the writes with these times left can be under way. Return whether that was
    reached, and no stop came before.
    """
    longest_s = max(waits_s, default=0.0)
    # As nearly always: nothing was cut short.
    if not longest_s:
        return True
    context.progress.phase(telemetry.account, "wait")
    telemetry.waiting(longest_s, writes=sum(left_s > 0 for left_s in waits_s))
    return not CLOCK.wait(context.stop, longest_s)


def settle_manual_actions(
    clients: Clients, context: RunContext, telemetry: Telemetry, *, run_id: str
) -> None:
    """Settle the manual actions that were cut short, where Sauce Labs can answer; those under way
    are left alone.
    """
    account, acts = telemetry.account, context.state.manual_actions
    if not acts.open(account):
        return
    journal = acts.during(account, run_id, CLOCK.now)
    # A command that holds the lock is at work now: what looks open may be its own action.
    with suppress(LeaseError), acts.lock(account, wait_s=0):
        for act in acts.open(account):
            now = context.clock()
            left_s = under_way_s(act.sent_at, now)
            # No run waits for a change by hand, because none depends on it. But one from the future
            # (the clock was set back) would stay open until the clock has caught up.
            if left_s and act.sent_at <= now:
                continue
            if not wait_for_writes([left_s], context, telemetry):
                return
            # One owner's credentials must not keep the others' actions open.
            with suppress(ConfigError, CredentialsError):
                manual_action.settle(clients.of(act.owner).reader, journal, [act])
