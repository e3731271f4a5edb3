"""When each copy in the archive was last read back from the disk and found whole."""

from __future__ import annotations

from sqlalchemy import delete, select

from sauce_janitor.model.jobs import JobId
from sauce_janitor.state.database.dialect import put
from sauce_janitor.state.database.tables import read_backs
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.rows import id_bytes


class ReadBacks:
    """One row for each job. A copy with another receipt is another copy. Raises StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remember(self, account: str, job_id: JobId, receipt: str, *, at: int) -> None:
        """Record that the copy with this newest receipt (SHA-256) was read back, at epoch
        seconds.
        """
        key = {"account": account, "job_id": id_bytes(job_id)}
        with self._database.writing(account) as connection:
            put(connection, read_backs, key | {"receipt": receipt, "at": at})

    def last(self, account: str, job_id: JobId) -> tuple[str, int] | None:
        """Return the receipt and the time (epoch seconds) of the last read-back; None when none is
        recorded.
        """
        mine = read_backs.c.account == account, read_backs.c.job_id == id_bytes(job_id)
        with self._database.reading() as connection:
            row = connection.execute(
                select(read_backs.c.receipt, read_backs.c.at).where(*mine)
            ).one_or_none()
        return None if row is None else (row.receipt, row.at)

    def forget(self, account: str, job_id: JobId) -> None:
        """Remove the job's read-back: its copy has changed."""
        mine = read_backs.c.account == account, read_backs.c.job_id == id_bytes(job_id)
        with self._database.writing(account) as connection:
            connection.execute(delete(read_backs).where(*mine))

    def forget_before(self, account: str, at: int) -> None:
        """Remove the read-backs before that time, in epoch seconds: they are no longer trusted."""
        with self._database.writing(account) as connection:
            connection.execute(
                delete(read_backs).where(read_backs.c.account == account, read_backs.c.at < at)
            )
