"""One credential's rows in the file in which processes count their requests.

Times are milliseconds of the clock that nobody can set (CLOCK_MONOTONIC, the same for every process
of a boot). After another boot, the recorded times are moved by the time that passed on the system
clock, never backwards.
"""

from __future__ import annotations

import math
import socket
import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from sauce_janitor.model.request_allowance import HOUR_MS, CountStanding, credential_id
from sauce_janitor.sauce.budget.count_file import CountFile, SharedCount
from sauce_janitor.sauce.budget.ports import CountTurn, TimeSource

_T = TypeVar("_T")

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class FileCount:
    """One credential's count in the file, or in memory without one."""

    def __init__(
        self, address: str, username: str, shared: SharedCount | None, clock: TimeSource
    ) -> None:
        self._who = (credential_id(address, username), address, username)
        self._clock = clock
        self._file = CountFile(shared, clock)

    def exists(self) -> bool:
        """Return whether the file was made, whoever counts in it."""
        return self._file.exists

    def do(self, work: Callable[[CountTurn], _T]) -> _T:
        """Run `work` in one transaction, alone."""
        return self._file.do(lambda connection: work(_FileTurn(connection, self._who, self._clock)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _FileTurn:
    """The credential's rows, in a transaction."""

    def __init__(
        self, connection: sqlite3.Connection, who: tuple[str, str, str], clock: TimeSource
    ) -> None:
        self._connection = connection
        self._who = who
        self._id = who[0]
        self._clock = clock

    def standing(self) -> CountStanding:
        """Return the credential's row in this boot's time; make it when there is none."""
        now, moment = int(self._clock.monotonic() * 1000), self._clock.time()
        query = (
            "SELECT boot, seen_ms, seen_at, held_until_ms, slowed_until_ms, doubted_until_ms FROM "
            "credentials WHERE id = ?"
        )
        row = self._connection.execute(query, (self._id,)).fetchone()
        if row is None:
            return self._add_row(now, moment)
        boot, seen_ms, seen_at, *until = row
        # The recorded times are of this boot's clock.
        if boot == _boot() and now >= seen_ms:
            return CountStanding(now, moment, *until)
        passed = math.ceil(max(0.0, moment - seen_at) * 1000)
        shift = now - seen_ms - passed
        self._run("UPDATE {sent} SET item_timestamp = item_timestamp + ?", shift)
        held, slowed, doubted = (each + shift for each in until)
        self._connection.execute(
            "UPDATE credentials SET boot = ?, seen_ms = ?, seen_at = ?, held_until_ms = ?, "
            "slowed_until_ms = ?, doubted_until_ms = ? WHERE id = ?",
            (_boot(), now, moment, held, slowed, doubted, self._id),
        )
        return CountStanding(now, moment, held, slowed, doubted)

    def _add_row(self, now: int, moment: float) -> CountStanding:
        """Add a row. Where the file replaces a lost one, the hour counts as spent until one has
        passed.
        """
        founded_at, in_doubt = self._connection.execute(
            "SELECT at, in_doubt FROM founded"
        ).fetchone()
        passed = max(0.0, moment - founded_at) * 1000
        doubted = now + max(0, HOUR_MS - int(passed)) if in_doubt else now
        self._run("CREATE TABLE {sent} (name VARCHAR, item_timestamp INTEGER)")
        self._run("CREATE INDEX {sent}_at ON {sent} (item_timestamp)")
        row = (*self._who, _boot(), now, moment, now, now, doubted)
        self._connection.execute("INSERT INTO credentials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return CountStanding(now, moment, now, now, doubted)

    def sent_since(self, starts: Sequence[int]) -> list[int]:
        """Return how many requests were sent at each of these times or later."""
        query = "SELECT count(*) FROM {sent} WHERE item_timestamp >= ?"
        return [int(self._run(query, each).fetchone()[0]) for each in starts]

    def sent_at(self, newer: int) -> int | None:
        """Return when the request was sent that has so many newer ones."""
        query = "SELECT item_timestamp FROM {sent} ORDER BY item_timestamp DESC LIMIT 1 OFFSET ?"
        row = self._run(query, newer).fetchone()
        return None if row is None else int(row[0])

    def add(self, requests: int, now: CountStanding, *, forget: int) -> Sequence[int]:
        """Count so many requests; their numbers are those of the rows."""
        self._run("DELETE FROM {sent} WHERE item_timestamp < ?", forget)
        self._connection.execute(
            "UPDATE credentials SET seen_ms = ?, seen_at = ? WHERE id = ?",
            (now.now_ms, now.moment, self._id),
        )
        insert = self._of_credential("INSERT INTO {sent} VALUES ('', ?)")
        self._connection.executemany(insert, [(now.now_ms,)] * requests)
        last = self._connection.execute("SELECT last_insert_rowid()").fetchone()[0]
        return range(last - requests + 1, last + 1)

    def put_off(self, number: int, at: int) -> None:
        """Make the request with that number count from then on."""
        self._run("UPDATE {sent} SET item_timestamp = ? WHERE rowid = ?", at, number)

    def hold_until(self, at: int) -> None:
        """Let nobody send before then."""
        later = "UPDATE credentials SET held_until_ms = max(held_until_ms, ?) WHERE id = ?"
        self._connection.execute(later, (at, self._id))

    def slow_until(self, at: int) -> None:
        """Halve every rate until then."""
        later = "UPDATE credentials SET slowed_until_ms = max(slowed_until_ms, ?) WHERE id = ?"
        self._connection.execute(later, (at, self._id))

    def _run(self, statement: str, *values: int) -> sqlite3.Cursor:
        return self._connection.execute(self._of_credential(statement), values)

    def _of_credential(self, statement: str) -> str:
        """Return the statement with the name of the credential's table, which is a digest."""
        return statement.format(sent=f"sent_{self._id}")


@cache
def _boot() -> str:
    """Return the id of this boot of this host: within it, CLOCK_MONOTONIC is one clock for every
    process.
    """
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    # Not Linux.
    except OSError:
        return socket.gethostname()
