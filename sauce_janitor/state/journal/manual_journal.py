"""The journal of manual actions: a line before the write and a line after, in the same chain as all
others.

They need no lease: a run asks about each job again right before it deletes, so it sees a new tag in
time, and stopping a job twice stops it once. One lock for each account keeps two of them from
reading the same job at once and overwriting each other; it is free as soon as its holder dies.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import select

from sauce_janitor.errors import LeaseError, PermitError, RefusedError, StateError, StoppedError
from sauce_janitor.model.job_changes import BY_HAND
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.model.open_intents import OpenManualAction
from sauce_janitor.model.permits import ManualPermit
from sauce_janitor.state.database.tables import journal, open_intents
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.file.manual_lock import ManualLock
from sauce_janitor.state.journal import statements
from sauce_janitor.state.journal.journal_lines import deed
from sauce_janitor.state.journal.run_journal import RunJournal
from sauce_janitor.state.rows import id_bytes, plain

if TYPE_CHECKING:
    from sauce_janitor.state.server.session_lock import SessionLock

BEGUN: Final = "by_hand"
DONE: Final = "done_by_hand"
"""The kinds of the two lines."""

Outcome = Literal["done", "failed", "unknown"]
_GLANCE_S: Final = 0.2


class ManualJournal(RunJournal):
    """The journal as one manual command writes it."""

    def begin(self, permit: ManualPermit, /, *, by: str, wanted: Mapping[str, Any]) -> int:
        """Write the line before the write, and return its number for the outcome.

        Raise RefusedError while paused, PermitError when an earlier action of the same kind on the
        job has no outcome yet. Both are checked in the transaction that writes.
        """
        job = {"job_id": id_bytes(permit.job_id), "owner": permit.owner, "action": permit.action}
        asked = {
            "account": self._account,
            "job_id": job["job_id"],
            "action": f"{BEGUN}:{permit.action}",
        }
        detail = {"by": plain(by), "wanted": dict(wanted)}
        with self._writing() as exchange:
            standing = self._standing(exchange, asked)
            if standing.pause is not None:
                raise RefusedError("paused: nothing is changed until `sauce-janitor resume`")
            # Two updates at once would overwrite each other: the API replaces whole lists.
            if standing.begun is not None:
                raise PermitError(
                    f"{permit.action} of job {permit.job_id} by hand was begun before (line"
                    f" {standing.begun}) and its outcome is not known yet"
                )
            seq = self._append(exchange, standing, BEGUN, job, policy=BY_HAND, detail=detail)
            exchange.tell(statements.OPEN_INTENT, {"intent": seq, **asked})
        return seq

    def end(self, intent: int, outcome: Outcome, /, *, detail: str) -> None:
        """Write the line after. One final outcome may follow `unknown`, nothing a final one."""
        with self._writing() as exchange:
            begun = self._waiting(exchange, intent)
            if begun is None:
                raise StateError(
                    f"line {intent} of the journal is not a manual change that waits for an outcome"
                )
            job = {"job_id": begun.job_id, "owner": begun.owner, "action": begun.action}
            text = {"text": plain(detail)}
            more = {"policy": BY_HAND, "intent": intent, "outcome": outcome, "detail": text}
            self._append(exchange, begun, DONE, job, **more)
            # An unknown one stays open until somebody has looked at Sauce Labs.
            if outcome != "unknown":
                exchange.tell(statements.CLOSE_INTENT, {"closed": intent})


class ManualActions:
    """The manual actions on every account. Raises StateError."""

    def __init__(self, database: Database, path: Path | None) -> None:
        self._database, self._path = database, path

    def during(self, account: str, run_id: str, now: Callable[[], int]) -> ManualJournal:
        """Return the journal for one command to write; `now` returns epoch seconds."""
        return ManualJournal(self._database, account, run_id, now)

    def open(self, account: str) -> tuple[OpenManualAction, ...]:
        """Return every action without a final outcome, oldest first. One may be running right now,
        unless its lock is held.
        """
        columns = (journal.c[name] for name in ("seq", "action", "job_id", "owner", "detail", "at"))
        statement = (
            select(*columns)
            .join(open_intents, open_intents.c.intent == journal.c.seq)
            .where(open_intents.c.account == account, journal.c.kind == BEGUN)
            .order_by(journal.c.seq)
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return tuple(
            OpenManualAction(
                row.seq,
                deed(row.action),
                JobId(row.job_id.hex()),
                Owner(row.owner),
                _wanted_of(row.detail),
                row.at,
            )
            for row in rows
        )

    @contextmanager
    def lock(
        self, account: str, *, wait_s: float, stop: threading.Event | None = None
    ) -> Iterator[None]:
        """Hold the lock while one job is read and written. Raise LeaseError when it is not free
        within `wait_s`, StoppedError on `stop`.
        """
        lock = self._lock_of(account)
        until = time.monotonic() + wait_s
        # In short waits, so that Ctrl-C is noticed between two.
        while not lock.acquire(min(_GLANCE_S, wait_s)):
            if stop is not None and stop.is_set():
                raise StoppedError("asked to stop while another command changed a job")
            if time.monotonic() >= until:
                raise LeaseError(
                    f"another command is changing jobs of account {account} by hand: try again"
                )
        try:
            yield
        finally:
            lock.release()

    def _lock_of(self, account: str) -> ManualLock | SessionLock:
        if self._path is not None:
            return ManualLock(self._path, account)
        # Late: a state in a file loads nothing of it.
        from sauce_janitor.state.server.session_lock import SessionLock

        return SessionLock(self._database, f"by hand {account}")


def _wanted_of(detail: str) -> Mapping[str, Any]:
    """Return the wanted fields in a line's detail."""
    wanted = json.loads(detail).get("wanted")
    return wanted if isinstance(wanted, dict) else {}
