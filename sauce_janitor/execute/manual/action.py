"""What a person does to one job, and what it needs: ask, on record, write once, see for ourselves,
on record.

No policy has a say in it. `updating` has the change of a job's fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from sauce_janitor.clock import Clock
from sauce_janitor.errors import (
    AnswerError,
    BudgetSpentError,
    CredentialsError,
    PermitError,
    SourceError,
    StoppedError,
)
from sauce_janitor.execute.ports import WriteResult
from sauce_janitor.model.job_changes import (
    FIELDS,
    Deed,
    Field,
    HandPermit,
    ManualAction,
    ManualStopPermit,
    UpdatePermit,
    fields_of,
    is_same,
)
from sauce_janitor.model.jobs import JobDocument, JobId, JobState, Owner

LOOKS: Final = 4
"""How often a write is looked for: what Sauce Labs answers may be a moment old."""
WAIT_S: Final = 1.0

Outcome = Literal["done", "nothing", "failed", "unknown"]


class ManualSourcePort(Protocol):
    """The reading half, as far as one job needs it. May raise a SourceError."""

    def job(self, owner: Owner, job_id: JobId, /) -> JobDocument | None:
        """The job's details; None is a 404."""

    def reserved(self, requests: int, /) -> AbstractContextManager[object]:
        """Wait for the budget of so many requests; inside, this thread's next ones, the gate's too,
        wait for nothing.
        """


class ManualGatePort(Protocol):
    """The writing half, as in `execute.parts.Gate`."""

    def update(self, permit: UpdatePermit, /) -> WriteResult: ...
    def stop(self, permit: ManualStopPermit, /) -> WriteResult: ...


class ManualJournalPort(Protocol):
    """The line before and the line after; see `state.handjournal`."""

    def begin(self, permit: HandPermit, /, *, by: str, wanted: Mapping[str, Any]) -> int: ...
    def end(
        self, intent: int, outcome: Literal["done", "failed", "unknown"], /, *, detail: str
    ) -> None: ...


class OpenManualActionRow(Protocol):
    """An act that an earlier command began and did not see the end of."""

    @property
    def intent(self) -> int: ...
    @property
    def action(self) -> Deed: ...
    @property
    def job_id(self) -> JobId: ...
    @property
    def owner(self) -> Owner: ...
    @property
    def wanted(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class ManualPorts:
    """What an act by hand needs. `by` is who does it. `wait` waits so many seconds, and says
    whether a stop was asked for.
    """

    source: ManualSourcePort
    gate: ManualGatePort
    journal: ManualJournalPort
    clock: Clock
    wait: Callable[[float], bool]
    by: str


@dataclass(frozen=True, slots=True)
class ManualResult:
    """What came of it. `changes` are the fields that differ, each as it was and as it was then
    read.
    """

    job_id: JobId
    owner: Owner
    outcome: Outcome
    detail: str
    changes: Mapping[Field, tuple[object, object]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def look(source: ManualSourcePort, owner: Owner, job_id: JobId) -> JobDocument:
    """The job's details. AnswerError for a 404, said twice, with all that it may mean."""
    for _ in range(2):
        document = source.job(owner, job_id)
        if document is not None:
            return document
    raise AnswerError(
        f"Sauce Labs shows no job {job_id} of {owner} (404): it is deleted, another user's, of a"
        " real device, or these credentials may not see it"
    )


def stop(parts: ManualPorts, owner: Owner, job_id: JobId) -> ManualResult:
    """Stop the job and see that it has; `nothing` for one that is over. Raises as `update` does."""
    with parts.source.reserved(2):  # what was read must not grow old while the write waits
        asked_at = parts.clock.monotonic()
        now = look(parts.source, owner, job_id)
        if now.job.state is JobState.FINISHED:
            return ManualResult(job_id, owner, "nothing", f"it has already ended: {now.job.status}")
        permit = ManualStopPermit(job_id, owner, asked_at)
        intent = parts.journal.begin(permit, by=parts.by, wanted={})
        answer = send(parts, intent, lambda: parts.gate.stop(permit))
    try:
        state = _see_it_stop(parts, owner, job_id, looks=1 if is_refused(answer) else LOOKS)
    except (SourceError, StoppedError) as error:
        said = f"{said_by(answer)}, and could not be looked up: {error}"
        parts.journal.end(intent, "unknown", detail=said)
        return ManualResult(job_id, owner, "unknown", said)
    if state in (None, JobState.FINISHED):
        how = "it has ended" if state else "it is gone"
        parts.journal.end(intent, "done", detail=f"{said_by(answer)}, and {how}")
        return ManualResult(job_id, owner, "done", how)
    said = f"Sauce Labs {said_by(answer)}, and it is still {state.value}"
    accepted = answer.status is not None and 200 <= answer.status < 300 and not answer.doubtful
    parts.journal.end(intent, "unknown" if accepted else "failed", detail=said)
    return ManualResult(job_id, owner, "unknown" if accepted else "failed", said)


def _see_it_stop(parts: ManualPorts, owner: Owner, job_id: JobId, *, looks: int) -> JobState | None:
    """The job's state once it is over, or after the last look; None when it is not there any
    more.
    """
    for number in range(looks):
        if number and parts.wait(WAIT_S):
            break
        document = parts.source.job(owner, job_id) or parts.source.job(owner, job_id)
        if document is None:
            return None
        state = document.job.state
        if state is JobState.FINISHED:
            break
    return state


def settle(
    source: ManualSourcePort, journal: ManualJournalPort, acts: Iterable[OpenManualActionRow]
) -> int:
    """Put on record what became of acts that were cut short; how many cannot be told yet. Raises
    what ends a run.
    """
    still_open = 0
    for act in acts:
        try:
            document = source.job(act.owner, act.job_id) or source.job(act.owner, act.job_id)
        except (CredentialsError, BudgetSpentError):
            raise
        except SourceError:
            still_open += 1
            continue
        done = (
            _is_stopped(document)
            if act.action is not ManualAction.UPDATE
            else _is_as_wanted(document, act.wanted)
        )
        journal.end(
            act.intent,
            "done" if done else "failed",
            detail="recovered: looked up" if document else "it is gone",
        )
    return still_open


def _is_stopped(document: JobDocument | None) -> bool:
    return document is None or document.job.state is JobState.FINISHED


def _is_as_wanted(document: JobDocument | None, wanted: Mapping[str, Any]) -> bool:
    if document is None or not wanted:
        return False
    found = fields_of(document)
    there = found.get("custom-data")
    found["custom-data"] = (
        sorted(there) if isinstance(there, Mapping) else None
    )  # all that a line has of them
    return all(is_same(name, found.get(name), wanted[name]) for name in FIELDS if name in wanted)


def send(parts: ManualPorts, intent: int, write: Callable[[], WriteResult]) -> WriteResult:
    """The one write of an act; whatever keeps it from leaving is on record too."""
    try:
        return write()
    except (PermitError, BudgetSpentError, StoppedError) as refused:
        parts.journal.end(intent, "failed", detail=f"not sent: {refused}")
        raise
    except CredentialsError as error:  # it was sent
        parts.journal.end(intent, "unknown", detail=str(error))
        raise


def is_refused(answer: WriteResult) -> bool:
    """Whether Sauce Labs said clearly that it did nothing."""
    return answer.status is not None and 400 <= answer.status < 500 and not answer.doubtful


def said_by(answer: WriteResult) -> str:
    """What Sauce Labs said to a write, to go on in a sentence."""
    if answer.status is None:
        return f"gave no answer ({answer.detail})"
    return f"answered {answer.status}" + (f" ({answer.detail})" if answer.detail else "")
