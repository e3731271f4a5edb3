"""`builds`: the builds of an account, and the jobs of one, as Sauce Labs has them now. It sends only GETs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.given import ACCOUNT, ROWS, told_of_globs

if TYPE_CHECKING:
    from sauce_janitor.cli.calling import Call
    from sauce_janitor.report import CellKind
    from sauce_janitor.retention.model import Build, Owner
    from sauce_janitor.sauce.members import BuildMember

_STATUSES = ("running", "error", "failed", "complete", "success")
_BUILD_COLUMNS = ("account", "id", "name", "owner", "status", "jobs", "open_jobs")
_MEMBER_COLUMNS = ("account", "build", "id", "status", "created_at", "modified_at")


@click.command()
@click.argument("build_id", metavar="[BUILD_ID]", required=False)
@click.option(
    "--owner", metavar="USER", help="Whose, where only the older builds API is offered; default: the account's own."
)
@click.option("--name", metavar="GLOB", help="Of this name.")
@click.option("--status", "statuses", multiple=True, type=click.Choice(_STATUSES), help="Of this status. Repeatable.")
@click.option(
    "--limit", type=click.IntRange(0), metavar="N", default=100, show_default=True, help="At most so many; 0 for all."
)
@ACCOUNT
@ROWS
@click.pass_obj
def builds(
    session: Session,
    /,
    build_id: str | None,
    *,
    owner: str | None,
    wanted: str | None,
    form: str,
    limit: int,
    **given: Any,
) -> None:
    """List builds, newest first, or the jobs of the build BUILD_ID."""
    from sauce_janitor.cli import given as checked
    from sauce_janitor.cli.calling import calling

    with calling(session, wanted, looks=True) as call:
        if build_id is not None:
            _show_members(call, build_id, limit, form)
            return
        whose = checked.owner(owner) or call.hand.owners[0]
        _show_builds(call, whose, _build_tests(given), limit, form)


def _build_tests(given: Mapping[str, Any]) -> list[Callable[[Build], bool]]:
    from sauce_janitor.retention.globs import compile_glob

    tests: list[Callable[[Build], bool]] = []
    told_of_globs({"--name": given["name"]})
    if given["name"] is not None:
        glob = compile_glob(given["name"])
        tests.append(lambda build: isinstance(build.name, str) and glob(build.name))
    if given["statuses"]:
        tests.append(lambda build: build.status in given["statuses"])
    return tests


def _show_builds(call: Call, whose: Owner, tests: list[Callable[[Build], bool]], limit: int, form: str) -> None:
    from sauce_janitor.errors import AnswerError

    every = call.hand.reader(whose).builds(whose)
    if every is None:
        raise AnswerError(f"{call.name}: Sauce Labs offers no builds here, neither v2 nor v1 (404)")
    found = (build for build in every if all(test(build) for test in tests))
    shown = list(itertools.islice(found, limit or None))
    rows = [_build_row(call.name, build) for build in shown]
    cells = [(build.id, build.status, build.jobs, build.open_jobs, build.name) for build in shown]
    headers: dict[str, CellKind] = {
        "Build": "word",
        "Status": "word",
        "Jobs": "number",
        "Open": "number",
        "Name": "text",
    }
    _show(call, rows, form, keys=_BUILD_COLUMNS, headers=headers, cells=cells)
    _tell_more(found, limit)


def _show_members(call: Call, build_id: str, limit: int, form: str) -> None:
    from sauce_janitor.errors import AnswerError

    members = call.hand.reader().build_jobs(build_id)
    if members is None:
        raise AnswerError(f"{call.name}: Sauce Labs shows no build {build_id!r:.80} to these credentials (404)")
    shown = list(itertools.islice(members, limit or None))
    rows = [_member_row(call.name, build_id, each) for each in shown]
    cells = [(each.id, each.status, each.created_at, each.modified_at) for each in shown]
    headers: dict[str, CellKind] = {"Job": "id", "Status": "word", "Created": "time", "Modified": "time"}
    _show(call, rows, form, keys=_MEMBER_COLUMNS, headers=headers, cells=cells)
    _tell_more(members, limit)


def _tell_more(rest: Iterator[object], limit: int) -> None:
    if limit and next(rest, None) is not None:
        terminal.echo(f"There are more; these are the first {limit:,}: --limit 0 for all.", err=True)


def _build_row(account: str, build: Build) -> dict[str, Any]:
    from sauce_janitor.retention.model import UNKNOWN

    names = ("id", "name", "owner", "status", "jobs", "open_jobs")
    values = {name: getattr(build, name) for name in names}
    return {"account": account, **{name: None if value is UNKNOWN else value for name, value in values.items()}}


def _member_row(account: str, build_id: str, member: BuildMember) -> dict[str, Any]:
    from sauce_janitor.report import iso
    from sauce_janitor.retention.model import UNKNOWN

    times = {
        name: iso(time) if isinstance(time, int) else None
        for name, time in (("created_at", member.created_at), ("modified_at", member.modified_at))
    }
    status = None if member.status is UNKNOWN else member.status
    return {"account": account, "build": build_id, "id": member.id, "status": status, **times}


def _show(
    call: Call, rows: list[dict[str, Any]], form: str, *, keys: tuple[str, ...], headers: Mapping[str, CellKind],
    cells: Sequence[Sequence[object]],
) -> None:  # fmt: skip
    """Show `rows` to machines, or `cells` to people, under `headers` that say what each column is."""
    from sauce_janitor import report
    from sauce_janitor.cli.jobs import json_pieces

    if form == "csv":
        terminal.write(report.csv_lines(rows, keys))
    elif form == "json":
        terminal.write(json_pieces(rows))
    elif not rows:
        terminal.echo("None.", err=True)
    else:
        columns = [report.Column(header, kind) for header, kind in headers.items()]
        report.show_table(call.desk.session.console(), columns, cells)
