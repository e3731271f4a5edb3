"""All that is known of one job, and how machines read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sauce_janitor import report
from sauce_janitor.archive import MirroredHold
from sauce_janitor.model.jobs import UNKNOWN, Action, Job, JobId, MissingFile
from sauce_janitor.model.retries import Retry
from sauce_janitor.retention.what_if.explain import Explanation, Outlook, PolicyView
from sauce_janitor.state import JournalLine

_DONE: Final = ("confirmed", "already_gone")


@dataclass(frozen=True, slots=True)
class Explained:
    """One job in one account: what the rules say, None when it is not in the inventory; the
    journal; local holds; and what failed of it, where it is tried again.

    `policies` are the only ones to tell of in tables; empty: all. `waits_until`: its deletes wait
    until then (epoch seconds), because its receipt is empty and young.
    """

    account: str
    job: JobId
    as_of: int
    told: Explanation | None
    lines: tuple[JournalLine, ...]
    holds: tuple[MirroredHold, ...]
    policies: frozenset[str]
    retry: Retry | None = None
    waits_until: int | None = None

    @property
    def deletion(self) -> JournalLine | None:
        """The line that says that the job is deleted."""
        done = (
            line
            for line in reversed(self.lines)
            if line.outcome in _DONE and line.action is Action.DELETE_JOB
        )
        return next(done, None)


def as_json(each: Explained) -> dict[str, Any]:
    """Everything, with stable keys; times in ISO 8601. What only jobs in the inventory have is null
    or empty for others.
    """
    told = each.told
    deletion = each.deletion
    return {
        "account": each.account,
        "job_id": each.job,
        "owner": told.record.job.owner if told else each.lines[0].owner,
        "known": told is not None,
        "deleted_at": report.iso(deletion.at) if told is None and deletion else None,
        "job": _job(told.record.job) if told else None,
        "assets": told.record.assets.value if told else None,
        "archived": sorted(told.record.archived or ()) if told else [],
        "missing_files": [_missing(file) for file in told.record.missing] if told else [],
        "aged_since": report.iso(told.age_time) if told else None,
        "goes_at": report.iso(told.goes_at) if told else None,
        "expected_at": report.iso(told.expected_at) if told else None,
        "decisions": [_decision(told.record.job, outlook) for outlook in told.outlooks]
        if told
        else [],
        "policies": [_policy(view) for view in told.policies] if told else [],
        "saves": list(told.saves) if told else [],
        "retry": _retry(each.retry) if each.retry else None,
        "waits_until": report.iso(each.waits_until),
        "local_holds": [
            {
                "by": hold.by,
                "reason": hold.reason,
                "at": report.iso(hold.at),
                "until": report.iso(hold.until),
            }
            for hold in each.holds
        ],
        "journal": [
            {
                "at": report.iso(line.at),
                "kind": line.kind,
                "action": line.action.value,
                "outcome": line.outcome,
                "policy": line.policy,
                "run_id": line.run_id,
                "receipt": line.receipt,
                "detail": dict(line.detail),
            }
            for line in each.lines
        ],
    }


def _retry(retry: Retry) -> dict[str, Any]:
    row = report.retry_row(retry)
    return row | {name: report.iso(value) for name, value in row.items() if name.endswith("_at")}


def _missing(file: MissingFile) -> dict[str, Any]:
    return {"name": file.name, "why": file.why, "since": report.iso(file.since)}


def _job(job: Job) -> dict[str, Any]:
    """What the job looks like; what could not be told is `{"unknown": true}`, so that it is not
    taken for null.
    """
    names = (
        "name",
        "build",
        "status",
        "os",
        "browser",
        "browser_version",
        "tags",
        "started_at",
        "ended_at",
    )
    values = {name: getattr(job, name) for name in names}
    values |= {
        name: report.iso(value)
        for name, value in values.items()
        if name.endswith("_at") and isinstance(value, int)
    }
    values |= {name: list(value) for name, value in values.items() if isinstance(value, tuple)}
    known = {
        name: {"unknown": True} if value is UNKNOWN else value for name, value in values.items()
    }
    return {"state": job.state.value, **known}


def _decision(job: Job, outlook: Outlook) -> dict[str, Any]:
    return {
        **report.action_row(job.id, job.owner, outlook.decision),
        "verdict": outlook.decision.verdict.value,
        "at": report.iso(outlook.forecast.at),
        "expected_at": report.iso(outlook.expected_at),
    }


def _policy(view: PolicyView) -> dict[str, Any]:
    return {
        "policy": view.policy,
        "matches": view.matches,
        "speaks": view.speaks,
        "default": view.is_default,
        "unknown_fields": list(view.unknown_fields),
        "says": [
            {
                "action": word.action.value,
                "standing": word.standing,
                "by": list(word.by),
                "after": word.after,
                "due_at": report.iso(word.due_at),
                "kept_by": list(word.kept_by),
                "files": word.files,
            }
            for word in view.rule_views
        ],
        "group": None if view.group is None else list(view.group),
        "rank": view.rank,
        "of": view.of,
        "keep": [
            {
                "rule": keep.rule,
                "text": keep.text,
                "keeps": keep.keeps,
                "rank": keep.rank,
                "of": keep.of,
                "per_day": keep.per_day,
                "lets_go_at": report.iso(keep.lets_go_at),
                "exact": keep.exact,
            }
            for keep in view.keeps
        ],
    }
