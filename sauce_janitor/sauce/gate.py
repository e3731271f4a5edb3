"""The gate: the only code that can send anything but GET and HEAD. Each write needs a permit and is sent once."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from sauce_janitor.errors import AnswerError, CredentialsError, PermitError, SourceError, StoppedError
from sauce_janitor.retention.permits import DeleteAssetsPermit, DeleteJobPermit, NothingWanted, Receipt, StopPermit
from sauce_janitor.sauce import paths
from sauce_janitor.sauce.budget import Budget
from sauce_janitor.sauce.connection import Connection
from sauce_janitor.sauce.events import Endpoint, OnRequest
from sauce_janitor.sauce.failures import HiccupError
from sauce_janitor.sauce.parse import parse_deleted_assets
from sauce_janitor.sauce.transport import Ask, Transport

PERMIT_LIFE_S: Final = 10.0
_STOP_GRACE_S: Final = 10.0  # a write that has left may still be answered after a SIGTERM
_CLEAR_REFUSALS: Final = frozenset({400, 404})
_MOST_REMEMBERED: Final = 10_000

_ID = r"[0-9a-f]{32}"
_OWNER = r"(?!\.{1,2}/)(?:[A-Za-z0-9_.~-]|%(?!2[EF])[0-9A-F]{2})+"
_SHA256 = re.compile(r"[0-9a-f]{64}")

ALLOWED: Final = (
    re.compile(rf"DELETE /rest/v1/{_OWNER}/jobs/{_ID}/assets"),
    re.compile(rf"DELETE /rest/v1/{_OWNER}/jobs/{_ID}"),
    re.compile(rf"DELETE /rest/v1\.1/jobs/{_ID}"),
    re.compile(rf"PUT /rest/v1/{_OWNER}/jobs/{_ID}/stop"),
)
"""Every request line that can be written, whole. None of them can name more than one job."""

_Permit = DeleteAssetsPermit | DeleteJobPermit | StopPermit


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """What came back for a write.

    `status` is None without an answer. `deleted` are the names and bytes that Delete Job Assets says it destroyed, None
    where it says nothing. `doubtful`: whether it was done must be asked; only a 400, a 404 and a whole 2xx
    (nothing or JSON, no page of some proxy) are clear.
    """

    status: int | None
    deleted: tuple[tuple[str, int], ...] | None
    doubtful: bool
    detail: str


@dataclass(frozen=True, slots=True)
class _Armed:
    line: str
    asked_at: float


class Gate:
    """Carries out permits, one request each: no retry, no redirect. For any number of threads; `close()` it.

    Shares the budget of whoever reads with the same credential. Each method raises PermitError, BudgetSpentError or
    StoppedError before anything is sent, and CredentialsError for a 401; every other end is a WriteAnswer, also a stop that
    came while the answer was waited for: that one is doubtful.
    """

    def __init__(
        self,
        connection: Connection,
        budget: Budget,
        on_request: OnRequest | None = None,
        *,
        stop: threading.Event | None = None,
    ) -> None:
        self._delete_job_path = connection.delete_job_path
        self._transport = Transport(connection, budget, guard=self._guard, on_request=on_request, stop=stop)
        self._here = threading.local()
        self._spending = threading.Lock()
        self._spent: dict[_Permit, None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def requests_made(self) -> int:
        """Writes sent so far."""
        return self._transport.requests_made

    def delete_assets(self, permit: DeleteAssetsPermit) -> WriteAnswer:
        """Delete all of a job's assets. Source: Jobs API, Delete Job Assets."""
        self._admit_delete(permit, DeleteAssetsPermit)
        return self._write(permit, "DELETE", paths.assets(permit.owner, permit.job_id), "delete_assets")

    def delete_job(self, permit: DeleteJobPermit) -> WriteAnswer:
        """Delete a job and whatever it has. Source: Jobs API, Delete a Job; the v1 path from the vendor's Java tests."""
        self._admit_delete(permit, DeleteJobPermit)
        by_id = self._delete_job_path == "v1.1"
        target = paths.job_by_id(permit.job_id) if by_id else paths.job(permit.owner, permit.job_id)
        return self._write(permit, "DELETE", target, "delete_job")

    def stop(self, permit: StopPermit) -> WriteAnswer:
        """Stop a running job. Source: Jobs API, Stop a Job."""
        if type(permit) is not StopPermit:
            raise PermitError("to stop a job takes a StopPermit")
        return self._write(permit, "PUT", paths.stop(permit.owner, permit.job_id), "stop")

    def _admit_delete(self, permit: DeleteAssetsPermit | DeleteJobPermit, kind: type) -> None:
        if type(permit) is not kind:
            raise PermitError(f"this takes a {kind.__name__}, not a {type(permit).__name__}")
        proof = permit.proof
        proven = type(proof) is NothingWanted or (
            type(proof) is Receipt and _SHA256.fullmatch(proof.sha256) is not None
        )
        if not proven:
            raise PermitError(f"the permit for job {permit.job_id} holds no proof")

    def _write(self, permit: _Permit, method: str, target: str, endpoint: Endpoint) -> WriteAnswer:
        _refuse_stale(permit.asked_at)
        self._spend(permit)
        ask = Ask(method, target, endpoint, f"{endpoint.replace('_', ' ')} of job {permit.job_id}")
        self._here.armed = _Armed(f"{method} {target}", permit.asked_at)
        try:
            return self._sent(ask)
        finally:
            self._here.armed = None

    def _sent(self, ask: Ask) -> WriteAnswer:
        try:
            response = self._transport.send(ask, self._transport.answer_limits(stop_grace_s=_STOP_GRACE_S))
        except StoppedError as error:
            if self._here.armed is not None:
                raise  # it never came to the guard: nothing has left
            return WriteAnswer(None, None, doubtful=True, detail=str(error))
        except (HiccupError, AnswerError) as error:
            return WriteAnswer(None, None, doubtful=True, detail=str(error))
        try:
            code = response.status_code
            if code == 401:
                raise CredentialsError(f"{self._transport.connection.host} does not accept the credentials (401)")
            if not 200 <= code < 300:
                said = self._transport.refusal_of(response).text
                return WriteAnswer(code, None, doubtful=code not in _CLEAR_REFUSALS, detail=said or f"status {code}")
            return self._done(ask, code, self._transport.json_of(response, ask.what, empty_is=None))
        except CredentialsError:
            raise
        except (SourceError, StoppedError) as error:
            return WriteAnswer(code, None, doubtful=True, detail=str(error))
        finally:
            response.close()

    def _done(self, ask: Ask, code: int, said: object) -> WriteAnswer:
        deleted = parse_deleted_assets(said) if ask.endpoint == "delete_assets" else None
        silent = ask.endpoint == "delete_assets" and deleted is None
        detail = "the answer does not list what was deleted" if silent else ""
        return WriteAnswer(code, deleted, doubtful=False, detail=detail)

    def _guard(self, method: str, target: str) -> None:
        """The last look, when the connection stands and nothing is written: this line, armed by this thread, and once."""
        armed: _Armed | None = getattr(self._here, "armed", None)
        self._here.armed = None
        line = f"{method} {target}"
        if armed is None or line != armed.line or sum(one.fullmatch(line) is not None for one in ALLOWED) != 1:
            raise PermitError(f"no permit stands for {line:.160}: it was not sent")
        _refuse_stale(armed.asked_at)

    def _spend(self, permit: _Permit) -> None:
        with self._spending:
            if permit in self._spent:
                raise PermitError(f"the permit for job {permit.job_id} was used before")
            self._spent[permit] = None
            while len(self._spent) > _MOST_REMEMBERED:
                del self._spent[next(iter(self._spent))]


def _refuse_stale(asked_at: float) -> None:
    age = time.monotonic() - asked_at
    if not 0 <= age <= PERMIT_LIFE_S:
        raise PermitError(f"a permit of {age:.1f} s, {PERMIT_LIFE_S:g} s is its life: ask Sauce Labs again")
