"""Reads stored bytes again, from the disk and not from memory, and compares them with the
receipt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum

from sauce_janitor.archive.content.compression import original_of
from sauce_janitor.archive.receipts import StoredFile
from sauce_janitor.archive.storage.ports import FileFacts, JobFolder, StoreDownError
from sauce_janitor.archive.storage.storage_errors import storage_errors
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


def differs(folder: JobFolder, file: StoredFile) -> str | None:
    """Return how the file, as it is stored, differs from its receipt; None when it is equal.

    `folder` is the job's. Raises OSError.
    """
    length, sha256 = file.on_disk
    with folder.open_again(file.file) as stored:
        digest, read, piece = hashlib.sha256(), 0, bytearray(min(_PIECE, length + 1))
        view = memoryview(piece)
        while count := stored.readinto(piece):  # type: ignore[attr-defined] # a raw stream
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
    folder: JobFolder, file: StoredFile, found: FileFacts | None
) -> tuple[Damage, str] | None:
    """Return what is wrong with a stored file, None for nothing; `found` is what stands at its
    path. Raises StoreDownError.
    """
    if found is None:
        return Damage.MISSING, f"{file.bytes:,} bytes of {file.name!r:.120}"
    # A second name could change the bytes later.
    if not found.is_plain or not found.is_alone:
        return Damage.LINK, "not a plain file of its own"
    length, _ = file.on_disk
    if found.size_bytes != length:
        return Damage.CHANGED, f"{found.size_bytes:,} bytes, the receipt says {length:,}"
    try:
        difference = differs(folder, file)
    # Perhaps nothing can be read now: the caller tells.
    except StoreDownError:
        raise
    except OSError as error:
        return Damage.CHANGED, f"cannot be read: {error.strerror or error}"
    return (Damage.CHANGED, difference) if difference else None


def read_back(folder: JobFolder, files: Iterable[StoredFile]) -> None:
    """Compare what the disk now holds with what came.

    Raises ArchiveError where it differs: memory, disk or cable is bad.
    """
    for file in files:
        with storage_errors(f"read back {file.file}"):
            difference = differs(folder, file)
        if difference:
            raise ArchiveError(
                f"{file.file} reads back differently from what was written: the disk or memory is "
                "bad"
            )


def read_back_receipt(folder: JobFolder, name: str, data: bytes) -> None:
    """Raise ArchiveError where the disk holds another receipt than was written. Raises OSError."""
    folder.forget_cached([name])
    if folder.read_small(name, at_most=len(data)) != data:
        raise ArchiveError(
            f"{name} reads back differently from what was written: the disk or memory is bad"
        )
