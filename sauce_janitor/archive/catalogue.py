"""Reading the archive: which jobs it holds, their receipts, and whether every byte is still what the receipts say.

Nothing here writes, ever: a read-only mount is enough, and a damaged file is reported, never repaired by deleting.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from sauce_janitor.archive.fetching import hash_file
from sauce_janitor.archive.folders import disk_errors, open_folder, reach, read_small
from sauce_janitor.archive.naming import folder_name, job_place, name_of_folder
from sauce_janitor.archive.pruned import PruneFile, gone_files, read_records
from sauce_janitor.archive.receipts import (
    LONGEST,
    ReceiptFile,
    StoredFile,
    read_receipt,
    receipt_name,
    receipt_number,
    sha256_of,
)
from sauce_janitor.archive.root import Root
from sauce_janitor.errors import ArchiveError
from sauce_janitor.retention.model import JobId, Owner

Place = tuple[str, ...]
"""A job's folder below the root: account, owner, year, month, day, id, each as a folder's name."""

_DEEPEST = 4
_LEVELS = (r"[^.].*", r"[^.].*", r"\d{4}", r"\d{2}", r"\d{2}", r"[0-9a-f]{32}")


class Damage(StrEnum):
    """What can be wrong with a stored job."""

    RECEIPT = "receipt"  # missing, unreadable, edited, or not following the one before
    MISSING = "missing"
    CHANGED = "changed"
    EXTRA = "extra"  # in no receipt
    LINK = "link"  # not a plain file of its own


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
    """One job as the archive holds it now: its receipts, oldest first, and all that is wrong with them or the bytes.

    `records` say what was pruned: such a file may be missing, and while it is there it is as its receipt says.
    """

    place: str
    receipts: tuple[ReceiptFile, ...]
    findings: tuple[Finding, ...]
    files: int
    size_bytes: int
    records: tuple[PruneFile, ...] = ()

    def proves(self, sha256: str) -> bool:
        """Whether the receipt with this hash stands unchanged, and everything stored is byte for byte what was stored."""
        return not self.findings and any(receipt.sha256 == sha256 for receipt in self.receipts)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """An archive open for reading."""

    root: Root

    @classmethod
    def open(cls, path: Path, *, known_uuid: str | None = None) -> Catalogue:
        """The archive at `path`. Raises ArchiveUnusableError for what is none, or another than the known one."""
        return cls(Root.open(path, known_uuid=known_uuid, make=False))

    def close(self) -> None:
        """Let go of it."""
        self.root.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def places(self, *, account: str | None = None, owner: Owner | None = None) -> Iterator[Place]:
        """The folder of every job, in the order of the names. Raises ArchiveError for one that cannot be read, or a link."""
        for place, is_link in _walk(self.root.fd, (), _fixed(account, owner)):
            yield _no_link(place, is_link=is_link)

    def places_of(self, job_id: JobId, *, account: str | None = None, owner: Owner | None = None) -> Iterator[Place]:
        """The folders of one job: one, or none, or one for each account that holds it."""
        for place, is_link in _walk(self.root.fd, (), (*_fixed(account, owner), None, None, None, job_id)):
            yield _no_link(place, is_link=is_link)

    def receipts(self, place: Place) -> tuple[ReceiptFile, ...]:
        """A job's receipts, oldest first; () when there is no such folder. ArchiveError when one cannot be trusted."""
        try:
            with disk_errors(f"read the archive's folder {'/'.join(place)}"), reach(self.root.fd, place) as folder:
                names = os.listdir(folder)  # noqa: PTH208 - a descriptor has no path
                return _chain(folder, place, names)
        except ArchiveError as wrong:
            if isinstance(wrong.__cause__, FileNotFoundError):
                return ()
            raise

    def records(self, place: Place) -> tuple[PruneFile, ...]:
        """What left a job's folder by pruning, oldest first. ArchiveError when a record or a receipt cannot be trusted."""
        with disk_errors(f"read the archive's folder {'/'.join(place)}"), reach(self.root.fd, place) as folder:
            names = os.listdir(folder)  # noqa: PTH208 - a descriptor has no path
            return read_records(folder, place, names, _chain(folder, place, names))

    def receipts_of(
        self, account: str, owner: Owner, job_id: JobId, *, ended_at: int | None
    ) -> tuple[Place | None, tuple[ReceiptFile, ...]]:
        """A job's folder and receipts; none when it is not there. `ended_at` (epoch seconds) spares a search."""
        if ended_at is not None:
            place = job_place(account, owner, job_id, ended_at)
            if receipts := self.receipts(place):
                return place, receipts
        for found in self.places_of(job_id, account=account, owner=owner):
            return found, self.receipts(found)
        return None, ()

    def prove(self, place: Place) -> Proof:
        """Read everything stored of a job and compare it with its receipts. OSErrors of single files become findings."""
        findings: list[Finding] = []
        where = "/".join(place)
        with disk_errors(f"read the archive's folder {where}"), reach(self.root.fd, place) as folder:
            there = dict(_files_below(folder))
            try:
                receipts = _chain(folder, place, there)
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
                damage = _damage(folder, file, there.get(file.file))
                if damage:
                    findings.append(Finding(where, file.file, *damage))
        known = {each.file for each in (*receipts, *records)}
        known |= {file.file for receipt in receipts for file in (receipt.document.job, *receipt.document.assets)}
        findings += [Finding(where, name, Damage.EXTRA, "in no receipt") for name in sorted(there.keys() - known)]
        return Proof(where, receipts, tuple(findings), len(stored), sum(file.bytes for file in stored), records)

    def proofs(self, *, account: str | None = None, owner: Owner | None = None) -> Iterator[Proof]:
        """`prove` for every job; a link where a folder should be is a finding, and nothing behind it is looked at."""
        for place, is_link in _walk(self.root.fd, (), _fixed(account, owner)):
            if is_link:
                where = "/".join(place)
                yield Proof(where, (), (Finding(where, "", Damage.LINK, "a link in place of a folder"),), 0, 0)
            else:
                yield self.prove(place)

    def proof(self, account: str, owner: Owner, job_id: JobId, *, ended_at: int | None = None) -> Proof | None:
        """`prove` for one job; None when the archive holds nothing of it. `ended_at` (epoch seconds) spares a search."""
        if ended_at is not None:
            place = job_place(account, owner, job_id, ended_at)
            return self.prove(place) if self.receipts(place) else None
        return next((self.prove(place) for place in self.places_of(job_id, account=account, owner=owner)), None)

    def is_whole(self, place: Place, receipt: ReceiptFile) -> bool:
        """Whether every file of the receipt is there with its length, or was pruned: what can be told without reading the bytes."""
        with disk_errors(f"read the archive's folder {'/'.join(place)}"), reach(self.root.fd, place) as folder:
            there = dict(_files_below(folder))
            pruned = gone_files(read_records(folder, place, there, _chain(folder, place, there))) - there.keys()
        return all(
            (found := there.get(file.file)) is not None and stat.S_ISREG(found.st_mode) and found.st_size == file.bytes
            for file in (receipt.document.job, *receipt.document.assets)
            if file.file not in pruned
        )


