"""`explain`: why and when a job is kept or deleted, or why and when it was deleted."""

from __future__ import annotations

import time
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING

import click

from sauce_janitor import json_output
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import ACCOUNTS, FORMAT, JOB, parse_job, policies_option
from sauce_janitor.errors import ArchiveError, ConfigError

if TYPE_CHECKING:
    from sauce_janitor.cli.what_if.explanation import Explained
    from sauce_janitor.config import Account, Config
    from sauce_janitor.model.jobs import JobId
    from sauce_janitor.retention.what_if.explain import Explanation
    from sauce_janitor.state import JournalLine, State


@click.command()
@JOB
@ACCOUNTS
@policies_option("says")
@FORMAT
@click.pass_obj
def explain(
    session: Session, job_id: str, accounts: tuple[str, ...], policies: tuple[str, ...], form: str
) -> None:
    """Explain why JOB stays or is deleted, by which rule, and when; for a deleted job, show what
    the journal has. Sends nothing to Sauce Labs.
    """
    from sauce_janitor.cli import known_jobs
    from sauce_janitor.cli.job_lookup import find_known_ids
    from sauce_janitor.cli.what_if import explanation, explanation_text

    config = session.load()
    only = known_jobs.select_policies(config, policies)
    chosen = known_jobs.select_accounts(config, accounts)
    (job,) = find_known_ids(config, (parse_job(job_id),), [account.name for account in chosen])
    with known_jobs.open_to_read(config, known_jobs.existing_state(config.state)) as state:
        found = [
            explained
            for account in chosen
            if (explained := _explained(config, state, account, job, only)) is not None
        ]
    if not found:
        raise ConfigError(f"job {job} is unknown here: run `sauce-janitor plan` first")
    if form == "json":
        json_output.write(found, explanation.EXPLAINED)
        return
    out = session.console()
    for each in found:
        explanation_text.show(out, each)


def _explained(
    config: Config, state: State, account: Account, job: JobId, only: frozenset[str]
) -> Explained | None:
    """Return what an account's state and archive know of a job, or None."""
    from sauce_janitor.cli.what_if.explanation import Explained
    from sauce_janitor.operations.holds import open_holding

    now = int(time.time())
    explanation = None
    # For an account that was never listed, the query would raise an error, but another one may know
    # the job.
    if account.name in state.accounts.all():
        explanation = _explanation(config, state, account, job, now)
    lines = state.journal.of(job, account.name)
    # Another account may have the job.
    if explanation is None and not lines:
        return None
    with ExitStack() as stack:
        holding = open_holding(config.archive, account.name, state, stack=stack)
        holds = tuple(each.hold for each in holding.known(at=now) if each.hold.job_id == job)
    waits_until = None
    if explanation is not None:
        waits_until = _waits_until(config, state, account, explanation, lines, now)
    return Explained(
        account.name,
        job,
        now,
        explanation,
        lines,
        holds,
        only,
        state.retries.one(account.name, job),
        waits_until,
    )


def _waits_until(
    config: Config,
    state: State,
    account: Account,
    explanation: Explanation,
    lines: tuple[JournalLine, ...],
    now: int,
) -> int | None:
    """Return until when the due deletes of a job wait, in epoch seconds; None if they do not.

    They wait if Sauce Labs listed no assets when the job was archived, or before the last try to
    delete: the list may have failed.
    """
    from sauce_janitor.archive import Catalogue
    from sauce_janitor.execute.asset_lists import EMPTY, waits_until
    from sauce_janitor.model.jobs import DELETES, Action, Verdict, Why
    from sauce_janitor.operations.steps.account_retries import unlisted_since

    decisions = [outlook.decision for outlook in explanation.outlooks]
    is_due = any(each.action in DELETES and each.verdict is Verdict.DUE for each in decisions)
    archives = [each for each in decisions if each.action is Action.ARCHIVE]
    reasons = chain.from_iterable(each.reasons for each in archives)
    # Without a policy that archives the job, its deletes do not depend on an asset list.
    is_archived = any(reason.why is Why.DONE for reason in reasons)
    ended_at = explanation.record.job.ended_at
    if not is_due or not is_archived or not isinstance(ended_at, int):
        return None
    job, path = explanation.record.job, config.archive.location
    try:
        with Catalogue.open(path, known_uuid=state.identity.archive_uuid(str(path))) as held:
            _, receipts = held.receipts_of(
                state.accounts.key(account.name), job.owner, job.id, ended_at=ended_at
            )
    # `archive verify` reports what is wrong with the archive.
    except ArchiveError:
        return None
    if not receipts:
        return None
    newest = receipts[-1].document
    emptied = any(
        line.action is Action.DELETE_ASSETS and line.outcome in ("confirmed", "already_gone")
        for line in lines
    )
    # As the executor counts: a receipt that lists files says nothing about an empty list.
    since: int | None = newest.made_at
    if newest.listed:
        since = unlisted_since(state.notes, account.name, job.id, EMPTY)
    return None if emptied or since is None else waits_until(job, since, now=now)


def _explanation(
    config: Config, state: State, account: Account, job: JobId, now: int
) -> Explanation | None:
    from sauce_janitor.cli import known_jobs
    from sauce_janitor.retention.what_if.explain import explain

    with state.jobs.snapshot(known_jobs.query(config, state, account, as_of=now)) as snapshot:
        # A deleted job is no longer in the inventory: then the journal alone explains it.
        if snapshot.record(job) is None:
            return None
        return explain(config.rules(account.name), snapshot.records, job, as_of=now)
