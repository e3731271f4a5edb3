"""Jobs whose assets Sauce Labs may have purged without our knowing it, where to know would change
what happens. Pure.
"""

from __future__ import annotations

import heapq
import zlib
from dataclasses import dataclass
from typing import Final

from sauce_janitor.model.jobs import Action, AssetsStanding, JobId, Owner, Record, Verdict, Why
from sauce_janitor.model.safety_numbers import DAY_S, PURGED_AFTER_S
from sauce_janitor.retention.verdicts import JobVerdict

MOST_A_DAY: Final = 200


@dataclass(frozen=True, slots=True)
class PurgeCandidate:
    """One of them. `policy` is who would delete the job, "" for nobody; `lost`: something wanted
    has no receipt.

    `ended_at`: when the job ended, epoch seconds.
    """

    job_id: JobId
    owner: Owner
    policy: str
    lost: bool
    ended_at: int


class PurgeCandidates:
    """Gathers them while a plan is made: a day's share, another one each day, so that each has its
    turn.
    """

    def __init__(self, as_of: int) -> None:
        self._as_of = as_of
        self._turn = (as_of // DAY_S).to_bytes(8, "big")
        self._drawn: list[tuple[int, str, PurgeCandidate]] = []
        self._held_up: dict[JobVerdict, bool] = {}

    def see(self, record: Record, verdict: JobVerdict, *, is_late: bool) -> None:
        """Look at a job; `is_late`: a deadline for its assets has passed."""
        ended = record.job.ended_at
        if (
            record.assets is not AssetsStanding.PRESENT
            or not isinstance(ended, int)
            or ended + PURGED_AFTER_S > self._as_of
        ):
            return
        held_up = self._held_up.get(verdict)
        if held_up is None:
            held_up = self._held_up[verdict] = _is_held_up(verdict)
        if held_up or is_late:
            policy = _policy(verdict) if held_up else ""
            self._draw(
                PurgeCandidate(record.job.id, record.job.owner, policy, verdict.unarchived, ended)
            )

    def _draw(self, suspect: PurgeCandidate) -> None:
        lot = -zlib.crc32(bytes.fromhex(suspect.job_id) + self._turn)
        entry = (lot, suspect.job_id, suspect)
        if len(self._drawn) < MOST_A_DAY:
            heapq.heappush(self._drawn, entry)
        elif entry > self._drawn[0]:
            heapq.heapreplace(self._drawn, entry)

    def drawn(self) -> tuple[PurgeCandidate, ...]:
        """The day's share, in the order of the lots."""
        return tuple(suspect for _, _, suspect in sorted(self._drawn, reverse=True))


def _is_held_up(verdict: JobVerdict) -> bool:
    """Whether a policy's delete of the job waits for nothing but what protects its assets."""
    job = next(decision for decision in verdict.decisions if decision.action is Action.DELETE_JOB)
    return job.verdict is Verdict.KEEP and all(
        reason.why is Why.ASSETS_PROTECTED for reason in job.reasons
    )


def _policy(verdict: JobVerdict) -> str:
    return min((claim.policy.name for claim in verdict.case.claims[Action.DELETE_JOB]), default="")
