"""Builds and their jobs as tables for people, and as rows for JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sauce_janitor import json_output, terminal
from sauce_janitor.json_output import Shape, key, spread, time

if TYPE_CHECKING:
    from sauce_janitor.cli.account_session import AccountSession
    from sauce_janitor.cli.app import Session
    from sauce_janitor.report import CellKind, Column
    from sauce_janitor.sauce.build_members import BuildMember
    from sauce_janitor.sauce.builds import BuildRecord

_OF_BUILD = ("id", "name", "owner", "status", "jobs", "open_jobs")
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


@dataclass(frozen=True, slots=True)
class ShownBuild:
    """One build of an account, and its jobs where they are asked for."""

    account: str
    record: BuildRecord
    members: Sequence[ShownMember] = ()


@dataclass(frozen=True, slots=True)
class ShownMember:
    """One job of a build of an account."""

    account: str
    build: str
    member: BuildMember


def _count(name: str, shown: ShownBuild) -> int | None:
    return shown.record.counters.get(name)


BUILD: Final = Shape(
    "account",
    *(key(name, f"record.build.{name}") for name in _OF_BUILD),
    *(time(name, f"record.{name}") for name in _TIMES),
    *(key(f"jobs_{name}", partial(_count, name)) for name in _COUNTED),
    *(key(name, f"record.{name}") for name in _PLAIN),
    lists_unknown=True,
)
"""The keys of a build. A field that could not be read is null, and its name is in `unknown`."""
MEMBER: Final = Shape(
    "account",
    "build",
    key("id", "member.id"),
    key("status", "member.status"),
    time("created_at", "member.created_at"),
    time("modified_at", "member.modified_at"),
)
"""The keys of a job of a build; null for a value that could not be read."""
BUILD_WITH_MEMBERS: Final = Shape(spread(lambda shown: shown, BUILD), key("members", shape=MEMBER))


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


def show_build(session: Session, shown: ShownBuild) -> None:
    """Print the build, a line for each known value, and its jobs below."""
    from sauce_janitor import report
    from sauce_janitor.times import when

    record, row = shown.record, BUILD.row(shown)
    members = [each.member for each in shown.members]
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
    known = {name: value for name, value in facts.items() if value is not None}
    width = max(map(len, known))
    for name, value in known.items():
        # 1 equals True in Python: only real flags become yes and no.
        text = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
        report.say(out, f"{name:{width}}  {text}")
    if members:
        out.print()
        report.show_table(out, member_columns(), member_cells(members))


def show_rows(
    opened: AccountSession,
    rows: Sequence[object],
    form: str,
    *,
    shape: Shape,
    columns: Sequence[Column],
    cells: Sequence[Sequence[object]],
) -> None:
    """Show `rows` to machines by their shape, or `cells` to people, under `columns`."""
    from sauce_janitor import report

    if form == "csv":
        terminal.write(report.csv_lines(shape.rows(rows), shape.names))
    elif form == "json":
        json_output.write_rows(shape.rows(rows))
    elif not rows:
        terminal.echo("No build or job matches.", err=True)
    else:
        report.show_table(opened.command.session.console(), columns, cells)
