"""The free space on the disk under the archive."""

from __future__ import annotations

import os
from pathlib import Path

from sauce_janitor.config import ArchiveConfig
from sauce_janitor.retention.plan.effects import DiskSpace


def room_of(settings: ArchiveConfig) -> DiskSpace:
    """Return the space on the archive's disk. Raise OSError when it cannot be read, or there is
    none.
    """
    # Nobody knows how much a bucket takes.
    if not isinstance(settings.location, Path):
        raise OSError(f"{settings.location} is not on a disk")
    disk = os.statvfs(nearest(settings.location))
    share = int(disk.f_blocks * disk.f_frsize * (settings.min_free_percent or 0.0) / 100)
    return DiskSpace(disk.f_bavail * disk.f_frsize, max(share, settings.min_free_bytes or 0))


def nearest(path: Path) -> Path:
    """Return the folder itself or, where it does not exist yet, the nearest existing one
    above it.
    """
    return next(each for each in (path, *path.absolute().parents) if each.is_dir())
