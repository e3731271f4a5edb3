"""`archive copy`: copy a whole archive, for a move between a disk and a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session

if TYPE_CHECKING:
    from sauce_janitor.archive import ArchiveLocation
    from sauce_janitor.config import Config

FOUND_SOMETHING = 6
"""The exit code when a job is left out because it is damaged."""


@click.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--endpoint", metavar="URL", help="Address of the S3 server, for s3:// addresses.")
@click.option("--region", metavar="NAME", help="Region of the bucket, for s3:// addresses.")
@click.pass_obj
def copy(
    session: Session, /, source: str, target: str, endpoint: str | None, region: str | None
) -> int:
    """Copy the whole archive FROM one place TO another, each a folder or s3://bucket/prefix.

    Reads every byte before and after the copy. The source must be paused. If interrupted, run it
    again: it continues. Exits with 6 if a job is damaged; then the copy is no archive yet. For
    the place that the configuration names, its endpoint, region and key are used.
    """
    from sauce_janitor import archive, report
    from sauce_janitor.cli.progress import ProgressDisplay

    config = session.load()
    from_, to = (_location(text, config, endpoint, region) for text in (source, target))
    if from_ == to:
        raise click.UsageError("FROM and TO are the same place")
    moving = terminal.is_terminal(err=True)
    with (
        archive.Catalogue.open(from_) as catalogue,
        ProgressDisplay(color=session.color, moving=moving) as progress,
    ):
        progress.phase("archive", "copy", None)
        done = archive.copy_archive(catalogue, to, from_=from_, step=progress.step)
    for refused in done.refused:
        terminal.echo(f"left out: {report.clean(refused)}", err=True)
    there = f", {done.there:,} were there" if done.there else ""
    left = f", {len(done.refused):,} left out" if done.refused else ""
    terminal.echo(
        f"Copied: {report.counted(done.jobs, 'job')}, {report.counted(done.files, 'file')}, "
        f"{report.size(done.size_bytes)} to {to}{there}{left}"
    )
    if done.refused:
        terminal.echo("It is no archive yet: repair those jobs, and copy again", err=True)
        return FOUND_SOMETHING
    terminal.echo(
        "Change `archive` in the configuration, then run `sauce-janitor resume`", err=True
    )
    return 0


def _location(
    text: str, config: Config, endpoint: str | None, region: str | None
) -> ArchiveLocation:
    from sauce_janitor.model.archive.locations import S3Location, bucket_and_prefix

    if "://" not in text:
        return Path(text).absolute()
    try:
        bucket, prefix = bucket_and_prefix(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r:.100} {error}") from None
    known = config.archive.location
    location = S3Location(bucket, prefix, endpoint, region)
    # Its server and key are in the configuration already.
    is_configured = isinstance(known, S3Location) and str(known) == str(location)
    return known if is_configured and endpoint is None else location
