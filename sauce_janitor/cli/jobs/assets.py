"""`assets`: list the files of a job at Sauce Labs, download them, or delete them.

A file's name may be hostile, and a download counts only when it is complete.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, current_user
from sauce_janitor.cli.options import ACCOUNT, FORMAT, JOB, OWNER, parse_job, parse_owner
from sauce_janitor.errors import AnswerError, ArchiveError, RefusedError
from sauce_janitor.json_output import Shape, key, spread

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
    **options: Any,
) -> int:
    """List the files of a job (Sauce Labs lists no sizes), download them, or delete them.

    No file is ever overwritten. --delete asks, and archives first. A job keeps its files if it is
    held, or if not all of them can be archived. Files that archive.forbid excludes are deleted
    without a copy; the question says so.
    """
    from sauce_janitor.cli.account_session import open_account_session
    from sauce_janitor.cli.job_lookup import find_asked_ids

    if output is not None and name is None:
        raise click.UsageError(
            "-o is the target of --get: use --get NAME, or --download DIR for all files"
        )
    if name is not None and folder is not None:
        raise click.UsageError("use --get NAME for one file or --download DIR for all, not both")
    # The archive's copy is the one that is verified before the delete.
    if delete and (name is not None or folder is not None):
        raise click.UsageError(
            "--delete archives the files itself: use it without --get and --download"
        )
    reference = parse_job(job_id)
    with open_account_session(session, options["wanted"], accounts_only=not delete) as opened:
        owner = parse_owner(options["owner"])
        (found_id,) = find_asked_ids(opened, (reference,), owner)
        job = opened.manual.find(found_id, owner).job
        if delete:
            return _delete(
                opened, job, str(options["form"]), yes=options["yes"], dry_run=options["dry_run"]
            )
        if name is not None:
            return _download_one(opened, job, name, output)
        names = _listed(opened, job)
        if folder is not None:
            return _download_all(opened, job, names, folder)
    _show(session, job, names, str(options["form"]))
    return 0


def _delete(opened: AccountSession, job: Job, form: str, *, yes: bool, dry_run: bool) -> int:
    """Show what would be done, ask, archive and delete; return the exit code."""
    from sauce_janitor.cli.jobs.change import may_act
    from sauce_janitor.operations.delete_assets import AssetsOrder, delete_assets

    account, context = opened.manual.account, opened.command.context
    order = AssetsOrder(job.id, job.owner, current_user(), execute=True)
    if dry_run or not yes:
        preview = delete_assets(account, context, replace(order, execute=False))
        if preview.planned is None:
            return _report(opened, job, preview, form)
        lines = [f"archive and delete all assets of {job.id} of {job.owner}: {job.name}"]
        lines += [f"delete {line}" for line in _uncopied(preview)]
        if not may_act(
            opened, f"Delete the assets of job {job.id}?", lines, yes=yes, dry_run=dry_run
        ):
            return _report(opened, job, preview, form)
        # If the job's files change after the question, the order no longer fits and is refused.
        order = replace(order, shown=preview.planned.fingerprint)
    return _report(opened, job, delete_assets(account, context, order), form)


def _uncopied(emptied: EmptiedJob) -> tuple[str, ...]:
    """Return a line about the files that are deleted without a copy; none if all are stored."""
    selection = None if emptied.planned is None else emptied.planned.selection
    if selection is None or not selection.forbid:
        return ()
    return (f"its {', '.join(sorted(selection.forbid))} without a copy, as archive.forbid says",)


def _report(opened: AccountSession, job: Job, done: EmptiedJob, form: str) -> int:
    """Print the result and return the exit code. Raise RefusedError if the job keeps its assets."""
    from sauce_janitor import report
    from sauce_janitor.cli.run.execution import RUN_RESULT, ended, exit_code

    why = "; ".join(done.reasons)
    # Held or not finished: nothing was done, so this is a refusal, not a failure.
    if done.reasons and not done.is_over:
        raise RefusedError(f"nothing was deleted: job {job.id} keeps its assets: {why}")
    opened.command.progress.end()
    if form == "json":
        emptied = Shape(
            spread("result", RUN_RESULT),
            key("job_id", lambda _: job.id),
            key("owner", lambda _: job.owner),
            "reasons",
        )
        json_output.write(done, emptied)
    elif done.is_over:
        terminal.echo(f"Nothing to do: job {job.id}: {report.clean(why)}")
    elif done.result.execution is not None:
        report.show_end(
            opened.command.session.console(), done.result.account.name, ended(done.result)
        )
        # What has no copy is said once more: it cannot be fetched any more.
        if done.is_done:
            for line in _uncopied(done):
                terminal.echo(f"Deleted {line}.", err=True)
        else:
            terminal.echo(f"The assets of job {job.id} are not deleted.", err=True)
    if opened.command.signals.number is not None:
        return 128 + opened.command.signals.number
    if done.result.execution is not None and not done.is_done:
        return exit_code(done.result) or _NOT_DONE
    return exit_code(done.result)


def _listed(opened: AccountSession, job: Job) -> tuple[str, ...]:
    listing = opened.manual.reader(job.owner).assets(job.owner, job.id)
    # 404 is not an empty list: the assets are gone.
    if listing is None:
        raise AnswerError(
            f"Sauce Labs lists no assets of job {job.id} (404): they were deleted, or purged 30 "
            "days after the job ended"
        )
    return listing.names


def _show(session: Session, job: Job, names: tuple[str, ...], form: str) -> None:
    from sauce_janitor import report
    from sauce_janitor.model.assets import asset_classes

    # Every file is also of the class `all`.
    classes = {name: sorted(asset_classes(name) - {"all"}) for name in names}
    if form == "json":
        asset = Shape(
            key("job_id", lambda _: job.id),
            key("owner", lambda _: job.owner),
            key("name", lambda name: name),
            key("classes", classes.__getitem__),
        )
        json_output.write(names, asset)
        return
    if names:
        cells = ((name, classes[name] or None) for name in names)
        report.show_table(
            session.console(), (report.Column("Name"), report.Column("Kind", "word")), cells
        )
    else:
        terminal.echo(f"Sauce Labs lists no files of job {job.id}.", err=True)


def _download_one(opened: AccountSession, job: Job, name: str, output: str | None) -> int:
    from sauce_janitor.archive.storage.names import file_names

    if output == "-":
        # The file is checked before its first byte is written: the reader of a pipe must not get
        # half a file, or another one.
        with tempfile.TemporaryDirectory() as folder:
            aside = Path(folder) / "asset"
            _fetch(opened, job, name, aside)
            with aside.open("rb") as whole:
                terminal.write_file(whole)
        return 0
    path = Path(file_names([name])[name] if output is None else output)
    size = _fetch(opened, job, name, path)
    _print_download(name, path, size)
    return 0


def _download_all(opened: AccountSession, job: Job, names: tuple[str, ...], folder: Path) -> int:
    """Download the files one by one. A file that fails does not stop the others."""
    from sauce_janitor.archive.storage.names import file_names

    # Logs and videos of tests may show passwords: the folder is for this user only.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    code = 0
    for name, file in file_names(names).items():
        try:
            size = _fetch(opened, job, name, folder / file)
        except (AnswerError, ArchiveError) as error:
            code = opened.report_error(error)
        else:
            _print_download(name, folder / file, size)
    return code


def _print_download(name: str, path: Path, size: int) -> None:
    from sauce_janitor import report

    as_given = "" if path.name == name else f"  ({report.clean(name):.120})"
    terminal.echo(f"{path}  {size:,} bytes{as_given}")


def _fetch(opened: AccountSession, job: Job, name: str, path: Path) -> int:
    """Download a file to `path`, complete or not at all, and return its size in bytes.

    It is downloaded and checked under a temporary name. Raises ArchiveError if `path` exists.
    """
    from sauce_janitor.archive.asset_fetch import (
        AssetSlot,
        ByteAllowance,
        SizeLimits,
        fetch_to_file,
    )
    from sauce_janitor.archive.storage.storage_errors import storage_errors

    reader = opened.manual.reader(job.owner)

    def fetch(asset: str) -> AbstractContextManager[AssetBody]:
        return reader.open_asset(job.owner, job.id, asset)

    with storage_errors(f"open the folder {path.parent}"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    aside = f".{path.name[:100]}.{os.getpid()}.part"
    try:
        if os.path.lexists(path):
            raise ArchiveError(f"{path} exists already: no file is overwritten")
        try:
            received = fetch_to_file(
                fetch, name, AssetSlot(folder, aside), ByteAllowance(SizeLimits(), lambda: None)
            )
            # A link fails if another process has made a file of that name; a rename overwrites it.
            with storage_errors(f"write {path}"):
                os.link(
                    aside, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False
                )
        finally:
            with suppress(FileNotFoundError):
                os.unlink(aside, dir_fd=folder)
    finally:
        os.close(folder)
    return received.bytes
