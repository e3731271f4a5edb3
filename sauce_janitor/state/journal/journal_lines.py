"""The lines of the journal, as they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from sauce_janitor.model.jobs import Action, JobId, Owner
from sauce_janitor.model.open_intents import OpenIntent
from sauce_janitor.model.permits import Deed, ManualAction
from sauce_janitor.state.database.tables import journal, open_intents
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.journal.hash_chain import HASHED


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One line. `kind`: archived, intent, outcome, found_gone; pruning, pruned; by_hand,
    done_by_hand.

    `intent` is the line that an outcome ends; `account` is the account's key. `seq` orders the
    lines of all accounts; `number` is the place in the account's chain, None in the chain that all
    accounts had before.
    """

    seq: int
    at: int
    account: str
    kind: str
    job_id: JobId
    owner: Owner
    action: Deed
    policy: str | None
    run_id: str | None
    intent: int | None
    outcome: str | None
    receipt: str | None
    fence: int | None
    detail: Mapping[str, Any]
    hash: str
    number: int | None = None


def line_of(row: Mapping[Any, Any]) -> JournalLine:
    """Return the line of a row."""
    values = {column: row[column] for column in (*HASHED, "number")}
    detail = json.loads(row["detail"])
    if not isinstance(detail, dict):
        raise TypeError(f"the detail of line {row['seq']} is not a mapping")
    return JournalLine(
        **values
        | {
            "job_id": JobId(row["job_id"].hex()),
            "action": deed(row["action"]),
            "detail": detail,
            "hash": row["hash"].hex(),
        }
    )


def deed(text: str) -> Deed:
    """Return the action that a line is about."""
    return ManualAction(text) if text in set(ManualAction) else Action(text)


def unresolved_intents(database: Database, account: str) -> tuple[OpenIntent, ...]:
    """Return every intent of the account without a final outcome, oldest first."""
    statement = (
        select(journal)
        .join(open_intents, open_intents.c.intent == journal.c.seq)
        .where(open_intents.c.account == account, journal.c.kind == "intent")
        .order_by(journal.c.seq)
    )
    unknown_outcomes = (
        select(journal.c.intent, journal.c.detail)
        .where(journal.c.outcome == "unknown")
        .order_by(journal.c.seq)
    )
    with database.reading() as connection:
        begun = connection.execute(statement).mappings().all()
        if not begun:
            return ()
        # Not their ids one by one: a server takes 65,535 values, and a bulk delete may begin more.
        theirs = select(open_intents.c.job_id).where(open_intents.c.account == account)
        wanted = unknown_outcomes.where(journal.c.job_id.in_(theirs))
        unknown = {
            row.intent: str(json.loads(row.detail).get("text", ""))
            for row in connection.execute(wanted)
        }
    return tuple(
        OpenIntent(
            line.seq,
            Action(line.action),
            line.job_id,
            line.owner,
            line.policy or "",
            line.at,
            unknown.get(line.seq),
            line.fence,
        )
        for line in map(line_of, begun)
    )
