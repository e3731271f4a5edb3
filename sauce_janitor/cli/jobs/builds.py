"""`builds` and `build`: the builds of an account, and one whole with its jobs, as Sauce Labs has
them now.

They send only GETs.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import (
    ACCOUNT,
    FORMAT,
    OWNER,
    ROWS,
    TIMES,
    build_id,
    moment,
    told_of_globs,
)

if TYPE_CHECKING:
    from sauce_janitor.cli.account_session import AccountSession
    from sauce_janitor.model.jobs import Owner
    from sauce_janitor.report import CellKind, Column
    from sauce_janitor.sauce.build_members import BuildMember
    from sauce_janitor.sauce.builds import BuildFilter, BuildRecord
    from sauce_janitor.sauce.http.paths import BuildSource

_SOURCES = {"vdc": "virtual devices", "rdc": "real devices"}
_TIMES = ("created_at", "started_at", "ended_at", "modified_at", "deleted_at")
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
_BUILD_COLUMNS = (
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
_STATUSES = ("running", "error", "failed", "complete", "success")
_MEMBER_COLUMNS = ("account", "build", "id", "status", "created_at", "modified_at")

_SOURCE = click.option(
    "--source", type=click.Choice(list(_SOURCES)), default="vdc", show_default=True,
    help="Builds of virtual machines, emulators and simulators, or of real devices.",
)  # fmt: skip


@click.command()
@click.argument("build", metavar="[BUILD]", required=False)
@click.option("--owner", metavar="USER", help="Builds of this user. Default: the account's user.")
@click.option("--name", metavar="GLOB", help="Only those with this name.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(_STATUSES),
    help="Only those with this status. Repeatable.",
)
@click.option("--since", metavar="TIME", help=f"Created at or after this time: {TIMES}.")
@click.option(
    "--until", metavar="TIME", help="Created at or before this time; a day counts until its end."
)
@_SOURCE
@click.option(
    "--limit",
    type=click.IntRange(0),
    metavar="N",
    default=100,
    show_default=True,
    help="Show at most N; 0 for all.",
)
@ACCOUNT
@ROWS
@click.pass_obj
def builds(
    session: Session,
    /,
    build: str | None,
    *,
    wanted: str | None,
    form: str,
    limit: int,
    source: BuildSource,
    **given: Any,
) -> None:
    """List builds, newest first, or the jobs of the build BUILD, by its id or address."""
    from sauce_janitor.cli import options as checked
    from sauce_janitor.cli.account_session import calling

    wanted_id = None if build is None else build_id(build)
    with calling(session, wanted, looks=True) as call:
        if wanted_id is not None:
            _show_members(call, wanted_id, source, limit, form)
            return
        whose = checked.owner(given["owner"]) or call.hand.owners[0]
        which, tests = _filter(call, given)
        _show_builds(call, _found(call, whose, source, which), tests, limit, form)


@click.command()
@click.argument("build_text", metavar="[BUILD]", required=False)
@click.option("--job", "job_text", metavar="JOB", help="Show the build of this job.")
@_SOURCE
@OWNER
@ACCOUNT
@FORMAT
@click.pass_obj
def build(
    session: Session,
    /,
    build_text: str | None,
    *,
    job_text: str | None,
    wanted: str | None,
    form: str,
    source: BuildSource,
    **given: str | None,
) -> None:
    """Show one build, by its id or address, or the build of a job: times, counters, ids and
    jobs.
    """
    from sauce_janitor.cli import options as checked
    from sauce_janitor.cli.account_session import calling

    if (build_text is None) == (job_text is None):
        raise click.UsageError("give a BUILD, or --job JOB for the build of a job")
    wanted_id = None if build_text is None else build_id(build_text)
    with calling(session, wanted, looks=True) as call:
        whose = checked.owner(given["owner"])
        of_job = str(job_text)
        record = (
            _of_job(call, of_job, source, whose)
            if wanted_id is None
            else _one(call, wanted_id, source, whose)
        )
        members = list(call.hand.reader(whose).build_records.members(record.id, source) or ())
    row = {
        **build_row(call.name, record),
        "members": [_member_row(call.name, record.id, each) for each in members],
    }
    if form == "json":
        terminal.write_json(row)
    else:
        _show_whole(session, record, row, members)


def _one(
    call: AccountSession, wanted_id: str, source: BuildSource, whose: Owner | None
) -> BuildRecord:
    from sauce_janitor.errors import AnswerError

    owner = whose or call.hand.owners[0]
    record = call.hand.reader(owner).build_records.one(wanted_id, source, owner)
    if record is None:
        raise AnswerError(
            f"{call.name}: Sauce Labs shows no build {wanted_id!r:.80} of {_SOURCES[source]} to "
            "these credentials (404)"
        )
    return record


def _of_job(
    call: AccountSession, text: str, source: BuildSource, whose: Owner | None
) -> BuildRecord:
    from sauce_janitor.cli.job_lookup import asked_ids
    from sauce_janitor.cli.options import job_reference_of
    from sauce_janitor.errors import AnswerError

    reference = job_reference_of(text)
    # The jobs of real devices are in no list here: they are known by their whole id alone.
    if source == "rdc" and reference.id is None:
        raise click.UsageError(f"--job {text!r:.60}: of a real device's job write the whole id")
    (job_id,) = asked_ids(call, (reference,), whose)
    record = call.hand.reader(whose).build_records.of_job(job_id, source)
    if record is None:
        raise AnswerError(
            f"{call.name}: Sauce Labs shows no build of job {job_id} among {_SOURCES[source]} "
            "(404): the job is in none, is not to be seen with these credentials, or the builds "
            "API (v2) is not offered"
        )
    return record


def _filter(
    call: AccountSession, given: Mapping[str, Any]
) -> tuple[BuildFilter, list[Callable[[BuildRecord], bool]]]:
    """What to ask for, and what each build that comes is tested by: whether the API filters is not
    documented.
    """
    from sauce_janitor.model.globs import compile_glob, is_plain
    from sauce_janitor.sauce.builds import BuildFilter

    now, zone = int(time.time()), call.desk.config.timezone
    since = moment("--since", given["since"], zone, now=now)
    until = moment("--until", given["until"], zone, now=now, end=True)
    name, statuses = given["name"], given["statuses"]
    told_of_globs({"--name": name})
    tests: list[Callable[[BuildRecord], bool]] = []
    if name is not None:
        glob = compile_glob(name)
        tests.append(lambda each: isinstance(each.build.name, str) and glob(each.build.name))
    if statuses:
        tests.append(lambda each: each.build.status in statuses)
    if since is not None:
        tests.append(lambda each: isinstance(each.created_at, int) and each.created_at >= since)
    if until is not None:
        tests.append(lambda each: isinstance(each.created_at, int) and each.created_at <= until)
    exact = name if name is not None and is_plain(name) else None
    return BuildFilter(exact, tuple(statuses), since, until), tests


def _found(
    call: AccountSession, whose: Owner, source: BuildSource, which: BuildFilter
) -> Iterator[BuildRecord]:
    from sauce_janitor.errors import AnswerError

    every = call.hand.reader(whose).build_records.find(whose, source, which)
    if every is None:
        how = "neither v2 nor v1" if source == "vdc" else "of real devices"
        raise AnswerError(f"{call.name}: Sauce Labs offers no builds here, {how} (404)")
    return every


def _show_builds(
    call: AccountSession,
    every: Iterator[BuildRecord],
    tests: Sequence[Callable[[BuildRecord], bool]],
    limit: int,
    form: str,
) -> None:
    from sauce_janitor import report

    found = (record for record in every if all(test(record) for test in tests))
    shown = list(itertools.islice(found, limit or None))
    columns = (
        report.Column("Build", "word"),
        report.Column("Status", "word"),
        report.Column("Jobs", "number"),
        report.Column("Passed", "number", 3),
        report.Column("Failed", "number", 1),
        report.Column("Errors", "number", 2),
        report.Column("Open", "number", 4),
        report.Column("Created", "time"),
        report.Column("Name"),
    )
    cells = [
        (
            each.id,
            each.build.status,
            each.build.jobs,
            *map(each.counters.get, ("passed", "failed", "errored")),
            each.build.open_jobs,
            each.created_at,
            each.build.name,
        )
        for each in shown
    ]
    rows = [build_row(call.name, each) for each in shown]
    _show(call, rows, form, keys=_BUILD_COLUMNS, columns=columns, cells=cells)
    _tell_more(found, limit)


def _show_members(
    call: AccountSession, wanted_id: str, source: BuildSource, limit: int, form: str
) -> None:
    from sauce_janitor.errors import AnswerError

    members = call.hand.reader().build_records.members(wanted_id, source)
    if members is None:
        raise AnswerError(
            f"{call.name}: Sauce Labs shows no build {wanted_id!r:.80} to these credentials (404)"
        )
    shown = list(itertools.islice(members, limit or None))
    rows = [_member_row(call.name, wanted_id, each) for each in shown]
    _show(
        call,
        rows,
        form,
        keys=_MEMBER_COLUMNS,
        columns=_member_columns(),
        cells=_member_cells(shown),
    )
    _tell_more(members, limit)


def _member_columns() -> Sequence[Column]:
    from sauce_janitor.report import Column

    headers: dict[str, CellKind] = {
        "Job": "id",
        "Status": "word",
        "Created": "time",
        "Modified": "time",
    }
    return [Column(header, kind) for header, kind in headers.items()]


def _member_cells(members: Sequence[BuildMember]) -> Sequence[Sequence[object]]:
    return [(each.id, each.status, each.created_at, each.modified_at) for each in members]


def _show_whole(
    session: Session, record: BuildRecord, row: Mapping[str, Any], members: Sequence[BuildMember]
) -> None:
    """Each thing that is known of the build on a line, its jobs below."""
    from sauce_janitor import report
    from sauce_janitor.times import when

    out = session.console()
    told: dict[str, object] = {
        "build": record.id,
        "name": row["name"],
        "status": row["status"],
        "owner": row["owner"],
    }
    told |= {
        name.removesuffix("_at"): when(value)
        for name in _TIMES
        if isinstance(value := getattr(record, name), int)
    }
    told["jobs"] = row["jobs"]
    told |= {
        f"  {name}": f"{record.counters[name]:,}" for name in _COUNTED if name in record.counters
    }
    told |= {name: row[name] for name in _PLAIN}
    told["cannot be read"] = ", ".join(row["unknown"]) or None
    shown = {name: value for name, value in told.items() if value is not None}
    width = max(map(len, shown))
    for name, value in shown.items():
        text = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
        report.say(out, f"{name:{width}}  {text}")
    if members:
        out.print()
        report.show_table(out, _member_columns(), _member_cells(members))


def _tell_more(rest: Iterator[object], limit: int) -> None:
    if limit and next(rest, None) is not None:
        terminal.echo(
            f"There are more; these are the first {limit:,}: --limit 0 for all.", err=True
        )


def build_row(account: str, record: BuildRecord) -> dict[str, Any]:
    """A build for machines: times as ISO 8601; a field that cannot be read is null and named in
    `unknown`.
    """
    from sauce_janitor.model.jobs import UNKNOWN
    from sauce_janitor.report import iso

    names = ("id", "name", "owner", "status", "jobs", "open_jobs")
    values: dict[str, Any] = {name: getattr(record.build, name) for name in names}
    values |= {name: getattr(record, name) for name in _TIMES}
    values |= {f"jobs_{name}": record.counters.get(name) for name in _COUNTED}
    values |= {name: getattr(record, name) for name in _PLAIN}
    unknown = [name for name, value in values.items() if value is UNKNOWN]
    values |= dict.fromkeys(unknown)
    values |= {name: iso(values[name]) for name in _TIMES}
    return {"account": account, **values, "unknown": unknown}


def _member_row(account: str, wanted_id: str, member: BuildMember) -> dict[str, Any]:
    from sauce_janitor.model.jobs import UNKNOWN
    from sauce_janitor.report import iso

    times = {
        name: iso(time) if isinstance(time, int) else None
        for name, time in (("created_at", member.created_at), ("modified_at", member.modified_at))
    }
    status = None if member.status is UNKNOWN else member.status
    return {"account": account, "build": wanted_id, "id": member.id, "status": status, **times}


def _show(
    call: AccountSession,
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
        report.show_table(call.desk.session.console(), columns, cells)
