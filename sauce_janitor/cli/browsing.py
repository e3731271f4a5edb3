"""`archive list` and `archive show`: what the archive holds, found by whatever one remembers of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.shelf import filters, job_of, open_shelf, query_of
from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.archive import Catalogue, Contents, StoredFile
    from sauce_janitor.retention.entries import ArchiveEntry

COLUMNS = (
    "job_id", "account", "owner", "ended_at", "name", "build", "status", "error", "os", "browser", "duration_s", "assets",
    "size_bytes", "pruned", "policy", "stored_at", "path", "missing",
)  # fmt: skip
"""The keys of an entry for machines, in order."""


@click.command(name="list")
@filters
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many, the newest.")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@click.pass_obj
def list_jobs(session: Session, /, limit: int | None, form: str, **given: Any) -> None:
    """List the jobs in the archive, the newest first: all, or those that the options ask for."""
    from sauce_janitor import report

    with open_shelf(session) as shelf:
        query = query_of(shelf.config.timezone, given, limit=limit)
        entries = shelf.entries.search(query)
        if form == "json":
            terminal.write(_json_pieces(map(_row, entries)))
        elif form == "csv":
            terminal.write(report.csv_lines(map(_row, entries), COLUMNS))
        else:
            out = report.console(color=session.color)
            terminal.write(_table(entries, out.width if out.is_terminal else None))
            jobs, size = shelf.entries.count(query)
            _say_how_many(jobs, size, limit)


def _row(entry: ArchiveEntry) -> dict[str, Any]:
    from sauce_janitor import report

    values = {name: getattr(entry, name) for name in COLUMNS if name != "path"} | {"path": entry.place}
    return values | {"ended_at": report.iso(entry.ended_at), "stored_at": report.iso(entry.stored_at)}


def _json_pieces(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    before = "["
    for row in rows:
        yield before + "\n  " + terminal.json_text(row, indent=None)
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


_WIDE = 120
_LINE = "{job_id}  {day}  {status:8}  {assets:>6}  {size:>9}  {whose}  {build}  {name}"
_HEADER = f"{'JOB':32}  {'ENDED':16}  {'STATUS':8}  {'ASSETS':>6}  {'SIZE':>9}  OWNER  BUILD  NAME"
_NARROW_LINE = "{job_id}  {day:.10}  {status:8}  {build}  {name}"
_NARROW_HEADER = f"{'JOB':32}  {'ENDED':10}  {'STATUS':8}  BUILD  NAME"


def _table(entries: Iterable[ArchiveEntry], width: int | None) -> Iterator[str]:
    """Lines no longer than a terminal of this width; None: whole ones."""
    from sauce_janitor import report

    is_narrow = width is not None and width < _WIDE
    shape = _NARROW_LINE if is_narrow else _LINE
    header = f"{_NARROW_HEADER if is_narrow else _HEADER}\n"
    for entry in entries:
        line = shape.format(
            job_id=entry.job_id,
            day=report.when(entry.ended_at).removesuffix(" UTC"),
            status=entry.status or "-",
            assets=f"{entry.assets}/{entry.assets + entry.missing}" if entry.missing else entry.assets,
            size=report.size(entry.size_bytes),
            whose=report.clean(f"{entry.account}/{entry.owner}"),
            build=report.clean(entry.build or "-"),
            name=report.clean(entry.name or "-"),
        )
        yield header + _cut(line, width) + "\n"
        header = ""


def _cut(line: str, width: int | None) -> str:
    from rich.cells import cell_len, set_cell_size

    if width is None or cell_len(line) <= width:
        return line
    return set_cell_size(line, width - 1) + "…"


def _say_how_many(jobs: int, size: int, limit: int | None) -> None:
    from sauce_janitor import report

    if not jobs:
        terminal.echo("The archive holds no such job.", err=True)
        return
    shown = f"{min(jobs, limit):,} of {jobs:,}" if limit is not None and limit < jobs else f"{jobs:,}"
    terminal.echo(f"{shown} jobs, {report.size(size)}", err=True)


@click.command()
@click.argument("job_id", metavar="JOB")
@click.option("--account", metavar="NAME", help="Only this account.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_obj
def show(session: Session, /, job_id: str, account: str | None, form: str) -> None:
    """Show what is stored of a job, by whom and why, and what is not any more."""
    from sauce_janitor import config
    from sauce_janitor.archive import Catalogue, contents_of

    job = job_of(job_id)
    with Catalogue.open(config.load(session.config_path).archive.path) as catalogue:
        found = [contents_of(catalogue.root, place) for place in catalogue.places_of(job, account=account)]
        stored = [contents for contents in found if contents is not None]
        if not stored:
            raise ConfigError(f"the archive holds nothing of job {job}")
        if form == "json":
            terminal.write_json([_as_json(contents) for contents in stored])
            return
        for contents in stored:
            terminal.echo("\n".join(_shown(catalogue, contents)))


def _as_json(contents: Contents) -> dict[str, object]:
    from sauce_janitor.archive.pruned import write_record
    from sauce_janitor.archive.receipts import write_receipt

    return {
        "path": "/".join(contents.place),
        "receipts": [
            {"file": each.file, "sha256": each.sha256, "receipt": json.loads(write_receipt(each.document))}
            for each in contents.receipts
        ],
        "pruned": [
            {"file": each.file, "sha256": each.sha256, "record": json.loads(write_record(each.record))}
            for each in contents.records
        ],
    }


def _shown(catalogue: Catalogue, contents: Contents) -> Iterator[str]:
    from sauce_janitor import report
    from sauce_janitor.archive import document_of, entry_from

    newest, entry = contents.newest, entry_from(contents, document_of(catalogue.root, contents))
    yield f"{report.clean(entry.name or 'Job ' + entry.job_id)}"
    ended = f"{entry.status or 'ended'}, {report.when(entry.ended_at)}"
    took = f" after {report.span(entry.duration_s)}" if entry.duration_s else ""
    ran = f" on {report.clean(' '.join(filter(None, (entry.os, entry.browser))))}" if entry.os or entry.browser else ""
    yield f"  {ended}{took}{ran}"
    if entry.error:
        yield f"  error: {report.clean(entry.error)}"
    yield f"  job {entry.job_id} of {report.clean(entry.owner)}, build {report.clean(entry.build or '-')}"
    yield f"  {catalogue.root.path / '/'.join(contents.place)}"
    if newest.missing:
        yield f"  incomplete: {len(newest.missing):,} files could not be had"
    if newest.purged:
        yield "  Sauce Labs had purged the assets before they could be stored"
    yield f"\n  {'stored':>14}  file"
    for file in (newest.job, *newest.assets):
        if file.file not in contents.gone:
            odd = f"  (odd: {report.clean(file.odd)})" if file.odd is not None else ""
            yield f"  {file.bytes:>14,}  {_names(file)}{odd}"
    for record in contents.records:
        for gone in record.record.files:
            why = f"{report.when(record.record.made_at)}, {report.clean(record.record.why)}"
            yield f"  {'pruned':>14}  {report.clean(gone.name)}: {why}"
    for lacking in newest.missing:
        yield f"  {'missing':>14}  {report.clean(lacking.name)}: {report.clean(lacking.why)}"
    for unstored in (*newest.discarded, *newest.absent):
        yield f"  {'not stored':>14}  {report.clean(unstored.name)}: {report.clean(unstored.why)}"
    yield ""
    for receipt in contents.receipts:
        said = receipt.document
        yield (
            f"  {receipt.file}: {report.when(said.made_at)}, policy {report.clean(said.policy)}, "
            f"selection {report.clean(said.selection)}, run {report.clean(said.run_id)}"
        )
        yield f"    sha256 {receipt.sha256}"


def _names(file: StoredFile) -> str:
    from sauce_janitor import report

    own = file.file.rpartition("/")[2].removesuffix(".zst" if file.packed else "") == file.name
    packed = f", {file.packed.bytes:,} bytes on the disk" if file.packed else ""
    return (file.file if own else f"{file.file}  ({report.clean(file.name)[:120]})") + packed
