"""Builds and their jobs as tables for people, and as rows for JSON and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sauce_janitor import terminal

if TYPE_CHECKING:
    from sauce_janitor.cli.account_session import AccountSession
    from sauce_janitor.cli.app import Session
    from sauce_janitor.report import CellKind, Column
    from sauce_janitor.sauce.build_members import BuildMember
    from sauce_janitor.sauce.builds import BuildRecord

_TIMES = ("created_at", "started_at", "ended_at", "modified_at", "deleted_at")
# Some of these are in one of the two builds APIs only: `number` and `prefix` in the older one,
# `owner_id` and `source` in the newer one.
_PLAIN = (
    "passed",
    "public",
    "run",
    "number",
    "prefix",
    "owner_id",
    "team_id",
    "org_id",
    "group_id",
    "source",
)
_COUNTED = (
    "passed", "failed", "errored", "completed", "finished", "running", "queued", "new", "public",
)  # fmt: skip
BUILD_KEYS = (
    "account",
    "id",
    "name",
    "owner",
    "status",
    "jobs",
    "open_jobs",
    *_TIMES,
    *(f"jobs_{name}" for name in _COUNTED),
    *_PLAIN,
    "unknown",
)
MEMBER_KEYS = ("account", "build", "id", "status", "created_at", "modified_at")


def member_columns() -> Sequence[Column]:
    """Return the columns of a table of a build's jobs."""
    from sauce_janitor.report import Column

    headers: dict[str, CellKind] = {
        "Job": "id",
        "Status": "word",
        "Created": "time",
        "Modified": "time",
    }
    return [Column(header, kind) for header, kind in headers.items()]


def member_cells(members: Sequence[BuildMember]) -> Sequence[Sequence[object]]:
    """Return the jobs of a build as rows of cells, in the order of `member_columns`."""
    return [(each.id, each.status, each.created_at, each.modified_at) for each in members]


def show_build(
    session: Session, record: BuildRecord, row: Mapping[str, Any], members: Sequence[BuildMember]
) -> None:
    """Print the build, a line for each known value, and its jobs below."""
    from sauce_janitor import report
    from sauce_janitor.times import when

    out = session.console()
    facts: dict[str, object] = {
        "build": record.id,
        "name": row["name"],
        "status": row["status"],
        "owner": row["owner"],
    }
    facts |= {
        name.removesuffix("_at"): when(value)
        for name in _TIMES
        if isinstance(value := getattr(record, name), int)
    }
    facts["jobs"] = row["jobs"]
    facts |= {
        f"  {name}": f"{record.counters[name]:,}" for name in _COUNTED if name in record.counters
    }
    facts |= {name: row[name] for name in _PLAIN}
    facts["cannot be read"] = ", ".join(row["unknown"]) or None
    # Neither API has all fields: what is not there gets no line.
    shown = {name: value for name, value in facts.items() if value is not None}
    width = max(map(len, shown))
    for name, value in shown.items():
        # 1 equals True in Python: only real flags become yes and no.
        text = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
        report.say(out, f"{name:{width}}  {text}")
    if members:
        out.print()
        report.show_table(out, member_columns(), member_cells(members))


def build_row(account: str, record: BuildRecord) -> dict[str, Any]:
    """Return a build for JSON and CSV: times in ISO 8601.

    A field that could not be read is null, and its name is in `unknown`.
    """
    from sauce_janitor.model.jobs import UNKNOWN
    from sauce_janitor.report import iso

    names = ("id", "name", "owner", "status", "jobs", "open_jobs")
    values: dict[str, Any] = {name: getattr(record.build, name) for name in names}
    values |= {name: getattr(record, name) for name in _TIMES}
    values |= {f"jobs_{name}": record.counters.get(name) for name in _COUNTED}
    values |= {name: getattr(record, name) for name in _PLAIN}
    unknown = [name for name, value in values.items() if value is UNKNOWN]
    # Null alone would not tell what is unreadable from what is absent.
    values |= dict.fromkeys(unknown)
    values |= {name: iso(values[name]) for name in _TIMES}
    return {"account": account, **values, "unknown": unknown}


def member_row(account: str, build_id: str, member: BuildMember) -> dict[str, Any]:
    """Return a job of a build for JSON and CSV, with null for a value that could not be read."""
    from sauce_janitor.model.jobs import UNKNOWN
    from sauce_janitor.report import iso

    times = {
        name: iso(time) if isinstance(time, int) else None
        for name, time in (("created_at", member.created_at), ("modified_at", member.modified_at))
    }
    status = None if member.status is UNKNOWN else member.status
    return {"account": account, "build": build_id, "id": member.id, "status": status, **times}


def show_rows(
    opened: AccountSession,
    rows: list[dict[str, Any]],
    form: str,
    *,
    keys: tuple[str, ...],
    columns: Sequence[Column],
    cells: Sequence[Sequence[object]],
) -> None:
    """Show `rows` to machines, or `cells` to people, under `columns`."""
    from sauce_janitor import report
    from sauce_janitor.cli.jobs.list import json_pieces

    if form == "csv":
        terminal.write(report.csv_lines(rows, keys))
    elif form == "json":
        terminal.write(json_pieces(rows))
    elif not rows:
        terminal.echo("None.", err=True)
    else:
        report.show_table(opened.command.session.console(), columns, cells)
