"""Jobs whose assets Sauce Labs may have purged unnoticed, where that would change a decision."""

from __future__ import annotations

import heapq
import zlib
from dataclasses import dataclass
from typing import Final

from sauce_janitor.model.jobs import Action, AssetsStanding, JobId, Owner, Record, Verdict, Why
from sauce_janitor.model.safety_numbers import DAY_S, PURGED_AFTER_S
from sauce_janitor.retention.job_verdict import JobVerdict

MOST_A_DAY: Final = 200
"""How many of them Sauce Labs is asked about a day."""


@dataclass(frozen=True, slots=True)
class PurgeCandidate:
    """A job to ask Sauce Labs about. `policy` would delete it, "" for none. `lost`: something
    wanted has no receipt.

    `ended_at` is when the job ended, epoch seconds.
    """

    job_id: JobId
    owner: Owner
    policy: str
    lost: bool
    ended_at: int


class PurgeCandidates:
    """Chooses them while a plan is made: other ones each day, so that each has its turn."""

    def __init__(self, as_of: int) -> None:
        self._as_of = as_of
        self._day = (as_of // DAY_S).to_bytes(8, "big")
        self._drawn: list[tuple[int, str, PurgeCandidate]] = []
        self._held_up: dict[JobVerdict, bool] = {}

    def see(self, record: Record, verdict: JobVerdict, *, is_late: bool) -> None:
        """Look at a job. `is_late`: a deadline for its assets has passed."""
        ended = record.job.ended_at
        if (
            record.assets is not AssetsStanding.PRESENT
            or not isinstance(ended, int)
            # Younger: Sauce Labs still has the assets.
            or ended + PURGED_AFTER_S > self._as_of
        ):
            return
        held_up = self._held_up.get(verdict)
        if held_up is None:
            held_up = self._held_up[verdict] = _is_held_up(verdict)
        # For all other jobs a purge changes nothing, so no request is spent on them.
        if held_up or is_late:
            policy = _policy(verdict) if held_up else ""
            self._draw(
                PurgeCandidate(record.job.id, record.job.owner, policy, verdict.unarchived, ended)
            )

    def _draw(self, candidate: PurgeCandidate) -> None:
        # The day is part of the hash, so that each day draws other jobs.
        rank = -zlib.crc32(bytes.fromhex(candidate.job_id) + self._day)
        entry = (rank, candidate.job_id, candidate)
        if len(self._drawn) < MOST_A_DAY:
            heapq.heappush(self._drawn, entry)
        elif entry > self._drawn[0]:
            heapq.heapreplace(self._drawn, entry)

    def drawn(self) -> tuple[PurgeCandidate, ...]:
        """Return the day's choice, in the order in which it was drawn."""
        return tuple(candidate for _, _, candidate in sorted(self._drawn, reverse=True))


def _is_held_up(verdict: JobVerdict) -> bool:
    """Return whether a policy's delete of the job waits only for what protects its assets."""
    job = next(decision for decision in verdict.decisions if decision.action is Action.DELETE_JOB)
    return job.verdict is Verdict.KEEP and all(
        reason.why is Why.ASSETS_PROTECTED for reason in job.reasons
    )


def _policy(verdict: JobVerdict) -> str:
    return min((claim.policy.name for claim in verdict.case.claims[Action.DELETE_JOB]), default="")
