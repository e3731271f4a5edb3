"""Since when a delete is announced: `grace` counts from then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import update

from sauce_janitor.model.jobs import DELETES, Action, JobId
from sauce_janitor.state.database.tables import jobs
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.id_conditions import named

_COLUMNS: Final = {
    Action.DELETE_ASSETS: jobs.c.assets_announced_at,
    Action.DELETE_JOB: jobs.c.job_announced_at,
}


class DeleteNotices:
    """Announcements about known jobs; the inventory's records carry them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def announce(self, account: str, action: Action, job_ids: Iterable[JobId], *, at: int) -> None:
        """Make exactly these jobs announced for this delete.

        Jobs announced before keep their time. The announcement of all other jobs of the account
        ends, and starts again if they come back.
        """
        if action not in DELETES:
            raise ValueError(f"{action} is not announced")
        column = _COLUMNS[action]
        mine = update(jobs).where(jobs.c.account == account)
        with self._database.writing(account) as connection, named(connection, job_ids) as listed:
            connection.execute(mine.where(column.is_not(None), ~listed).values({column: None}))
            connection.execute(mine.where(column.is_(None), listed).values({column: at}))
