"""`archive export`: copy jobs out of the archive, with checksums that anyone can verify."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.archive.view import filters, open_archive_view, query_of
from sauce_janitor.cli.job_lookup import find_archived_id
from sauce_janitor.cli.options import parse_job

if TYPE_CHECKING:
    from sauce_janitor.cli.archive.view import ArchiveView
    from sauce_janitor.model.archive.entries import ArchiveQuery

FOUND_SOMETHING = 6
"""The exit code when a job is left out because it is damaged."""


@click.command()
@click.argument("what", metavar="[JOB|BUILD]", required=False)
@filters
@click.option("--all", "everything", is_flag=True, help="Export the whole archive.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR|FILE",
              help="A folder, or FILE.zip, or FILE.tar.zst.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a file, or the folder of an earlier export.")
@click.pass_obj
def export(
    session: Session,
    /,
    what: str | None,
    *,
    everything: bool,
    output: Path,
    force: bool,
    **options: Any,
) -> int:
    """Copy a job, a build or the jobs that the options select out of the archive, as a folder, a
    .zip or a .tar.zst.

    It contains SHA256SUMS: `sha256sum -c SHA256SUMS` checks every file. Each job is verified first;
    a damaged one is left out and named, and the command exits with 6. The export is complete or
    absent.
    """
    from sauce_janitor import archive, report
    from sauce_janitor.cli.progress import ProgressDisplay

    # A forgotten argument must not copy a whole archive.
    if not (what or everything or any(options.values())):
        raise click.UsageError(
            "nothing is selected: give a JOB, a BUILD, a filter such as --since 7d, or --all"
        )
    # All of one account is a clear request. Any other filter would silently make it less than all.
    filtered = any(value for name, value in options.items() if name != "account")
    if everything and (what or filtered):
        raise click.UsageError(
            "--all exports the whole archive: leave out JOB, BUILD and the filters, or --all"
        )
    with _unwound_by_sigterm(), open_archive_view(session) as view:
        query = _query(view, what, options)
        jobs, _ = view.entries.count(query)
        with ProgressDisplay(
            color=session.color, moving=terminal.is_terminal(err=True)
        ) as progress:
            progress.phase("archive", "export", jobs)
            places = _places(view, query)
            done = archive.export(
                view.catalogue, places, output.absolute(), force=force, step=progress.step
            )
    for refused in done.refused:
        terminal.echo(f"left out: {report.clean(refused)}", err=True)
    if done.incomplete:
        terminal.echo(
            f"Incomplete: {report.counted(done.incomplete, 'job')}. Files could not be downloaded "
            "when the job was archived; the receipt names them",
            err=True,
        )
    left = f", {len(done.refused):,} left out" if done.refused else ""
    terminal.echo(
        f"Exported: {report.counted(done.jobs, 'job')}, {report.counted(done.files, 'file')}, "
        f"{report.size(done.size_bytes)} to {output}{left}"
    )
    return FOUND_SOMETHING if done.refused else 0


def _query(view: ArchiveView, what: str | None, options: dict[str, Any]) -> ArchiveQuery:
    from sauce_janitor.model.globs import alternatives, has_wildcards

    query = query_of(view.config.timezone, options)
    # The filters select alone.
    if what is None:
        return query
    reference = parse_job(what)
    if reference.id is not None:
        return replace(query, job_id=reference.id)
    if query.build is not None:
        raise click.UsageError("give the build once: as BUILD or by --build")
    of_build, parts = replace(query, build=what), list(alternatives(what))
    # A text that names a build means the build. Otherwise it may be the first digits of a job's id,
    # or a job's name.
    if len(parts) > 1 or has_wildcards(what) or view.entries.count(of_build)[0]:
        return of_build
    accounts = None if query.account is None else (query.account,)
    if not view.lookups.archived(reference, accounts):
        return of_build
    return replace(query, job_id=find_archived_id(view, reference, query.account))


def _places(view: ArchiveView, query: ArchiveQuery) -> Iterator[tuple[str, ...]]:
    # All at once: an export can take hours, and must not hold the state for so long.
    places = [entry.place for entry in view.entries.search(query)]
    return (tuple(place.split("/")) for place in places)


@contextmanager
def _unwound_by_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the block as Ctrl-C does, so that no half-written export is left."""

    def end(number: int, _frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
