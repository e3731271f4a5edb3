"""`assets`: what Sauce Labs lists of a job's files, getting them, and deleting them.

Names are hostile, a body is believed only when whole.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, who
from sauce_janitor.cli.options import ACCOUNT, FORMAT, JOB, OWNER, job_reference_of
from sauce_janitor.errors import AnswerError, ArchiveError, RefusedError

_NOT_DONE = 4

if TYPE_CHECKING:
    from sauce_janitor.cli.account_session import AccountSession
    from sauce_janitor.model.jobs import Job
    from sauce_janitor.operations.delete_assets import EmptiedJob
    from sauce_janitor.sauce.asset_download import AssetBody


@click.command()
@JOB
@click.option(
    "--get",
    "name",
    metavar="NAME",
    help="Download this file; it need not be listed (screenshots.zip).",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="The target file, - for stdout. Default: the file's own name, if it is safe.",
)
@click.option(
    "--download",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Download all files.",
)
@click.option(
    "--delete", is_flag=True, help="Archive all files of the job, then delete them at Sauce Labs."
)
@OWNER
@ACCOUNT
@FORMAT
@YES
@DRY_RUN
@click.pass_obj
def assets(
    session: Session,
    /,
    job_id: str,
    *,
    name: str | None,
    output: str | None,
    folder: Path | None,
    delete: bool,
    **given: Any,
) -> int:
    """List the files of a job (Sauce Labs lists no sizes), download them, or delete them.

    No file is ever overwritten. --delete asks, and archives first. A job keeps its files if it is
    held, or if not all of them can be archived. Files that archive.forbid excludes are deleted
    without a copy; the question says so.
    """
    from sauce_janitor.cli import options as checked
    from sauce_janitor.cli.account_session import calling
    from sauce_janitor.cli.job_lookup import asked_ids

    if output is not None and name is None:
        raise click.UsageError(
            "-o says where the file of --get goes: say --get NAME, or --download DIR for all"
        )
    if name is not None and folder is not None:
        raise click.UsageError("say --get NAME for one file or --download DIR for all")
    if delete and (name is not None or folder is not None):
        raise click.UsageError(
            "--delete archives the files itself: use it without --get and --download"
        )
    reference = job_reference_of(job_id)
    with calling(session, given["wanted"], looks=not delete) as call:
        owner = checked.owner(given["owner"])
        (wanted_id,) = asked_ids(call, (reference,), owner)
        job = call.hand.find(wanted_id, owner).job
        if delete:
            return _delete(
                call, job, str(given["form"]), yes=given["yes"], dry_run=given["dry_run"]
            )
        if name is not None:
            return _get_one(call, job, name, output)
        names = _listed(call, job)
        if folder is not None:
            return _get_all(call, job, names, folder)
    _show(session, job, names, str(given["form"]))
    return 0


def _delete(call: AccountSession, job: Job, form: str, *, yes: bool, dry_run: bool) -> int:
    """Show what would be done, ask, archive, delete; the exit code."""
    from sauce_janitor.cli.jobs.change import may_act
    from sauce_janitor.operations.delete_assets import AssetsOrder, delete_assets

    account, tools = call.hand.account, call.desk.tools
    order = AssetsOrder(job.id, job.owner, who(), execute=True)
    if dry_run or not yes:
        looked = delete_assets(account, tools, replace(order, execute=False))
        if looked.planned is None:
            return _told(call, job, looked, form)
        lines = [f"archive and delete all assets of {job.id} of {job.owner}: {job.name}"]
        lines += [f"delete {line}" for line in _uncopied(looked)]
        if not may_act(
            call, f"Delete the assets of job {job.id}?", lines, yes=yes, dry_run=dry_run
        ):
            return _told(call, job, looked, form)
        order = replace(order, shown=looked.planned.fingerprint)
    return _told(call, job, delete_assets(account, tools, order), form)


def _uncopied(emptied: EmptiedJob) -> tuple[str, ...]:
    """Say what is deleted without a copy; nothing where every file is stored."""
    selection = None if emptied.planned is None else emptied.planned.selection
    if selection is None or not selection.forbid:
        return ()
    return (f"its {', '.join(sorted(selection.forbid))} without a copy, as archive.forbid says",)


def _told(call: AccountSession, job: Job, done: EmptiedJob, form: str) -> int:
    """Say the result; the exit code. RefusedError where the job keeps its assets."""
    from sauce_janitor import report
    from sauce_janitor.cli.run.execution import ended, exit_code, summary

    why = "; ".join(done.reasons)
    if done.reasons and not done.is_over:
        raise RefusedError(f"nothing was deleted: job {job.id} keeps its assets: {why}")
    call.desk.shown.end()
    if form == "json":
        terminal.write_json(
            {**summary(done.result), "job_id": job.id, "owner": job.owner, "reasons": done.reasons}
        )
    elif done.is_over:
        terminal.echo(f"Nothing to do: job {job.id}: {report.clean(why)}")
    elif done.result.execution is not None:
        report.show_end(call.desk.session.console(), done.result.account.name, ended(done.result))
        for line in _uncopied(done) if done.is_done else ():
            terminal.echo(f"Deleted {line}.", err=True)
        if not done.is_done:
            terminal.echo(f"The assets of job {job.id} are not deleted.", err=True)
    if call.desk.signals.number is not None:
        return 128 + call.desk.signals.number
    if done.result.execution is not None and not done.is_done:
        return exit_code(done.result) or _NOT_DONE
    return exit_code(done.result)


def _listed(call: AccountSession, job: Job) -> tuple[str, ...]:
    listing = call.hand.reader(job.owner).assets(job.owner, job.id)
    if listing is None:
        raise AnswerError(
            f"Sauce Labs lists no assets of job {job.id} (404): they were deleted, or purged 30 "
            "days after the job's end"
        )
    return listing.names


def _show(session: Session, job: Job, names: tuple[str, ...], form: str) -> None:
    from sauce_janitor import report
    from sauce_janitor.model.assets import asset_classes

    rows = [
        {
            "job_id": job.id,
            "owner": job.owner,
            "name": name,
            "classes": sorted(asset_classes(name) - {"all"}),
        }
        for name in names
    ]
    if form == "json":
        terminal.write_json(rows)
        return
    if rows:
        cells = ((row["name"], row["classes"] or None) for row in rows)
        report.show_table(
            session.console(), (report.Column("Name"), report.Column("Kind", "word")), cells
        )
    else:
        terminal.echo(f"Sauce Labs lists no files of job {job.id}.", err=True)


def _get_one(call: AccountSession, job: Job, name: str, output: str | None) -> int:
    from sauce_janitor.archive.disk.names import file_names

    if output == "-":
        # The file is checked before its first byte is written: the reader of a pipe must not get
        # half a file, or another one.
        with tempfile.TemporaryDirectory() as folder:
            aside = Path(folder) / "asset"
            _fetch(call, job, name, aside)
            with aside.open("rb") as whole:
                terminal.write_file(whole)
        return 0
    path = Path(file_names([name])[name] if output is None else output)
    size = _fetch(call, job, name, path)
    _say_got(name, path, size)
    return 0


def _get_all(call: AccountSession, job: Job, names: tuple[str, ...], folder: Path) -> int:
    """Each file by itself: one that fails does not stop the others."""
    from sauce_janitor.archive.disk.names import file_names

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    code = 0
    for name, file in file_names(names).items():
        try:
            size = _fetch(call, job, name, folder / file)
        except (AnswerError, ArchiveError) as error:
            code = call.wrong(error)
        else:
            _say_got(name, folder / file, size)
    return code


def _say_got(name: str, path: Path, size: int) -> None:
    from sauce_janitor import report

    as_given = "" if path.name == name else f"  ({report.clean(name):.120})"
    terminal.echo(f"{path}  {size:,} bytes{as_given}")


def _fetch(call: AccountSession, job: Job, name: str, path: Path) -> int:
    """The file, whole or not there: it is fetched and judged aside, then shown under its name. Its
    bytes.
    """
    from sauce_janitor.archive.asset_fetch import (
        AssetSlot,
        ByteAllowance,
        SizeLimits,
        fetch_to_file,
    )
    from sauce_janitor.archive.disk.folders import disk_errors

    reader = call.hand.reader(job.owner)

    def fetch(asset: str) -> AbstractContextManager[AssetBody]:
        return reader.open_asset(job.owner, job.id, asset)

    with disk_errors(f"open the folder {path.parent}"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    aside = f".{path.name[:100]}.{os.getpid()}.part"
    try:
        if os.path.lexists(path):
            raise ArchiveError(f"{path} is there already: nothing is overwritten")
        try:
            came = fetch_to_file(
                fetch, name, AssetSlot(folder, aside), ByteAllowance(SizeLimits(), lambda: None)
            )
            with disk_errors(f"write {path}"):
                os.link(
                    aside, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False
                )
        finally:
            with suppress(FileNotFoundError):
                os.unlink(aside, dir_fd=folder)
    finally:
        os.close(folder)
    return came.bytes
