"""Steps 13 and 14: whether what was deleted is gone, and the journal's line that says so. A stop
cuts nothing of this short.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sauce_janitor.errors import SourceError, StoppedError
from sauce_janitor.execute.events import ActionFailed, AlreadyGone, JobDeleted
from sauce_janitor.execute.outcomes import Tally
from sauce_janitor.execute.ports import ExecutionPorts, Proven, SourcePort
from sauce_janitor.model.jobs import Action, JobId, Owner
from sauce_janitor.model.permits import DeleteAddress
from sauce_janitor.model.retries import FailureKind

ACCEPTED = "accepted"
"""How the detail of an `unknown` outcome begins where Sauce answered 2xx, so that nobody has to ask
about it one by one.
"""
BATCH = 100
"""Deletes of jobs that one look-up confirms."""
SAMPLE = 20
"""Of so many deletes of assets that Sauce accepted and named one is looked at."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A write that left: its line in the journal, what it was about, who wanted it, and of a job's
    delete the address.
    """

    intent: int
    action: Action
    job_id: JobId
    owner: Owner
    policy: str
    address: DeleteAddress | None = None


def is_job_gone(source: SourcePort, owner: Owner, job_id: JobId) -> bool:
    """Whether Sauce Labs says 404 of the job, twice."""
    return source.job(owner, job_id) is None and source.job(owner, job_id) is None


def are_assets_gone(source: SourcePort, owner: Owner, job_id: JobId) -> bool:
    """Whether nothing is listed any more (404, or an empty list), twice."""
    for _ in range(2):
        listing = source.assets(owner, job_id)
        if listing is not None and listing.names:
            return False
    return True


def settle(
    parts: ExecutionPorts,
    tally: Tally,
    sent: Sent,
    outcome: Proven,
    detail: str,
    *,
    bytes_reclaimed: int | None = None,
) -> None:
    """Put the outcome on record; for one that is no success, tell it too."""
    parts.journal.outcome(sent.intent, outcome, detail=detail, bytes_reclaimed=bytes_reclaimed)
    if outcome == "already_gone":
        tally.tell(AlreadyGone(sent.job_id, sent.owner, sent.policy, sent.action, detail))
    elif outcome == "confirmed" and sent.address is not None:
        parts.addresses.worked(sent.address)
    elif outcome in ("failed", "unknown"):
        tally.tell(
            ActionFailed(
                sent.job_id, sent.owner, sent.policy, sent.action, detail, FailureKind.DELETE
            )
        )


class PendingConfirmations:
    """Deletes of jobs that Sauce Labs accepted, looked up a hundred at a time. Threads share
    one.
    """

    def __init__(self, parts: ExecutionPorts, tally: Tally) -> None:
        self._parts = parts
        self._tally = tally
        self._lock = threading.Lock()
        self._accepted: list[Sent] = []
        self._believed = 0
        self._lied_to = False

    @property
    def requests_due(self) -> int:
        """Look-ups that what is accepted so far will need."""
        return -(-len(self._accepted) // BATCH)

    def add(self, sent: Sent) -> None:
        """One more; the hundredth looks all of them up."""
        with self._lock:
            self._accepted.append(sent)
            batch = self._take() if len(self._accepted) >= BATCH else ()
        self._confirm(batch)

    def flush(self) -> None:
        """Look up whatever is left."""
        with self._lock:
            batch = self._take()
        self._confirm(batch)

    def believes_assets_deleted(self) -> bool:
        """Whether an answer that names every file as deleted is enough this time; if not, look, and
        say `looked`.

        No look-up tells of many jobs' assets at once, so a sample has to do: none is believed
        before one was seen to be true, and none any more after one was not.
        """
        with self._lock:
            self._believed -= 1
            return self._believed >= 0 and not self._lied_to

    def looked(self, *, true: bool) -> None:
        """What a look showed."""
        with self._lock:
            self._believed = SAMPLE - 1
            self._lied_to = self._lied_to or not true

    def _take(self) -> tuple[Sent, ...]:
        batch, self._accepted = tuple(self._accepted), []
        return batch

    def _confirm(self, batch: Sequence[Sent]) -> None:
        if not batch:
            return
        try:
            found = self._parts.source.jobs([sent.job_id for sent in batch])
        except (SourceError, StoppedError) as error:
            self._leave(batch, f"{ACCEPTED}; not looked up: {error}")
            return
        if found is None:
            self._leave(batch, f"{ACCEPTED}; to be confirmed by the next full listing")
            return
        for sent in batch:
            if sent.job_id in found:
                self._look_closer(sent)
            else:
                settle(
                    self._parts,
                    self._tally,
                    sent,
                    "confirmed",
                    "accepted, and absent when looked up",
                )
                self._tally.tell(JobDeleted(sent.job_id, sent.owner, sent.policy))

    def _look_closer(self, sent: Sent) -> None:
        """Still there, says the look-up: a second source before it is called a failure."""
        try:
            gone = is_job_gone(self._parts.source, sent.owner, sent.job_id)
        except (SourceError, StoppedError) as error:
            settle(
                self._parts,
                self._tally,
                sent,
                "unknown",
                f"{ACCEPTED}, then still there, then no answer: {error}",
            )
            return
        if gone:
            settle(self._parts, self._tally, sent, "confirmed", "accepted, and 404 twice")
            self._tally.tell(JobDeleted(sent.job_id, sent.owner, sent.policy))
        else:
            settle(
                self._parts,
                self._tally,
                sent,
                "failed",
                "Sauce Labs accepted the delete, and the job is still there",
            )

    def _leave(self, batch: Sequence[Sent], detail: str) -> None:
        for sent in batch:
            self._parts.journal.outcome(sent.intent, "unknown", detail=detail)
            self._tally.tell(JobDeleted(sent.job_id, sent.owner, sent.policy, confirmed=False))
