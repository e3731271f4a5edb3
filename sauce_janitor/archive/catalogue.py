"""Reads the archive: which jobs it holds, their receipts, and whether every byte still matches.

Nothing here writes. A read-only mount is enough, and a damaged file is reported, never repaired or
removed. This is one module, although long: listing, proving and opening share one open root, and
one rule about links.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self

from sauce_janitor.archive.chains import chain
from sauce_janitor.archive.content.compression import open_original
from sauce_janitor.archive.content.read_back import Damage, damage_of
from sauce_janitor.archive.proofs import Finding, Proof, failed_proof
from sauce_janitor.archive.prune_records import PruneFile, gone_files, read_records, record_number
from sauce_janitor.archive.receipts import ReceiptFile, StoredFile, receipt_name, receipt_number
from sauce_janitor.archive.storage.names import folder_name, job_place
from sauce_janitor.archive.storage.ports import Place, Store, StoreDownError
from sauce_janitor.archive.storage.sites import ArchiveLocation, site_of
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.jobs import JobId, Owner


@dataclass(frozen=True, slots=True)
class Catalogue:
    """An archive open for reading."""

    root: Store

    @classmethod
    def open(cls, location: ArchiveLocation, *, known_uuid: str | None = None) -> Catalogue:
        """Open the archive at this location.

        Raises ArchiveUnusableError where there is none, or where it is another one than
        `known_uuid`.
        """
        return cls(site_of(location).open(known_uuid=known_uuid, make=False))

    def close(self) -> None:
        """Close the archive's folder."""
        self.root.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def walk(
        self, *, account: str | None = None, owner: Owner | None = None, after: Place = ()
    ) -> Iterator[tuple[Place, bool]]:
        """Yield the folder of every job in the order of names, and whether a link stands there or
        on the way.
        """
        return self.root.walk(_fixed_names(account, owner), after)

    def places(self, *, account: str | None = None, owner: Owner | None = None) -> Iterator[Place]:
        """Yield the folder of every job, in the order of names.

        Raises ArchiveError for a folder that cannot be read, and for a link.
        """
        for place, is_link in self.walk(account=account, owner=owner):
            yield _no_link(place, is_link=is_link)

    def sample(self, most: int, *, account: str) -> Iterator[ReceiptFile]:
        """Yield the newest receipt of each of at most `most` jobs, a fair sample of all.

        Neither owner nor age nor policy plays a part: the jobs with the lowest hashes of their ids
        are drawn. The same archive gives the same sample, and a new job changes at most one of it.
        A folder that cannot be read is left out; `verify` reports it.
        """
        by_name = self.root.walk(_fixed_names(account, None), by_name=True)
        drawn = heapq.nsmallest(
            # The lowest hashes, so that memory holds only the sample, however large the archive is.
            most,
            ((_sample_key(place), place) for place, is_link in by_name if not is_link),
        )
        for _, place in drawn:
            with suppress(ArchiveError):
                yield from self.receipts(place)[-1:]

    def places_of(
        self, job_id: JobId, *, account: str | None = None, owner: Owner | None = None
    ) -> Iterator[Place]:
        """Yield the folders of one job: none, one, or one for each account that holds it."""
        for place, is_link in self.root.walk(
            (*_fixed_names(account, owner), None, None, None, job_id)
        ):
            yield _no_link(place, is_link=is_link)

    def receipts(self, place: Place) -> tuple[ReceiptFile, ...]:
        """Return a job's receipts, oldest first; () when there is no such folder.

        Raises ArchiveError when a receipt cannot be trusted.
        """
        try:
            with (
                storage_errors(f"read the archive's folder {'/'.join(place)}"),
                self.root.folder(place) as folder,
            ):
                return chain(folder, place, folder.names())
        except ArchiveError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return ()
            raise

    def records(self, place: Place) -> tuple[PruneFile, ...]:
        """Return the records of what was pruned of a job, oldest first.

        Raises ArchiveError when a record or a receipt cannot be trusted.
        """
        with (
            storage_errors(f"read the archive's folder {'/'.join(place)}"),
            self.root.folder(place) as folder,
        ):
            names = folder.names()
            return read_records(folder, place, names, chain(folder, place, names))

    def receipts_of(
        self, account: str, owner: Owner, job_id: JobId, *, ended_at: int | None
    ) -> tuple[Place | None, tuple[ReceiptFile, ...]]:
        """Return a job's folder and receipts; None and () when there is none.

        `ended_at` (epoch seconds UTC) saves a search.
        """
        if ended_at is not None:
            place = job_place(account, owner, job_id, ended_at)
            # Where it is not, the search below still finds it: Sauce Labs may have changed the
            # job's end since.
            if receipts := self.receipts(place):
                return place, receipts
        for found in self.places_of(job_id, account=account, owner=owner):
            return found, self.receipts(found)
        return None, ()

    def has_folder(
        self, account: str, owner: Owner, job_id: JobId, *, ended_at: int | None
    ) -> bool:
        """Tell whether the job has a folder, whatever is in it. `ended_at` (epoch seconds UTC)
        saves a search.
        """
        if ended_at is not None:
            with storage_errors(f"look for {job_id} in the archive"):
                if self.root.has(job_place(account, owner, job_id, ended_at)):
                    return True
        return next(iter(self.places_of(job_id, account=account, owner=owner)), None) is not None

    def prove(self, place: Place) -> Proof:
        """Read everything stored of a job and compare it with its receipts.

        A file that cannot be read becomes a finding.
        """
        findings: list[Finding] = []
        where = "/".join(place)
        with (
            storage_errors(f"read the archive's folder {where}"),
            self.root.folder(place) as folder,
        ):
            there = folder.files()
            # So that receipts are read from the disk as well, and not from memory that was right
            # once.
            folder.forget_cached(_small(there))
            try:
                receipts = chain(folder, place, there)
                records = read_records(folder, place, there, receipts)
            except ArchiveError as error:
                return failed_proof(place, receipt_name(1), Damage.RECEIPT, str(error))
            if not receipts:
                return failed_proof(place, receipt_name(1), Damage.RECEIPT, "there is none")
            newest = receipts[-1].document
            # A pruned file that is still there is checked like any other.
            pruned = gone_files(records) - there.keys()
            stored = [file for file in (newest.job, *newest.assets) if file.file not in pruned]
            for file in stored:
                try:
                    damage = damage_of(folder, file, there.get(file.file))
                except StoreDownError as error:
                    # Raises where nothing can be read: then no file is damaged.
                    self.root.check()
                    damage = Damage.CHANGED, f"cannot be read: {error}"
                if damage:
                    findings.append(Finding(where, file.file, *damage))
        # A file of an earlier receipt may have been replaced by a later pass; it stays, and is no
        # stray one.
        known = {each.file for each in receipts} | {each.file for each in records}
        for receipt in receipts:
            known |= {file.file for file in receipt.document.files}
        strays = set() if folder.has_strays else there.keys() - known
        findings += [Finding(where, name, Damage.EXTRA, "in no receipt") for name in sorted(strays)]
        return Proof(
            where,
            receipts,
            tuple(findings),
            len(stored),
            sum(file.bytes for file in stored),
            records,
        )

    def proofs(self, *, account: str | None = None, owner: Owner | None = None) -> Iterator[Proof]:
        """Yield `prove` for every job.

        A link where a folder should be is a finding, and nothing behind it is read.
        """
        for place, is_link in self.walk(account=account, owner=owner):
            if is_link:
                yield failed_proof(place, "", Damage.LINK, "a link in place of a folder")
            else:
                yield self.prove(place)

    def proof(
        self, account: str, owner: Owner, job_id: JobId, *, ended_at: int | None = None
    ) -> Proof | None:
        """Return `prove` for one job; None when the archive holds nothing of it.

        `ended_at` (epoch seconds UTC) saves a search.
        """
        if ended_at is not None:
            place = job_place(account, owner, job_id, ended_at)
            return self.prove(place) if self.receipts(place) else None
        return next(
            (self.prove(place) for place in self.places_of(job_id, account=account, owner=owner)),
            None,
        )

    def open_asset(self, place: Place, file: StoredFile) -> BinaryIO:
        """Open the original bytes of one file of a receipt, however it is stored; the caller closes
        it.

        Nothing is verified. Raises ArchiveError when the file does not exist. Reading a damaged
        file may raise OSError.
        """
        with (
            storage_errors(f"open {'/'.join(place)}/{file.file} in the archive"),
            self.root.folder(place) as folder,
        ):
            return open_original(folder, file)

    def open_file(self, place: Place, name: str) -> BinaryIO:
        """Open a file in a job's folder as it is stored; the caller closes it.

        Raises ArchiveError when there is none.
        """
        with (
            storage_errors(f"open {'/'.join(place)}/{name} in the archive"),
            self.root.folder(place) as folder,
        ):
            return folder.open(name)

    def is_whole(self, place: Place, receipt: ReceiptFile) -> bool:
        """Tell whether every file of the receipt exists with its length, or was pruned.

        This is all that can be known without reading the files.
        """
        with (
            storage_errors(f"read the archive's folder {'/'.join(place)}"),
            self.root.folder(place) as folder,
        ):
            there = folder.files()
            pruned = (
                gone_files(read_records(folder, place, there, chain(folder, place, there)))
                - there.keys()
            )
        return all(
            (found := there.get(file.file)) is not None
            and found.is_plain
            and found.size_bytes == file.on_disk[0]
            for file in (receipt.document.job, *receipt.document.assets)
            if file.file not in pruned
        )


def _small(names: Iterable[str]) -> Iterator[str]:
    """Yield the receipts and the records of pruning among these names."""
    return (name for name in names if receipt_number(name) or record_number(name))


def _sample_key(place: Place) -> bytes:
    """Return the value that decides whether a job is drawn: its end and its owner play no part."""
    return hashlib.sha256(place[-1].encode()).digest()


def _fixed_names(account: str | None, owner: Owner | None) -> tuple[str | None, str | None]:
    return account and folder_name(account), owner and folder_name(owner)


def _no_link(place: Place, *, is_link: bool) -> Place:
    if is_link:
        raise ArchiveError(
            f"{'/'.join(place)} in the archive is a link: nothing behind it is trusted"
        )
    return place
