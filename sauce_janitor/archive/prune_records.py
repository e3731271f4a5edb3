"""Records of what was pruned, as values and as exact bytes: `pruned.json`, `pruned-2.json`, …

They stand beside a job's receipts. Receipts stay as they were written: the entry of a pruned file
stays in them, and the record says that it was removed, when and why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sauce_janitor.archive.receipt_format import FILE_NAME, canonical, day_and_time, sha256_of
from sauce_janitor.archive.receipts import LONGEST, ReceiptFile, StoredFile
from sauce_janitor.archive.storage.names import folder_name
from sauce_janitor.archive.storage.ports import JobFolder, Place
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.jobs import JobId, Owner, job_id, owner_name

VERSION: Final = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RECORD_FILE = re.compile(r"pruned(?:-([2-9]|[1-9][0-9]+))?\.json")


@dataclass(frozen=True, slots=True)
class GoneFile:
    """One stored file that was pruned, as in its receipt: `bytes` and `sha256` are the
    original's.
    """

    name: str
    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PruneRecord:
    """What one record says: which files were removed, why, under which receipt (its SHA-256), and
    when.

    `number` is 1 for pruned.json, n for pruned-n.json. `previous` is the SHA-256 of the record
    before, None for the first. `made_at` is epoch seconds UTC.
    """

    number: int
    tool: str
    archive: str
    account: str
    owner: Owner
    job_id: JobId
    receipt: str
    run_id: str
    made_at: int
    why: str
    files: tuple[GoneFile, ...]
    previous: str | None = None

    @property
    def size_bytes(self) -> int:
        """Return the size of all its files."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class PruneFile:
    """A record in the archive: the file's name, the SHA-256 of its bytes, and what it says."""

    file: str
    sha256: str
    record: PruneRecord


def record_name(number: int) -> str:
    """Return pruned.json, pruned-2.json, …"""
    return "pruned.json" if number == 1 else f"pruned-{number}.json"


def record_number(file: str) -> int | None:
    """Return the number of a record's file name; None for any other name."""
    found = _RECORD_FILE.fullmatch(file)
    return int(found[1] or 1) if found else None


def gone_files(records: Iterable[PruneFile]) -> frozenset[str]:
    """Return the paths, beside the receipts, of all files that these records removed."""
    gone: set[str] = set()
    for each in records:
        gone |= {file.file for file in each.record.files}
    return frozenset(gone)


def read_records(
    folder: JobFolder, place: Place, names: Iterable[str], receipts: Iterable[ReceiptFile]
) -> tuple[PruneFile, ...]:
    """Return the records in a job's folder, oldest first.

    Each must follow the one before and belong to a receipt. Raises ArchiveError for a record that
    is missing, changed or about something else, or that removes what no receipt lists.
    """
    where = "/".join(place)
    numbers = sorted(number for name in names if (number := record_number(name)) is not None)
    # A gap has a message of its own: the hashes below would only say that a record was changed.
    if numbers != list(range(1, len(numbers) + 1)):
        raise ArchiveError(
            f"{where} lacks a record of what was pruned before {record_name(numbers[-1])}"
        )
    known: set[str] = set()
    stored: set[GoneFile] = set()
    # A receipt and a record describe a file by the same four values.
    for receipt in receipts:
        known.add(receipt.sha256)
        stored |= {_line(file) for file in receipt.document.files}
    found: list[PruneFile] = []
    for number in numbers:
        name = record_name(number)
        with storage_errors(f"read {where}/{name}"):
            data = folder.read_small(name, at_most=LONGEST)
        try:
            each = PruneFile(name, sha256_of(data), _read(data))
        except ArchiveError as error:
            raise ArchiveError(f"{where}/{name}: {error}") from error
        document = each.record
        at = (folder_name(document.account), folder_name(document.owner), document.job_id)
        if (
            document.number != number
            or at != (place[0], place[1], place[-1])
            or document.receipt not in known
        ):
            raise ArchiveError(f"{where}/{name} is the record of something else")
        if document.previous != (found[-1].sha256 if found else None):
            raise ArchiveError(
                f"{where}/{name} does not follow the record before it: one of them was changed"
            )
        # A record must not explain the loss of a file that was never stored.
        if not set(document.files) <= stored:
            raise ArchiveError(f"{where}/{name} lists files that no receipt has")
        found.append(each)
    return tuple(found)


def _line(file: StoredFile | GoneFile) -> GoneFile:
    """Return what a receipt and a record both say of a file."""
    return GoneFile(file.name, file.file, file.bytes, file.sha256)


def write_record(record: PruneRecord) -> bytes:
    """Return the exact bytes of the record's file."""
    return canonical(
        {
            "what": "files that left the archive; the receipts beside this have their lines",
            "version": VERSION,
            "number": record.number,
            "tool": record.tool,
            "archive": record.archive,
            "account": record.account,
            "owner": record.owner,
            "job_id": record.job_id,
            "receipt": record.receipt,
            "run_id": record.run_id,
            "made_at": day_and_time(record.made_at),
            "why": record.why,
            "previous": record.previous,
            "files": [
                {"name": each.name, "file": each.file, "bytes": each.bytes, "sha256": each.sha256}
                for each in record.files
            ],
        }
    )


def _read(data: bytes) -> PruneRecord:
    """Parse a record. Raises ArchiveError unless its bytes are exactly as they were written."""
    try:
        document = json.loads(data)
        if document["version"] != VERSION:
            raise ArchiveError(
                f"the record has version {document['version']!r}; "
                f"this sauce-janitor knows {VERSION}"
            )
        record = PruneRecord(
            number=int(document["number"]),
            tool=str(document["tool"]),
            archive=str(document["archive"]),
            account=str(document["account"]),
            owner=owner_name(document["owner"]),
            job_id=job_id(document["job_id"]),
            receipt=_digest(document["receipt"]),
            run_id=str(document["run_id"]),
            made_at=_time(document["made_at"]),
            why=str(document["why"]),
            files=tuple(_gone(each) for each in document["files"]),
            previous=None if document["previous"] is None else _digest(document["previous"]),
        )
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise ArchiveError(
            f"the record cannot be read: it is cut or was changed ({error})"
        ) from error
    # Only bytes that would be written again the same way are trusted: an added key or a changed
    # blank shows.
    if write_record(record) != data:
        raise ArchiveError("the record was changed: it is not as it was written")
    return record


def _gone(document: dict[str, object]) -> GoneFile:
    file, size = str(document["file"]), document["bytes"]
    # A path that leaves the job's folder must never be removed.
    if FILE_NAME.fullmatch(file) is None:
        raise ValueError(f"not a file of the archive: {file!r:.80}")
    if type(size) is not int or size < 0:
        raise TypeError("a size in it is not a count")
    return GoneFile(str(document["name"]), file, size, _digest(document["sha256"]))


def _digest(document: object) -> str:
    if not isinstance(document, str) or _SHA256.fullmatch(document) is None:
        raise ValueError(f"not a SHA-256: {document!r:.80}")
    return document


def _time(document: str) -> int:
    return int(datetime.strptime(document, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
