"""`simulate`: what the policies will do to the known jobs, day by day.

It sends nothing to Sauce Labs.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import ACCOUNTS, ROWS, policies_option

if TYPE_CHECKING:
    from sauce_janitor.cli.what_if.forecast import AccountForecast
    from sauce_janitor.config import Account, Config
    from sauce_janitor.state import State


@click.command()
@click.option(
    "--for",
    "span",
    default="90d",
    show_default=True,
    metavar="DURATION",
    help="How far to look ahead: 14d, 12w, 1y.",
)
@ACCOUNTS
@policies_option("permits")
@ROWS
@click.pass_obj
def simulate(
    session: Session, /, span: str, accounts: tuple[str, ...], policies: tuple[str, ...], form: str
) -> None:
    """Show what the policies will do to the known jobs, day by day, without new jobs. Sends nothing
    to Sauce Labs.
    """
    from sauce_janitor.cli import known_jobs
    from sauce_janitor.cli.what_if import forecast

    config, now = session.load(), int(time.time())
    days = _days(span, now)
    only = known_jobs.select_policies(config, policies)
    with known_jobs.open_to_read(config, known_jobs.existing_state(config.state)) as state:
        found = [
            _forecast(config, state, account, as_of=now, days=days, only=only)
            for account in known_jobs.select_accounts(config, accounts)
        ]
    if form == "json":
        json_output.write(forecast.Forecasts(found), forecast.SIMULATED)
    elif form == "csv":
        terminal.write(forecast.csv_lines(found))
    else:
        out = session.console()
        for each in found:
            forecast.show(out, each)


def _days(text: str, now: int) -> int:
    """Return the days of a duration from now. Raises UsageError if it is wrong or too long."""
    from zoneinfo import ZoneInfo

    from sauce_janitor.model.durations import due_at, parse_duration
    from sauce_janitor.model.safety_numbers import DAY_S
    from sauce_janitor.retention.what_if.simulate import LONGEST_DAYS

    try:
        # UTC: every day has 24 hours there. A part of a day counts as a day.
        days = math.ceil((due_at(now, parse_duration(text), ZoneInfo("UTC")) - now) / DAY_S)
    except ValueError as error:
        raise click.UsageError(f"--for: {error}") from error
    if not 1 <= days <= LONGEST_DAYS:
        raise click.UsageError(f"--for: {text} is {days} days: use 1 to {LONGEST_DAYS} days")
    return days


def _forecast(
    config: Config, state: State, account: Account, *, as_of: int, days: int, only: frozenset[str]
) -> AccountForecast:
    from sauce_janitor.cli import known_jobs
    from sauce_janitor.cli.what_if.forecast import AccountForecast
    from sauce_janitor.operations.steps import acceptance
    from sauce_janitor.operations.wiring.receipt_sizes import sizes_of
    from sauce_janitor.retention.what_if.simulate import Setting
    from sauce_janitor.retention.what_if.simulate import simulate as simulate_jobs

    name = account.name
    rules, digest = config.rules(name), config.policy_digest(name)
    query = known_jobs.query(config, state, account, as_of=as_of)
    sizes = sizes_of(config.archive.location, state.accounts.key(name))
    # The jobs and days do not depend on sizes, so they are shown nevertheless.
    if sizes.trouble:
        terminal.echo(f"sauce-janitor: archive sizes are estimates: {sizes.trouble}", err=True)
    # The approvals and plan sizes of the next run: a limit breaks here where it would break there.
    setting = Setting(
        as_of, days, policies=only,
        accepted_at=state.acceptances.accepted_at(name, digest),
        plan_sizes=acceptance.plan_sizes(rules, state, name),
        approvals=acceptance.leeway(config, state, name, now=as_of, reviewed=False).approvals,
        sizes=sizes.a_job,
    )  # fmt: skip
    with state.jobs.snapshot(query) as snapshot:
        simulation = simulate_jobs(rules, snapshot.records, setting)
    return AccountForecast(
        known_jobs.identity(state, account),
        name,
        digest,
        as_of,
        known_jobs.listing_text(state, account),
        simulation,
        sizes,
        only,
    )
