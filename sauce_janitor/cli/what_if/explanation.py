"""All that is known of one job as JSON (see `console.job_explanation`)."""

from __future__ import annotations

from typing import Any, Final

from sauce_janitor import report
from sauce_janitor.console.job_explanation import Explained
from sauce_janitor.json_output import Key, Shape, key, spread, time, to_json
from sauce_janitor.model.jobs import UNKNOWN

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
