"""Where an export goes: a folder, a .zip or a .tar.zst, complete or not at all."""

from __future__ import annotations

import os
import shutil
import tarfile
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol, Self

import zstandard

from sauce_janitor.archive.content.compression import is_packable
from sauce_janitor.errors import ConfigError, JanitorError

SUMS: Final = "SHA256SUMS"
_PIECE: Final = 1024 * 1024
# 1980-01-01: a zip file cannot hold earlier times.
_OLDEST_IN_ZIP: Final = 315_532_800


class ExportSource(Protocol):
    """What a target reads from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes; none at the end."""


class ExportTarget(Protocol):
    """What an export is written into."""

    def add(self, path: str, size: int, at: int, source: ExportSource) -> None:
        """Add one file, read to its end; `at` is its time (epoch seconds UTC). Raises OSError."""


_OTHER_PACKINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".7z", ".rar", ".zst")
"""A folder of such a name would be a surprise. `.tar.zst` is checked before."""


def refuse_target(target: Path, *, force: bool) -> None:
    """Raise ConfigError when something exists that must not be replaced, or the parent is
    missing.
    """
    if not target.parent.is_dir():
        raise ConfigError(f"there is no folder {target.parent}: make it, or name another place")
    if target.name.lower().endswith(_OTHER_PACKINGS) and not (_is_file(target) or target.is_dir()):
        raise ConfigError(
            f"the ending of {target.name} is not supported: name a folder, FILE.zip or FILE.tar.zst"
        )
    if not os.path.lexists(target):
        return
    if not force:
        raise ConfigError(f"{target} exists: name another place, or add --force to replace it")
    # A folder of the user's own files must never be removed.
    made_by_us = target.is_dir() and not target.is_symlink() and (target / SUMS).is_file()
    if _is_file(target):
        if not target.is_file():
            raise ConfigError(f"{target} is not a file: it is not replaced")
    elif not made_by_us:
        raise ConfigError(
            f"{target} was not made by an export (it has no {SUMS}): it is not replaced"
        )


def _is_file(target: Path) -> bool:
    return target.name.endswith((".zip", ".tar.zst"))


@contextmanager
def written(target: Path, *, force: bool) -> Iterator[ExportTarget]:
    """Yield a target beside the final one, which takes its place when the block succeeds.

    Otherwise nothing is left of it.
    """
    aside = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        with _target_at(target, aside) as writer:
            yield writer
        _flush(aside)
        _put(aside, target, force=force)
    except OSError as error:
        raise JanitorError(
            f"cannot write {target}: {error.strerror or error}. Nothing is left of it"
        ) from error
    finally:
        _remove(aside)


def _remove(aside: Path) -> None:
    if aside.is_dir():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        with suppress(OSError):
            aside.unlink()


def _flush(aside: Path) -> None:
    if aside.is_file():
        with aside.open("rb") as file:
            os.fsync(file.fileno())


def _put(aside: Path, target: Path, *, force: bool) -> None:
    if not force and os.path.lexists(target):
        raise ConfigError(f"{target} was made meanwhile: it is not replaced")
    # One folder cannot replace another in one step.
    if aside.is_dir() and target.is_dir():
        old = aside.with_suffix(".old")
        target.rename(old)
        aside.rename(target)
        shutil.rmtree(old)
    else:
        aside.replace(target)


def _target_at(target: Path, aside: Path) -> AbstractContextManager[ExportTarget]:
    if target.name.endswith(".zip"):
        return _Zip(aside)
    return _Tar(aside) if target.name.endswith(".tar.zst") else _Folder(aside)


class _Folder:
    """Writes files into folders."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._path.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: every file is closed already."""

    def add(self, path: str, size: int, at: int, source: ExportSource) -> None:  # noqa: ARG002 - a sink's signature
        place = self._path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            shutil.copyfileobj(source, file, _PIECE)
            file.flush()
            os.fsync(file.fileno())
        os.utime(place, (at, at))


class _Zip:
    """Writes a zip: text compressed and all else stored, with 64-bit sizes where they are
    needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._zip = zipfile.ZipFile(self._path, "x", allowZip64=True)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._zip.close()
        else:
            # The unfinished file is removed, and the error that ended the export is on its way.
            with suppress(OSError, ValueError):
                self._zip.close()

    def add(self, path: str, size: int, at: int, source: ExportSource) -> None:
        when = datetime.fromtimestamp(max(at, _OLDEST_IN_ZIP), UTC)
        info = zipfile.ZipInfo(
            path, (when.year, when.month, when.day, when.hour, when.minute, when.second)
        )
        info.compress_type = (
            zipfile.ZIP_DEFLATED if is_packable(path) or path == SUMS else zipfile.ZIP_STORED
        )
        info.external_attr = 0o644 << 16
        info.file_size = size
        with self._zip.open(info, "w", force_zip64=size >= 2**31) as entry:
            shutil.copyfileobj(source, entry, _PIECE)


class _Tar:
    """Writes a POSIX tar, compressed by Zstandard with a checksum."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._file = self._path.open("xb")
        self._stream = zstandard.ZstdCompressor(level=3, write_checksum=True).stream_writer(
            self._file, closefd=False
        )
        self._tar = tarfile.open(fileobj=self._stream, mode="w|", format=tarfile.PAX_FORMAT)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._tar.close()
                self._stream.close()  # type: ignore[no-untyped-call]  # zstandard's
        finally:
            self._file.close()

    def add(self, path: str, size: int, at: int, source: ExportSource) -> None:
        info = tarfile.TarInfo(path)
        info.size, info.mtime, info.mode = size, at, 0o644
        self._tar.addfile(info, source)
