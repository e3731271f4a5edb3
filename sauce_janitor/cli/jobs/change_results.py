"""The results of changes by hand, as lines for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sauce_janitor import json_output, terminal
from sauce_janitor.json_output import Shape, key

if TYPE_CHECKING:
    from sauce_janitor.execute.manual.action import ManualResult
    from sauce_janitor.model.jobs import JobDocument, JobId, Owner

_NOT_DONE = 4


def _changes(result: ManualResult) -> dict[str, object]:
    return {name: {"before": old, "after": new} for name, (old, new) in result.changes.items()}


_RESULT = Shape("job_id", "owner", "outcome", "detail", key("changes", _changes), "notes")


def unchanged(job_id: JobId, owner: Owner, why: str) -> ManualResult:
    """Return the result for a job with nothing to do."""
    from sauce_janitor.execute.manual.action import ManualResult

    return ManualResult(job_id, owner, "nothing", why)


def failed(job_id: JobId, owner: Owner, why: str) -> ManualResult:
    """Return the result for a job whose change failed."""
    from sauce_janitor.execute.manual.action import ManualResult

    return ManualResult(job_id, owner, "failed", why)


def show_results(results: Sequence[ManualResult], code: int = 0, *, form: str) -> int:
    """Print the results and return the exit code."""
    from sauce_janitor import report

    if form == "json":
        json_output.echo(results, _RESULT)
    else:
        for result in results:
            terminal.echo(result_line(result), err=result.outcome in {"failed", "unknown"})
            for note in result.notes:
                terminal.echo(f"  {report.clean(note)}", err=True)
    # An unknown result counts as a failure: the job may not be as requested.
    return _NOT_DONE if any(result.outcome in {"failed", "unknown"} for result in results) else code


def result_line(result: ManualResult) -> str:
    """Return the result of one job as a line."""
    from sauce_janitor import report

    words = {"done": "Done", "nothing": "Nothing to do", "failed": "Failed", "unknown": "In doubt"}[
        result.outcome
    ]
    changes = "; ".join(_changed(name, old, new) for name, (old, new) in result.changes.items())
    # A change that is in doubt or failed has its reason in `detail`.
    text = changes if result.outcome == "done" and changes else result.detail
    return report.clean(f"{words}: {result.job_id} of {result.owner}: {text}")


def change_lines(document: JobDocument, fields: Mapping[Any, object]) -> list[str]:
    """Return a line for each field that will change, with its old and its new value."""
    from sauce_janitor.model.job_changes import fields_of

    found = fields_of(document)
    return [_changed(name, found.get(name), value) for name, value in fields.items()]


def _changed(name: str, old: object, new: object) -> str:
    # Two long lists of tags are hard to compare: show what is added and removed.
    if isinstance(old, list) and isinstance(new, list):
        signs = [f"+{tag}" for tag in new if tag not in old] + [
            f"-{tag}" for tag in old if tag not in new
        ]
        return f"{name} {' '.join(signs)} (now {', '.join(map(str, new)) or 'none'})"
    return f"{name} {_text(old)} -> {_text(new)}"


def _text(value: object) -> str:
    return json_output.text(value)
