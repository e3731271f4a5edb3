"""`hold`: place, release and list local holds, which keep jobs whatever the policies say."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from operator import itemgetter
from typing import TYPE_CHECKING

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, current_user, require_consent
from sauce_janitor.cli.jobs.hold_tags import CONFIGURED_TAG, tag_jobs, tag_of_option
from sauce_janitor.cli.options import ACCOUNT, FORMAT, JOBS, parse_end, parse_jobs, select_account
from sauce_janitor.errors import ArchiveError, ConfigError
from sauce_janitor.json_output import Shape, key, spread

if TYPE_CHECKING:
    from sauce_janitor.model.job_references import JobReference
    from sauce_janitor.model.jobs import JobId
    from sauce_janitor.operations.holds import KnownHold


def unix_now() -> int:
    """Return the time by this machine's clock, in epoch seconds."""
    return int(time.time())


@click.group()
def hold() -> None:
    """Hold jobs: they are archived first and completely, and nothing of them is deleted.

    Holds are kept in the state and mirrored in the archive. A JOB is an id or its first digits, an
    address, or a name or build that no other job has; - reads ids from stdin.
    """


@hold.command()
@JOBS
@click.option("--reason", required=True, help="The reason, shown by `explain` and `hold list`.")
@click.option("--by", help="Who places the hold. Default: the current user.")
@click.option(
    "--until",
    metavar="DATE",
    help="The last day, a time with its offset, or a duration (7d). Default: until released.",
)
@click.option(
    "--tag",
    is_flag=False,
    flag_value=CONFIGURED_TAG,
    metavar="[TAG]",
    help="Also tag the jobs at Sauce Labs. Default TAG: that of the first hold by tag.",
)
@ACCOUNT
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
    **options: str | None,
) -> int:
    """Hold these jobs.

    With --tag the hold is also visible at Sauce Labs, and every tool that obeys the tag keeps the
    jobs, too. The local hold is placed first, and stays if somebody removes the tag. Without --tag
    nothing is sent to Sauce Labs.
    """
    from sauce_janitor import report
    from sauce_janitor.cli.job_lookup import find_known_ids
    from sauce_janitor.operations.holds import open_to_change
    from sauce_janitor.state import State

    config = session.load()
    account, references = select_account(config, wanted), parse_jobs(jobs)
    ids = frozenset(find_known_ids(config, references, (account.name,)))
    text, now = options["until"], int(time.time())
    until = None if text is None else parse_end("--until", text, config.timezone, now=now)
    # Such a hold would protect nothing.
    if until is not None and until <= now:
        raise click.UsageError(f"--until {options['until']} has passed already")
    end = f"until {report.when(until)}" if until else "until it is released"
    tag = tag_of_option(config, account, options["tag"])
    tagged = f" and tag them {tag} at Sauce Labs" if tag else ""
    jobs_held = report.counted(len(ids), "job")
    if dry_run:
        terminal.echo(f"would hold {jobs_held} of {account.name} {end}{tagged}", err=True)
        return tag_jobs(session, account, ids, tag, dry_run=True) if tag else 0
    # A hold only protects, so it needs no question. A tag writes to Sauce Labs.
    if tag:
        require_consent(f"Hold {jobs_held} of {account.name} {end}{tagged}?", yes=yes)
    with ExitStack() as stack:
        state = stack.enter_context(
            State.open(config.state, accept_filesystem=config.accept_filesystem)
        )
        holding, unmirrored = open_to_change(config, account, state, unix_now, stack=stack)
        holding.add(ids, by=options["by"] or current_user(), reason=reason, until=until)
        unknown = sum(state.jobs.record(account.name, job, as_of=0) is None for job in ids)
    terminal.echo(f"Held: {jobs_held} of {account.name}, {end}.")
    # Not an error: the job may be newer than the last listing.
    if unknown:
        terminal.echo(
            f"Not in the inventory: {report.counted(unknown, 'job')}. If it exists at Sauce Labs,"
            " it is held as well.",
            err=True,
        )
    # After the local hold: if the tag fails, the jobs are protected nevertheless.
    code = tag_jobs(session, account, ids, tag, dry_run=False) if tag else 0
    if unmirrored is not None:
        terminal.echo(
            f"sauce-janitor: not yet mirrored in the archive; the next run does it: {unmirrored}",
            err=True,
        )
        return unmirrored.exit_code
    return code


