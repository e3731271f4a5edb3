"""The small files in the root of an archive on a disk, each replaced as a whole."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sauce_janitor.archive.disk.folders import NO_LOCKS, new_file, read_small, shut, write_all
from sauce_janitor.archive.storage.storage_errors import storage_errors


@dataclass(frozen=True, slots=True)
class DiskFiles:
    """The small files in the folder at `path`, open as `fd`. Raises OSError."""

    path: Path
    fd: int

    def at(self, name: str = "") -> str:
        """Return the path of the archive, or of what has this name in its root."""
        return str(self.path / name)

    def names(self) -> list[str]:
        """Return all names in the root."""
        return os.listdir(self.fd)  # noqa: PTH208 - a descriptor has no path

    def stamp(self, name: str) -> object:
        """Return what changes with every change of the file."""
        found = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        return found.st_ino, found.st_mtime_ns, found.st_size

    def age_s(self, name: str, beside: str) -> float:
        """Return how long ago the file was written, by the clock of the file system."""
        os.utime(beside, dir_fd=self.fd, follow_symlinks=False)
        now = os.stat(beside, dir_fd=self.fd, follow_symlinks=False).st_mtime
        return now - os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mtime

    def read(self, name: str, *, at_most: int) -> bytes:
        """Return the whole file."""
        return read_small(self.fd, name, at_most=at_most)

    def write(self, name: str, data: bytes, *, replaces: bool) -> None:
        """Write the file, durably and never by half; without `replaces` only where there is
        none.
        """
        # Written aside first, so that a crash leaves either the old file or the new one.
        aside = f"{name}.{uuid.uuid4().hex}"
        taken: FileExistsError | None = None
        try:
            file = new_file(self.fd, aside)
            try:
                write_all(file, data)
                os.fsync(file)
            finally:
                os.close(file)
            # A link fails where the name exists, a rename replaces it.
            if replaces:
                os.rename(aside, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
            else:
                os.link(aside, name, src_dir_fd=self.fd, dst_dir_fd=self.fd, follow_symlinks=False)
        except FileExistsError as found:
            taken = found
        finally:
            with suppress(FileNotFoundError):
                os.unlink(aside, dir_fd=self.fd)
        os.fsync(self.fd)
        if taken is not None:
            raise taken

    def remove(self, name: str) -> None:
        """Remove the file, durably; do nothing where there is none."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.fd)
        os.fsync(self.fd)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from replacing files meanwhile. Between hosts that depends on the file
        system.
        """
        locking = f"lock the archive {self.path}"
        with storage_errors(locking, of_all=True):
            lock = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.fd)
        try:
            with storage_errors(locking, of_all=True):
                _lock(lock)
            yield
        finally:
            shut(lock)


def _lock(folder: int) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
    except OSError as error:
        # Without locks a file is still replaced whole; of two holds set at once one may be missing
        # in the mirror.
        if error.errno not in NO_LOCKS:
            raise
