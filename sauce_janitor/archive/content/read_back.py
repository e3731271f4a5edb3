"""Reads stored bytes again, from the disk and not from memory, and compares them with the
receipt.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum

from sauce_janitor.archive.content.compression import original_of
from sauce_janitor.archive.disk.folders import disk_errors, open_file, open_folder, read_small, shut
from sauce_janitor.archive.receipts import StoredFile
from sauce_janitor.errors import ArchiveError

# Each worker has one buffer of this size; larger ones are no faster.
_PIECE = 256 * 1024


class Damage(StrEnum):
    """What can be wrong with a stored job."""

    RECEIPT = "receipt"  # missing, unreadable, edited, or not following the one before
    MISSING = "missing"
    CHANGED = "changed"
    EXTRA = "extra"  # in no receipt
    LINK = "link"  # not a plain file of its own


def forget_cached(folder: int, names: Iterable[str]) -> None:
    """Make the next read of these small files come from the disk.

    A file that cannot be opened is left out: the next read reports it.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    for name in names:
        with suppress(OSError):
            descriptor = open_file(folder, name)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def differs(folder: int, file: StoredFile) -> str | None:
    """Return how the file, read from the disk, differs from its receipt; None when it is equal.

    `folder` is the job's. Raises OSError. The kernel drops only clean pages from memory, so make
    the file durable before.
    """
    above, _, name = file.file.rpartition("/")
    below = open_folder(folder, above) if above else os.dup(folder)
    try:
        descriptor = open_file(below, name)
    finally:
        shut(below)
    length, sha256 = file.on_disk
    with os.fdopen(descriptor, "rb", buffering=0) as stored:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        digest, read, piece = hashlib.sha256(), 0, bytearray(min(_PIECE, length + 1))
        view = memoryview(piece)
        while count := stored.readinto(piece):
            digest.update(view[:count])
            read += count
        if read != length:
            return f"{read:,} bytes, the receipt says {length:,}"
        if digest.hexdigest() != sha256:
            return f"SHA-256 is {digest.hexdigest()}, the receipt says {sha256}"
        if file.packed and original_of(stored, at_most=file.bytes) != (file.bytes, file.sha256):
            return "it does not unpack to the bytes that Sauce Labs sent"
    return None


def damage_of(
    folder: int, file: StoredFile, found: os.stat_result | None
) -> tuple[Damage, str] | None:
    """Return what is wrong with a stored file, None for nothing; `found` is what stands at its
    path.
    """
    if found is None:
        return Damage.MISSING, f"{file.bytes:,} bytes of {file.name!r:.120}"
    # A second name could change the bytes later.
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        return Damage.LINK, "not a plain file of its own"
    length, _ = file.on_disk
    if found.st_size != length:
        return Damage.CHANGED, f"{found.st_size:,} bytes, the receipt says {length:,}"
    try:
        difference = differs(folder, file)
    except OSError as error:
        return Damage.CHANGED, f"cannot be read: {error.strerror or error}"
    return (Damage.CHANGED, difference) if difference else None


def read_back(folder: int, files: Iterable[StoredFile]) -> None:
    """Compare what the disk now holds with what came.

    Raises ArchiveError where it differs: memory, disk or cable is bad.
    """
    for file in files:
        with disk_errors(f"read back {file.file}"):
            difference = differs(folder, file)
        if difference:
            raise ArchiveError(
                f"{file.file} reads back differently from what was written: the disk or memory is "
                "bad"
            )


def read_back_receipt(folder: int, name: str, data: bytes) -> None:
    """Raise ArchiveError where the disk holds another receipt than was written. Raises OSError."""
    forget_cached(folder, [name])
    if read_small(folder, name, at_most=len(data)) != data:
        raise ArchiveError(
            f"{name} reads back differently from what was written: the disk or memory is bad"
        )