def _fixed(account: str | None, owner: Owner | None) -> tuple[str | None, str | None]:
    return account and folder_name(account), owner and folder_name(owner)


def _no_link(place: Place, *, is_link: bool) -> Place:
    if is_link:
        raise ArchiveError(f"{'/'.join(place)} in the archive is a link: nothing behind it is trusted")
    return place


def _walk(folder: int, above: Place, fixed: Sequence[str | None]) -> Iterator[tuple[Place, bool]]:
    """The places of all jobs, and of links that stand in the place of any folder on the way."""
    wanted = fixed[0] if fixed else None
    with disk_errors(f"list the archive's folder {'/'.join(above) or '.'}"):
        names = sorted(os.listdir(folder)) if wanted is None else [wanted]
    pattern = re.compile(_LEVELS[len(above)], re.DOTALL)
    for name in names:
        if pattern.fullmatch(name) is None:
            continue
        place = (*above, name)
        try:
            with disk_errors(f"open the archive's folder {'/'.join(place)}"):
                kind = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
                if stat.S_ISLNK(kind):
                    yield place, True
                if not stat.S_ISDIR(kind):
                    continue
                below = open_folder(folder, name)
        except ArchiveError as wrong:
            if isinstance(wrong.__cause__, FileNotFoundError):
                continue
            raise
        try:
            if len(place) == len(_LEVELS):
                yield place, False
            else:
                yield from _walk(below, place, fixed[1:])
        finally:
            os.close(below)


