"""The judge of every write of several workers on one state: as for one, and whether the sender held
the lease, and how long it stood still meanwhile.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.attack.cluster.worker import Senders
from tests.attack.oracle import Answered, Oracle

_STANDING: Final = """
SELECT j.fence, l.fence, l.pid, l.released,
  EXISTS (SELECT FROM journal AS d WHERE d.account = j.account AND d.job_id = j.job_id
    AND d.action = j.action AND d.outcome = 'confirmed')
FROM open_intents AS o JOIN journal AS j ON j.seq = o.intent JOIN leases AS l ON l.account = o.account
WHERE o.account = %s AND o.job_id = %s AND o.action = %s
"""
READ: Final = {"job.get", "jobs.lookup"}


@dataclass
class ClusterOracle(Oracle):
    """`url`: the state. `senders`: who sends what. `forbidden`: why a process must send no write at
    that moment, None where it may. `unseen`: writes that arrived while the state could not be
    asked; the verdict looks for their intents. `late`: writes of a process that was stopped between
    its last look and the socket, which is the limit of what is promised.
    """

    url: str = ""
    senders: Senders = field(default_factory=Senders)
    forbidden: Callable[[int], str | None] = lambda _pid: None
    read_receipts: Callable[[str], list[tuple[dict[str, Any], Any]]] | None = None
    unseen: list[tuple[str, str, float]] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    last_write_at: float = 0.0
    _answered_to: dict[tuple[str, int], Answered] = field(default_factory=dict)
    _connection: psycopg.Connection | None = None

    def _note(self, job_id: str) -> None:
        super()._note(job_id)
        if job_id in self._answered:
            self._answered_to[job_id, self.senders.pid] = self._answered[job_id]

    def _judge(self, job_id: str, action: str) -> None:
        pid, now = self.senders.pid, self.clock()
        self.last_write_at = time.time()
        # Only what it was told itself counts, and only while it was running.
        known = self._answered_to.get((job_id, pid)) if pid else None
        if known is not None:
            still_s = self.senders.stood_still_s(pid, known.at, now)
            if still_s:
                self.late.append(
                    f"{action} of {job_id}: its sender was stopped for {still_s:.1f} s"
                )
            self._answered[job_id] = Answered(
                known.at + still_s, known.document, known.is_held_here
            )
        why = self.forbidden(pid)
        if why is not None:
            self.wrong.append(f"{action} of {job_id} by process {pid}: {why}")
        super()._judge(job_id, action)

    def _is_announced(self, job_id: str, action: str) -> None:
        try:
            rows = self._ask((self.account, bytes.fromhex(job_id), action))
        except psycopg.Error:
            self.unseen.append((job_id, action, self.clock()))
            return
        said = f"{action} of {job_id}"
        if not rows:
            self.wrong.append(f"S10: {said} without an intent")
            return
        intended, newest, holder, is_released, is_done = rows[0]
        pid = self.senders.pid
        if is_done:
            self.wrong.append(f"S12: {said}, which is on record as done")
        if newest == intended and pid and holder != pid:
            self.wrong.append(f"S12: {said} by process {pid}, the lease is that of {holder}")
        if newest != intended or is_released:
            what = f"S12: {said} by fence {intended}, the newest is {newest}"
            # What it could not know when it was stopped: the vendor sees it once more, no harm done.
            was_stopped = any(said in each for each in self.late[-1:])
            (self.late if was_stopped else self.wrong).append(what)

    def _ask(self, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = psycopg.connect(self.url, autocommit=True, connect_timeout=3)
        try:
            return self._connection.execute(_STANDING, values).fetchall()
        except psycopg.Error:
            self._connection.close()
            # Once more: the server may have ended an old connection and answer a new one.
            self._connection = None
            self._connection = psycopg.connect(self.url, autocommit=True, connect_timeout=3)
            return self._connection.execute(_STANDING, values).fetchall()

    def receipts(self, job_id: str) -> list[tuple[dict[str, Any], Path]]:
        if self.read_receipts is None:
            return super().receipts(job_id)
        return self.read_receipts(job_id)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


@dataclass(frozen=True)
class StoredObject:
    """An object in the bucket, as far as the oracle handles a file."""

    read: Callable[[str], bytes | None]
    key: str

    def __truediv__(self, name: str) -> StoredObject:
        return StoredObject(self.read, f"{self.key}/{name}")

    def is_file(self) -> bool:
        return self.read(self.key) is not None

    def read_bytes(self) -> bytes:
        return self.read(self.key) or b""


def receipts_of(
    keys: Callable[[str], list[str]],
    read: Callable[[str], bytes | None],
    prefix: str,
    job_id: str,
) -> list[tuple[dict[str, Any], Any]]:
    """Return every receipt of the job below the prefix of a bucket, with what stands for its
    folder.
    """
    found: list[tuple[dict[str, Any], Any]] = []
    for key in keys(prefix):
        folder, _, name = key.rpartition("/")
        if name.startswith("receipt") and folder.endswith(f"/{job_id}"):
            found.append((json.loads(read(key) or b"{}"), StoredObject(read, folder)))
    return found
