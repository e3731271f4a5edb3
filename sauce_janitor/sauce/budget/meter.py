"""Counts the requests of one credential, and says when the next one may leave.

Times are milliseconds of the clock that nobody can set (CLOCK_MONOTONIC, the same for every process
of a boot). After another boot, the recorded times are moved by the time that passed on the system
clock, never backwards.
"""

from __future__ import annotations

import hashlib
import math
import socket
import sqlite3
import time
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Final

from sauce_janitor.model.request_allowance import AllowanceTimetable, RequestAllowance
from sauce_janitor.sauce.budget.count_file import CountFile, SharedCount, TimeSource
from sauce_janitor.sauce.budget.rates import HOUR_MS, RateWindow, rate_windows

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class WaitFor(Enum):
    """What a request has to wait for."""

    NOTHING = "nothing"
    # The window of seconds, which spreads requests out.
    PACE = "pace"
    # The window of an hour, or the hours of the day.
    HOUR = "hour"
    # Sauce Labs asked to wait.
    VENDOR = "vendor"


@dataclass(frozen=True, slots=True)
class RequestTurn:
    """Whether requests may leave: now, when they wait for nothing; else ask again in `wait_s`.

    `numbers` are those of the requests that may leave, where they were counted.
    """

    wait_s: float = 0.0
    wait_for: WaitFor = WaitFor.NOTHING
    numbers: range = range(0)


@dataclass(frozen=True, slots=True)
class Reading:
    """The state of a budget.

    Requests left in either window (None: it does not limit), when the next may leave, and whether
    the rate is halved.
    """

    left_second: int | None
    left_hour: int | None
    turn: RequestTurn
    slowed: bool


@dataclass(frozen=True, slots=True)
class _CredentialRow:
    """A credential's row: until when nobody sends, the rate is halved, and the hour counts as
    spent.
    """

    held_until: int
    slowed_until: int
    doubted_until: int


