"""Reading the archive: which jobs it holds, their receipts, and whether every byte is still what
the receipts say.

Nothing here writes, ever: a read-only mount is enough, and a damaged file is reported, never
repaired by deleting.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from sauce_janitor.archive.chains import chain
from sauce_janitor.archive.content.compression import open_original
from sauce_janitor.archive.content.read_back import Damage, damage_of, forget_cached
from sauce_janitor.archive.disk.folders import disk_errors, exists, open_file, reach
from sauce_janitor.archive.disk.names import folder_name, job_place, name_of_folder
from sauce_janitor.archive.disk.root import ArchiveRoot
from sauce_janitor.archive.disk.walk import Place, files_below, walk
from sauce_janitor.archive.prune_records import PruneFile, gone_files, read_records, record_number
from sauce_janitor.archive.receipts import ReceiptFile, StoredFile, receipt_name, receipt_number
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.jobs import JobId, Owner


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: in which job's folder, at which file in it, and what."""

    place: str
    file: str
    damage: Damage
    detail: str

    def __str__(self) -> str:
        return f"{self.place}/{self.file}: {self.damage} ({self.detail})"


@dataclass(frozen=True, slots=True)
class Proof:
    """One job as the archive holds it now: its receipts, oldest first, and all that is wrong with
    them or the bytes.

    `records` say what was pruned: such a file may be missing, and while it is there it is as its
    receipt says.
    """

    place: str
    receipts: tuple[ReceiptFile, ...]
    findings: tuple[Finding, ...]
    files: int
    size_bytes: int
    records: tuple[PruneFile, ...] = ()

    def proves(self, sha256: str) -> bool:
        """Whether the receipt with this hash stands unchanged, and everything stored is byte for
        byte what was stored.
        """
        return not self.findings and any(receipt.sha256 == sha256 for receipt in self.receipts)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """An archive open for reading."""

    root: ArchiveRoot

    @classmethod
    def open(cls, path: Path, *, known_uuid: str | None = None) -> Catalogue:
        """The archive at `path`. Raises ArchiveUnusableError for what is none, or another than the
        known one.
        """
        return cls(ArchiveRoot.open(path, known_uuid=known_uuid, make=False))

    def close(self) -> None:
        """Let go of it."""
        self.root.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        wrong: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def walk(
        self, *, account: str | None = None, owner: Owner | None = None, after: Place = ()
    ) -> Iterator[tuple[Place, bool]]:
        """The folder of every job in the order of the names, and whether a link stands there or on
        the way to it.
        """
        return walk(self.root.fd, (), _fixed(account, owner), after)

    def places(self, *, account: str | None = None, owner: Owner | None = None) -> Iterator[Place]:
        """The folder of every job, in the order of the names. Raises ArchiveError for one that
        cannot be read, or a link.
        """
        for place, is_link in self.walk(account=account, owner=owner):
            yield _no_link(place, is_link=is_link)

    def sample(self, most: int, *, account: str) -> Iterator[ReceiptFile]:
        """Yield the newest receipt of each of at most `most` jobs, a fair sample of all.

        Neither owner nor age nor policy plays a part: the jobs with the lowest hashes of their ids
        are drawn. The same archive gives the same sample, and a new job changes at most one of it.
        A folder that cannot be read is left out: `verify` says more of it.
        """
        by_name = walk(self.root.fd, (), _fixed(account, None), by_name=True)
        drawn = heapq.nsmallest(
            most, ((_lot(place), place) for place, is_link in by_name if not is_link)
        )
        for _, place in drawn:
            with suppress(ArchiveError):
                yield from self.receipts(place)[-1:]

    def places_of(
        self, job_id: JobId, *, account: str | None = None, owner: Owner | None = None
    ) -> Iterator[Place]:
        """The folders of one job: one, or none, or one for each account that holds it."""
        for place, is_link in walk(
            self.root.fd, (), (*_fixed(account, owner), None, None, None, job_id)
        ):
            yield _no_link(place, is_link=is_link)

    def receipts(self, place: Place) -> tuple[ReceiptFile, ...]:
        """A job's receipts, oldest first; () when there is no such folder. ArchiveError when one
        cannot be trusted.
        """
        try:
            with (
                disk_errors(f"read the archive's folder {'/'.join(place)}"),
                reach(self.root.fd, place) as folder,
            ):
                names = os.listdir(folder)  # noqa: PTH208 - a descriptor has no path
                return chain(folder, place, names)
        except ArchiveError as wrong:
            if isinstance(wrong.__cause__, FileNotFoundError):
                return ()
            raise

    def records(self, place: Place) -> tuple[PruneFile, ...]:
        """What left a job's folder by pruning, oldest first. ArchiveError when a record or a
        receipt cannot be trusted.
        """
        with (
            disk_errors(f"read the archive's folder {'/'.join(place)}"),
            reach(self.root.fd, place) as folder,
        ):
            names = os.listdir(folder)  # noqa: PTH208 - a descriptor has no path
            return read_records(folder, place, names, chain(folder, place, names))

    def receipts_of(
        self, account: str, owner: Owner, job_id: JobId, *, ended_at: int | None
    ) -> tuple[Place | None, tuple[ReceiptFile, ...]]:
        """A job's folder and receipts; none when it is not there. `ended_at` (epoch seconds) spares
        a search.
        """
        if ended_at is not None:
            place = job_place(account, owner, job_id, ended_at)
            if receipts := self.receipts(place):
                return place, receipts
        for found in self.places_of(job_id, account=account, owner=owner):
            return found, self.receipts(found)
        return None, ()

    def stands(self, account: str, owner: Owner, job_id: JobId, *, ended_at: int | None) -> bool:
        """Whether there is a folder of the job, whatever is in it. `ended_at` (epoch seconds)
        spares a search.
        """
        if ended_at is not None:
            *above, name = job_place(account, owner, job_id, ended_at)
            try:
                with (
                    disk_errors(f"look for {name} in the archive"),
                    reach(self.root.fd, above) as day,
                ):
                    if exists(day, name):
                        return True
            except ArchiveError as wrong:
                if not isinstance(wrong.__cause__, FileNotFoundError):
                    raise
        return next(iter(self.places_of(job_id, account=account, owner=owner)), None) is not None

    def prove(self, place: Place) -> Proof:
        """Read everything stored of a job and compare it with its receipts. OSErrors of single
        files become findings.
        """
        findings: list[Finding] = []
        where = "/".join(place)
        with (
            disk_errors(f"read the archive's folder {where}"),
            reach(self.root.fd, place) as folder,
        ):
            there = dict(files_below(folder))
            forget_cached(folder, _small(there))
            try:
                receipts = chain(folder, place, there)
                records = read_records(folder, place, there, receipts)
            except ArchiveError as wrong:
                finding = Finding(where, receipt_name(1), Damage.RECEIPT, str(wrong))
                return Proof(where, (), (finding,), 0, 0)
            if not receipts:
                finding = Finding(where, receipt_name(1), Damage.RECEIPT, "there is none")
                return Proof(where, (), (finding,), 0, 0)
            newest = receipts[-1].document
            pruned = gone_files(records) - there.keys()
            stored = [file for file in (newest.job, *newest.assets) if file.file not in pruned]
            for file in stored:
                damage = damage_of(folder, file, there.get(file.file))
                if damage:
                    findings.append(Finding(where, file.file, *damage))
        known = {each.file for each in receipts} | {each.file for each in records}
        known |= {
            file.file
            for receipt in receipts
            for file in (receipt.document.job, *receipt.document.assets)
        }
        findings += [
            Finding(where, name, Damage.EXTRA, "in no receipt")
            for name in sorted(there.keys() - known)
        ]
        return Proof(
            where,
            receipts,
            tuple(findings),
            len(stored),
            sum(file.bytes for file in stored),
            records,
        )

    def proofs(self, *, account: str | None = None, owner: Owner | None = None) -> Iterator[Proof]:
        """`prove` for every job; a link where a folder should be is a finding, and nothing behind
        it is looked at.
        """
        for place, is_link in self.walk(account=account, owner=owner):
            if is_link:
                where = "/".join(place)
                yield Proof(
                    where,
                    (),
                    (Finding(where, "", Damage.LINK, "a link in place of a folder"),),
                    0,
                    0,
                )
            else:
                yield self.prove(place)

    def proof(
        self, account: str, owner: Owner, job_id: JobId, *, ended_at: int | None = None
    ) -> Proof | None:
        """`prove` for one job; None when the archive holds nothing of it. `ended_at` (epoch
        seconds) spares a search.
        """
        if ended_at is not None:
            place = job_place(account, owner, job_id, ended_at)
            return self.prove(place) if self.receipts(place) else None
        return next(
            (self.prove(place) for place in self.places_of(job_id, account=account, owner=owner)),
            None,
        )

    def open_asset(self, place: Place, file: StoredFile) -> BinaryIO:
        """The original bytes of one file of a receipt, whichever way it is stored; close it.
        Nothing is verified by this.

        Raises ArchiveError when it is not there. Reading one that is damaged may raise OSError.
        """
        with (
            disk_errors(f"open {'/'.join(place)}/{file.file} in the archive"),
            reach(self.root.fd, place) as folder,
        ):
            return open_original(folder, file)

    def open_file(self, place: Place, name: str) -> BinaryIO:
        """A file that stands in a job's folder, as it stands there; close it. Raises ArchiveError
        when there is none.
        """
        with (
            disk_errors(f"open {'/'.join(place)}/{name} in the archive"),
            reach(self.root.fd, place) as folder,
        ):
            return os.fdopen(open_file(folder, name), "rb")

    def is_whole(self, place: Place, receipt: ReceiptFile) -> bool:
        """Whether every file of the receipt is there with its length, or was pruned: all that can
        be told without reading.
        """
        with (
            disk_errors(f"read the archive's folder {'/'.join(place)}"),
            reach(self.root.fd, place) as folder,
        ):
            there = dict(files_below(folder))
            pruned = (
                gone_files(read_records(folder, place, there, chain(folder, place, there)))
                - there.keys()
            )
        return all(
            (found := there.get(file.file)) is not None
            and stat.S_ISREG(found.st_mode)
            and found.st_size == file.on_disk[0]
            for file in (receipt.document.job, *receipt.document.assets)
            if file.file not in pruned
        )


def _small(names: Iterable[str]) -> Iterator[str]:
    """The receipts and the records of pruning among these names."""
    return (name for name in names if receipt_number(name) or record_number(name))


def _lot(place: Place) -> bytes:
    """Return what decides whether a job is drawn: neither its end nor its owner shows in it."""
    return hashlib.sha256(place[-1].encode()).digest()


def _fixed(account: str | None, owner: Owner | None) -> tuple[str | None, str | None]:
    return account and folder_name(account), owner and folder_name(owner)


def _no_link(place: Place, *, is_link: bool) -> Place:
    if is_link:
        raise ArchiveError(
            f"{'/'.join(place)} in the archive is a link: nothing behind it is trusted"
        )
    return place


def account_of(place: Place) -> str | None:
    """The account's name that the place's first folder stands for."""
    return name_of_folder(place[0])
