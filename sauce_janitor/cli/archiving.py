"""Commands about the archive: list, show, verify. They only read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from sauce_janitor.cli.app import Session
from sauce_janitor.cli.pruning import prune
from sauce_janitor.cli.verifying import verify
from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.archive import Catalogue, ReceiptFile, StoredFile
    from sauce_janitor.retention.model import JobId, Owner

_FORMAT = click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
_ACCOUNT = click.option("--account", help="Only this account.")
_OWNER = click.option("--owner", help="Only jobs of this user.")


@click.group()
def archive() -> None:
    """Look into the archive and check it."""


@archive.command(name="list")
@_ACCOUNT
@_OWNER
@_FORMAT
@click.pass_obj
def list_jobs(session: Session, account: str | None, owner: str | None, form: str) -> None:
    """List the jobs in the archive, by owner and day."""
    with _catalogue(session) as catalogue:
        rows = _rows(catalogue, account, _owner(owner))
        if form == "json":
            click.echo(json.dumps(list(rows), indent=2))
            return
        found = False
        for row in rows:
            if not found:
                click.echo(_HEADER)
            found = True
            click.echo(_LINE.format_map(_printable(row)))
        if not found:
            click.echo("The archive holds no job.", err=True)


_LINE = "{job_id}  {day}  {assets:>6}  {size_bytes:>14,}  {account}/{owner}  {policy}"
_HEADER = f"{'JOB':32}  {'ENDED':10}  {'ASSETS':>6}  {'BYTES':>14}  OWNER  POLICY"


def _rows(catalogue: Catalogue, account: str | None, owner: Owner | None) -> Iterator[dict[str, object]]:
    from sauce_janitor.archive.receipts import day_and_time

    for place in catalogue.places(account=account, owner=owner):
        receipts = catalogue.receipts(place)
        if not receipts:
            continue
        newest = receipts[-1].document
        yield {
            "job_id": newest.job_id,
            "account": newest.account,
            "owner": newest.owner,
            "day": "-".join(place[2:5]),
            "ended_at": day_and_time(newest.ended_at),
            "assets": len(newest.assets),
            "size_bytes": newest.size_bytes,
            "policy": newest.policy,
            "selection": newest.selection,
            "receipts": [receipt.sha256 for receipt in receipts],
            "path": "/".join(place),
        }


@archive.command()
@click.argument("job_id", metavar="JOB")
@_ACCOUNT
@_FORMAT
@click.pass_obj
def show(session: Session, job_id: str, account: str | None, form: str) -> None:
    """Show what is stored of a job, by whom and why."""
    with _catalogue(session) as catalogue:
        stored = [(place, catalogue.receipts(place)) for place in catalogue.places_of(_job(job_id), account=account)]
        if not stored:
            raise ConfigError(f"the archive holds nothing of job {job_id}")
        if form == "json":
            click.echo(json.dumps([_as_json("/".join(place), receipts) for place, receipts in stored], indent=2))
            return
        for place, receipts in stored:
            click.echo("\n".join(_shown(catalogue, "/".join(place), receipts)))


def _as_json(path: str, receipts: tuple[ReceiptFile, ...]) -> dict[str, object]:
    from sauce_janitor.archive.receipts import write_receipt

    return {
        "path": path,
        "receipts": [
            {"file": each.file, "sha256": each.sha256, "receipt": json.loads(write_receipt(each.document))}
            for each in receipts
        ],
    }


def _shown(catalogue: Catalogue, path: str, receipts: tuple[ReceiptFile, ...]) -> Iterator[str]:
    from sauce_janitor.archive.receipts import day_and_time
    from sauce_janitor.logs import printable

    newest = receipts[-1].document
    yield f"Job {newest.job_id} of {printable(newest.owner)}, ended {day_and_time(newest.ended_at)}"
    yield f"  {catalogue.root.path / path}"
    for receipt in receipts:
        said = receipt.document
        yield (
            f"  {receipt.file}: {day_and_time(said.made_at)}, policy {printable(said.policy)}, "
            f"selection {printable(said.selection)}, run {said.run_id}, sha256 {receipt.sha256}"
        )
    if newest.purged:
        yield "  Sauce Labs had purged the assets before they could be stored"
    for file in (newest.job, *newest.assets):
        yield f"  {file.bytes:>14,}  {file.sha256}  {_names(file)}"
    for gone in (*newest.discarded, *newest.absent):
        yield f"  {'not stored':>14}  {printable(gone.name)}: {gone.why}"


def _names(file: StoredFile) -> str:
    from sauce_janitor.logs import printable

    own = file.file.rpartition("/")[2] == file.name
    return file.file if own else f"{file.file}  ({printable(file.name)[:120]})"


def _catalogue(session: Session) -> Catalogue:
    from sauce_janitor import config
    from sauce_janitor.archive import Catalogue

    return Catalogue.open(config.load(session.config_path).archive.path)


def _job(text: str) -> JobId:
    from sauce_janitor.retention.model import job_id

    try:
        return job_id(text)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from wrong


def _owner(text: str | None) -> Owner | None:
    from sauce_janitor.retention.model import owner_name

    try:
        return None if text is None else owner_name(text)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from wrong


def _printable(row: Mapping[str, object]) -> dict[str, object]:
    from sauce_janitor.logs import printable

    return {key: printable(value) if isinstance(value, str) else value for key, value in row.items()}


archive.add_command(prune)
archive.add_command(verify)
