"""All that is known of one job, as a value and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sauce_janitor import report
from sauce_janitor.archive import MirroredHold
from sauce_janitor.model.job_retries import Retry
from sauce_janitor.model.jobs import UNKNOWN, Action, Job, JobId, MissingFile
from sauce_janitor.retention.what_if.explain import Explanation, Outlook, PolicyView
from sauce_janitor.state import JournalLine

_DONE: Final = ("confirmed", "already_gone")


@dataclass(frozen=True, slots=True)
class Explained:
    """What is known of one job in one account.

    `explanation` is None if the job is not in the inventory. `lines` are its journal, `holds` its
    local holds. `policies` are the only ones that tables show; if empty, they show all. `retry` is
    set while a failed action waits for its next try. Deletes wait until `waits_until` (epoch
    seconds) if the job's receipt has no assets and is young.
    """

    account: str
    job: JobId
    as_of: int
    explanation: Explanation | None
    lines: tuple[JournalLine, ...]
    holds: tuple[MirroredHold, ...]
    policies: frozenset[str]
    retry: Retry | None = None
    waits_until: int | None = None

    @property
    def deletion(self) -> JournalLine | None:
        """Return the last journal line that says that the job is deleted."""
        done = (
            line
            for line in reversed(self.lines)
            if line.outcome in _DONE and line.action is Action.DELETE_JOB
        )
        return next(done, None)


def as_json(each: Explained) -> dict[str, Any]:
    """Return everything, with stable keys and times in ISO 8601.

    For a job that is not in the inventory, the values from there are null or empty.
    """
    explanation = each.explanation
    deletion = each.deletion
    return {
        "account": each.account,
        "job_id": each.job,
        "owner": explanation.record.job.owner if explanation else each.lines[0].owner,
        "known": explanation is not None,
        "deleted_at": report.iso(deletion.at) if explanation is None and deletion else None,
        "job": _job(explanation.record.job) if explanation else None,
        "assets": explanation.record.assets.value if explanation else None,
        "archived": sorted(explanation.record.archived or ()) if explanation else [],
        "missing_files": [_missing(file) for file in explanation.record.missing]
        if explanation
        else [],
        "aged_since": report.iso(explanation.age_time) if explanation else None,
        "goes_at": report.iso(explanation.goes_at) if explanation else None,
        "expected_at": report.iso(explanation.expected_at) if explanation else None,
        "decisions": [
            _decision(explanation.record.job, outlook) for outlook in explanation.outlooks
        ]
        if explanation
        else [],
        "policies": [_policy(view) for view in explanation.policies] if explanation else [],
        "saves": list(explanation.saves) if explanation else [],
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
    """Return the job's fields. An unreadable one is `{"unknown": true}`, which null is not."""
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