@hold.command()
@JOBS
@ACCOUNT
@YES
@DRY_RUN
@click.pass_obj
def release(
    session: Session, /, jobs: tuple[str, ...], *, wanted: str | None, yes: bool, dry_run: bool
) -> None:
    """Release every local hold on these jobs. Holds by tag or in the configuration stay."""
    from sauce_janitor.cli.job_lookup import find_known_ids
    from sauce_janitor.operations.holds import open_to_change, refuse_release
    from sauce_janitor.report import counted
    from sauce_janitor.state import State

    config = session.load()
    account, references = select_account(config, wanted), parse_jobs(jobs)
    ids = frozenset(find_known_ids(config, references, (account.name,)))
    with ExitStack() as stack:
        state = stack.enter_context(
            State.open(config.state, accept_filesystem=config.accept_filesystem)
        )
        holding, unmirrored = open_to_change(config, account, state, unix_now, stack=stack)
        refuse_release(config, state, unmirrored)
        now = int(time.time())
        every = [known.hold for known in holding.known(at=now)]
        _refuse_unlisted(references, ids, {each.job_id for each in every})
        found = [each for each in every if each.job_id in ids]
        if not found:
            which = f"none of these {len(ids):,} jobs of {account.name} has a local hold"
            if len(ids) == 1:
                which = f"job {min(ids)} of {account.name} has no local hold"
            raise ConfigError(f"{which}: see hold list")
        if dry_run:
            terminal.echo(f"would release {counted(len(found), 'hold')}", err=True)
            return
        require_consent(
            f"Release {counted(len(found), 'hold')} by "
            f"{', '.join(sorted({each.by for each in found}))}?",
            yes=yes,
        )
        count = holding.release(ids, by=current_user())
    jobs_held = {each.job_id for each in found}
    terminal.echo(
        f"Released: {counted(count, 'hold')} on {counted(len(jobs_held), 'job')} of {account.name}."
    )


def _refuse_unlisted(
    references: Sequence[JobReference], ids: frozenset[JobId], held: Collection[JobId]
) -> None:
    """Raise ConfigError if the first digits of an id also mean a held job that is not listed.

    A job can be held by its whole id before any listing shows it.
    """
    for each in references:
        # Only first digits can also mean a job that no listing has shown.
        if each.prefix is None:
            continue
        also = {job for job in held if job.startswith(each.prefix)} - ids
        if also:
            raise ConfigError(
                f"{each.text!r:.80} is also the held job {min(also)}: give more digits of the id. "
                "Nothing was changed"
            )


_HOLD = Shape(
    key("account", itemgetter(0)),
    spread(
        itemgetter(1),
        Shape(
            spread("hold", Shape("job_id", "by", "reason", "at", "until")), "in_state", "in_archive"
        ),
    ),
)
"""The keys of a hold in JSON, of pairs of account and hold. Its times are epoch seconds."""


@hold.command(name="list")
@ACCOUNT
@FORMAT
@click.pass_obj
def list_holds(session: Session, /, wanted: str | None, *, form: str) -> int:
    """List the local holds in force. Exits with 4 if those in the archive cannot be read."""
    from sauce_janitor.cli.known_jobs import open_to_read
    from sauce_janitor.operations.holds import AccountHolds, open_holding

    config, now, code = session.load(), int(time.time()), 0
    rows = []
    with ExitStack() as stack:
        state = stack.enter_context(open_to_read(config))
        for account in [select_account(config, wanted)] if wanted else config.accounts:
            holding = open_holding(config.archive, account.name, state, stack=stack)
            try:
                every = holding.known(at=now)
            # The holds of the state are listed nevertheless.
            except ArchiveError as error:
                terminal.echo(f"sauce-janitor: {error}", err=True)
                code = error.exit_code
                every = AccountHolds(state.holds, None, account.name, lambda: now).known(at=now)
            rows += [(account.name, known) for known in every]
    if form == "json":
        json_output.write(rows, _HOLD)
        return code
    if rows:
        _show(session, rows)
    else:
        terminal.echo("No local holds.", err=True)
    return code


def _show(session: Session, rows: list[tuple[str, KnownHold]]) -> None:
    from sauce_janitor.report import Column, show_table

    columns = (
        Column("Job", "id"),
        Column("Account", rank=1),
        Column("By"),
        Column("Since", "time", 2),
        Column("Until", "time"),
        Column("Reason", "prose"),
    )
    cells = []
    for name, known in rows:
        placed = known.hold
        where = "" if known.in_state else " (only in the archive)"
        cells.append(
            (
                placed.job_id,
                name,
                placed.by,
                placed.at,
                placed.until or "no end",
                placed.reason + where,
            )
        )
    show_table(session.console(), columns, cells)
