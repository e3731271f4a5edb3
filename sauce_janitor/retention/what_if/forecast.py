"""The forecast of one action on a job: when it happens if nothing but time changes, or that it does
not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from sauce_janitor.model.durations import due_at
from sauce_janitor.model.job_age import EARLIEST
from sauce_janitor.model.jobs import DELETES, Action, Decision, Verdict, Why
from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.builds import BuildKeeper
from sauce_janitor.retention.decide import DecidedJob
from sauce_janitor.retention.job_verdict import JobVerdict, due_since
from sauce_janitor.retention.match_cases import AppliedRule

_NOT_ITS = "the configuration is not about its owner"
_TIME: Final = frozenset({Why.NOT_YET, Why.GRACE})
_PLACES: Final = {action: n for n, action in enumerate(Action)}

Form: TypeAlias = tuple[frozenset[tuple[int, int, int]], str | None] | None
"""What a forecast's time depends on: durations and the build whose age counts, and the files that
are stored. None when the action never happens.
"""


@dataclass(frozen=True, slots=True)
class Forecast:
    """`at` (epoch seconds) is when the action happens, None for never as things stand; `is_due`: it
    is due now.

    `policy` says so; None for a hold, or where it never happens. `files` is the selection's key
    when archiving. `reasons` are the decision's.
    """

    action: Action
    at: int | None = None
    is_due: bool = False
    policy: str | None = None
    files: str | None = None
    reasons: tuple[str, ...] = ()


class ForecastMaker:
    """Makes forecasts under one set of rules at one instant."""

    def __init__(self, rules: Rules, as_of: int) -> None:
        self._rules, self._as_of = rules, as_of

    def form(self, action: Action, verdict: JobVerdict | None) -> Form:
        """Return a value that is equal for verdicts under which every job has the same forecast for
        the action, with one time zone and one grace.
        """
        if verdict is None or not happens(action, verdict):
            return None
        claims = _claims(action, verdict)
        if action in DELETES and _waits(verdict.decisions[_PLACES[Action.ARCHIVE]]):
            claims += _claims(Action.ARCHIVE, verdict)
        durations = frozenset(
            (claim.after.seconds, claim.after.months, _build_keeper(claim))
            for claim in claims
            if claim.after is not None
        )
        if action in DELETES and verdict.gives_up_at is not None:
            # The date is this job's own.
            durations |= {(verdict.gives_up_at, 0, -1)}
        return durations, _files(verdict) if action is Action.ARCHIVE else None

    def forecast(self, action: Action, decided_job: DecidedJob | None) -> Forecast:
        """Return the forecast for a job, without its reasons. A job that the rules are not about is
        None.
        """
        if decided_job is None or not happens(action, decided_job[2]):
            return Forecast(action)
        record, time, verdict = decided_job
        zone, claims, started = (
            self._rules.timezone,
            _claims(action, verdict),
            record.job.started_at,
        )
        files = _files(verdict) if action is Action.ARCHIVE else None
        # A hold archives at once.
        if not claims:
            ended = record.job.ended_at
            return Forecast(
                action, ended if isinstance(ended, int) else self._as_of, is_due=True, files=files
            )
        # Without a plausible start nobody can say how long the job has been running.
        if action is Action.STOP and not (isinstance(started, int) and started >= EARLIEST):
            return Forecast(action)
        dates = [
            (due_since(claim, action, record, time, zone), claim.policy.name) for claim in claims
        ]
        at = (min if action is Action.ARCHIVE else max)(date for date, _ in dates)
        policy = min(name for date, name in dates if date == at)
        is_due = verdict.decisions[_PLACES[action]].verdict is Verdict.DUE
        # A due delete still waits for missing files, until the policies give them up.
        if is_due and action in DELETES and _lacks(verdict, action):
            if verdict.gives_up_at is None:
                return Forecast(action, policy=policy)
            at, is_due = max(at, verdict.gives_up_at), False
        if action in DELETES and not is_due:
            at = max(at, self._announced_until(action, decided_job), self._archived_at(decided_job))
        return Forecast(action, at, is_due, policy, files)

    def with_reasons(self, forecast: Forecast, decided_job: DecidedJob | None) -> Forecast:
        """Return the forecast with the reasons of the decision; those of its assets are left out
        where the job has its own.
        """
        if decided_job is None:
            return replace(forecast, reasons=(_NOT_ITS,))
        reasons = decided_job[2].decisions[_PLACES[forecast.action]].reasons
        own = [reason for reason in reasons if reason.why is not Why.ASSETS_PROTECTED]
        return replace(forecast, reasons=tuple(reason.text for reason in own or reasons))

    def _announced_until(self, action: Action, decided_job: DecidedJob) -> int:
        """Return when the grace period is over if the delete is announced now at the latest. A
        job's delete waits for that of its assets.
        """
        grace, (record, _, verdict) = self._rules.grace, decided_job
        if not (grace.seconds or grace.months):
            return 0
        known = record.announced or {}
        since = known.get(action, self._as_of)
        if (
            action is Action.DELETE_JOB
            and verdict.case.claims[Action.DELETE_ASSETS]
            and not _assets_are_gone(verdict)
        ):
            since = max(since, known.get(Action.DELETE_ASSETS, self._as_of))
        return due_at(since, grace, self._rules.timezone)

    def _archived_at(self, decided_job: DecidedJob) -> int:
        """Return when the archive that a delete waits for is due."""
        return (
            (self.forecast(Action.ARCHIVE, decided_job).at or 0)
            if _waits(decided_job[2].decisions[_PLACES[Action.ARCHIVE]])
            else 0
        )


def happens(action: Action, verdict: JobVerdict) -> bool:
    """Return whether the action is due, or only time blocks it."""
    decision = verdict.decisions[_PLACES[action]]
    return decision.verdict is Verdict.DUE or all(
        _passes(why, verdict) for why in {r.why for r in decision.reasons}
    )


def _passes(why: Why, verdict: JobVerdict) -> bool:
    # Archiving happens by itself if only time keeps it from being due.
    if why is Why.NOT_ARCHIVED:
        return verdict.selection is not None and _waits(verdict.decisions[_PLACES[Action.ARCHIVE]])
    if why is Why.ASSETS_PROTECTED:
        return happens(Action.DELETE_ASSETS, verdict)
    return why in _TIME


def _lacks(verdict: JobVerdict, action: Action) -> bool:
    """Return whether a delete that is due waits for missing files."""
    return any(reason.why is Why.MISSING for reason in verdict.decisions[_PLACES[action]].reasons)


def _waits(decision: Decision) -> bool:
    return decision.verdict is Verdict.KEEP and all(
        reason.why is Why.NOT_YET for reason in decision.reasons
    )


def _claims(action: Action, verdict: JobVerdict) -> tuple[AppliedRule, ...]:
    """Return the rules that the forecast depends on. Deleting a job deletes its assets while it has
    any.
    """
    claims = verdict.case.claims[action]
    if action is Action.ARCHIVE:
        wanting = {reason.policy for reason in verdict.decisions[_PLACES[action]].reasons}
        return tuple(
            claim for claim in claims if claim.policy.name in wanting and not claim.undecided
        )
    if action is Action.DELETE_JOB and not _assets_are_gone(verdict):
        claims += verdict.case.claims[Action.DELETE_ASSETS]
    return claims


def _assets_are_gone(verdict: JobVerdict) -> bool:
    return any(
        reason.why is Why.DONE
        for reason in verdict.decisions[_PLACES[Action.DELETE_ASSETS]].reasons
    )


def _files(verdict: JobVerdict) -> str | None:
    return verdict.selection.key if verdict.selection else None


def _build_keeper(claim: AppliedRule) -> int:
    """Return a number that no other rule has where a build's age counts."""
    of_build = claim.slot is not None and isinstance(claim.slot.keeper, BuildKeeper)
    return id(claim.slot) if of_build else 0
