"""Reading stored bytes again, from the disk and not from memory, and holding them against what their receipt says."""

from __future__ import annotations

import hashlib
import os
import stat
from enum import StrEnum

from sauce_janitor.archive.folders import open_file, open_folder
from sauce_janitor.archive.packing import original_of
from sauce_janitor.archive.receipts import StoredFile

_PIECE = 256 * 1024  # of each worker: larger ones are no faster


class Damage(StrEnum):
    """What can be wrong with a stored job."""

    RECEIPT = "receipt"  # missing, unreadable, edited, or not following the one before
    MISSING = "missing"
    CHANGED = "changed"
    EXTRA = "extra"  # in no receipt
    LINK = "link"  # not a plain file of its own


def differs(folder: int, file: StoredFile) -> str | None:
    """How the file, read from the disk, differs from its receipt; None when not a bit does. `folder` is the job's.

    Raises OSError. Only clean pages can be read anew, so make the file durable before.
    """
    above, _, name = file.file.rpartition("/")
    below = open_folder(folder, above) if above else os.dup(folder)
    try:
        descriptor = open_file(below, name)
    finally:
        os.close(below)
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


def damage_of(folder: int, file: StoredFile, found: os.stat_result | None) -> tuple[Damage, str] | None:
    """What is wrong with a stored file, None for nothing; `found` is what stands at its path."""
    if found is None:
        return Damage.MISSING, f"{file.bytes:,} bytes of {file.name!r:.120}"
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        return Damage.LINK, "not a plain file of its own"
    length, _ = file.on_disk
    if found.st_size != length:
        return Damage.CHANGED, f"{found.st_size:,} bytes, the receipt says {length:,}"
    try:
        difference = differs(folder, file)
    except OSError as wrong:
        return Damage.CHANGED, f"cannot be read: {wrong.strerror or wrong}"
    return (Damage.CHANGED, difference) if difference else None
