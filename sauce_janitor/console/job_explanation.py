"""All that is known of one job: why and when it is kept or deleted, and what the journal has."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from sauce_janitor import report
from sauce_janitor.archive import Catalogue, MirroredHold
from sauce_janitor.config import Account, Config
from sauce_janitor.console.known_query import known_query
from sauce_janitor.errors import ArchiveError
from sauce_janitor.execute.asset_lists import EMPTY, waits_until
from sauce_janitor.model.job_retries import Retry
from sauce_janitor.model.jobs import DELETES, Action, Job, JobId, Owner, Verdict, Why
from sauce_janitor.operations.holds import open_holding
from sauce_janitor.operations.steps.account_retries import unlisted_since
from sauce_janitor.retention.what_if.explain import Explanation, Outlook, explain
from sauce_janitor.state import JournalLine, State

_DONE: Final = ("confirmed", "already_gone")


@dataclass(frozen=True, slots=True)
class Explained:
    """What is known of one job in one account.

    `explanation` is None if the job is not in the inventory. `lines` are its journal, `holds` its
    local holds. `policies` are the only ones that tables show; if empty, they show all. `retry` is
    set while a failed action waits for its next try. Deletes wait until `waits_until` (epoch
    seconds) if the job's receipt has no assets and is young.
    """

    account: str
    job: JobId
    as_of: int
    explanation: Explanation | None
    lines: tuple[JournalLine, ...]
    holds: tuple[MirroredHold, ...]
    policies: frozenset[str]
    retry: Retry | None = None
    waits_until: int | None = None

    @property
    def deletion(self) -> JournalLine | None:
        """Return the last journal line that says that the job is deleted."""
        done = (
            line
            for line in reversed(self.lines)
            if line.outcome in _DONE and line.action is Action.DELETE_JOB
        )
        return next(done, None)

    @property
    def owner(self) -> Owner:
        """Return the job's owner, who the journal still knows when the job is gone."""
        return self.explanation.record.job.owner if self.explanation else self.lines[0].owner

    @property
    def is_known(self) -> bool:
        """Return whether the job is in the inventory."""
        return self.explanation is not None

    @property
    def deleted_at(self) -> int | None:
        """Return when the job was deleted, None while it is in the inventory."""
        is_gone = self.explanation is None and self.deletion is not None
        return self.deletion.at if is_gone and self.deletion else None

    @property
    def decisions(self) -> tuple[ActionOutlook, ...]:
        """Return the decision on each action, none for a job that is not in the inventory."""
        if self.explanation is None:
            return ()
        job = self.explanation.record.job
        return tuple(ActionOutlook(job, outlook) for outlook in self.explanation.outlooks)


@dataclass(frozen=True, slots=True)
class ActionOutlook:
    """The decision and the forecast on one action of a job."""

    job: Job
    outlook: Outlook

    def row(self) -> dict[str, Any]:
        """Return the decision as a plan has it."""
        return report.action_row(self.job.id, self.job.owner, self.outlook.decision)


def explained(
    config: Config,
    state: State,
    account: Account,
    job: JobId,
    only: frozenset[str] = frozenset(),
) -> Explained | None:
    """Return what an account's state and archive know of a job, or None."""
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
    until = None
    if explanation is not None:
        until = _waits_until(config, state, account, explanation, lines, now)
    return Explained(
        account.name,
        job,
        now,
        explanation,
        lines,
        holds,
        only,
        state.retries.one(account.name, job),
        until,
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
    with state.jobs.snapshot(known_query(config, state, account, as_of=now)) as snapshot:
        # A deleted job is no longer in the inventory: then the journal alone explains it.
        if snapshot.record(job) is None:
            return None
        return explain(config.rules(account.name), snapshot.records, job, as_of=now)
