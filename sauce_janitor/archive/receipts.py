"""Receipts: what is stored of a job, from where, and the hash of every byte. Pure.

They are values here; `receipt_format` writes and reads their files. The newest receipt of a job
lists everything stored of it: a later one repeats the earlier one's files and holds the hash of the
file before it, so that the receipts of a job form a chain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sauce_janitor.model.jobs import JobId, MissingFile, Owner

LONGEST: Final = 64 * 1024 * 1024
_RECEIPT_FILE = re.compile(r"receipt(?:-([2-9]|[1-9][0-9]+))?\.json")


@dataclass(frozen=True, slots=True)
class Packed:
    """How a compressed file stands on the disk: its own length and SHA-256. Encoding: Zstandard
    (RFC 8878).
    """

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One stored file. `name` is the asset's as Sauce Labs gave it, `file` its path beside the
    receipt.

    `bytes` and `sha256` are of what Sauce Labs sent; a file that is compressed on the disk has its
    own in `packed`. `odd` says why the bytes do not look like what the name promises, None where
    they do. `fetched_at` is our clock in epoch seconds UTC; `url` is where it came from, without
    credentials or signature.
    """

    name: str
    file: str
    bytes: int
    sha256: str
    fetched_at: int
    url: str
    content_type: str | None = None
    packed: Packed | None = None
    odd: str | None = None

    @property
    def on_disk(self) -> tuple[int, str]:
        """Return the length and SHA-256 of the file as it stands on the disk."""
        return (self.packed.bytes, self.packed.sha256) if self.packed else (self.bytes, self.sha256)


@dataclass(frozen=True, slots=True)
class Unstored:
    """An asset that was listed and is not stored, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class ReceiptDocument:
    """What one receipt file says.

    `number` is 1 for receipt.json, n for receipt-n.json; `previous` is the SHA-256 of the receipt
    before, None for the first. `listed` are the names that Sauce Labs listed, in order. `assets` is
    everything stored, `discarded` what was listed and not wanted, `absent` what was wanted and is
    gone at Sauce Labs. `missing` is what is wanted, listed, and could not be fetched yet: a later
    receipt has it, or says so again. `purged` says that Sauce Labs had purged the assets before.
    Times are epoch seconds UTC.
    """

    number: int
    tool: str
    archive: str
    account: str
    base_url: str
    owner: Owner
    job_id: JobId
    ended_at: int
    policy: str
    run_id: str
    selection: str
    made_at: int
    job: StoredFile
    listed: tuple[str, ...]
    assets: tuple[StoredFile, ...]
    discarded: tuple[Unstored, ...] = ()
    absent: tuple[Unstored, ...] = ()
    purged: bool = False
    previous: str | None = None
    missing: tuple[MissingFile, ...] = ()

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """Return every stored file: the job's document, then its assets."""
        return (self.job, *self.assets)

    @property
    def size_bytes(self) -> int:
        """Return the size of all stored assets."""
        return sum(asset.bytes for asset in self.assets)


@dataclass(frozen=True, slots=True)
class ReceiptFile:
    """A receipt in the archive: the file's name, the SHA-256 of its bytes, and what it says."""

    file: str
    sha256: str
    document: ReceiptDocument


def receipt_name(number: int) -> str:
    """Return receipt.json, receipt-2.json, …"""
    return "receipt.json" if number == 1 else f"receipt-{number}.json"


def job_name(number: int) -> str:
    """Return job.json, job-2.json, …: the job's document for the receipt of that number."""
    return "job.json" if number == 1 else f"job-{number}.json"


def assets_name(number: int) -> str:
    """Return assets, assets-2, …: the folder of what the pass of that number fetched."""
    return "assets" if number == 1 else f"assets-{number}"


def receipt_number(file: str) -> int | None:
    """Return the number of a receipt's file name; None for any other name."""
    found = _RECEIPT_FILE.fullmatch(file)
    return int(found[1] or 1) if found else None
