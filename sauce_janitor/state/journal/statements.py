"""The statements that every delete runs on the state, made once: making one costs more than running
it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, delete, func, insert, select, update

from sauce_janitor.model.jobs import Action, AssetsStanding
from sauce_janitor.state.database.dialect import NextSeq
from sauce_janitor.state.database.tables import (
    accounts,
    jobs,
    journal,
    journal_chains,
    journal_head,
    leases,
    open_intents,
    pauses,
)

DONE: Final = ("confirmed", "already_gone")


_LEASE: Final = select(leases.c.fence).where(
    leases.c.account == bindparam("account"), leases.c.released.is_(False)
)
LEASED: Final = _LEASE.with_for_update(read=True)
"""For `account`: the fence of its lease, which stays the same until the transaction ends."""
_PAUSE: Final = select(pauses.c.number).where(pauses.c.resumed_at.is_(None)).limit(1)
_KEY: Final = func.coalesce(
    select(accounts.c.key).where(accounts.c.name == bindparam("account")).scalar_subquery(),
    bindparam("account"),
)
"""The journal's key of the account with that name."""
_OF_JOB: Final = (journal.c.job_id == bindparam("job_id"), journal.c.account == _KEY)
_CONFIRMED: Final = (
    select(journal.c.seq)
    .where(*_OF_JOB, journal.c.action == bindparam("action"), journal.c.outcome == "confirmed")
    .limit(1)
)
_OF_CHAIN: Final = journal_chains.c.account == bindparam("key")
_END: Final = (
    select(journal_chains.c.number).where(_OF_CHAIN).scalar_subquery().label("number"),
    select(journal_chains.c.hash).where(_OF_CHAIN).scalar_subquery().label("hash"),
    select(journal_head.c.hash).scalar_subquery().label("beginning"),
    NextSeq().label("seq"),
)
END: Final = select(*_END)
"""For `key`, an account's: the end of its chain, null where it has no line yet; what its first line
hashes; the new line's seq.
"""

BEGUN: Final = select(open_intents.c.intent).where(
    open_intents.c.account == bindparam("account"),
    open_intents.c.job_id == bindparam("job_id"),
    open_intents.c.action == bindparam("action"),
)
STANDING: Final = select(
    _LEASE.scalar_subquery().label("fence"),
    _PAUSE.scalar_subquery().label("pause"),
    _CONFIRMED.scalar_subquery().label("confirmed"),
    BEGUN.scalar_subquery().label("begun"),
    *_END,
)
"""For `account`, `job_id`, `action`: what allows or forbids an intent, null where nothing does; and
for `key` what END tells. One row.
"""

ASSETS_DELETED: Final = (
    select(journal.c.seq)
    .where(*_OF_JOB, journal.c.action == str(Action.DELETE_ASSETS), journal.c.outcome.in_(DONE))
    .limit(1)
)
"""For `account`, `job_id`: whether its assets were deleted, as a line's number."""

RECEIPTS: Final = select(journal.c.receipt).where(*_OF_JOB, journal.c.kind == "archived")
"""For `account`, `job_id`: every recorded receipt."""

WAITING_INTENT: Final = (
    select(journal.c.job_id, journal.c.owner, journal.c.action, journal.c.policy, *_END)
    .join(open_intents, open_intents.c.intent == journal.c.seq)
    .where(journal.c.seq == bindparam("intent"), journal.c.account == _KEY)
)
"""The line `intent` of `account`, while it waits for its outcome; and for `key` what END tells."""

OPEN_INTENT: Final = insert(open_intents)
CLOSE_INTENT: Final = delete(open_intents).where(open_intents.c.intent == bindparam("closed"))

ADD_LINE: Final = insert(journal)
START_CHAIN: Final = insert(journal_chains)
MOVE_END: Final = (
    update(journal_chains)
    .where(_OF_CHAIN)
    .values(number=bindparam("new_number"), hash=bindparam("new_hash"))
)

_THE_JOB: Final = (jobs.c.account == bindparam("of_account"), jobs.c.id == bindparam("of_job"))
JOB_GONE: Final = update(jobs).where(*_THE_JOB).values(gone=True)
ASSETS_GONE: Final = update(jobs).where(*_THE_JOB).values(assets=str(AssetsStanding.DELETED))
ASSETS_STANDING: Final = select(jobs.c.assets).where(*_THE_JOB)
SET_ASSETS: Final = (
    update(jobs)
    .where(*_THE_JOB, jobs.c.assets == bindparam("before"))
    .values(assets=bindparam("after"))
)
"""For `of_account`, `of_job`: set the state of its assets, where it was `before`."""

ARCHIVED: Final = select(jobs.c.archived).where(*_THE_JOB)
SET_ARCHIVED: Final = (
    update(jobs).where(*_THE_JOB).values(archived=bindparam("keys"), missing=bindparam("lacking"))
)
