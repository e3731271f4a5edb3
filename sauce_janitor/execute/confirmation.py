"""Steps 13 and 14: confirm that what was deleted is gone, and journal it. A stop does not cut this
short.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sauce_janitor.errors import SourceError, StoppedError
from sauce_janitor.execute.events import AlreadyGone, JobDeleted
from sauce_janitor.execute.outcomes import Tally
from sauce_janitor.execute.ports import ExecutionPorts, Proven, SourcePort
from sauce_janitor.model.failed_actions import ActionFailed
from sauce_janitor.model.job_retries import FailureKind
from sauce_janitor.model.jobs import Action, JobId, Owner
from sauce_janitor.model.permits import DeleteAddress

ACCEPTED = "accepted"
"""The detail of an `unknown` outcome begins with this where Sauce Labs answered 2xx, so that
recovery can look up several such jobs at once.
"""
BATCH = 100
"""Deletes of jobs that one look-up confirms."""
SAMPLE = 20
"""One of this many accepted deletes of assets that named every file is checked."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A write that was sent: its line in the journal, the job, the policy that wants it, and the
    address of a job's delete.
    """

    intent: int
    action: Action
    job_id: JobId
    owner: Owner
    policy: str
    address: DeleteAddress | None = None


def is_job_gone(source: SourcePort, owner: Owner, job_id: JobId) -> bool:
    """Return whether Sauce Labs answers 404 about the job, twice."""
    return source.job(owner, job_id) is None and source.job(owner, job_id) is None


def are_assets_gone(source: SourcePort, owner: Owner, job_id: JobId) -> bool:
    """Return whether nothing is listed any more (404 or an empty list), twice."""
    for _ in range(2):
        listing = source.assets(owner, job_id)
        if listing is not None and listing.names:
            return False
    return True


def settle(
    ports: ExecutionPorts,
    tally: Tally,
    sent: Sent,
    outcome: Proven,
    detail: str,
    *,
    bytes_reclaimed: int | None = None,
) -> None:
    """Record the outcome. Report it, too, unless it is a success."""
    ports.journal.outcome(sent.intent, outcome, detail=detail, bytes_reclaimed=bytes_reclaimed)
    if outcome == "already_gone":
        tally.tell(AlreadyGone(sent.job_id, sent.owner, sent.policy, sent.action, detail))
    elif outcome == "confirmed" and sent.address is not None:
        ports.addresses.worked(sent.address)
    elif outcome in ("failed", "unknown"):
        tally.tell(
            ActionFailed(
                sent.job_id, sent.owner, sent.policy, sent.action, detail, FailureKind.DELETE
            )
        )


class PendingConfirmations:
    """Deletes of jobs that Sauce Labs accepted; a hundred are looked up at a time. Threads share
    one.
    """

    def __init__(self, ports: ExecutionPorts, tally: Tally) -> None:
        self._ports = ports
        self._tally = tally
        self._lock = threading.Lock()
        self._accepted: list[Sent] = []
        self._believed = 0
        self._lied_to = False

    @property
    def requests_due(self) -> int:
        """Look-ups that the deletes accepted so far will need."""
        return -(-len(self._accepted) // BATCH)

    def add(self, sent: Sent) -> None:
        """Add one; the hundredth looks all of them up."""
        with self._lock:
            self._accepted.append(sent)
            # Looked up outside the lock: other workers must not wait for Sauce Labs' answer.
            batch = self._take() if len(self._accepted) >= BATCH else ()
        self._confirm(batch)

    def flush(self) -> None:
        """Look up the rest."""
        with self._lock:
            batch = self._take()
        self._confirm(batch)

    def believes_assets_deleted(self) -> bool:
        """Return whether an answer that names every file is enough this time. If not, look and call
        `looked`.

        No look-up covers the assets of several jobs, so a sample must do. No answer is believed
        before one was seen to be true, and none after one was not.
        """
        with self._lock:
            # One more answer is believed without a look; after a false one, none is.
            self._believed -= 1
            return self._believed >= 0 and not self._lied_to

    def looked(self, *, true: bool) -> None:
        """Record the result of a look."""
        with self._lock:
            # A look that was true earns trust in the next answers; one that was false ends it for
            # good.
            self._believed = SAMPLE - 1
            self._lied_to = self._lied_to or not true

    def _take(self) -> tuple[Sent, ...]:
        batch, self._accepted = tuple(self._accepted), []
        return batch

    def _confirm(self, batch: Sequence[Sent]) -> None:
        if not batch:
            return
        try:
            found = self._ports.source.jobs([sent.job_id for sent in batch])
        except (SourceError, StoppedError) as error:
            self._leave(batch, f"{ACCEPTED}; not looked up: {error}")
            return
        # This deployment has no look-up of several jobs.
        if found is None:
            self._leave(batch, f"{ACCEPTED}; to be confirmed by the next full listing")
            return
        for sent in batch:
            if sent.job_id in found:
                self._look_closer(sent)
            else:
                settle(
                    self._ports,
                    self._tally,
                    sent,
                    "confirmed",
                    "accepted, and absent when looked up",
                )
                self._tally.tell(JobDeleted(sent.job_id, sent.owner, sent.policy))

    def _look_closer(self, sent: Sent) -> None:
        """Ask about a job that the look-up still shows: a second source decides before the delete
        counts as failed.
        """
        try:
            gone = is_job_gone(self._ports.source, sent.owner, sent.job_id)
        except (SourceError, StoppedError) as error:
            settle(
                self._ports,
                self._tally,
                sent,
                "unknown",
                f"{ACCEPTED}, then still there, then no answer: {error}",
            )
            return
        if gone:
            settle(self._ports, self._tally, sent, "confirmed", "accepted, and 404 twice")
            self._tally.tell(JobDeleted(sent.job_id, sent.owner, sent.policy))
        else:
            settle(
                self._ports,
                self._tally,
                sent,
                "failed",
                "Sauce Labs accepted the delete, and the job is still there",
            )

    def _leave(self, batch: Sequence[Sent], detail: str) -> None:
        for sent in batch:
            self._ports.journal.outcome(sent.intent, "unknown", detail=detail)
            self._tally.tell(JobDeleted(sent.job_id, sent.owner, sent.policy, confirmed=False))
