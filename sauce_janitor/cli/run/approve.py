"""`approve`: limits lifted for a while, for plans under one policy digest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, consent, who
from sauce_janitor.cli.options import ending
from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.config import Config
    from sauce_janitor.retention.plan.limits import Approval

_LIMITS = ("max_percent", "max_jobs", "max_growth")
_A_DAY_S = 86_400


@click.command()
@click.argument("digest", metavar="DIGEST")
@click.option(
    "--lift",
    multiple=True,
    type=click.Choice(_LIMITS),
    help="Only this limit. Default: all. Repeatable.",
)
@click.option("--max-jobs", type=click.IntRange(1), metavar="N",
              help="Lift max_jobs, too, but only for plans with at most N new jobs.")  # fmt: skip
@click.option(
    "--until",
    metavar="DATE",
    help="The last day, a time with its offset, or a duration (7d). Default: 24 h.",
)
@click.option("--reason", default="", help="The reason, shown in plans.")
@click.option("--withdraw", is_flag=True, help="End every approval for DIGEST instead.")
@YES
@DRY_RUN
@click.pass_obj
def approve(
    session: Session,
    /,
    digest: str,
    *,
    lift: tuple[str, ...],
    until: str | None,
    yes: bool,
    dry_run: bool,
    **given: object,
) -> None:
    """Lift limits for a while, for plans under the policy digest DIGEST. A refused plan prints it.

    The first digits are enough if no other account's digest begins with them. An edit of the
    policies changes the digest, and ends the approval.
    """
    from sauce_janitor import report
    from sauce_janitor.state import State

    config, now = session.load(), int(time.time())
    account, whole = _account(config, digest)
    if whole != digest:
        terminal.echo(f"{digest} is the policy digest {whole}", err=True)
    digest = whole
    approval = _approval(config, digest, lift, until, now=now, given=given)
    if given["withdraw"]:
        words = f"end every approval for {account}, {digest}"
    else:
        most = f", for plans of at most {approval.max_jobs:,} jobs" if approval.max_jobs else ""
        words = (
            f"lift {', '.join(sorted(approval.lifts))} for {account}{most}, until "
            f"{report.when(approval.until)}"
        )
    if dry_run:
        terminal.echo(f"would {words}", err=True)
        return
    if not given["withdraw"]:  # ending an approval only protects
        consent(f"{words[0].upper()}{words[1:]}?", yes=yes)
    with State.open(config.state, accept_filesystem=config.accept_filesystem) as state:
        if given["withdraw"]:
            ended = state.approvals.withdraw(account, digest, at=now)
            terminal.echo(
                f"Withdrawn: {ended} approvals. Those in {config.file}, if any, are ended there."
            )
            return
        state.approvals.add(account, approval, at=now)
    terminal.echo(f"Approved: {words}. What is then accepted goes on over later runs without it.")


def _account(config: Config, digest: str) -> tuple[str, str]:
    """The account whose policies have this digest now, and the whole digest. ConfigError for none
    and for several.
    """
    from sauce_janitor.model.job_references import only_digest

    digests = {account.name: config.policy_digest(account.name) for account in config.accounts}
    whole = only_digest(digest, digests.values())
    for name, known in digests.items():
        if known == whole:
            return name, known
    there = "; ".join(f"{name} has {known}" for name, known in digests.items())
    raise ConfigError(
        f"{digest!r:.80} is not the policy digest of one account of {config.file} now, nor its "
        f"first digits: {there}"
    )


def _approval(
    config: Config,
    digest: str,
    lift: tuple[str, ...],
    until: str | None,
    *,
    now: int,
    given: dict[str, object],
) -> Approval:
    from sauce_janitor.retention.plan.limits import ALL_LIMITS, Approval

    end = now + _A_DAY_S if until is None else ending("--until", until, config.timezone, now=now)
    if end <= now:
        raise click.UsageError(f"--until {until} is over already")
    most = given["max_jobs"]
    assert most is None or isinstance(most, int)
    named = frozenset(name for name in ALL_LIMITS if name in lift or (not lift and most is None))
    return Approval(digest, end, named, most, who(), str(given["reason"]))
