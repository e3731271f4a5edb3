"""Exports jobs from the archive: as a folder, a .zip or a .tar.zst, with checksums.

Anyone can check them by `sha256sum -c`. The files are the originals, under the names that the
archive gave them. The result appears complete or not at all: it is built beside its place and
renamed after the last byte. Memory is flat, except for a zip's own directory.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO, Final

from sauce_janitor.archive.catalogue import Catalogue
from sauce_janitor.archive.content.compression import ENDING
from sauce_janitor.archive.exports.targets import SUMS, ExportTarget, refuse_target, written
from sauce_janitor.archive.job_contents import JobContents, contents_of
from sauce_janitor.archive.proofs import Proof
from sauce_janitor.archive.receipts import StoredFile
from sauce_janitor.archive.storage.ports import Place
from sauce_janitor.errors import ArchiveError, ConfigError

_PIECE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file to export: its path, length, SHA-256 and time (epoch seconds UTC), and how to open
    it.
    """

    path: str
    size: int
    sha256: str
    at: int
    open: Callable[[], BinaryIO]


@dataclass(slots=True)
class Exported:
    """What was exported, and the jobs that were refused because they do not match their receipts.

    Each refusal is its first finding. `incomplete` jobs were exported without files that could not
    be fetched when they were archived.
    """

    jobs: int = 0
    incomplete: int = 0
    files: int = 0
    size_bytes: int = 0
    refused: list[str] = field(default_factory=list)


def export(
    catalogue: Catalogue,
    places: Iterator[Place],
    target: Path,
    *,
    force: bool,
    step: Callable[[int], None] | None = None,
) -> Exported:
    """Write the jobs in these folders to `target`: FILE.zip, FILE.tar.zst, or else a new folder.

    Every byte is verified before and while it is copied. `force` replaces a file, or a folder that
    an export made, once the new one is complete. Raises ConfigError for a target that exists,
    JanitorError when it cannot be written.
    """
    refuse_target(target, force=force)
    exported = Exported()
    with written(target, force=force) as target_file, tempfile.TemporaryFile() as sums:
        for place in places:
            _export_job(catalogue, place, (target_file, sums), exported)
            if step is not None:
                step(1)
        # No empty export: a typing error in a filter must not look like success.
        if not exported.jobs:
            raise ConfigError(
                "; ".join(exported.refused[:3]) or "no archived job matches: nothing was written"
            )
        size = sums.seek(0, io.SEEK_END)
        sums.seek(0)
        # The checksums come last, because a stream such as .tar.zst cannot go back.
        target_file.add(SUMS, size, int(datetime.now(UTC).timestamp()), sums)
    return exported


def _export_job(
    catalogue: Catalogue, place: Place, into: tuple[ExportTarget, IO[bytes]], exported: Exported
) -> None:
    proof = catalogue.prove(place)
    contents = contents_of(catalogue.root, place) if not proof.findings else None
    # Only what matches its receipts is exported.
    if contents is None:
        exported.refused.append(_refusal_of(proof))
        return
    target_file, sums = into
    for item in _items(catalogue, contents):
        with item.open() as source:
            reading = _Verifying(source, item)
            target_file.add(item.path, item.size, item.at, reading)
            reading.check()
        sums.write(f"{item.sha256}  {item.path}\n".encode("ascii"))
        exported.files += 1
        exported.size_bytes += item.size
    exported.jobs += 1
    exported.incomplete += bool(contents.newest.missing)


def _refusal_of(proof: Proof) -> str:
    more = f", and {len(proof.findings) - 1} more" if len(proof.findings) > 1 else ""
    return f"{proof.findings[0]}{more}" if proof.findings else f"{proof.place}: it is gone"


def _items(catalogue: Catalogue, contents: JobContents) -> Iterator[ExportedFile]:
    """Yield the job's document, assets, receipts and prune records, under the archive's own
    names.
    """
    account, owner, *_, job_id = contents.place
    base, taken = f"{account}/{owner}/{job_id}", set[str]()
    newest = contents.newest
    for file in (newest.job, *contents.assets):
        # Pruned: only the receipt still names it.
        if file.file in contents.gone:
            continue
        path = file.file.removesuffix(ENDING) if file.packed else file.file
        # Without its ending, a compressed file may have the name of another one.
        while path.lower() in taken:
            stem, dot, ending = path.rpartition(".")
            path = f"{stem}-{dot}{ending}" if dot else f"{path}-"
        taken.add(path.lower())
        opener = _Opener(catalogue, contents.place, file.file)
        yield ExportedFile(
            f"{base}/{path}", file.bytes, file.sha256, newest.ended_at, opener.original(file)
        )
    standing = [(each.file, each.sha256) for each in contents.receipts]
    standing += [(each.file, each.sha256) for each in contents.records]
    for name, sha256 in standing:
        opener = _Opener(catalogue, contents.place, name)
        yield ExportedFile(
            f"{base}/{name}", opener.size(), sha256, newest.ended_at, opener.as_it_stands
        )


@dataclass(frozen=True, slots=True)
class _Opener:
    """Opens one file of a job's folder."""

    catalogue: Catalogue
    place: Place
    file: str

    def original(self, file: StoredFile) -> Callable[[], BinaryIO]:
        return lambda: self.catalogue.open_asset(self.place, file)

    def as_it_stands(self) -> BinaryIO:
        return self.catalogue.open_file(self.place, self.file)

    def size(self) -> int:
        with self.as_it_stands() as stream:
            return stream.seek(0, io.SEEK_END)


class _Verifying:
    """Reads a file for a target, and checks at its end that it was the file of its receipt."""

    def __init__(self, source: BinaryIO, item: ExportedFile) -> None:
        self._source, self._item = source, item
        self._digest, self._length = hashlib.sha256(), 0

    def read(self, size: int = -1, /) -> bytes:
        left = self._item.size - self._length
        piece = (
            self._source.read(min(left, _PIECE) if size < 0 else min(size, left)) if left else b""
        )
        self._digest.update(piece)
        self._length += len(piece)
        return piece

    def check(self) -> None:
        more = self._source.read(1)
        # The bytes were verified a moment ago, so they changed since.
        if more or (self._length, self._digest.hexdigest()) != (self._item.size, self._item.sha256):
            raise ArchiveError(
                f"{self._item.path} changed while it was copied: the disk or memory is bad. "
                "Nothing was written"
            )
