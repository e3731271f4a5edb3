"""Prunes: chosen files of a stored job leave the archive, and a record of them stays.

The record is durable before the first file is removed. A crash leaves files that are on record and
still there, never a missing file without an explanation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sauce_janitor import __version__
from sauce_janitor.archive.ownership.lease import ArchiveLease
from sauce_janitor.archive.prune_records import (
    GoneFile,
    PruneFile,
    PruneRecord,
    gone_files,
    record_name,
    write_record,
)
from sauce_janitor.archive.receipt_format import sha256_of
from sauce_janitor.archive.receipts import ReceiptFile, StoredFile
from sauce_janitor.archive.storage.ports import Place, Store
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.permits import PrunePermit


@dataclass(frozen=True, slots=True)
class PruneDraft:
    """A record that is not written yet, and its folder. The journal needs its hash before anything
    else.
    """

    place: Place
    data: bytes
    made: PruneFile

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the record's bytes."""
        return self.made.sha256

    @property
    def files(self) -> tuple[GoneFile, ...]:
        """Return the files that will be removed."""
        return self.made.record.files

    @property
    def size_bytes(self) -> int:
        """Return how many bytes will be freed."""
        return self.made.record.size_bytes


class Pruner:
    """Removes files of one account's jobs, only while the account's lease is held.

    It needs no room above the floor of `archive.min_free`, as it makes room. Raises ArchiveError
    (this job) or ArchiveUnusableError (all jobs).
    """

    def __init__(
        self,
        root: Store,
        account: str,
        *,
        run_id: str,
        now: Callable[[], int],
        lease: ArchiveLease | None = None,
    ) -> None:
        self._root, self._account, self._run_id, self._now, self._lease = (
            root,
            account,
            run_id,
            now,
            lease,
        )

    def draft(
        self,
        place: Place,
        receipts: tuple[ReceiptFile, ...],
        records: tuple[PruneFile, ...],
        permit: PrunePermit,
    ) -> PruneDraft:
        """Return the record for the permit's files of a job, with nothing done yet.

        Raises ArchiveError when the permit names a file that is not there. `files` of the permit
        are paths beside the receipts: a file of an asset that was stored twice is named twice.
        """
        newest = receipts[-1].document
        # The permit is for another job, so the caller has mixed up two folders.
        if (newest.job_id, newest.owner) != (permit.job_id, permit.owner):
            raise ArchiveError(f"{'/'.join(place)} is not the folder of job {permit.job_id}")
        lines: dict[str, StoredFile] = {}
        for each in receipts:
            lines |= {file.file: file for file in each.document.files}
        gone = gone_files(records)
        if strange := sorted(name for name in permit.files if name not in lines or name in gone):
            raise ArchiveError(
                f"{'/'.join(place)}/{strange[0]} is in no receipt, or was pruned before: nothing "
                "is removed"
            )
        wanted = tuple(
            GoneFile(line.name, line.file, line.bytes, line.sha256)
            for path, line in lines.items()
            if path in permit.files
        )
        record = PruneRecord(
            number=len(records) + 1,
            tool=f"sauce-janitor {__version__}",
            archive=self._root.uuid,
            account=self._account,
            owner=newest.owner,
            job_id=newest.job_id,
            receipt=receipts[-1].sha256,
            run_id=self._run_id,
            made_at=self._now(),
            why=permit.why,
            files=wanted,
            previous=records[-1].sha256 if records else None,
        )
        data = write_record(record)
        return PruneDraft(
            place, data, PruneFile(record_name(record.number), sha256_of(data), record)
        )

    def prune(self, draft: PruneDraft) -> None:
        """Write the record, durably, and then remove its files. The journal must have the intent
        before.
        """
        self._check()
        where = "/".join(draft.place)
        word = self._lease.word if self._lease else ""
        try:
            with storage_errors(f"write {where}/{draft.made.file}"):
                self._root.add_record(draft.place, draft.made.file, draft.data, word=word)
        except ArchiveError as error:
            if isinstance(error.__cause__, FileExistsError):
                raise ArchiveError(
                    f"{where}/{draft.made.file} exists already: another program wrote to the "
                    "archive"
                ) from error
            raise
        self.finish(draft.place, draft.made)

    def left(self, place: Place, made: PruneFile) -> tuple[str, ...]:
        """Return the files of a record that are still there."""
        where = "/".join(place)
        with (
            storage_errors(f"look for files of {where} in the archive"),
            self._root.folder(place) as folder,
        ):
            there = folder.files()
            return tuple(file.file for file in made.record.files if file.file in there)

    def finish(self, place: Place, made: PruneFile) -> None:
        """Remove, durably, the files of a record that is in the archive. Files already gone are
        fine.
        """
        self._check()
        where = "/".join(place)
        with storage_errors(f"remove files of {where} from the archive"):
            _remove_from(self._root, place, made.record.files)

    def _check(self) -> None:
        """Raise ArchiveUnusableError or LeaseError unless this is the opened archive and the lease
        holds.
        """
        self._root.check()
        if self._lease is not None:
            self._lease.check()


def _remove_from(root: Store, place: Place, files: Iterable[GoneFile]) -> None:
    """Remove the files, the job's own document last.

    While a crash can leave files behind, the document says which job they belong to.
    """
    in_order = sorted(files, key=lambda file: ("/" not in file.file, file.file))
    root.remove_files(place, [file.file for file in in_order])
