"""What the archive holds of one job now: its receipts, what was pruned since, and its document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sauce_janitor.archive.chains import chain
from sauce_janitor.archive.prune_records import PruneFile, gone_files, read_records
from sauce_janitor.archive.receipt_format import sha256_of
from sauce_janitor.archive.receipts import LONGEST, ReceiptDocument, ReceiptFile, StoredFile
from sauce_janitor.archive.storage.ports import Place, Store
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError


@dataclass(frozen=True)
class JobContents:
    """One job as its folder describes it; no asset was read.

    `receipts` and the `records` of pruning are both oldest first.
    """

    place: Place
    receipts: tuple[ReceiptFile, ...]
    records: tuple[PruneFile, ...]

    @property
    def newest(self) -> ReceiptDocument:
        """Return the newest receipt, which lists everything stored."""
        return self.receipts[-1].document

    @cached_property
    def gone(self) -> frozenset[str]:
        """Return the paths of what was pruned."""
        return gone_files(self.records)

    @cached_property
    def assets(self) -> tuple[StoredFile, ...]:
        """Return the assets that are stored and were not pruned."""
        return tuple(file for file in self.newest.assets if file.file not in self.gone)

    @cached_property
    def files(self) -> tuple[StoredFile, ...]:
        """Return every file that any receipt lists and that was not pruned.

        That includes the documents, and files that a later pass replaced.
        """
        by_path: dict[str, StoredFile] = {}
        for receipt in self.receipts:
            # Later receipts repeat the files of earlier ones: each path once.
            by_path |= {file.file: file for file in receipt.document.files}
        return tuple(file for path, file in by_path.items() if path not in self.gone)

    @property
    def size_bytes(self) -> int:
        """Return the size of all assets that are left, before compression."""
        return sum(file.bytes for file in self.assets)


def contents_of(root: Store, place: Place) -> JobContents | None:
    """Return what a job's folder says; None when there is no such folder.

    Raises ArchiveError when it cannot be read or trusted.
    """
    try:
        with (
            storage_errors(f"read the archive's folder {'/'.join(place)}"),
            root.folder(place) as folder,
        ):
            names = folder.names()
            receipts = chain(folder, place, names)
            # A folder appears by a rename with its receipt in it, so one without was not made by
            # this program.
            if not receipts:
                raise ArchiveError(f"{'/'.join(place)} holds no receipt")
            return JobContents(place, receipts, read_records(folder, place, names, receipts))
    except ArchiveError as error:
        # The folder does not exist. Without receipts, it would have no such cause.
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def document_of(root: Store, contents: JobContents) -> Mapping[str, object] | None:
    """Return the job's newest document, as Sauce Labs sent it without its secrets.

    None when it is gone, or does not match its receipt.
    """
    job = contents.newest.job
    try:
        with (
            storage_errors(f"read {'/'.join(contents.place)}/{job.file}"),
            root.folder(contents.place) as folder,
        ):
            data = folder.read_small(job.file, at_most=LONGEST)
        document = json.loads(data) if sha256_of(data) == job.sha256 else None
    except (ArchiveError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
