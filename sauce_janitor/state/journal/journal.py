"""The journal: a line before and a line after every change at Sauce Labs, in a hash chain for each
account that only grows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from sqlalchemy import literal_column, select

from sauce_janitor.model.jobs import Action, JobId
from sauce_janitor.model.open_intents import OpenIntent
from sauce_janitor.state.accounts import key_of
from sauce_janitor.state.database.dialect import streamed
from sauce_janitor.state.database.tables import journal, journal_chains
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.journal.chain_verification import ends_of, verified_lines
from sauce_janitor.state.journal.hash_chain import together
from sauce_janitor.state.journal.journal_lines import JournalLine, line_of, unresolved_intents
from sauce_janitor.state.journal.run_journal import RunJournal
from sauce_janitor.state.rows import id_bytes


class Journal:
    """The journal of every account. Raises StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def during(
        self,
        account: str,
        run_id: str,
        now: Callable[[], int],
        *,
        by: str | None = None,
        fence: int | None = None,
    ) -> RunJournal:
        """Return the journal for one run to write; `now` returns epoch seconds. Any thread may use
        it.

        `by` is the person who ordered the deletes, where it is one. `fence` is that of the run's
        lease: where machines share the state, every line needs it.
        """
        return RunJournal(self._database, account, run_id, now, by=by, fence=fence)

    def of(self, job_id: JobId, account: str | None = None) -> tuple[JournalLine, ...]:
        """Return every line about a job, oldest first."""
        statement = (
            select(journal).where(journal.c.job_id == id_bytes(job_id)).order_by(journal.c.seq)
        )
        with self._database.reading() as connection:
            if account is not None:
                statement = statement.where(journal.c.account == key_of(connection, account))
            return tuple(line_of(row) for row in connection.execute(statement).mappings())

    def lines(self, account: str | None = None) -> Iterator[JournalLine]:
        """Yield every line, oldest first. Memory stays flat."""
        statement = select(journal).order_by(journal.c.seq)
        with self._database.reading() as connection:
            if account is not None:
                statement = statement.where(journal.c.account == key_of(connection, account))
            for row in streamed(connection, statement):
                yield line_of(row)

    def unresolved(self, account: str) -> tuple[OpenIntent, ...]:
        """Return every intent without a final outcome, oldest first."""
        return unresolved_intents(self._database, account)

    def head(self) -> tuple[int, str]:
        """Return how many lines there are, and one hash for the ends of all chains: that of the
        last line while all lines are in one chain. Written down elsewhere, it proves that nothing
        before was altered or removed.
        """
        with self._database.reading() as connection:
            shared, ends = ends_of(connection)
        lines = shared.number + sum(end.number for end in ends.values())
        # As the version wrote it down that had one chain.
        if not ends:
            return lines, shared.hash.hex()
        hashes = {account: end.hash for account, end in ends.items()}
        return lines, together({"": shared.hash, **hashes}).hex()

    def ends(self) -> Mapping[str, int]:
        """Return the number of the newest line of each account's chain, by the account's key; by ""
        that of the chain that all accounts had.
        """
        with self._database.reading() as connection:
            shared, ends = ends_of(connection)
        return {"": shared.number, **{account: end.number for account, end in ends.items()}}

    def end_of(self, key: str) -> str:
        """Return the number and hash of the newest line in the chain of the account with that key,
        "" for none.
        """
        mine = journal_chains.c.account == key
        row = self._database.glance(select(journal_chains).where(mine))
        return "" if row is None else f"{row.number} {bytes(row.hash).hex()}"

    def has_end(self, key: str, end: str) -> bool:
        """Return whether that chain has the line of which `end_of` told this."""
        if not end:
            return True
        number, _, digest = end.partition(" ")
        the_line = (journal.c.account == key, journal.c.number == int(number))
        row = self._database.glance(select(journal.c.hash).where(*the_line))
        return row is not None and bytes(row.hash).hex() == digest

    def reclaimed(self, account: str, *, most: int) -> tuple[int, int]:
        """Return how many jobs and bytes Sauce Labs said it deleted, for at most `most` jobs.

        They are chosen by their ids, which Sauce Labs makes at random: a sample of all, and always
        the same.
        """
        statement = (
            select(journal.c.detail)
            .where(
                # Written literally, so that SQLite uses the partial index on confirmed outcomes.
                journal.c.outcome == literal_column("'confirmed'"),
                journal.c.action == str(Action.DELETE_ASSETS),
            )
            .order_by(journal.c.job_id)
            .limit(most)
        )
        with self._database.reading() as connection:
            statement = statement.where(journal.c.account == key_of(connection, account))
            details = [json.loads(each) for each in connection.execute(statement).scalars()]
        found = [detail["bytes_reclaimed"] for detail in details if "bytes_reclaimed" in detail]
        return len(found), sum(found)

    def verify(self) -> int:
        """Recompute every chain, and return how many lines they have. Raise StateError naming the
        first line that does not fit.
        """
        return verified_lines(self._database)
