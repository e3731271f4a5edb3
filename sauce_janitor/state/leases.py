"""The lease: one executing run for each account. An OS lock, which is free as soon as its holder
dies, and a number that only grows.

The number is the fence: it is in every permit, and the journal refuses an intent whose fence is not
the newest.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from sqlalchemy import Connection, bindparam, insert, select, update

from sauce_janitor.errors import LeaseError, RefusedError, StateError
from sauce_janitor.model.permits import HeldLease
from sauce_janitor.state.database.tables import accounts, leases
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.rows import plain
from sauce_janitor.times import when

if TYPE_CHECKING:
    from filelock import FileLock

HELD: Final = select(leases.c.fence, leases.c.released).where(
    leases.c.account == bindparam("account")
)


class Lease(HeldLease):
    """An account's lease in the state."""

    def __init__(
        self, database: Database, folder: Path | None, account: str, holder: str, now: int
    ) -> None:
        self._database = database
        self._account = account
        self._holder = plain(holder)
        self._now = now
        self._fence: int | None = None
        self._lock: FileLock | None = None
        if folder is not None:
            # Late, here and in `acquire`: commands that read do not load the library.
            from filelock import FileLock

            name = f"{folder.name}.lease-{quote(account, safe='')}"
            self._lock = FileLock(
                folder.with_name(name), mode=0o600, thread_local=False, fallback_to_soft=False
            )

    @property
    def fence(self) -> int:
        """The number of this lease."""
        if self._fence is None:
            raise LeaseError(f"this run does not hold the lease on account {self._account}")
        return self._fence

    def check(self) -> None:
        """Raise LeaseError unless this run still holds it."""
        fence = self.fence
        row = self._database.glance(HELD, account=self._account)
        # The lock alone is not enough: if somebody removes its file, two runs can hold one each.
        if row is None or row.fence != fence or row.released:
            raise LeaseError(
                f"this run has lost the lease on account {self._account}{self._by_whom()}"
            )

    def acquire(self) -> None:
        """Take the lease, without waiting."""
        if self._lock is not None:
            from filelock import Timeout

            try:
                self._lock.acquire(blocking=False)
            except Timeout as error:
                raise LeaseError(
                    f"another run holds the lease on account {self._account}{self._by_whom()}"
                ) from error
            # NotImplementedError: this system has no flock.
            except (OSError, NotImplementedError) as error:
                raise _unusable(self._lock, error) from error
        try:
            self._fence = self._take()
        # Release the lock, whatever the error was; it is raised again.
        except BaseException:
            self._unlock()
            raise

    def release(self) -> None:
        """Release the lease; nothing happens when it is lost or was never taken."""
        fence, self._fence = self._fence, None
        try:
            # The fence limits this to the run's own lease: another run may have taken it since.
            if fence is not None:
                mine = (leases.c.account == self._account, leases.c.fence == fence)
                with self._database.writing(self._account) as connection:
                    connection.execute(update(leases).where(*mine).values(released=True))
        finally:
            self._unlock()

    def _take(self) -> int:
        values = {
            "holder": self._holder,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": self._now,
        }
        values["released"] = False
        with self._database.writing(self._account) as connection:
            row = connection.execute(
                select(leases).where(leases.c.account == self._account).with_for_update()
            ).one_or_none()
            if row is None:
                refuse_unknown(connection, self._account)
                connection.execute(
                    insert(leases), [values | {"account": self._account, "fence": 1}]
                )
                return 1
            # Without an OS lock the row alone says whether somebody holds the lease.
            if self._lock is None and not row.released:
                raise LeaseError(
                    f"another run holds the lease on account {self._account}{holder_text(row)}"
                )
            fence = int(row.fence) + 1
            connection.execute(
                update(leases)
                .where(leases.c.account == self._account)
                .values(fence=fence, **values)
            )
            return fence

    def _by_whom(self) -> str:
        with self._database.reading() as connection:
            row = connection.execute(
                select(leases).where(leases.c.account == self._account)
            ).one_or_none()
        return "" if row is None or row.released else holder_text(row)

    def _unlock(self) -> None:
        # A lock that cannot be released ends with the process; what the run did stays done.
        if self._lock is not None and self._lock.is_locked:
            with suppress(OSError):
                self._lock.release()


def _unusable(lock: FileLock, error: Exception) -> StateError:
    why = getattr(error, "strerror", None) or str(error)
    return StateError(
        f"the lease's lock {lock.lock_file} cannot be used ({why}): keep the state on a local file"
        " system with locks"
    )


def refuse_unknown(connection: Connection, account: str) -> None:
    """Raise RefusedError for an account that the state does not know."""
    if (
        connection.execute(select(accounts.c.name).where(accounts.c.name == account)).first()
        is None
    ):
        raise RefusedError(
            f"the state knows no account {account}: run `sauce-janitor run` first. Nothing changed"
        )


def holder_text(row: object) -> str:
    """Return who holds the lease of this row, as the end of a sentence."""
    host, pid, since, holder = (getattr(row, name) for name in ("host", "pid", "since", "holder"))
    return f": {holder} on {host}, process {pid}, since {when(since, seconds=True)}"
