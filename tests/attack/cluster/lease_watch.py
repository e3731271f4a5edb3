"""Watches the leases in the state: who works on what, and who took over from whom, and when."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import psycopg

_LOOK_S: Final = 0.2
_FRESH_S: Final = 15.0
_QUERY: Final = """
SELECT account, fence, pid, released, extract(epoch FROM clock_timestamp()) - renewed_at
FROM leases
"""


@dataclass(frozen=True)
class Holding:
    """A lease as it is now."""

    account: str
    fence: int
    pid: int
    is_released: bool
    age_s: float

    @property
    def is_busy(self) -> bool:
        """Whether its holder works."""
        return not self.is_released and self.age_s < _FRESH_S


def holdings(url: str) -> dict[str, Holding]:
    """Return every lease. Raises psycopg.Error."""
    with psycopg.connect(url, autocommit=True, connect_timeout=3) as connection:
        return _read(connection)


def _read(connection: psycopg.Connection) -> dict[str, Holding]:
    return {
        row[0]: Holding(row[0], row[1], row[2], row[3], float(row[4] or 0))
        for row in connection.execute(_QUERY).fetchall()
    }


class LeaseWatch:
    """Looks at the leases all the time, in a thread. `taken` has when each fence was first seen,
    and whose it is.
    """

    def __init__(self, url: str) -> None:
        self.now: dict[str, Holding] = {}
        self.taken: dict[tuple[str, int], tuple[float, int]] = {}
        self._url = url
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="leases", daemon=True)
        self._thread.start()

    def of(self, pid: int) -> list[Holding]:
        """Return what this process works on."""
        return [each for each in self.now.values() if each.pid == pid and each.is_busy and pid]

    def taken_over_at(self, account: str, fence: int) -> float | None:
        """Return when somebody took the lease after this fence; None for not yet."""
        times = [
            at
            for (name, newer), (at, _) in list(self.taken.items())
            if name == account and newer > fence
        ]
        return min(times, default=None)

    def close(self) -> None:
        self._ended.set()
        self._thread.join(10)

    def _look(self) -> None:
        while not self._ended.is_set():
            # The server may be away; what was seen before that is too old to be busy.
            with (
                suppress(psycopg.Error),
                psycopg.connect(self._url, autocommit=True, connect_timeout=3) as connection,
            ):
                while not self._ended.wait(_LOOK_S):
                    self.now = _read(connection)
                    for each in self.now.values():
                        self.taken.setdefault((each.account, each.fence), (time.time(), each.pid))
            self.now = {}
            self._ended.wait(_LOOK_S)