class Meter:
    """One credential's count, shared by all processes on a state, or in memory. Any thread may use
    it.

    `close()` it. Every method raises StateError when the count cannot be kept.
    """

    def __init__(
        self,
        address: str,
        username: str,
        shared: SharedCount | None = None,
        *,
        clock: TimeSource = time,
    ) -> None:
        self._who = (address, username)
        self._id = hashlib.sha256(f"{address}\n{username.lower()}".encode()).hexdigest()[:16]
        self._table = f"sent_{self._id}"
        self._clock = clock
        self._file = CountFile(shared, clock)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def exists(self) -> bool:
        """Tell whether anything was ever counted or recorded. This is cheap, for accounts without a
        limit.
        """
        return self._file.exists

    def take(self, timetable: AllowanceTimetable, requests: int = 1) -> RequestTurn:
        """Count so many requests if they may leave now, all together or none.

        Where a window is narrower, as many as fit in it are counted.
        """
        return self._file.do(lambda connection: self._take(connection, timetable, requests))

    def put_off(self, number: int, *, ago_s: float = 0.0) -> None:
        """Make the request with that number count only from now, or from `ago_s` ago."""
        at = self._now() - int(ago_s * 1000)
        statement = f"UPDATE {self._table} SET item_timestamp = ? WHERE rowid = ?"  # noqa: S608 - a digest
        self._file.do(lambda connection: connection.execute(statement, (at, number)))

    def read(self, timetable: AllowanceTimetable, share: float = 0.0) -> Reading:
        """Return the state of the budget; count nothing.

        The turn is that of one request, or of such a share of an hour's requests.
        """
        return self._file.do(lambda connection: self._read(connection, timetable, share))

    def hold_back(self, seconds: float) -> None:
        """Let nobody send for so many seconds."""
        self._set("held_until_ms", seconds)

    def slow_down(self, seconds: float) -> None:
        """Halve every rate for so long."""
        self._set("slowed_until_ms", seconds)

    def _set(self, column: str, seconds: float) -> None:
        def write(connection: sqlite3.Connection) -> None:
            now = self._now()
            self._credential_row(connection, now)
            statement = f"UPDATE credentials SET {column} = max({column}, ?) WHERE id = ?"  # noqa: S608 - our own words
            connection.execute(statement, (now + math.ceil(seconds * 1000), self._id))

        self._file.do(write)

    def _take(
        self, connection: sqlite3.Connection, timetable: AllowanceTimetable, requests: int
    ) -> RequestTurn:
        now, moment = self._now(), self._clock.time()
        row = self._credential_row(connection, now)
        allowed, changes_in = timetable.at(moment), timetable.changes_at(moment) - moment
        blocked = _blocked(row, allowed, now, changes_in)
        windows = rate_windows(allowed, slowed=now < row.slowed_until)
        if blocked is not None or not windows:
            return blocked or RequestTurn()
        self._forget(connection, now - 2 * max(HOUR_MS, windows[-1].interval_ms))
        connection.execute(
            "UPDATE credentials SET seen_ms = ?, seen_at = ? WHERE id = ?", (now, moment, self._id)
        )
        # A window that is narrower than the request for many lets only a part of them leave.
        together = min(requests, *(window.limit for window in windows))
        # Late: `status` only reads a count.
        from pyrate_limiter import Decision, Rate, RateItem, SQLiteBucket

        rates = [Rate(window.limit, window.interval_ms) for window in windows]
        decision = SQLiteBucket(rates, connection, self._table).put_decision(
            RateItem("", now, weight=together)
        )
        assert isinstance(decision, Decision)
        if decision.failing_rate is None:
            last = connection.execute("SELECT last_insert_rowid()").fetchone()[0]
            return RequestTurn(numbers=range(last - together + 1, last + 1))
        # Requests that do not leave must not be counted.
        connection.execute("ROLLBACK")
        wait = max(decision.retry_after_ms or 0, 1) / 1000
        return RequestTurn(min(wait, changes_in), _kind(decision.failing_rate.interval))

    def _read(
        self, connection: sqlite3.Connection, timetable: AllowanceTimetable, share: float
    ) -> Reading:
        now, moment = self._now(), self._clock.time()
        row = self._credential_row(connection, now)
        allowed, changes_in = timetable.at(moment), timetable.changes_at(moment) - moment
        slowed = now < row.slowed_until
        turn = _blocked(row, allowed, now, changes_in) or RequestTurn()
        left: dict[WaitFor, int] = {WaitFor.HOUR: 0} if allowed.per_hour == 0 else {}
        for window in rate_windows(allowed, slowed=slowed):
            kind = _kind(window.interval_ms)
            sent = self._count(connection, now - window.interval_ms)
            left[kind] = max(0, window.limit - sent)
            room = max(1, int(window.limit * share)) if kind is WaitFor.HOUR else 1
            wait = self._wait_ms(connection, window, now, room) / 1000
            if turn.wait_for in {WaitFor.NOTHING, WaitFor.PACE} and wait > turn.wait_s:
                turn = RequestTurn(min(wait, changes_in), kind)
        # While a request waits for the hour, none is left in it.
        if turn.wait_for is WaitFor.HOUR and WaitFor.HOUR in left:
            left[WaitFor.HOUR] = 0
        return Reading(left.get(WaitFor.PACE), left.get(WaitFor.HOUR), turn, slowed)

    def _count(self, connection: sqlite3.Connection, since: int) -> int:
        query = f"SELECT count(*) FROM {self._table} WHERE item_timestamp >= ?"  # noqa: S608 - a digest
        return int(connection.execute(query, (since,)).fetchone()[0])

    def _wait_ms(
        self, connection: sqlite3.Connection, window: RateWindow, now: int, room: int
    ) -> int:
        """Return the milliseconds until the window has room for so many more."""
        # The request that leaves the window last of those that take the room.
        order = "ORDER BY item_timestamp DESC LIMIT 1 OFFSET ?"
        query = f"SELECT item_timestamp FROM {self._table} {order}"  # noqa: S608 - a digest
        blocking = connection.execute(query, (window.limit - room,)).fetchone()
        return 0 if blocking is None else max(0, blocking[0] + window.interval_ms + 1 - now)

    def _forget(self, connection: sqlite3.Connection, before: int) -> None:
        connection.execute(f"DELETE FROM {self._table} WHERE item_timestamp < ?", (before,))  # noqa: S608 - a digest

    def _credential_row(self, connection: sqlite3.Connection, now: int) -> _CredentialRow:
        """Return the credential's row in this boot's time; make it when there is none."""
        query = (
            "SELECT boot, seen_ms, seen_at, held_until_ms, slowed_until_ms, doubted_until_ms FROM "
            "credentials WHERE id = ?"
        )
        row = connection.execute(query, (self._id,)).fetchone()
        if row is None:
            return self._add_row(connection, now)
        boot, seen_ms, seen_at, *until = row
        # The recorded times are of this boot's clock.
        if boot == _boot() and now >= seen_ms:
            return _CredentialRow(*until)
        moment = self._clock.time()
        passed = math.ceil(max(0.0, moment - seen_at) * 1000)
        shift = now - seen_ms - passed
        move = f"UPDATE {self._table} SET item_timestamp = item_timestamp + ?"  # noqa: S608 - a digest
        connection.execute(move, (shift,))
        held, slowed, doubted = (each + shift for each in until)
        connection.execute(
            "UPDATE credentials SET boot = ?, seen_ms = ?, seen_at = ?, held_until_ms = ?, "
            "slowed_until_ms = ?, doubted_until_ms = ? WHERE id = ?",
            (_boot(), now, moment, held, slowed, doubted, self._id),
        )
        return _CredentialRow(held, slowed, doubted)

    def _add_row(self, connection: sqlite3.Connection, now: int) -> _CredentialRow:
        """Add a row. Where the file replaces a lost one, the hour counts as spent until one has
        passed.
        """
        moment = self._clock.time()
        founded_at, in_doubt = connection.execute("SELECT at, in_doubt FROM founded").fetchone()
        passed = max(0.0, moment - founded_at) * 1000
        doubted = now + max(0, HOUR_MS - int(passed)) if in_doubt else now
        connection.execute(f"CREATE TABLE {self._table} (name VARCHAR, item_timestamp INTEGER)")
        connection.execute(f"CREATE INDEX {self._table}_at ON {self._table} (item_timestamp)")
        row = (self._id, *self._who, _boot(), now, moment, now, now, doubted)
        connection.execute("INSERT INTO credentials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return _CredentialRow(now, now, doubted)

    def _now(self) -> int:
        return int(self._clock.monotonic() * 1000)


def _blocked(
    row: _CredentialRow, allowed: RequestAllowance, now: int, changes_in: float
) -> RequestTurn | None:
    """Return what keeps everybody from sending, whatever was counted."""
    if now < row.held_until:
        return RequestTurn((row.held_until - now) / 1000, WaitFor.VENDOR)
    if allowed.per_hour == 0:
        return RequestTurn(changes_in, WaitFor.HOUR)
    if allowed.per_hour is not None and now < row.doubted_until:
        return RequestTurn(min((row.doubted_until - now) / 1000, changes_in), WaitFor.HOUR)
    return None


def _kind(interval_ms: int) -> WaitFor:
    return WaitFor.HOUR if interval_ms > HOUR_MS else WaitFor.PACE


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
