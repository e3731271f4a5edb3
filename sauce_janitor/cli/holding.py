"""`hold`: jobs that stay whatever the policies say, by hand, with an owner, a reason and an end."""

from __future__ import annotations

import getpass
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from sauce_janitor.cli.app import Session
from sauce_janitor.cli.consent import DRY_RUN, YES, consent
from sauce_janitor.errors import ArchiveError, ConfigError

if TYPE_CHECKING:
    from sauce_janitor.config import Account, Config
    from sauce_janitor.pipeline.holding import Holding
    from sauce_janitor.retention.model import JobId
    from sauce_janitor.state import State

_ACCOUNT = click.option(
    "--account", "wanted", metavar="NAME", help="Whose jobs; needed where there are several accounts."
)
_JOBS = click.argument("jobs", metavar="JOB_ID…", nargs=-1, required=True)


@click.group()
def hold() -> None:
    """Hold jobs by hand: they are archived whole and first, and nothing of them is deleted.

    Holds are kept in the state and mirrored in the archive. Jobs are named by their ids; - reads ids from stdin.
    """


@hold.command()
@_JOBS
@click.option("--reason", required=True, help="Why; whoever asks about the job is told.")
@click.option("--by", help="Whose hold it is; default: the user who runs this.")
@click.option(
    "--until", metavar="DATE", help="Through this day, or up to a moment with its offset. Default: until released."
)
@_ACCOUNT
@YES
@DRY_RUN
@click.pass_obj
def add(
    session: Session,
    /,
    jobs: tuple[str, ...],
    *,
    reason: str,
    wanted: str | None,
    yes: bool,
    dry_run: bool,
    **given: str | None,
) -> int:
    """Hold these jobs."""
    from sauce_janitor import report
    from sauce_janitor.config import load
    from sauce_janitor.config.moments import end_of_text

    config = load(session.config_path)
    account, ids = _one_account(config, wanted), _ids(jobs)
    try:
        until = None if given["until"] is None else end_of_text(given["until"], config.timezone)
    except ValueError as wrong:
        raise click.UsageError(f"--until {wrong}") from wrong
    if until is not None and until <= time.time():
        raise click.UsageError(f"--until {given['until']} is over already")
    end = f"until {report.when(until)}" if until else "until it is released"
    if dry_run:
        click.echo(f"would hold {len(ids):,} jobs of {account.name} {end}", err=True)
        return 0
    consent(f"Hold {len(ids):,} jobs of {account.name} {end}?", yes=yes)
    with ExitStack() as stack:
        state, holding, unmirrored = _writable(config, account, stack)
        holding.add(ids, by=given["by"] or getpass.getuser(), reason=reason, until=until)
        unknown = sum(state.jobs.record(account.name, job, as_of=0) is None for job in ids)
    click.echo(f"Held: {len(ids):,} jobs of {account.name}, {end}.")
    if unknown:
        click.echo(f"{unknown:,} of them are not known here: if they exist, they are held as well.", err=True)
    if unmirrored is not None:
        click.echo(f"sauce-janitor: not mirrored in the archive yet, the next run does that: {unmirrored}", err=True)
        return unmirrored.exit_code
    return 0


@hold.command()
@_JOBS
@_ACCOUNT
@YES
@DRY_RUN
@click.pass_obj
def release(session: Session, /, jobs: tuple[str, ...], *, wanted: str | None, yes: bool, dry_run: bool) -> None:
    """Lift every local hold on these jobs. Holds by tag or in the configuration stay."""
    from sauce_janitor.config import load

    config = load(session.config_path)
    account, ids = _one_account(config, wanted), _ids(jobs)
    with ExitStack() as stack:
        _, holding, wrong = _writable(config, account, stack)
        if wrong is not None:
            raise wrong
        now = int(time.time())
        found = [known.hold for known in holding.known(at=now) if known.hold.job_id in ids]
        if not found:
            raise ConfigError(f"none of these {len(ids):,} jobs of {account.name} has a local hold: see hold list")
        if dry_run:
            click.echo(f"would lift {len(found):,} holds", err=True)
            return
        consent(f"Lift {len(found):,} holds of {', '.join(sorted({each.by for each in found}))}?", yes=yes)
        count = holding.release(ids, by=getpass.getuser())
    click.echo(f"Released: {count:,} holds on {len({each.job_id for each in found}):,} jobs of {account.name}.")


