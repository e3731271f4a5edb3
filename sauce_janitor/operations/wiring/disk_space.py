"""The room on the disk under the archive, looked at from outside."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sauce_janitor.config import ArchiveConfig


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The disk under the archive, in bytes: what is free, and what `min_free` keeps of it."""

    free: int
    floor: int

    def as_row(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"free_bytes": self.free, "kept_free_bytes": self.floor}


def room_of(settings: ArchiveConfig) -> DiskSpace:
    """Return the room on its disk. OSError when it cannot be told."""
    disk = os.statvfs(nearest(settings.path))
    share = int(disk.f_blocks * disk.f_frsize * (settings.min_free_percent or 0.0) / 100)
    return DiskSpace(disk.f_bavail * disk.f_frsize, max(share, settings.min_free_bytes or 0))


def nearest(path: Path) -> Path:
    """Return the folder itself, or the nearest one above it that is there: where it would be
    made.
    """
    return next(each for each in (path, *path.absolute().parents) if each.is_dir())