def _chain(folder: int, place: Place, names: Sequence[str] | Mapping[str, object]) -> tuple[ReceiptFile, ...]:
    """The receipts in a job's folder, each following the one before. Raises ArchiveError where one does not."""
    numbers = sorted(number for name in names if (number := receipt_number(name)) is not None)
    if numbers != list(range(1, len(numbers) + 1)) or (names and not numbers):
        raise ArchiveError(f"{'/'.join(place)} lacks {receipt_name(_first_gap(numbers))}")
    receipts: list[ReceiptFile] = []
    for number in numbers:
        name = receipt_name(number)
        with disk_errors(f"read {'/'.join(place)}/{name}"):
            data = read_small(folder, name, at_most=LONGEST)
        try:
            receipt = ReceiptFile(name, sha256_of(data), read_receipt(data))
        except ArchiveError as wrong:
            raise ArchiveError(f"{'/'.join(place)}/{name}: {wrong}") from wrong
        said = receipt.document
        at = (folder_name(said.account), folder_name(said.owner), said.job_id)
        if said.number != number or at != (place[0], place[1], place[-1]):
            raise ArchiveError(f"{'/'.join(place)}/{name} is the receipt of something else")
        if said.previous != (receipts[-1].sha256 if receipts else None):
            raise ArchiveError(
                f"{'/'.join(place)}/{name} does not follow the receipt before it: one of them was changed"
            )
        receipts.append(receipt)
    return tuple(receipts)


def _first_gap(numbers: Sequence[int]) -> int:
    return next((place for place, number in enumerate(numbers, 1) if place != number), len(numbers) + 1)


def _files_below(folder: int, above: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Everything in a job's folder that is no folder, by its path; links are listed, not followed, and no depth is searched."""
    for name in os.listdir(folder):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode) and above.count("/") < _DEEPEST:
            below = open_folder(folder, name)
            try:
                yield from _files_below(below, f"{above}{name}/")
            finally:
                os.close(below)
        else:
            yield above + name, found


def _damage(folder: int, file: StoredFile, found: os.stat_result | None) -> tuple[Damage, str] | None:
    if found is None:
        return Damage.MISSING, f"{file.bytes:,} bytes of {file.name!r:.120}"
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        return Damage.LINK, "not a plain file of its own"
    if found.st_size != file.bytes:
        return Damage.CHANGED, f"{found.st_size:,} bytes, the receipt says {file.bytes:,}"
    above, _, name = file.file.rpartition("/")
    try:
        below = open_folder(folder, above) if above else os.dup(folder)
        try:
            read = hash_file(below, name, from_disk=True)
        finally:
            os.close(below)
    except OSError as wrong:
        return Damage.CHANGED, f"cannot be read: {wrong.strerror}"
    return (
        None
        if read == (file.bytes, file.sha256)
        else (Damage.CHANGED, f"SHA-256 is {read[1]}, the receipt says {file.sha256}")
    )


def account_of(place: Place) -> str | None:
    """The account's name that the place's first folder stands for."""
    return name_of_folder(place[0])