@hold.command(name="list")
@_ACCOUNT
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_obj
def list_holds(session: Session, /, wanted: str | None, *, form: str) -> int:
    """List the local holds in force. Ends with 4 where those in the archive cannot be read."""
    from sauce_janitor import report
    from sauce_janitor.config import load
    from sauce_janitor.pipeline.holding import Holding, open_holding
    from sauce_janitor.state import State

    config, now, code = load(session.config_path), int(time.time()), 0
    rows = []
    with ExitStack() as stack:
        state = stack.enter_context(State.open(config.state))
        for account in [_one_account(config, wanted)] if wanted else config.accounts:
            holding = open_holding(config.archive, account.name, state, stack=stack)
            try:
                every = holding.known(at=now)
            except ArchiveError as wrong:
                click.echo(f"sauce-janitor: {wrong}", err=True)
                code = wrong.exit_code
                every = Holding(state.holds, None, account.name, lambda: now).known(at=now)
            rows += [(account.name, known) for known in every]
    if form == "json":
        click.echo(report.json_text([
            {"account": name, "job_id": known.hold.job_id, "by": known.hold.by, "reason": known.hold.reason,
             "at": known.hold.at, "until": known.hold.until, "in_state": known.in_state, "in_archive": known.in_archive}
            for name, known in rows
        ]))  # fmt: skip
        return code
    table = report.plain_table("Job", "Account", "By", "Since", "Until", "Reason", numbers=False)
    for name, known in rows:
        said = known.hold
        where = "" if known.in_state else " (known to the archive alone)"
        until = report.when(said.until) if said.until else "released"
        table.add_row(
            said.job_id, name, report.clean(said.by), report.when(said.at), until, report.clean(said.reason) + where
        )
    if rows:
        report.console(color=session.color).print(table)
    else:
        click.echo("No local holds.", err=True)
    return code


def _one_account(config: Config, wanted: str | None) -> Account:
    names = [account.name for account in config.accounts]
    if wanted is None and len(names) > 1:
        raise click.UsageError(f"there are several accounts: say --account with one of {', '.join(names)}")
    if wanted is not None and wanted not in names:
        raise ConfigError(f"there is no account {wanted!r} in {config.file}; there are: {', '.join(names)}")
    return config.account(wanted or names[0])


def _ids(given: tuple[str, ...]) -> frozenset[JobId]:
    from sauce_janitor.retention.model import job_id

    words = [word for text in given for word in (sys.stdin.read().split() if text == "-" else [text])]
    ids, wrong = set(), []
    for word in words:
        try:
            ids.add(job_id(word.lower()))
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise click.UsageError("; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""))
    if not ids:
        raise click.UsageError("stdin has no job ids")
    return frozenset(ids)


def _writable(config: Config, account: Account, stack: ExitStack) -> tuple[State, Holding, ArchiveError | None]:
    """The state and the account's holds, mirrored; without the mirror, and why, where the archive cannot be used."""
    from sauce_janitor.pipeline import fitting
    from sauce_janitor.pipeline.holding import Holding
    from sauce_janitor.state import State

    state = stack.enter_context(State.open(config.state))
    if account.name not in state.identity.accounts():
        state.identity.claim(account.name, base_url=account.base_url, username=account.credentials()[0])
    mirror, unmirrored = None, None
    try:
        mirror = stack.enter_context(fitting.open_archive(config.archive, account.name, state)).holds
        mirror.holds()
    except ArchiveError as wrong:
        mirror, unmirrored = None, wrong
    return state, Holding(state.holds, mirror, account.name, lambda: int(time.time())), unmirrored
