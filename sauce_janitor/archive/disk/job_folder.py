"""A job's folder on a disk, reached through its descriptor and never through a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, ClassVar

from sauce_janitor.archive.disk.folders import open_file, open_folder, read_small, shut
from sauce_janitor.archive.disk.walk import files_below
from sauce_janitor.archive.storage.ports import FileFacts


@dataclass(frozen=True, slots=True)
class DiskFolder:
    """A job's folder, open by its descriptor. Raises OSError."""

    fd: int
    has_strays: ClassVar[bool] = False

    def names(self) -> list[str]:
        """Return the names of what is directly in it."""
        return os.listdir(self.fd)  # noqa: PTH208 - a descriptor has no path

    def files(self) -> dict[str, FileFacts]:
        """Return all files in it, by their paths. Links are listed, not followed."""
        return {path: _facts(found) for path, found in files_below(self.fd)}

    def read_small(self, path: str, *, at_most: int) -> bytes:
        """Return a whole file of at most `at_most` bytes."""
        return read_small(self.fd, path, at_most=at_most)

    def open(self, path: str) -> BinaryIO:
        """Open a file; the caller closes it."""
        return os.fdopen(self._opened(path), "rb")

    def open_again(self, path: str) -> BinaryIO:
        """Open a file so that its bytes come from the disk, and not from memory.

        The kernel drops only clean pages from memory, so make the file durable before.
        """
        descriptor = self._opened(path)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        return os.fdopen(descriptor, "rb", buffering=0)

    def forget_cached(self, names: Iterable[str]) -> None:
        """Make the next read of these small files come from the disk.

        A file that cannot be opened is left out: the next read reports it.
        """
        if not hasattr(os, "posix_fadvise"):
            return
        for name in names:
            with suppress(OSError):
                descriptor = open_file(self.fd, name)
                try:
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                finally:
                    os.close(descriptor)

    def _opened(self, path: str) -> int:
        above, _, name = path.rpartition("/")
        below = open_folder(self.fd, above) if above else os.dup(self.fd)
        try:
            return open_file(below, name)
        finally:
            shut(below)


def _facts(found: os.stat_result) -> FileFacts:
    return FileFacts(found.st_size, stat.S_ISREG(found.st_mode), found.st_nlink == 1)
