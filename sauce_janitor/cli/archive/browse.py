"""`archive list` and `archive show`: search the archive, and show what it has of one job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.archive.view import filters, open_archive_view, query_of
from sauce_janitor.cli.options import FORMAT, JOB, ONE_ACCOUNT, ROWS
from sauce_janitor.errors import ConfigError
from sauce_janitor.json_output import Shape, key, time

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from sauce_janitor.archive import Catalogue, JobContents, StoredFile
    from sauce_janitor.archive.prune_records import PruneFile
    from sauce_janitor.archive.receipts import ReceiptFile
    from sauce_janitor.model.archive.entries import ArchiveEntry

ENTRY = Shape(
    "job_id",
    "account",
    "owner",
    time("ended_at"),
    "name",
    "build",
    "status",
    "error",
    "os",
    "browser",
    "duration_s",
    "assets",
    "size_bytes",
    "pruned",
    "policy",
    time("stored_at"),
    "missing",
    key("path", "place"),
)
"""The keys of an entry in JSON."""
COLUMNS = (*ENTRY.names[:-2], "path", "missing")
"""The columns of CSV: the same, with the last two the other way round."""


def _receipt_document(each: ReceiptFile) -> object:
    from sauce_janitor.archive.receipt_format import write_receipt

    return json.loads(write_receipt(each.document))


def _record_document(each: PruneFile) -> object:
    from sauce_janitor.archive.prune_records import write_record

    return json.loads(write_record(each.record))


CONTENTS = Shape(
    key("path", lambda contents: "/".join(contents.place)),
    key("receipts", shape=Shape("file", "sha256", key("receipt", _receipt_document))),
    key("pruned", "records", Shape("file", "sha256", key("record", _record_document))),
)
"""The keys of what the archive has of one job. Its documents are as they are stored."""


@click.command(name="list")
@filters
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Show at most N, the newest.")
@ROWS
@click.pass_obj
def list_jobs(session: Session, /, limit: int | None, form: str, **options: Any) -> None:
    """List the jobs in the archive, newest first."""
    from sauce_janitor import report

    with open_archive_view(session) as view:
        query = query_of(view.config.timezone, options, limit=limit)
        entries = view.entries.search(query)
        if form == "json":
            json_output.write_rows(ENTRY.rows(entries), indent=None)
        elif form == "csv":
            terminal.write(report.csv_lines(ENTRY.rows(entries), COLUMNS))
        else:
            jobs, size = view.entries.count(query)
            # Without jobs, one sentence says more than an empty table.
            if jobs:
                terminal.write(f"{line.plain}\n" for line in _table(session.console(), entries))
            _print_count(jobs, size, limit)


def _table(out: Console, entries: Iterable[ArchiveEntry]) -> Iterator[Text]:
    from sauce_janitor.report import Column, table_lines

    columns = (
        Column("Job", "id"),
        Column("Ended", "time"),
        Column("Status", "word"),
        Column("Assets", "number", 2),
        Column("Size", "size", 1),
        Column("Account/owner", rank=3),
        Column("Build"),
        Column("Name"),
    )
    rows = (
        (
            each.job_id,
            each.ended_at,
            each.status,
            _assets(each),
            each.size_bytes,
            f"{each.account}/{each.owner}",
            each.build,
            each.name,
        )
        for each in entries
    )
    return table_lines(out, columns, rows)


def _assets(entry: ArchiveEntry) -> str | int:
    # `12/14`: two of the wanted files could not be downloaded.
    return f"{entry.assets:,}/{entry.assets + entry.missing:,}" if entry.missing else entry.assets


def _print_count(jobs: int, size: int, limit: int | None) -> None:
    from sauce_janitor import report

    if not jobs:
        terminal.echo("No archived job matches.", err=True)
        return
    first = f"{limit:,} of " if limit is not None and limit < jobs else ""
    # Not among the rows: a pipe gets one line a job.
    terminal.echo(f"{first}{report.counted(jobs, 'job')}, {report.size(size)}", err=True)


@click.command()
@JOB
@ONE_ACCOUNT
@FORMAT
@click.pass_obj
def show(session: Session, /, job_id: str, account: str | None, form: str) -> None:
    """Show which files of a job are archived, by which policy, and which are missing or pruned."""
    from sauce_janitor.archive import Catalogue, contents_of
    from sauce_janitor.cli import known_jobs
    from sauce_janitor.cli.job_lookup import find_stored_id

    loaded = session.load()
    job, key = find_stored_id(session, job_id, account), known_jobs.archive_key(loaded, account)
    with Catalogue.open(loaded.archive.location) as catalogue:
        found = [
            contents_of(catalogue.root, place) for place in catalogue.places_of(job, account=key)
        ]
        # A folder may be gone since the catalogue listed it.
        stored = [contents for contents in found if contents is not None]
        if not stored:
            raise ConfigError(f"the archive has nothing of job {job}")
        if form == "json":
            json_output.write(stored, CONTENTS)
            return
        for contents in stored:
            _show(session.console(), catalogue, contents)


def _show(out: Console, catalogue: Catalogue, contents: JobContents) -> None:
    """Print the job, its receipts, and each of its files with its size or why it is not stored."""
    from sauce_janitor.report import Column, say, show_table, when

    for line in _facts(catalogue, contents):
        say(out, line)
    out.print()
    show_table(
        out, (Column("Bytes", "number"), Column("File", "prose")), _files(contents), indent=2
    )
    out.print()
    for receipt in contents.receipts:
        document = receipt.document
        # Only a hold archives without a policy.
        by = f"policy {document.policy}" if document.policy else "a hold"
        about = f"by {by}, selection {document.selection}, run {document.run_id}"
        say(out, f"  {receipt.file}: {when(document.made_at)}, {about}")
        say(out, f"    sha256 {receipt.sha256}")


def _facts(catalogue: Catalogue, contents: JobContents) -> Iterator[str]:
    from sauce_janitor import report
    from sauce_janitor.archive import document_of, entry_from

    newest, entry = contents.newest, entry_from(contents, document_of(catalogue.root, contents))
    yield f"{report.clean(entry.name or 'Job ' + entry.job_id)}"
    ended = f"{entry.status or 'ended'}, {report.when(entry.ended_at)}"
    # Jobs that never started have no duration.
    took = f" after {report.span(entry.duration_s)}" if entry.duration_s else ""
    platform = report.clean(" ".join(filter(None, (entry.os, entry.browser))))
    ran = f" on {platform}" if platform else ""
    yield f"  {ended}{took}{ran}"
    if entry.error:
        yield f"  error: {report.clean(entry.error)}"
    yield (
        f"  job {entry.job_id} of {report.clean(entry.owner)}, build "
        f"{report.clean(entry.build or '-')}"
    )
    yield f"  {catalogue.root.at('/'.join(contents.place))}"
    if newest.missing:
        yield f"  incomplete: {report.counted(len(newest.missing), 'file')} could not be downloaded"
    # Such a receipt is complete, although it has no assets.
    if newest.purged:
        yield "  Sauce Labs had purged the assets before they were archived"


def _files(contents: JobContents) -> Iterator[tuple[str | int, str]]:
    from sauce_janitor import report

    newest = contents.newest
    for file in (newest.job, *newest.assets):
        # Pruned files are below, with the reason.
        if file.file not in contents.gone:
            odd = f"  (odd: {file.odd})" if file.odd is not None else ""
            yield file.bytes, f"{_names(file)}{odd}"
    for record in contents.records:
        for gone in record.record.files:
            yield (
                "pruned",
                f"{gone.name}: {report.when(record.record.made_at)}, {record.record.why}",
            )
    for lacking in newest.missing:
        yield "missing", f"{lacking.name}: {lacking.why}"
    for unstored in (*newest.discarded, *newest.absent):
        yield "not archived", f"{unstored.name}: {unstored.why}"


def _names(file: StoredFile) -> str:
    from sauce_janitor import report

    stored_name = file.file.rpartition("/")[2].removesuffix(".zst" if file.packed else "")
    # A name that is unsafe on a disk is stored under another one: show both.
    original = "" if stored_name == file.name else f"  ({report.clean(file.name)[:120]})"
    packed = f", {file.packed.bytes:,} bytes on the disk" if file.packed else ""
    return f"{file.file}{original}{packed}"
