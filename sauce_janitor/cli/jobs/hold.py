"""`hold`: jobs that stay whatever the policies say, by hand, with an owner, a reason and an end."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, consent, who
from sauce_janitor.cli.options import ACCOUNT, JOBS, ending, job_references, one_account
from sauce_janitor.errors import ArchiveError, ConfigError

if TYPE_CHECKING:
    from sauce_janitor.config import Account, Config
    from sauce_janitor.model.job_references import JobReference
    from sauce_janitor.model.jobs import JobId
    from sauce_janitor.model.policies import Match
    from sauce_janitor.operations.holds import AccountHolds, KnownHold
    from sauce_janitor.state import State

_OF_THE_CONFIGURATION = "the tag of the configuration's hold"
"""What --tag without a value stands for."""


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
    flag_value=_OF_THE_CONFIGURATION,
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
    **given: str | None,
) -> int:
    """Hold these jobs.

    With --tag the hold is also visible at Sauce Labs, and every tool that obeys the tag keeps the
    jobs, too. The local hold is placed first, and stays if somebody removes the tag. Without --tag
    nothing is sent to Sauce Labs.
    """
    from sauce_janitor import report
    from sauce_janitor.cli.job_lookup import known_ids

    config = session.load()
    account, references = one_account(config, wanted), job_references(jobs)
    ids = frozenset(known_ids(config, references, (account.name,)))
    text, now = given["until"], int(time.time())
    until = None if text is None else ending("--until", text, config.timezone, now=now)
    if until is not None and until <= now:
        raise click.UsageError(f"--until {given['until']} is over already")
    end = f"until {report.when(until)}" if until else "until it is released"
    tag = _tag(config, account, given["tag"])
    tagged = f" and tag them {tag} at Sauce Labs" if tag else ""
    if dry_run:
        terminal.echo(f"would hold {len(ids):,} jobs of {account.name} {end}{tagged}", err=True)
        return _tag_all(session, account, ids, tag, dry_run=True) if tag else 0
    if tag:  # the hold alone only protects; a tag writes to Sauce Labs
        consent(f"Hold {len(ids):,} jobs of {account.name} {end}{tagged}?", yes=yes)
    with ExitStack() as stack:
        state, holding, unmirrored = _writable(config, account, stack)
        holding.add(ids, by=given["by"] or who(), reason=reason, until=until)
        unknown = sum(state.jobs.record(account.name, job, as_of=0) is None for job in ids)
    terminal.echo(f"Held: {report.counted(len(ids), 'job')} of {account.name}, {end}.")
    if unknown:
        terminal.echo(
            f"{unknown:,} of them are not known here: if they exist, they are held as well.",
            err=True,
        )
    code = _tag_all(session, account, ids, tag, dry_run=False) if tag else 0
    if unmirrored is not None:
        terminal.echo(
            f"sauce-janitor: not mirrored in the archive yet, the next run does that: {unmirrored}",
            err=True,
        )
        return unmirrored.exit_code
    return code


def _tag(config: Config, account: Account, given: str | None) -> str | None:
    """The tag to set, None for none. UsageError where the configuration has none to stand for, or
    it is a job's id.
    """
    from sauce_janitor.model.job_changes import JobChange
    from sauce_janitor.model.jobs import job_id

    known = [hold.tag for hold in config.rules(account.name).holds if hold.tag is not None]
    if given is None:
        return None
    if given == _OF_THE_CONFIGURATION:
        if not known:
            raise click.UsageError("--tag: the configuration has no hold by tag; say --tag TAG")
        return known[0]
    try:
        job_id(given.lower())
    except ValueError:
        pass
    else:
        raise click.UsageError(f"--tag {given} is a job's id: say --tag at the end, or --tag TAG")
    try:
        JobChange(add=(given,))
    except ValueError as wrong:
        raise click.UsageError(f"--tag: {wrong}") from wrong
    if given not in known and not any(
        _is_by_tags(hold.match, given) for hold in config.rules(account.name).holds
    ):
        terminal.echo(
            f"No hold of the configuration is by the tag {given!r}: only the local hold protects "
            "the jobs.",
            err=True,
        )
    return given


def _is_by_tags(match: Match | None, tag: str) -> bool:
    """Whether a hold is by tags, as globs, and the tag is one of them."""
    from sauce_janitor.model.policies import Atom
    from sauce_janitor.retention.matching import value_test

    return isinstance(match, Atom) and match.field == "tags" and value_test(match)((tag,)) is True


def _tag_all(
    session: Session, account: Account, ids: frozenset[JobId], tag: str, *, dry_run: bool
) -> int:
    """Add the tag to each, by the same update as `tag --add`; the exit code."""
    from sauce_janitor.cli.account_session import calling
    from sauce_janitor.cli.jobs.change import change_all, find_all, show
    from sauce_janitor.model.job_changes import JobChange

    with calling(session, account.name) as call:
        found, code = find_all(call, sorted(ids), None)
        acts, code = change_all(
            call, found, JobChange(add=(tag,)), yes=True, dry_run=dry_run, code=code
        )
    return show(acts, code, form="table")


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
    from sauce_janitor.cli.job_lookup import known_ids
    from sauce_janitor.operations.wiring import archive
    from sauce_janitor.report import counted

    config = session.load()
    account, references = one_account(config, wanted), job_references(jobs)
    ids = frozenset(known_ids(config, references, (account.name,)))
    with ExitStack() as stack:
        state, holding, wrong = _writable(config, account, stack)
        if wrong is not None:
            raise wrong
        archive.refuse_foreign(config.archive, state)
        now = int(time.time())
        every = [known.hold for known in holding.known(at=now)]
        _refuse_unlisted(references, ids, {each.job_id for each in every})
        found = [each for each in every if each.job_id in ids]
        if not found:
            raise ConfigError(
                f"none of these {len(ids):,} jobs of {account.name} has a local hold: see hold list"
            )
        if dry_run:
            terminal.echo(f"would lift {len(found):,} holds", err=True)
            return
        consent(
            f"Lift {len(found):,} holds of {', '.join(sorted({each.by for each in found}))}?",
            yes=yes,
        )
        count = holding.release(ids, by=who())
    jobs_held = {each.job_id for each in found}
    terminal.echo(
        f"Released: {counted(count, 'hold')} on {counted(len(jobs_held), 'job')} of {account.name}."
    )


def _refuse_unlisted(
    references: Sequence[JobReference], ids: frozenset[JobId], held: Collection[JobId]
) -> None:
    """ConfigError where a beginning of an id is also a held job's that no listing shows: whole ids
    are held unseen.
    """
    for each in references:
        also = {
            job for job in held if each.prefix is not None and job.startswith(each.prefix)
        } - ids
        if also:
            raise ConfigError(
                f"{each.text!r:.80} is also the held job {min(also)}: give more of the id. Nothing "
                "changed"
            )


@hold.command(name="list")
@ACCOUNT
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
@click.pass_obj
def list_holds(session: Session, /, wanted: str | None, *, form: str) -> int:
    """List the local holds in force. Exits with 4 if those in the archive cannot be read."""
    from sauce_janitor.cli.known_jobs import look
    from sauce_janitor.operations.holds import AccountHolds, open_holding

    config, now, code = session.load(), int(time.time()), 0
    rows = []
    with ExitStack() as stack:
        state = stack.enter_context(look(config))
        for account in [one_account(config, wanted)] if wanted else config.accounts:
            holding = open_holding(config.archive, account.name, state, stack=stack)
            try:
                every = holding.known(at=now)
            except ArchiveError as wrong:
                terminal.echo(f"sauce-janitor: {wrong}", err=True)
                code = wrong.exit_code
                every = AccountHolds(state.holds, None, account.name, lambda: now).known(at=now)
            rows += [(account.name, known) for known in every]
    if form == "json":
        terminal.write_json(
            [
                {
                    "account": name,
                    "job_id": known.hold.job_id,
                    "by": known.hold.by,
                    "reason": known.hold.reason,
                    "at": known.hold.at,
                    "until": known.hold.until,
                    "in_state": known.in_state,
                    "in_archive": known.in_archive,
                }
                for name, known in rows
            ]
        )
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
        said = known.hold
        where = "" if known.in_state else " (known to the archive alone)"
        cells.append(
            (said.job_id, name, said.by, said.at, said.until or "released", said.reason + where)
        )
    show_table(session.console(), columns, cells)


def _writable(
    config: Config, account: Account, stack: ExitStack
) -> tuple[State, AccountHolds, ArchiveError | None]:
    """The state and the account's holds, mirrored; without the mirror, and why, where the archive
    cannot be used.
    """
    from sauce_janitor.operations.holds import AccountHolds
    from sauce_janitor.operations.wiring import archive
    from sauce_janitor.operations.wiring.account_owner import admit
    from sauce_janitor.state import State

    state = stack.enter_context(
        State.open(config.state, accept_filesystem=config.accept_filesystem)
    )
    if account.name not in state.accounts.all():
        admit(account, state, account.credentials()[0])
    mirror, unmirrored = None, None
    try:
        mirror = stack.enter_context(
            archive.open_archive(config.archive, account.name, state)
        ).holds
        mirror.holds()
    except ArchiveError as wrong:
        mirror, unmirrored = None, wrong
    keys = state.accounts.keys()
    return (
        state,
        AccountHolds(state.holds, mirror, account.name, lambda: int(time.time()), keys),
        unmirrored,
    )
