"""The gate: the only code that can send anything but GET and HEAD about a job.

Each write needs a permit and is sent once.
"""

from __future__ import annotations

import re
import threading
from typing import Final

from sauce_janitor.clock import CLOCK, Clock
from sauce_janitor.errors import PermitError
from sauce_janitor.model.job_changes import is_body
from sauce_janitor.model.permits import (
    DeleteAssetsPermit,
    DeleteJobPermit,
    DeletePermit,
    ManualStopPermit,
    NothingWanted,
    Receipt,
    StopPermit,
    UpdatePermit,
)
from sauce_janitor.model.write_answers import WriteAnswer
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.http import paths
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.http.request_events import Endpoint, OnRequest
from sauce_janitor.sauce.http.transport import HttpRequest
from sauce_janitor.sauce.writes import JOB_ID, OWNER, Allowed, Writer

__all__ = ["ALLOWED", "Gate"]

_SHA256 = re.compile(r"[0-9a-f]{64}")

ALLOWED: Final = (
    Allowed.of(rf"DELETE /rest/v1/{OWNER}/jobs/{JOB_ID}/assets"),
    Allowed.of(rf"DELETE /rest/v1/{OWNER}/jobs/{JOB_ID}"),
    Allowed.of(rf"DELETE /rest/v1\.1/jobs/{JOB_ID}"),
    Allowed.of(rf"PUT /rest/v1/{OWNER}/jobs/{JOB_ID}/stop"),
    Allowed.of(rf"PUT /rest/v1/{OWNER}/jobs/{JOB_ID}", is_body),
)
"""Every request that can be written, in full. None of them can name more than one job."""

_Permit = DeleteAssetsPermit | DeleteJobPermit | StopPermit | ManualStopPermit | UpdatePermit


class Gate(Writer):
    """Carries out permits, one request each: no retry, no redirect. For any number of threads.

    `close()` it. It shares the budget of whoever reads with the same credential. Each method raises
    PermitError, BudgetSpentError or StoppedError before anything is sent, and CredentialsError for
    a 401. Every other result is a WriteAnswer; a stop that comes while the answer is awaited gives
    a doubtful one.
    """

    def __init__(
        self,
        connection: Connection,
        budget: RequestBudget,
        on_request: OnRequest | None = None,
        *,
        stop: threading.Event | None = None,
        clock: Clock = CLOCK,
    ) -> None:
        super().__init__(connection, budget, on_request, allowed=ALLOWED, stop=stop, clock=clock)

    def delete_assets(self, permit: DeleteAssetsPermit) -> WriteAnswer:
        """Delete all of a job's assets. Source: Jobs API, Delete Job Assets."""
        _admit_delete(permit, DeleteAssetsPermit)
        return self._carry_out(
            permit, "DELETE", paths.assets(permit.owner, permit.job_id), "delete_assets"
        )

    def delete_job(self, permit: DeleteJobPermit) -> WriteAnswer:
        """Delete a job and everything of it.

        Source: Jobs API, Delete a Job; the v1 path is from the vendor's Java tests.
        """
        _admit_delete(permit, DeleteJobPermit)
        match permit.address:
            # Two addresses delete a job; the permit names one of them.
            case "v1":
                target = paths.job(permit.owner, permit.job_id)
            case "v1.1":
                target = paths.job_by_id(permit.job_id)
            case _:
                raise PermitError(
                    f"the permit for job {permit.job_id} names no address of Delete a Job"
                )
        return self._carry_out(permit, "DELETE", target, "delete_job")

    def stop(self, permit: StopPermit | ManualStopPermit) -> WriteAnswer:
        """Stop a job that runs or waits. Source: Jobs API, Stop a Job."""
        if type(permit) not in (StopPermit, ManualStopPermit):
            raise PermitError("stopping a job takes a StopPermit")
        return self._carry_out(permit, "PUT", paths.stop(permit.owner, permit.job_id), "stop")

    def update(self, permit: UpdatePermit) -> WriteAnswer:
        """Set fields of a job; each replaces the old value. Source: Jobs API, Update a Job."""
        if type(permit) is not UpdatePermit:
            raise PermitError(
                f"updating a job takes an UpdatePermit, not a {type(permit).__name__}"
            )
        if not is_body(permit.body):
            raise PermitError(f"the permit for job {permit.job_id} sets no field that a job has")
        return self._carry_out(
            permit, "PUT", paths.job(permit.owner, permit.job_id), "update", permit.body.encode()
        )

    def _carry_out(
        self,
        permit: _Permit,
        method: str,
        target: str,
        endpoint: Endpoint,
        body: bytes | None = None,
    ) -> WriteAnswer:
        what = f"{endpoint.replace('_', ' ')} of job {permit.job_id}"
        listed_at = permit.listed_at if isinstance(permit, DeletePermit) else None
        request = HttpRequest(method, target, endpoint, what, body=body)
        return self._write(permit, permit.asked_at, request, listed_at=listed_at)


def _admit_delete(permit: DeleteAssetsPermit | DeleteJobPermit, kind: type) -> None:
    # Exactly this type: a subclass could carry something else as its proof.
    if type(permit) is not kind:
        raise PermitError(f"this takes a {kind.__name__}, not a {type(permit).__name__}")
    proof = permit.proof
    proven = type(proof) is NothingWanted or (
        type(proof) is Receipt and _SHA256.fullmatch(proof.sha256) is not None
    )
    if not proven:
        raise PermitError(f"the permit for job {permit.job_id} holds no proof")
