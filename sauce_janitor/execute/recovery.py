"""Finishes what an earlier run left open: asks Sauce Labs about every intent without a final
outcome and records the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sauce_janitor.errors import BudgetSpentError, CredentialsError, SourceError
from sauce_janitor.execute.confirmation import ACCEPTED, BATCH, are_assets_gone, is_job_gone
from sauce_janitor.execute.events import AssetsDeleted, Event, JobDeleted, JobStopped
from sauce_janitor.execute.ports import JournalPort, Proven, SourcePort
from sauce_janitor.model.failed_actions import ActionFailed
from sauce_janitor.model.jobs import Action, JobId, JobState
from sauce_janitor.model.open_intents import OpenIntent, under_way_s

Absent = Callable[[OpenIntent], bool | None]
"""Returns whether a complete listing that began after the write lacks the job; None when there has
been none yet.
"""


@dataclass(frozen=True, slots=True)
class Recovery:
    """How many intents ended how. `open` intents have no answer yet; the next run asks again."""

    confirmed: int = 0
    failed: int = 0
    open: int = 0


def ready_in_s(one: OpenIntent, now: float, idle_s: float | None = None) -> float:
    """Return in how many seconds recovery may ask about the intent, 0 for now. `now` is epoch
    seconds; `idle_s` is that of the lease.
    """
    # Sauce Labs has answered an accepted delete, so nothing is under way.
    return 0.0 if _accepted(one) else under_way_s(one.sent_at, now, idle_s)


def recover(
    source: SourcePort,
    journal: JournalPort,
    *,
    of: Callable[[OpenIntent], bool] = lambda _: True,
    absent: Absent | None = None,
    events: Callable[[Event], None] = lambda _: None,
) -> Recovery:
    """Settle every open intent `of` these: gone is `confirmed`, still there is `failed`. None of
    them may be under way any more.

    Deletes of jobs are looked up a hundred at a time where that is offered; else one by one, unless
    Sauce Labs accepted the delete and `absent` knows the answer, or will after the next full
    listing. A single answer is not believed: gone means 404 twice, or accepted and absent. An
    intent without an answer stays open and does not stop the others. Raises CredentialsError,
    BudgetSpentError and StateError.
    """
    numbers: dict[str, int] = {"confirmed": 0, "failed": 0, "open": 0}
    unresolved = [one for one in journal.unresolved() if of(one)]
    found = _look_up(source, [one for one in unresolved if one.action is Action.DELETE_JOB])
    for one in unresolved:
        try:
            outcome, detail = _ask(source, one, found, absent)
        # Every other question would fail in the same way.
        except (CredentialsError, BudgetSpentError):
            raise
        except SourceError:
            numbers["open"] += 1  # the journal keeps it open, the report says how many
            continue
        # Still unknown: a second `unknown` line would say nothing new.
        if outcome == "unknown":
            numbers["open"] += 1
            continue
        journal.outcome(one.intent, outcome, detail=f"recovered: {detail}")
        numbers[outcome] += 1
        events(_event(one, outcome, detail))
    return Recovery(**numbers)


def _look_up(source: SourcePort, deletes: Sequence[OpenIntent]) -> Mapping[JobId, bool]:
    """Return for each job that could be looked up with others whether it exists. Empty where that
    is not offered.
    """
    there: dict[JobId, bool] = {}
    for start in range(0, len(deletes), BATCH):
        ids = [one.job_id for one in deletes[start : start + BATCH]]
        try:
            found = source.jobs(ids)
        except (CredentialsError, BudgetSpentError):
            raise
        except SourceError:
            continue  # each of these is asked about alone
        # This deployment has no look-up of several jobs: each is asked about alone.
        if found is None:
            break
        there.update((job_id, job_id in found) for job_id in ids)
    return there


def _ask(
    source: SourcePort, one: OpenIntent, found: Mapping[JobId, bool], absent: Absent | None
) -> tuple[Proven, str]:
    if one.action is Action.DELETE_ASSETS:
        gone = are_assets_gone(source, one.owner, one.job_id)
        return (
            ("confirmed", "no assets are listed any more")
            if gone
            else ("failed", "its assets are still listed")
        )
    if one.action is Action.STOP:
        document = source.job(one.owner, one.job_id)
        # A job that is gone does not run either, so the stop had its effect.
        running = document is not None and document.job.state is JobState.RUNNING
        return ("failed", "it still runs") if running else ("confirmed", "it does not run any more")
    # An accepted delete and its absence are two independent answers.
    there = found.get(one.job_id)
    if _accepted(one) and there is False:
        return "confirmed", "accepted, and absent when looked up"
    # One by one would cost a request a job; a full listing answers for all of them at once.
    if _accepted(one) and there is None and absent is not None:
        listed_absent = absent(one)
        if listed_absent is None:
            return "unknown", "accepted, and no full listing since"
        return (
            ("confirmed", "absent from a full listing")
            if listed_absent
            else ("failed", "still listed")
        )
    # The answer to the write is unknown, so absence alone is not believed: it must be 404 twice.
    gone = is_job_gone(source, one.owner, one.job_id)
    return ("confirmed", "404 twice") if gone else ("failed", "the job is still there")


def _accepted(one: OpenIntent) -> bool:
    return one.detail is not None and one.detail.startswith(ACCEPTED)


def _event(one: OpenIntent, outcome: Proven, detail: str) -> Event:
    if outcome != "confirmed":
        return ActionFailed(
            one.job_id, one.owner, one.policy, one.action, f"of an earlier run: {detail}"
        )
    if one.action is Action.DELETE_JOB:
        return JobDeleted(one.job_id, one.owner, one.policy)
    if one.action is Action.DELETE_ASSETS:
        # The size is not known any more: the run that sent the delete has ended.
        return AssetsDeleted(one.job_id, one.owner, one.policy, None)
    return JobStopped(one.job_id, one.owner, one.policy)
