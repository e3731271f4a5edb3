"""Jobs as rows for scripts and as lines for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from sauce_janitor.model.jobs import UNKNOWN, Job
from sauce_janitor.report.tables import Column, show_table
from sauce_janitor.terminal import printable
from sauce_janitor.times import iso, when

JOB_COLUMNS: Final = (
    "account", "id", "owner", "name", "build", "status", "state", "tags",
    "os", "browser", "browser_version", "automation_backend", "public", "error", "manual",
    "created_at", "started_at", "ended_at", "modified_at", "team_id", "unknown",
)  # fmt: skip
"""The keys of a job's row, in the order of the CSV columns."""
_TIMES: Final = frozenset({"created_at", "started_at", "ended_at", "modified_at"})


def job_row(account: str, job: Job) -> dict[str, Any]:
    """Return a job for machines, with times as ISO 8601 in UTC.

    A field that cannot be read is null and named in `unknown`.
    """
    row: dict[str, Any] = {"account": account}
    unknown = []
    for each in fields(job):
        value = getattr(job, each.name)
        if value is UNKNOWN:
            unknown.append(each.name)
            value = None
        row[each.name] = iso(value) if each.name in _TIMES else value
    row["state"] = job.state.value
    row["tags"] = list(row["tags"] or ())
    row["custom_data"] = dict(row["custom_data"] or {})
    return {**row, "unknown": unknown}


def show_jobs(out: Console, jobs: Sequence[Job], *, with_owner: bool) -> None:
    """Print a table of jobs, one line each."""
    owner_column = [Column("Owner", rank=1)] if with_owner else []
    columns = [
        Column("Job", "id"), Column("Status", "word"), *owner_column, Column("Created", "time", 2),
        Column("Ended", "time"), Column("Build"), Column("Name"), Column("Tags", rank=3),
    ]  # fmt: skip
    show_table(out, columns, (_cells(job, with_owner=with_owner) for job in jobs))


def _cells(job: Job, *, with_owner: bool) -> tuple[object, ...]:
    owner = [job.owner] if with_owner else []
    times = job.created_at, job.ended_at
    return (job.id, status_of(job), *owner, *times, job.build, job.name, _tags(job))


def status_of(job: Job) -> str:
    """Return the job's status, such as `passed`; its state if it has none yet."""
    return job.status if isinstance(job.status, str) else job.state.value


def show_document(out: Console, job: Job, document: Mapping[str, Any]) -> None:
    """Print one job for people, one field a line: the usual fields first, then all others."""
    shown: dict[str, object] = {
        "job": job.id,
        "owner": job.owner,
        "name": job.name,
        "build": job.build,
        "tags": _tags(job),
        "status": status_of(job),
        "created": _time(job.created_at),
        "started": _time(job.started_at),
        "ended": _time(job.ended_at),
        "modified": _time(job.modified_at),
    }
    # The same facts in the document, by the names of the API. Its `status` of an ended job is
    # `complete`, even if the job failed.
    known = {
        "id",
        "owner",
        "name",
        "build",
        "tags",
        "status",
        "creation_time",
        "start_time",
        "end_time",
        "modification_time",
    }
    # Most fields of a document are empty for most jobs.
    shown |= {
        key: value
        for key, value in sorted(document.items())
        if key not in known and value not in (None, "", [], {})
    }
    width = max(len(printable(key)) for key in shown)
    for key, value in shown.items():
        out.print(Text(f"{printable(key):{width}}  {printable(_value(value))}"), soft_wrap=True)


def _value(value: object) -> object:
    if value is UNKNOWN:
        return "cannot be read"
    # As in the JSON of the API: `true`, not `True`.
    if isinstance(value, dict | list | bool):
        return json.dumps(value, ensure_ascii=False)
    return _text(value)


def _text(value: object) -> object:
    # The same signs as in tables.
    if value is UNKNOWN:
        return "?"
    return "-" if value is None else value


def _time(value: object) -> str:
    return when(value) if isinstance(value, int) else str(_text(value))


def _tags(job: Job) -> str:
    return "?" if job.tags is UNKNOWN else ", ".join(job.tags) or "-"
