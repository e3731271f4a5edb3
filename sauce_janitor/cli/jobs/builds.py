"""`builds` and `build`: show builds, or one build with its jobs, as Sauce Labs has them now.

They send only GETs.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.jobs.build_tables import (
    BUILD,
    BUILD_WITH_MEMBERS,
    MEMBER,
    ShownBuild,
    ShownMember,
    member_cells,
    member_columns,
    show_build,
    show_rows,
)
from sauce_janitor.cli.options import (
    ACCOUNT,
    FORMAT,
    LIMIT,
    NAMED,
    OWNER,
    ROWS,
    SINCE,
    UNTIL,
    parse_build,
    parse_owner,
    parse_time,
    statuses_option,
    warn_of_odd_globs,
)

if TYPE_CHECKING:
    from sauce_janitor.cli.account_session import AccountSession
    from sauce_janitor.model.jobs import Owner
    from sauce_janitor.sauce.builds import BuildFilter, BuildRecord
    from sauce_janitor.sauce.http.paths import BuildSource

_SOURCES = {"vdc": "virtual devices", "rdc": "real devices"}
_STATUSES = ("running", "error", "failed", "complete", "success")

_SOURCE = click.option(
    "--source", type=click.Choice(list(_SOURCES)), default="vdc", show_default=True,
    help="Builds of virtual machines, emulators and simulators, or of real devices.",
)  # fmt: skip


@click.command()
@click.argument("build", metavar="[BUILD]", required=False)
@click.option("--owner", metavar="USER", help="Builds of this user. Default: the account's user.")
@NAMED
@statuses_option(_STATUSES)
@SINCE
@UNTIL
@_SOURCE
@LIMIT
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
    **options: Any,
) -> None:
    """List builds, newest first, or the jobs of the build BUILD, by its id or URL."""
    from sauce_janitor.cli.account_session import open_account_session

    build_id = None if build is None else parse_build(build)
    # They select builds, and would be ignored.
    if build_id is not None and any(options.values()):
        raise click.UsageError(
            "BUILD lists the jobs of one build: leave out --owner, --name, --status, --since and "
            "--until"
        )
    with open_account_session(session, wanted, accounts_only=True) as opened:
        if build_id is not None:
            _show_members(opened, build_id, source, limit, form)
            return
        owner = parse_owner(options["owner"]) or opened.manual.owners[0]
        build_filter, tests = _read_filter(opened, options)
        _show_builds(opened, _list_builds(opened, owner, source, build_filter), tests, limit, form)


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
    **options: str | None,
) -> None:
    """Show one build, by its id or URL, or the build of a job: times, counters, ids and
    jobs.
    """
    from sauce_janitor.cli.account_session import open_account_session

    # Both could mean two builds.
    if build_text is not None and job_text is not None:
        raise click.UsageError("give a BUILD or --job JOB, not both")
    if build_text is None and job_text is None:
        raise click.UsageError("give a BUILD, or --job JOB for the build of a job")
    build_id = None if build_text is None else parse_build(build_text)
    with open_account_session(session, wanted, accounts_only=True) as opened:
        owner = parse_owner(options["owner"])
        of_job = str(job_text)
        record = (
            _find_build_of_job(opened, of_job, source, owner)
            if build_id is None
            else _find_build(opened, build_id, source, owner)
        )
        found = opened.manual.reader(owner).build_records.members(record.id, source) or ()
        members = [ShownMember(opened.name, record.id, each) for each in found]
        shown = ShownBuild(opened.name, record, members)
    if form == "json":
        json_output.write(shown, BUILD_WITH_MEMBERS)
    else:
        show_build(session, shown)


def _find_build(
    opened: AccountSession, build_id: str, source: BuildSource, owner: Owner | None
) -> BuildRecord:
    from sauce_janitor.errors import AnswerError

    user = owner or opened.manual.owners[0]
    record = opened.manual.reader(user).build_records.one(build_id, source, user)
    if record is None:
        raise AnswerError(
            f"{opened.name}: Sauce Labs shows no build {build_id!r:.80} of {_SOURCES[source]} to "
            "these credentials (404): give its id or address, see `sauce-janitor builds`"
        )
    return record


def _find_build_of_job(
    opened: AccountSession, text: str, source: BuildSource, owner: Owner | None
) -> BuildRecord:
    from sauce_janitor.cli.job_lookup import find_asked_ids
    from sauce_janitor.cli.options import parse_job
    from sauce_janitor.errors import AnswerError

    reference = parse_job(text)
    # The job list that names are looked up in has no jobs of real devices.
    if source == "rdc" and reference.id is None:
        raise click.UsageError(f"--job {text!r:.60}: for a job of a real device, give the whole id")
    (job_id,) = find_asked_ids(opened, (reference,), owner)
    record = opened.manual.reader(owner).build_records.of_job(job_id, source)
    if record is None:
        raise AnswerError(
            f"{opened.name}: Sauce Labs shows no build of job {job_id} among {_SOURCES[source]} "
            "(404): the job is in none, these credentials cannot see it, or the account has no "
            "builds API (v2)"
        )
    return record


def _read_filter(
    opened: AccountSession, options: Mapping[str, Any]
) -> tuple[BuildFilter, list[Callable[[BuildRecord], bool]]]:
    """Return the filter for the API, and tests that each build must pass.

    It is not documented whether the API obeys its filters, so each build is tested here as well.
    """
    from sauce_janitor.model.globs import compile_glob, is_plain
    from sauce_janitor.sauce.builds import BuildFilter

    now, zone = int(time.time()), opened.command.config.timezone
    since = parse_time("--since", options["since"], zone, now=now)
    until = parse_time("--until", options["until"], zone, now=now, end=True)
    name, statuses = options["name"], options["statuses"]
    warn_of_odd_globs({"--name": name})
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
    # The API knows no globs: only an exact name can be passed on.
    exact = name if name is not None and is_plain(name) else None
    return BuildFilter(exact, tuple(statuses), since, until), tests


def _list_builds(
    opened: AccountSession, owner: Owner, source: BuildSource, build_filter: BuildFilter
) -> Iterator[BuildRecord]:
    from sauce_janitor.errors import AnswerError

    every = opened.manual.reader(owner).build_records.find(owner, source, build_filter)
    if every is None:
        which_api = "neither v2 nor v1" if source == "vdc" else "of real devices"
        raise AnswerError(f"{opened.name}: the account has no builds API, {which_api} (404)")
    return every


def _show_builds(
    opened: AccountSession,
    every: Iterator[BuildRecord],
    tests: Sequence[Callable[[BuildRecord], bool]],
    limit: int,
    form: str,
) -> None:
    from sauce_janitor import report

    # Lazily: the next page of the list is requested only if the limit is not reached.
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
    rows = [ShownBuild(opened.name, each) for each in shown]
    show_rows(opened, rows, form, shape=BUILD, columns=columns, cells=cells)
    _print_if_more(found, limit)


def _show_members(
    opened: AccountSession, build_id: str, source: BuildSource, limit: int, form: str
) -> None:
    from sauce_janitor.errors import AnswerError

    members = opened.manual.reader().build_records.members(build_id, source)
    if members is None:
        raise AnswerError(
            f"{opened.name}: Sauce Labs shows no build {build_id!r:.80} to these credentials "
            "(404): give its id or address, see `sauce-janitor builds`"
        )
    shown = list(itertools.islice(members, limit or None))
    rows = [ShownMember(opened.name, build_id, each) for each in shown]
    show_rows(
        opened,
        rows,
        form,
        shape=MEMBER,
        columns=member_columns(),
        cells=member_cells(shown),
    )
    _print_if_more(members, limit)


def _print_if_more(rest: Iterator[object], limit: int) -> None:
    # One more may cost one more request, but a cut list must not look whole.
    if limit and next(rest, None) is not None:
        terminal.echo(f"There are more than {limit:,}: --limit 0 shows all.", err=True)
