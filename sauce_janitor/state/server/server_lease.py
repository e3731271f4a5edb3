"""The lease in a state that several machines share: a row that its holder renews, by the clock of
the database.

Nobody frees it when its holder dies: without a renewal it is free after LEASE_TTL_S. Before that
time its holder has stopped by itself, and what it had sent has been answered or never will be. The
fence grows with each holder, and each line of the journal is written in a transaction that locks
the lease and compares the fence: so no line of an earlier holder follows one of a later holder.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from math import inf
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, inspect, select, update

from sauce_janitor.clock import CLOCK, Clock
from sauce_janitor.errors import LeaseError, RefusedError, StateError
from sauce_janitor.model.permits import HeldLease
from sauce_janitor.model.safety_numbers import LEASE_QUIET_S, LEASE_TTL_S
from sauce_janitor.state.account_names import list_again
from sauce_janitor.state.database.tables import leases
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.leases import HELD, holder_text, refuse_unknown
from sauce_janitor.state.rows import plain
from sauce_janitor.state.server.failover import FENCES, NOBODY, noted_server
from sauce_janitor.state.server.server_time import NOW
from sauce_janitor.times import when

RENEW_S: Final = 5.0
"""How often the holder renews the lease."""
_TRY_AGAIN_S: Final = 1.0
"""How long it waits after a renewal that failed."""
_ROW: Final = (
    select(leases, NOW.label("now"))
    .where(leases.c.account == bindparam("account"))
    .with_for_update()
)
_LIVE: Final = (
    select(leases, (NOW - leases.c.renewed_at).label("idle_s"))
    .where(leases.c.released.is_(False), NOW - leases.c.renewed_at < LEASE_TTL_S)
    .order_by(leases.c.account)
)
_MINE: Final = (
    leases.c.account == bindparam("of_account"),
    leases.c.fence == bindparam("mine"),
    leases.c.released.is_(False),
)
_RENEW: Final = update(leases).where(*_MINE).values(renewed_at=NOW).returning(leases.c.fence)
_RELEASE: Final = update(leases).where(*_MINE).values(renewed_at=NOW, released=True)


def refuse_held(connection: Connection) -> None:
    """Raise LeaseError while anybody holds a lease. Nobody takes one until the transaction ends."""
    # An older schema: such a state was not used on a server.
    if "renewed_at" not in {each["name"] for each in inspect(connection).get_columns(leases.name)}:
        return
    connection.exec_driver_sql("LOCK TABLE leases IN SHARE ROW EXCLUSIVE MODE")
    for row in connection.execute(_LIVE).all():
        left_s = LEASE_TTL_S - row.idle_s
        raise LeaseError(
            f"a run works on account {row.account}{holder_text(row)}. Stop every process that uses"
            f" the state, and try again; if that one is dead, its lease is free in {left_s:.0f} s."
            " Nothing changed",
            free_in_s=left_s,
        )


class ServerLease(HeldLease):
    """An account's lease in a state on a server."""

    def __init__(
        self, database: Database, account: str, holder: str, now: int, clock: Clock = CLOCK
    ) -> None:
        self._database, self._account, self._clock = database, account, clock
        self._row: dict[str, Any] = {
            "holder": plain(holder),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": now,
            "released": False,
            "renewed_at": NOW,
        }
        self._fence: int | None = None
        self._is_lost = False
        # When the last renewal that succeeded was asked for, by this machine's own clock.
        self._renewed_at = -inf
        # For how long nobody held it before, and when this run took it.
        self._idle_s, self._taken_at = 0.0, inf
        self._doubt = ""
        self._ended = threading.Event()
        self._renewals: threading.Thread | None = None

    @property
    def fence(self) -> int:
        """The number of this lease."""
        if self._fence is None:
            raise LeaseError(f"this run does not hold the lease on account {self._account}")
        return self._fence

    @property
    def idle_s(self) -> float:
        """Return for how many seconds no earlier holder can have started a write."""
        # Not the clock that ages answers: that one leaps ahead when in doubt, which would make the
        # wait too short. This one stands still during a suspension, which makes it longer.
        return self._idle_s + time.monotonic() - self._taken_at

    @property
    def doubt(self) -> str:
        """Why the newest lines of the journal may be missing; "" where they are not."""
        return self._doubt

    def check(self) -> None:
        """Raise LeaseError unless this run still holds it. Raise StateError where the database
        does not answer.
        """
        fence = self.fence
        silent_s = self._silent_s()
        # Before any question: the answer may have been on its way for long, and by then another
        # run may hold the lease.
        if silent_s > LEASE_QUIET_S:
            raise LeaseError(
                f"this run could not renew the lease on account {self._account} for"
                f" {silent_s:.0f} s: nothing more is changed"
            )
        row = self._database.glance(HELD, account=self._account)
        if self._is_lost or row is None or row.fence != fence or row.released:
            raise LeaseError(f"this run has lost the lease on account {self._account}")

    def acquire(self) -> None:
        """Take the lease, without waiting."""
        self._fence = self._take()
        self._renewals = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)
        self._renewals.start()

    def release(self) -> None:
        """Release the lease; nothing happens when it is lost or was never taken."""
        self._ended.set()
        if self._renewals is not None:
            # A renewal that hangs must not keep the program from ending; it renews nothing more.
            self._renewals.join(RENEW_S)
            if self._renewals.is_alive():
                self._database.end_before_close(self._renewals)
        fence, self._fence = self._fence, None
        if fence is None:
            return
        # Without the database nobody waits for it here.
        if self._silent_s() > LEASE_QUIET_S or not self._is_released(fence):
            later = threading.Thread(target=self._release_later, args=(fence,), daemon=True)
            later.start()
            self._database.end_before_close(later)

    def _is_released(self, fence: int) -> bool:
        """Release the lease, and return whether the database has answered."""
        try:
            with self._database.writing(self._account) as connection:
                connection.execute(_RELEASE, {"of_account": self._account, "mine": fence})
        except (StateError, RefusedError):
            return False
        return True

    def _release_later(self, fence: int) -> None:
        """Release it when the database is back: the next run, on any machine, goes on then and need
        not wait until the lease ends by itself.
        """
        while self._silent_s() < LEASE_TTL_S and not self._is_released(fence):
            if self._database.ending.wait(_TRY_AGAIN_S):
                return

    def _silent_s(self) -> float:
        """Return the seconds since the last renewal that succeeded, by this machine's clock."""
        return self._clock.monotonic() - self._renewed_at

    def _take(self) -> int:
        with self._database.writing(self._account) as connection:
            # Before the question: the database's time is not older than this.
            self._renewed_at = self._clock.monotonic()
            row = connection.execute(_ROW, {"account": self._account}).one_or_none()
            if row is None:
                return self._take_first(connection)
            # Null: a file's lease, copied with its state.
            self._idle_s = inf if row.renewed_at is None else row.now - row.renewed_at
            self._taken_at = time.monotonic()
            if not row.released and self._idle_s < LEASE_TTL_S:
                left_s = LEASE_TTL_S - self._idle_s
                if row.pid == NOBODY:
                    raise self._server_changed(left_s)
                raise LeaseError(
                    f"another run holds the lease on account {self._account}{holder_text(row)}. It"
                    f" renewed it {max(0.0, self._idle_s):.0f} s ago; without another renewal it is"
                    f" free in {left_s:.0f} s",
                    free_in_s=left_s,
                )
            fence = int(row.fence) + 1
            # What the journal lacks, the list of jobs shows.
            if row.pid == NOBODY:
                list_again(connection, self._account)
                self._doubt = (
                    f"the state was on another server until {when(row.since, seconds=True)}: lines"
                    " of the journal from before may be missing. Every job is listed again"
                )
            mine = leases.c.account == self._account
            connection.execute(update(leases).where(mine).values(fence=fence, **self._row))
            return fence

    def _take_first(self, connection: Connection) -> int:
        """Take the lease of an account that never had one here; a server before may have known one
        that this one lost.
        """
        refuse_unknown(connection, self._account)
        self._idle_s, self._taken_at = inf, 0.0
        server, now = noted_server(connection), connection.execute(select(NOW)).scalar_one()
        changes = 0 if server is None else server.changes
        if server is not None and changes and now - server.seen_at < LEASE_TTL_S:
            raise self._server_changed(LEASE_TTL_S - (now - server.seen_at))
        fence = changes * FENCES + 1
        new = insert(leases).values(account=self._account, fence=fence, **self._row)
        connection.execute(new)
        return fence

    def _server_changed(self, left_s: float) -> LeaseError:
        return LeaseError(
            f"the state is on another server than before, as after a fail-over or a restore: the"
            f" lease on account {self._account} is free in {left_s:.0f} s, when nothing of an"
            " earlier run can be under way",
            free_in_s=left_s,
        )

    def _keep_renewing(self) -> None:
        wait_s = RENEW_S
        while not self._ended.wait(wait_s):
            try:
                is_mine = self._renew()
            # Tried again; `check` stops this run when that takes too long. RefusedError: another
            # server answers, as in a fail-over.
            except (StateError, RefusedError):
                wait_s = _TRY_AGAIN_S
                continue
            if not is_mine:
                self._is_lost = True
                return
            wait_s = RENEW_S

    def _renew(self) -> bool:
        began = self._clock.monotonic()
        row = self._database.glance(_RENEW, of_account=self._account, mine=self._fence)
        if row is None:
            return False
        # From the start of the question: when the database wrote its time is not known.
        self._renewed_at = began
        return True
