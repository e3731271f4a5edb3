"""Records of what was pruned: `pruned.json`, then `pruned-2.json`, … beside a job's receipts, as
values and as exact bytes.

Receipts stay as they were written: the line of a pruned file stays in them, and the record says
that it went, when and why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sauce_janitor.archive.disk.folders import disk_errors, read_small
from sauce_janitor.archive.disk.names import folder_name
from sauce_janitor.archive.receipts import (
    LONGEST,
    ReceiptFile,
    StoredFile,
    canonical,
    day_and_time,
    sha256_of,
)
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.jobs import JobId, Owner, job_id, owner_name

VERSION: Final = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(
    r"(?:job(?:-[1-9][0-9]*)?\.json|assets(?:-[1-9][0-9]*)?/[A-Za-z0-9_][A-Za-z0-9._ @+()=-]*)"
)
_RECORD_FILE = re.compile(r"pruned(?:-([2-9]|[1-9][0-9]+))?\.json")


@dataclass(frozen=True, slots=True)
class GoneFile:
    """One stored file that left the archive, as its receipt has it: `bytes` and `sha256` are the
    original's.
    """

    name: str
    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PruneRecord:
    """What one record says: which files went, by whose word (`why`), under which receipt (its
    SHA-256), and when.

    `number` is 1 for pruned.json, n for pruned-n.json; `previous` is the SHA-256 of the record
    before, None of the first.
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
        """The bytes of all its files."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class PruneFile:
    """A record as it stands, or will stand, in the archive: the file's name, the SHA-256 of its
    bytes, and what it says.
    """

    file: str
    sha256: str
    record: PruneRecord


def record_name(number: int) -> str:
    """pruned.json, pruned-2.json, …"""
    return "pruned.json" if number == 1 else f"pruned-{number}.json"


def record_number(file: str) -> int | None:
    """The number of a record's file name; None for any other name."""
    found = _RECORD_FILE.fullmatch(file)
    return int(found[1] or 1) if found else None


def gone_files(records: Iterable[PruneFile]) -> frozenset[str]:
    """The paths, beside the receipts, of all files that these records took away."""
    return frozenset(file.file for each in records for file in each.record.files)


def read_records(
    folder: int, place: tuple[str, ...], names: Iterable[str], receipts: Iterable[ReceiptFile]
) -> tuple[PruneFile, ...]:
    """The records in a job's folder, oldest first, each following the one before and borne out by a
    receipt.

    Raises ArchiveError for one that is missing, edited, of something else, or takes away what no
    receipt lists.
    """
    where = "/".join(place)
    numbers = sorted(number for name in names if (number := record_number(name)) is not None)
    if numbers != list(range(1, len(numbers) + 1)):
        raise ArchiveError(
            f"{where} lacks a record of what was pruned before {record_name(numbers[-1])}"
        )
    known = {receipt.sha256 for receipt in receipts}
    stored = {
        _line(file)
        for receipt in receipts
        for file in (receipt.document.job, *receipt.document.assets)
    }
    found: list[PruneFile] = []
    for number in numbers:
        name = record_name(number)
        with disk_errors(f"read {where}/{name}"):
            data = read_small(folder, name, at_most=LONGEST)
        try:
            each = PruneFile(name, sha256_of(data), _read(data))
        except ArchiveError as wrong:
            raise ArchiveError(f"{where}/{name}: {wrong}") from wrong
        said = each.record
        at = (folder_name(said.account), folder_name(said.owner), said.job_id)
        if (
            said.number != number
            or at != (place[0], place[1], place[-1])
            or said.receipt not in known
        ):
            raise ArchiveError(f"{where}/{name} is the record of something else")
        if said.previous != (found[-1].sha256 if found else None):
            raise ArchiveError(
                f"{where}/{name} does not follow the record before it: one of them was changed"
            )
        if not set(said.files) <= stored:
            raise ArchiveError(f"{where}/{name} takes away what no receipt lists")
        found.append(each)
    return tuple(found)


def _line(file: StoredFile | GoneFile) -> GoneFile:
    """What a receipt and a record both say of a file."""
    return GoneFile(file.name, file.file, file.bytes, file.sha256)


def write_record(record: PruneRecord) -> bytes:
    """The record file's exact bytes."""
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
    """What a record says; ArchiveError unless it is exactly as it was written."""
    try:
        said = json.loads(data)
        if said["version"] != VERSION:
            raise ArchiveError(
                f"the record has version {said['version']!r}; this sauce-janitor knows {VERSION}"
            )
        record = PruneRecord(
            number=int(said["number"]),
            tool=str(said["tool"]),
            archive=str(said["archive"]),
            account=str(said["account"]),
            owner=owner_name(said["owner"]),
            job_id=job_id(said["job_id"]),
            receipt=_digest(said["receipt"]),
            run_id=str(said["run_id"]),
            made_at=_time(said["made_at"]),
            why=str(said["why"]),
            files=tuple(_gone(each) for each in said["files"]),
            previous=None if said["previous"] is None else _digest(said["previous"]),
        )
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as wrong:
        raise ArchiveError(
            f"the record cannot be read: it is cut or was changed ({wrong})"
        ) from wrong
    if write_record(record) != data:
        raise ArchiveError("the record was changed: it is not as it was written")
    return record


def _gone(said: dict[str, object]) -> GoneFile:
    file, size = str(said["file"]), said["bytes"]
    if _FILE.fullmatch(file) is None:
        raise ValueError(f"not a file of the archive: {file!r:.80}")
    if type(size) is not int or size < 0:
        raise TypeError("a size in it is no count")
    return GoneFile(str(said["name"]), file, size, _digest(said["sha256"]))


def _digest(said: object) -> str:
    if not isinstance(said, str) or _SHA256.fullmatch(said) is None:
        raise ValueError(f"not a SHA-256: {said!r:.80}")
    return said


def _time(said: str) -> int:
    return int(datetime.strptime(said, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
