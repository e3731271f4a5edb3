"""All that is known of one job, as a value and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sauce_janitor import report
from sauce_janitor.archive import MirroredHold
from sauce_janitor.json_output import Key, Shape, key, spread, time, to_json
from sauce_janitor.model.job_retries import Retry
from sauce_janitor.model.jobs import UNKNOWN, Action, Job, JobId, Owner
from sauce_janitor.retention.what_if.explain import Explanation, Outlook
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

    @property
    def owner(self) -> Owner:
        """Return the job's owner, who the journal still knows when the job is gone."""
        return self.explanation.record.job.owner if self.explanation else self.lines[0].owner

    @property
    def is_known(self) -> bool:
        """Return whether the job is in the inventory."""
        return self.explanation is not None

    @property
    def deleted_at(self) -> int | None:
        """Return when the job was deleted, None while it is in the inventory."""
        is_gone = self.explanation is None and self.deletion is not None
        return self.deletion.at if is_gone and self.deletion else None

    @property
    def decisions(self) -> tuple[ActionOutlook, ...]:
        """Return the decision on each action, none for a job that is not in the inventory."""
        if self.explanation is None:
            return ()
        job = self.explanation.record.job
        return tuple(ActionOutlook(job, outlook) for outlook in self.explanation.outlooks)


@dataclass(frozen=True, slots=True)
class ActionOutlook:
    """The decision and the forecast on one action of a job."""

    job: Job
    outlook: Outlook

    def row(self) -> dict[str, Any]:
        """Return the decision as a plan has it."""
        return report.action_row(self.job.id, self.job.owner, self.outlook.decision)


# --- for machines ---------------------------------------------------------------------------------


def _known(name: str) -> Key:
    """Return the key of a job's field. An unreadable one is `{"unknown": true}`, unlike null."""

    def show(value: object) -> Any:
        # Null is a value that the job may have.
        if value is UNKNOWN:
            return {"unknown": True}
        return report.iso(value) if name.endswith("_at") and isinstance(value, int) else value

    return Key(name, lambda job: getattr(job, name), lambda value: to_json(show(value)))


def _of_inventory(name: str, attribute: str, shape: Shape | None = None) -> Key:
    """Return the key of a list that is empty for a job that is not in the inventory."""

    def find(each: Explained) -> object:
        explanation = each.explanation
        if explanation is None:
            return ()
        # The record has what is stored, the explanation what is decided.
        found = explanation.record if attribute in {"archived", "missing"} else explanation
        return getattr(found, attribute) or ()

    return key(name, find, shape)


_JOB = Shape(
    "state",
    *map(_known, ("name", "build", "status", "os", "browser", "browser_version", "tags")),
    *map(_known, ("started_at", "ended_at")),
)
_DECISION = Shape(
    spread(lambda each: each.row()),
    key("verdict", "outlook.decision.verdict"),
    time("at", "outlook.forecast.at"),
    time("expected_at", "outlook.expected_at"),
)
_RULE = Shape("action", "standing", "by", "after", time("due_at"), "kept_by", "files")
_KEEP = Shape(
    "rule", "text", "keeps", "rank", "of", "per_day", time("lets_go_at"), "exact"
)  # fmt: skip
_POLICY = Shape(
    "policy",
    "matches",
    "speaks",
    key("default", "is_default"),
    "unknown_fields",
    key("says", "rule_views", _RULE),
    "group",
    "rank",
    "of",
    key("keep", "keeps", _KEEP),
)
_RETRY = Shape(
    "job_id",
    "kind",
    "tries",
    "reason",
    *map(time, ("first_failed_at", "last_failed_at", "due_at")),
    "requests",
)
_LINE = Shape(
    time("at"), "kind", "action", "outcome", "policy", "run_id", "receipt", "detail"
)  # fmt: skip
EXPLAINED: Final = Shape(
    "account",
    key("job_id", "job"),
    "owner",
    key("known", "is_known"),
    time("deleted_at"),
    key("job", "explanation.record.job", _JOB),
    key("assets", "explanation.record.assets"),
    _of_inventory("archived", "archived"),
    _of_inventory("missing_files", "missing", Shape("name", "why", time("since"))),
    time("aged_since", "explanation.age_time"),
    time("goes_at", "explanation.goes_at"),
    time("expected_at", "explanation.expected_at"),
    key("decisions", shape=_DECISION),
    _of_inventory("policies", "policies", _POLICY),
    _of_inventory("saves", "saves"),
    key("retry", shape=_RETRY),
    time("waits_until"),
    key("local_holds", "holds", Shape("by", "reason", time("at"), time("until"))),
    key("journal", "lines", _LINE),
)
"""For a job that is not in the inventory, the values from there are null or empty."""
