"""Since when a delete is announced: what `grace` counts from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Column, LargeBinary, MetaData, Table, insert, select, update

from sauce_janitor.retention.model import DELETES, Action, JobId
from sauce_janitor.state.database import Database
from sauce_janitor.state.rows import id_bytes
from sauce_janitor.state.tables import jobs

_COLUMNS: Final = {Action.DELETE_ASSETS: jobs.c.assets_announced_at, Action.DELETE_JOB: jobs.c.job_announced_at}
_named = Table("announced", MetaData(), Column("id", LargeBinary(16), primary_key=True), prefixes=["TEMPORARY"])
_BATCH: Final = 5000


class Notices:
    """Announcements of known jobs; the inventory's records carry them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def announce(self, account: str, action: Action, job_ids: Iterable[JobId], *, at: int) -> None:
        """Exactly these jobs are announced for this delete from now on.

        Those that were announced stay so since when they were; the announcement of all others of the account ends, and
        starts again if they come back.
        """
        if action not in DELETES:
            raise ValueError(f"{action} is not announced")
        column = _COLUMNS[action]
        ids = (id_bytes(job_id) for job_id in job_ids)
        with self._database.writing() as connection:
            _named.create(connection)
            while rows := [{"id": job_id} for job_id, _ in zip(ids, range(_BATCH), strict=False)]:
                connection.execute(insert(_named).prefix_with("OR IGNORE", dialect="sqlite"), rows)
            mine = update(jobs).where(jobs.c.account == account)
            listed = jobs.c.id.in_(select(_named.c.id))
            connection.execute(mine.where(column.is_not(None), ~listed).values({column: None}))
            connection.execute(mine.where(column.is_(None), listed).values({column: at}))
            _named.drop(connection)
