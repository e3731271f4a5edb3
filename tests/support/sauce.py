"""The credential and the permits that tests of the client use."""

from __future__ import annotations

from sauce_janitor.clock import CLOCK
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.model.permits import (
    DeleteAddress,
    DeleteJobPermit,
    Receipt,
)

ACCESS_KEY = "canary-4711-access-key-of-the-account"


JOB = JobId("ab" * 16)
ME = Owner("jsmith")


BY_ID = f"/rest/v1.1/jobs/{JOB}"


PROOF = Receipt("0" * 64)


def job_permit(
    age_s: float = 0.0, owner: str = ME, job: str = JOB, *, address: DeleteAddress | None = "v1.1"
) -> DeleteJobPermit:
    asked_at = CLOCK.monotonic() - age_s
    return DeleteJobPermit(JobId(job), Owner(owner), PROOF, "f", asked_at, 1, address=address)
