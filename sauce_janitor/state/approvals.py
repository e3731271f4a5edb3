"""Approvals given by a command, which lift a limit for a while. They are never changed, only
ended.
"""

from __future__ import annotations

import json

from sqlalchemy import insert, select, update

from sauce_janitor.model.policies import Approval
from sauce_janitor.state.database.tables import approvals
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.rows import plain


class Approvals:
    """Approvals by account and policy digest."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, account: str, approval: Approval, *, at: int) -> None:
        """Record an approval."""
        row = {
            "account": account,
            "policy_digest": approval.policy_digest,
            "lift": json.dumps(sorted(approval.lift)),
            "max_jobs": approval.max_jobs,
            "until": approval.until,
            "approved_by": plain(approval.by),
            "reason": plain(approval.reason),
            "approved_at": at,
        }
        with self._database.writing() as connection:
            connection.execute(insert(approvals), [row])

    def in_force(self, account: str, policy_digest: str, *, at: int) -> tuple[Approval, ...]:
        """Return the approvals of this digest that are not over, oldest first."""
        mine = (
            approvals.c.account == account,
            approvals.c.policy_digest == policy_digest,
            approvals.c.until > at,
        )
        with self._database.reading() as connection:
            rows = connection.execute(
                select(approvals).where(*mine).order_by(approvals.c.number)
            ).all()
        return tuple(
            Approval(
                row.policy_digest,
                row.until,
                frozenset(json.loads(row.lift)),
                row.max_jobs,
                row.approved_by,
                row.reason,
            )
            for row in rows
        )

    def withdraw(self, account: str, policy_digest: str, *, at: int) -> int:
        """End all approvals in force, and return how many there were."""
        mine = (
            approvals.c.account == account,
            approvals.c.policy_digest == policy_digest,
            approvals.c.until > at,
        )
        with self._database.writing() as connection:
            return connection.execute(update(approvals).where(*mine).values(until=at)).rowcount
