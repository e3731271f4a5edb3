"""Pages of the journal, newest line first: each reads a bounded number of lines, however long the
journal is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select

from sauce_janitor.model.jobs import JobId
from sauce_janitor.state.accounts import key_of
from sauce_janitor.state.database.tables import journal
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.journal.journal_lines import JournalLine, line_of
from sauce_janitor.state.rows import id_bytes, plain

SCANNED: Final = 20_000
"""How many lines one page looks through for those that match."""


@dataclass(frozen=True, slots=True)
class JournalQuery:
    """Which lines to find. `before` is a line's `seq`: only older ones count.

    `outcome` is a line's outcome; for a line without one it is its kind.
    """

    account: str | None = None
    job_id: JobId | None = None
    run_id: str | None = None
    action: str | None = None
    outcome: str | None = None
    before: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Lines that match, newest first. `older` is the `before` of the next page, None at the end.

    `reached_at` (epoch seconds) is the time of the oldest line that was looked at, None for none.
    """

    lines: tuple[JournalLine, ...]
    older: int | None
    reached_at: int | None


class JournalPages:
    """Reads pages of the journal. Raises StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, query: JournalQuery) -> JournalPage:
        """Return the newest lines that match, of at most `SCANNED` that are looked through.

        The lines of one job are found by an index, so all of them are looked through.
        """
        with self._database.reading() as connection:
            key = None if query.account is None else key_of(connection, query.account)
            part: Any = journal
            if query.job_id is None:
                part = self._newest(query.before)
            columns = part.c
            wanted = select(*columns).where(*_conditions(columns, query, key))
            if query.before is not None:
                wanted = wanted.where(columns.seq < query.before)
            wanted = wanted.order_by(columns.seq.desc()).limit(query.limit + 1)
            rows = connection.execute(wanted).mappings().all()
            lines = tuple(line_of(row) for row in rows[: query.limit])
            # There are more among the lines that were looked through.
            if len(rows) > query.limit:
                return JournalPage(lines, lines[-1].seq, lines[-1].at)
            if query.job_id is not None:
                return JournalPage(lines, None, None)
            end = connection.execute(
                select(columns.seq, columns.at).order_by(columns.seq).limit(1)
            ).one_or_none()
            count = connection.execute(select(func.count()).select_from(part)).scalar_one()
        if end is None:
            return JournalPage(lines, None, None)
        return JournalPage(lines, end.seq if count == SCANNED else None, end.at)

    def seq_at(self, at: int) -> int:
        """Return the `seq` of the first line from this time (epoch seconds) on, or one more than
        the last line's.

        It halves the journal each time, so a clock that was set back makes it inexact.
        """
        last = self._database.glance(select(func.max(journal.c.seq)))
        low, high = 1, (last[0] or 0) + 1 if last is not None else 1
        while low < high:
            middle = (low + high) // 2
            nearest = select(journal.c.at).where(journal.c.seq >= middle)
            row = self._database.glance(nearest.order_by(journal.c.seq).limit(1))
            if row is not None and row[0] < at:
                low = middle + 1
            else:
                high = middle
        return low

    @staticmethod
    def _newest(before: int | None) -> Any:
        newest: Select[Any] = select(journal)
        if before is not None:
            newest = newest.where(journal.c.seq < before)
        return newest.order_by(journal.c.seq.desc()).limit(SCANNED).subquery("part")


def _conditions(columns: Any, query: JournalQuery, key: str | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if key is not None:
        found.append(columns.account == key)
    if query.job_id is not None:
        found.append(columns.job_id == id_bytes(query.job_id))
    if query.run_id is not None:
        found.append(columns.run_id == plain(query.run_id))
    if query.action is not None:
        found.append(columns.action == plain(query.action))
    if query.outcome is not None:
        found.append(func.coalesce(columns.outcome, columns.kind) == plain(query.outcome))
    return found
