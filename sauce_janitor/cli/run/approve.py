"""`approve`: lift limits for a while, for plans under one policy digest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, current_user, require_consent
from sauce_janitor.cli.options import parse_end
from sauce_janitor.errors import ConfigError
from sauce_janitor.model.safety_numbers import DAY_S

if TYPE_CHECKING:
    from sauce_janitor.config import Config
    from sauce_janitor.model.policies import Approval

_LIMITS = ("max_percent", "max_jobs", "max_growth")


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
    **options: object,
) -> None:
    """Lift limits for a while, for plans under the policy digest DIGEST. A refused plan prints it.

    The first digits are enough if no other account's digest begins with them. An edit of the
    policies changes the digest, and ends the approval.
    """
    from sauce_janitor import report
    from sauce_janitor.operations.steps.approval import grant
    from sauce_janitor.state import State

    # A limit in the command may look as if the other limits stayed approved.
    if options["withdraw"] and (lift or until or options["max_jobs"] or options["reason"]):
        raise click.UsageError(
            "--withdraw ends every approval for DIGEST: leave out --lift, --max-jobs, --until and "
            "--reason"
        )
    config, now = session.load(), int(time.time())
    account, whole = _account(config, digest)
    # A few digits were typed: the output names what is approved.
    if whole != digest:
        terminal.echo(f"{digest} is the policy digest {whole}", err=True)
    digest = whole
    approval = _approval(config, digest, lift, until, now=now, options=options)
    if options["withdraw"]:
        effect = f"end every approval for {account}, {digest}"
    else:
        most = (
            f", for plans of at most {report.counted(approval.max_jobs, 'job')}"
            if approval.max_jobs
            else ""
        )
        effect = (
            f"lift {', '.join(sorted(approval.lifts))} for {account}{most}, until "
            f"{report.when(approval.until)}"
        )
    if dry_run:
        terminal.echo(f"would {effect}", err=True)
        return
    # The end of an approval only protects, so it needs no question.
    if not options["withdraw"]:
        require_consent(f"{effect[0].upper()}{effect[1:]}?", yes=yes)
    with State.open(config.state, accept_filesystem=config.accept_filesystem) as state:
        if options["withdraw"]:
            ended = state.approvals.withdraw(account, digest, at=now)
            terminal.echo(
                f"Withdrawn: {report.counted(ended, 'approval')}. "
                f"An approval in {config.file} must be removed there."
            )
            return
        grant(config, state, account, approval, at=now)
    terminal.echo(
        f"Approved: {effect}. Jobs of a plan that is accepted by then need no further approval."
    )


def _account(config: Config, digest: str) -> tuple[str, str]:
    """Return the account that has this policy digest now, and the whole digest.

    Raises ConfigError if no account has it, or several have it.
    """
    from sauce_janitor.model.job_references import only_digest

    digests = {account.name: config.policy_digest(account.name) for account in config.accounts}
    whole = only_digest(digest, digests.values())
    for name, known in digests.items():
        if known == whole:
            return name, known
    there = "; ".join(f"{name} has {known}" for name, known in digests.items())
    # It begins a digest, but names no account: write more of it.
    digits = digest.strip().lower().removeprefix("sha256:")
    if any(known.removeprefix("sha256:").startswith(digits) for known in digests.values()):
        raise ConfigError(
            f"too few digits to tell which policy digest {digest!r:.80} is, write more: {there}"
        )
    raise ConfigError(
        f"no account of {config.file} has the policy digest {digest!r:.80}, write one of these, or "
        f"make a new plan: {there}"
    )


def _approval(
    config: Config,
    digest: str,
    lift: tuple[str, ...],
    until: str | None,
    *,
    now: int,
    options: dict[str, object],
) -> Approval:
    from sauce_janitor.model.policies import ALL_LIMITS, Approval

    end = now + DAY_S if until is None else parse_end("--until", until, config.timezone, now=now)
    # It would lift nothing, and nobody would notice before the next run is refused.
    if end <= now:
        raise click.UsageError(f"--until {until} has passed already")
    most = options["max_jobs"]
    assert most is None or isinstance(most, int)
    # Without --lift all limits are lifted, unless --max-jobs names the only one.
    lifts_all = not lift and most is None
    lifts = frozenset(name for name in ALL_LIMITS if lifts_all or name in lift)
    return Approval(digest, end, lifts, most, current_user(), str(options["reason"]))
