"""Jobs and builds as people and scripts read them: one line each, as many columns as there is room for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sauce_janitor.report.words import iso, when
from sauce_janitor.retention.model import UNKNOWN, Job
from sauce_janitor.terminal import printable

JOB_COLUMNS: Final = (
    "account", "id", "owner", "name", "build", "status", "state", "tags", "os", "browser", "browser_version",
    "automation_backend", "public", "error", "manual", "created_at", "started_at", "ended_at", "modified_at", "unknown",
)  # fmt: skip
"""The keys of a job's row, in the order of the CSV."""
_TIMES: Final = frozenset({"created_at", "started_at", "ended_at", "modified_at"})
_WIDE: Final = 110
_WIDEST: Final = 150

Column = tuple[str, Callable[[Mapping[str, Any]], object]]


def job_row(account: str, job: Job) -> dict[str, Any]:
    """A job for machines: times as ISO 8601; a field that cannot be read is null and named in `unknown`."""
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


def show_jobs(out: Console, jobs: Sequence[tuple[str, Job]], *, with_account: bool, with_owner: bool) -> None:
    """A table of jobs, each with its account's name."""
    rows = [{"account": account, "job": job} for account, job in jobs]
    columns: list[Column] = [("Job", lambda row: row["job"].id), ("Status", lambda row: status_of(row["job"]))]
    if with_account:
        columns.append(("Account", lambda row: row["account"]))
    if with_owner:
        columns.append(("Owner", lambda row: row["job"].owner))
    if out.width >= _WIDE:
        columns.append(("Created", lambda row: _time(row["job"].created_at)))
    columns += [("Build", lambda row: _text(row["job"].build)), ("Name", lambda row: _text(row["job"].name))]
    if out.width >= _WIDEST:
        columns.append(("Tags", lambda row: _tags(row["job"])))
    out.print(one_liners(out, columns, rows))


def one_liners(out: Console, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> Table:
    """A table of one line a row: what does not fit a terminal ends in …; without one nothing is cut."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, (header, _) in enumerate(columns):
        last = number == len(columns) - 1
        table.add_column(
            Text(header), no_wrap=True, overflow="ellipsis" if out.is_terminal else "ignore", ratio=1 if last else None,
            min_width=32 if number == 0 else None, max_width=None if last or not out.is_terminal else 32,
        )  # fmt: skip
    for row in rows:
        table.add_row(*(Text(printable("-" if (said := value(row)) is None else said)) for _, value in columns))
    return table


def status_of(job: Job) -> str:
    """How the job ended, or where it stands."""
    return job.status if isinstance(job.status, str) else job.state.value


def show_document(out: Console, job: Job, document: Mapping[str, Any]) -> None:
    """One job for people: what is told of it everywhere first, then all else that it has, each on a line."""
    told: dict[str, object] = {
        "job": job.id, "owner": job.owner, "name": job.name, "build": job.build, "tags": _tags(job),
        "status": status_of(job), "created": _time(job.created_at), "started": _time(job.started_at),
        "ended": _time(job.ended_at),
    }  # fmt: skip
    known = {"id", "owner", "name", "build", "tags", "creation_time", "start_time", "end_time"}
    told |= {
        key: value for key, value in sorted(document.items()) if key not in known and value not in (None, "", [], {})
    }
    width = max(len(printable(key)) for key in told)
    for key, value in told.items():
        out.print(Text(f"{printable(key):{width}}  {printable(_value(value))}"))


def _value(value: object) -> object:
    if value is UNKNOWN:
        return "cannot be read"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else _text(value)


def _text(value: object) -> object:
    return "?" if value is UNKNOWN else "-" if value is None else value


def _time(value: object) -> str:
    return when(value) if isinstance(value, int) else str(_text(value))


def _tags(job: Job) -> str:
    return "?" if job.tags is UNKNOWN else ", ".join(job.tags) or "-"
