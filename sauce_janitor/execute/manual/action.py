"""A manual action on one job and what it needs: ask, journal, write once, look at the result,
journal.

Policies do not apply. `field_changes` changes a job's fields.
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
from sauce_janitor.model.job_changes import FIELDS, Field, fields_of, is_same
from sauce_janitor.model.jobs import JobDocument, JobId, JobState, Owner
from sauce_janitor.model.open_intents import OpenManualAction
from sauce_janitor.model.permits import ManualAction, ManualPermit, ManualStopPermit, UpdatePermit
from sauce_janitor.model.write_answers import WriteAnswer

LOOKS: Final = 4
"""How often to look for the effect of a write: an answer of Sauce Labs may be a moment old."""
WAIT_S: Final = 1.0
"""Seconds between two looks."""

Outcome = Literal["done", "nothing", "failed", "unknown"]


class ManualSourcePort(Protocol):
    """Reads from Sauce Labs, as far as one job needs it. May raise a SourceError."""

    def job(self, owner: Owner, job_id: JobId, /) -> JobDocument | None:
        """Return the job's details, None for a 404."""

    def reserved(self, requests: int, /) -> AbstractContextManager[object]:
        """Wait until the budget has room for this many requests. Inside, this thread's next
        requests, the gate's too, do not wait.
        """


class ManualGatePort(Protocol):
    """Writes to Sauce Labs, as `execute.ports.GatePort` does."""

    def update(self, permit: UpdatePermit, /) -> WriteAnswer: ...
    def stop(self, permit: ManualStopPermit, /) -> WriteAnswer: ...


class ManualJournalPort(Protocol):
    """Writes a line before and a line after the action; see `state.journal.manual_journal`."""

    def begin(self, permit: ManualPermit, /, *, by: str, wanted: Mapping[str, Any]) -> int: ...
    def end(
        self, intent: int, outcome: Literal["done", "failed", "unknown"], /, *, detail: str
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class ManualPorts:
    """What a manual action needs. `by` is who does it. `wait` waits this many seconds and returns
    whether a stop was requested.
    """

    source: ManualSourcePort
    gate: ManualGatePort
    journal: ManualJournalPort
    clock: Clock
    wait: Callable[[float], bool]
    by: str


@dataclass(frozen=True, slots=True)
class ManualResult:
    """The result of a manual action. `changes` are the fields that differ: what each was, and what
    was read afterwards.
    """

    job_id: JobId
    owner: Owner
    outcome: Outcome
    detail: str
    changes: Mapping[Field, tuple[object, object]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def look(source: ManualSourcePort, owner: Owner, job_id: JobId) -> JobDocument:
    """Return the job's details. Raise AnswerError for a 404 that comes twice; the message says what
    it may mean.
    """
    # A single 404 may come from a failing server.
    for _ in range(2):
        document = source.job(owner, job_id)
        if document is not None:
            return document
    raise AnswerError(
        f"Sauce Labs shows no job {job_id} of {owner} (404): it is deleted, another user's, of a"
        " real device, or these credentials may not see it"
    )


def stop(ports: ManualPorts, owner: Owner, job_id: JobId) -> ManualResult:
    """Stop the job and check that it has stopped; `nothing` for a job that is over. Raises as
    `update` does.
    """
    # Both requests are reserved at once, so that the answer is still fresh when the write leaves.
    with ports.source.reserved(2):
        asked_at = ports.clock.monotonic()
        now = look(ports.source, owner, job_id)
        if now.job.state is JobState.FINISHED:
            return ManualResult(job_id, owner, "nothing", f"it has already ended: {now.job.status}")
        permit = ManualStopPermit(job_id, owner, asked_at)
        intent = ports.journal.begin(permit, by=ports.by, wanted={})
        answer = send(ports, intent, lambda: ports.gate.stop(permit))
    try:
        state = _see_it_stop(ports, owner, job_id, looks=1 if is_refused(answer) else LOOKS)
    except (SourceError, StoppedError) as error:
        detail = f"{answer_text(answer)}, and could not be looked up: {error}"
        ports.journal.end(intent, "unknown", detail=detail)
        return ManualResult(job_id, owner, "unknown", detail)
    if state in (None, JobState.FINISHED):
        how = "it has ended" if state else "it is gone"
        ports.journal.end(intent, "done", detail=f"{answer_text(answer)}, and {how}")
        return ManualResult(job_id, owner, "done", how)
    detail = f"Sauce Labs {answer_text(answer)}, and it is still {state.value}"
    accepted = answer.status is not None and 200 <= answer.status < 300 and not answer.doubtful
    outcome: Literal["failed", "unknown"] = "unknown" if accepted else "failed"
    ports.journal.end(intent, outcome, detail=detail)
    return ManualResult(job_id, owner, outcome, detail)


def _see_it_stop(ports: ManualPorts, owner: Owner, job_id: JobId, *, looks: int) -> JobState | None:
    """Return the job's state once it is over, or after the last look; None when it no longer
    exists.
    """
    for number in range(looks):
        if number and ports.wait(WAIT_S):
            break
        document = ports.source.job(owner, job_id) or ports.source.job(owner, job_id)
        if document is None:
            return None
        state = document.job.state
        if state is JobState.FINISHED:
            break
    return state


def settle(
    source: ManualSourcePort, journal: ManualJournalPort, actions: Iterable[OpenManualAction]
) -> int:
    """Record the outcome of actions that were cut short. Return how many have no answer yet. Raises
    what ends a run.
    """
    still_open = 0
    for one in actions:
        try:
            document = source.job(one.owner, one.job_id) or source.job(one.owner, one.job_id)
        except (CredentialsError, BudgetSpentError):
            raise
        # No answer about this job: the next command or run asks again.
        except SourceError:
            still_open += 1
            continue
        done = (
            _is_stopped(document)
            if one.action is not ManualAction.UPDATE
            else _is_as_wanted(document, one.wanted)
        )
        journal.end(
            one.intent,
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
    # The journal's line has only the names of custom data.
    found["custom-data"] = sorted(there) if isinstance(there, Mapping) else None
    return all(is_same(name, found.get(name), wanted[name]) for name in FIELDS if name in wanted)


def send(ports: ManualPorts, intent: int, write: Callable[[], WriteAnswer]) -> WriteAnswer:
    """Send the one write of an action. An error that keeps it from being sent is journaled, too."""
    try:
        return write()
    except (PermitError, BudgetSpentError, StoppedError) as refused:
        ports.journal.end(intent, "failed", detail=f"not sent: {refused}")
        raise
    # It was sent, so the outcome is unknown.
    except CredentialsError as error:
        ports.journal.end(intent, "unknown", detail=str(error))
        raise


def is_refused(answer: WriteAnswer) -> bool:
    """Return whether Sauce Labs said clearly that it did nothing."""
    return answer.status is not None and 400 <= answer.status < 500 and not answer.doubtful


def answer_text(answer: WriteAnswer) -> str:
    """Return Sauce Labs' answer to a write in words, as part of a sentence."""
    if answer.status is None:
        return f"gave no answer ({answer.detail})"
    return f"answered {answer.status}" + (f" ({answer.detail})" if answer.detail else "")
