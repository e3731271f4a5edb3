"""Whether a disk has room."""

from __future__ import annotations

import os

from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveUnusableError


def check_room(disk_name: str, fd: int, percent: float, size_bytes: int) -> None:
    """Raise ArchiveUnusableError unless the disk has room above the floor, and inodes."""
    with storage_errors(f"measure the room of {disk_name}", of_all=True):
        disk = os.fstatvfs(fd)
    free = disk.f_bavail * disk.f_frsize
    least = max(size_bytes, int(disk.f_blocks * disk.f_frsize * percent / 100))
    if free < least:
        raise ArchiveUnusableError(
            f"{disk_name} has {free:,} bytes free, and archive.min_free keeps {least:,} of "
            "them: make room"
        )
    # File systems without a fixed number of inodes report 0.
    if disk.f_files and disk.f_favail < 64:
        raise ArchiveUnusableError(f"{disk_name} has no inodes left: make room")
