"""What the archive holds of one job at one look: its receipts, what was pruned since, and its
document.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sauce_janitor.archive.chains import chain
from sauce_janitor.archive.disk.folders import disk_errors, reach, read_small
from sauce_janitor.archive.disk.root import ArchiveRoot
from sauce_janitor.archive.disk.walk import Place
from sauce_janitor.archive.prune_records import PruneFile, gone_files, read_records
from sauce_janitor.archive.receipts import (
    LONGEST,
    ReceiptDocument,
    ReceiptFile,
    StoredFile,
    sha256_of,
)
from sauce_janitor.errors import ArchiveError


@dataclass(frozen=True)
class JobContents:
    """One job as its folder says: `receipts` and `records` of pruning, both oldest first. Nothing
    was read but those.
    """

    place: Place
    receipts: tuple[ReceiptFile, ...]
    records: tuple[PruneFile, ...]

    @property
    def newest(self) -> ReceiptDocument:
        """What the newest receipt says: it lists everything stored."""
        return self.receipts[-1].document

    @cached_property
    def gone(self) -> frozenset[str]:
        """The paths of what was pruned."""
        return gone_files(self.records)

    @cached_property
    def assets(self) -> tuple[StoredFile, ...]:
        """The assets that are stored and were not pruned."""
        return tuple(file for file in self.newest.assets if file.file not in self.gone)

    @cached_property
    def files(self) -> tuple[StoredFile, ...]:
        """Every file that any receipt lists and that was not pruned: also the documents, and what a
        later pass replaced.
        """
        lines = {
            file.file: file
            for each in self.receipts
            for file in (each.document.job, *each.document.assets)
        }
        return tuple(file for path, file in lines.items() if path not in self.gone)

    @property
    def size_bytes(self) -> int:
        """The originals' bytes of all assets that are left."""
        return sum(file.bytes for file in self.assets)


def contents_of(root: ArchiveRoot, place: Place) -> JobContents | None:
    """What a job's folder says; None when there is no such folder. ArchiveError when it cannot be
    read or trusted.
    """
    try:
        with (
            disk_errors(f"read the archive's folder {'/'.join(place)}"),
            reach(root.fd, place) as folder,
        ):
            names = os.listdir(folder)  # noqa: PTH208 - a descriptor has no path
            receipts = chain(folder, place, names)
            if not receipts:
                raise ArchiveError(f"{'/'.join(place)} holds no receipt")
            return JobContents(place, receipts, read_records(folder, place, names, receipts))
    except ArchiveError as wrong:
        if isinstance(wrong.__cause__, FileNotFoundError):
            return None
        raise


def document_of(root: ArchiveRoot, contents: JobContents) -> Mapping[str, object] | None:
    """The job's newest document, as Sauce Labs gave it less its secrets; None when it is gone, or
    not as it was stored.
    """
    job = contents.newest.job
    try:
        with (
            disk_errors(f"read {'/'.join(contents.place)}/{job.file}"),
            reach(root.fd, contents.place) as folder,
        ):
            data = read_small(folder, job.file, at_most=LONGEST)
        said = json.loads(data) if sha256_of(data) == job.sha256 else None
    except (ArchiveError, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
