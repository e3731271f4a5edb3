"""The journal of pruning: a line before files leave the archive, with the record's hash, and a line
after.

The lines are in the same chain as all others. Their action is `archive`: nothing at Sauce Labs is
touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import select

from sauce_janitor.errors import LeaseError, PermitError, RefusedError, StateError
from sauce_janitor.model.jobs import Action, JobId, Owner
from sauce_janitor.model.permits import PrunePermit
from sauce_janitor.state.database.dialect import put
from sauce_janitor.state.database.tables import journal, meta, open_intents
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.journal import statements
from sauce_janitor.state.journal.run_journal import RunJournal
from sauce_janitor.state.rows import id_bytes, plain

BEGUN: Final = "pruning"
DONE: Final = "pruned"
"""The kinds of the two lines."""

_OPEN_AS: Final = "prune"
_ACCEPTED: Final = "prune accepted "


@dataclass(frozen=True, slots=True)
class OpenPruning:
    """A pruning that was started and has no outcome. `record` is the SHA-256 of the record that may
    be in the archive.
    """

    intent: int
    job_id: JobId
    owner: Owner
    record: str


class PruneJournal(RunJournal):
    """The journal as one pruning of one account's archive writes it."""

    def begin(self, permit: PrunePermit, /, *, record: str, size_bytes: int) -> int:
        """Write the line before the first file goes, and return its number for the outcome.
        `record` is the SHA-256 of its record.

        Raise LeaseError when the permit's fence is not the current lease's, RefusedError while
        paused, PermitError when an earlier pruning of the job has no outcome yet.
        """
        job = {"job_id": id_bytes(permit.job_id), "owner": permit.owner, "action": Action.ARCHIVE}
        detail: dict[str, Any] = {
            "files": len(permit.files),
            "bytes": size_bytes,
            "why": plain(permit.why),
        }
        asked = {"account": self._account, "job_id": job["job_id"], "action": _OPEN_AS}
        with self._writing() as exchange:
            standing = self._standing(exchange, asked)
            # Another process may be writing in the archive now.
            if standing.fence != permit.fence:
                raise LeaseError(
                    f"this run has lost the lease on account {self._account}: nothing more is"
                    " pruned"
                )
            if standing.pause is not None:
                raise RefusedError("paused: nothing is changed until `sauce-janitor resume`")
            # An interrupted pruning is finished first, or its record and the files on the disk
            # would disagree.
            if standing.begun is not None:
                raise PermitError(
                    f"the pruning of job {permit.job_id} was begun before (line {standing.begun})"
                )
            more = {"fence": permit.fence, "receipt": record, "detail": detail}
            seq = self._append(exchange, standing, BEGUN, job, **more)
            exchange.tell(statements.OPEN_INTENT, {"intent": seq, **asked})
        return seq

    def end(self, intent: int, outcome: Literal["pruned", "left"], /, *, detail: str) -> None:
        """Write the line after: all files of the record are gone, or none is and there is no
        record.
        """
        with self._writing() as exchange:
            begun = self._waiting(exchange, intent)
            if begun is None:
                raise StateError(
                    f"line {intent} of the journal is not a pruning that waits for an outcome"
                )
            job = {"job_id": begun.job_id, "owner": begun.owner, "action": begun.action}
            more = {"intent": intent, "outcome": outcome, "detail": {"text": plain(detail)}}
            self._append(exchange, begun, DONE, job, **more)
            exchange.tell(statements.CLOSE_INTENT, {"closed": intent})


class Prunings:
    """The prunings of every account. Raises StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def during(
        self, account: str, run_id: str, now: Callable[[], int], *, fence: int | None = None
    ) -> PruneJournal:
        """Return the journal for one pruning of one account to write; `now` returns epoch
        seconds. `fence` is the lease's.
        """
        return PruneJournal(self._database, account, run_id, now, fence=fence)

    def accepted_at(self, account: str, digest: str) -> int | None:
        """Return when the last pruning under this policy digest was accepted (epoch seconds):
        everything stored by then is expected.
        """
        with self._database.reading() as connection:
            recorded = connection.execute(
                select(meta.c.value).where(meta.c.key == _ACCEPTED + account)
            ).scalar()
        at, _, under = (recorded or "").partition(" ")
        # Accepted under other policies: what was expected then is not expected now.
        return int(at) if under == digest else None

    def accept(self, account: str, digest: str, *, at: int) -> None:
        """Record that a pruning is carried out."""
        key = _ACCEPTED + account
        with self._database.writing(account) as connection:
            put(connection, meta, {"key": key, "value": f"{at} {digest}"})

    def open(self, account: str) -> tuple[OpenPruning, ...]:
        """Return every pruning without an outcome, oldest first."""
        statement = (
            select(journal.c.seq, journal.c.job_id, journal.c.owner, journal.c.receipt)
            .join(open_intents, open_intents.c.intent == journal.c.seq)
            .where(open_intents.c.account == account, open_intents.c.action == _OPEN_AS)
            .order_by(journal.c.seq)
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return tuple(
            OpenPruning(row.seq, JobId(row.job_id.hex()), Owner(row.owner), row.receipt or "")
            for row in rows
        )
