"""Whether the archive could be written now: looked at from outside, without opening, making or locking anything."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from sauce_janitor.archive import SENTINEL
from sauce_janitor.config import Archive


@dataclass(frozen=True, slots=True)
class Room:
    """The disk under the archive, in bytes: what is free, and what `min_free` keeps of it."""

    free: int
    floor: int


def trouble(settings: Archive, known_uuid: str | None) -> str | None:
    """Why the archive cannot be written, None if it can. `known_uuid`: the one that the state knows at this path."""
    path = settings.path
    try:
        found = _uuid(path / SENTINEL)
        if known_uuid is not None and found != known_uuid:
            what = "has no sentinel" if found is None else "is another one"
            return f"the archive {path} {what}: is its volume mounted?"
        there = _nearest(path)
        if not os.access(there, os.W_OK | os.X_OK):
            return f"the archive {path} cannot be written: {there} is read-only for this user"
        room = room_of(settings)
    except (OSError, ValueError) as wrong:
        return f"the archive {path} cannot be looked at: {getattr(wrong, 'strerror', None) or wrong}"
    if room.free < room.floor:
        return f"the archive {path} has {room.free:,} bytes free, and archive.min_free keeps {room.floor:,} of them: make room"
    return None


def room_of(settings: Archive) -> Room:
    """The room on its disk. OSError when it cannot be told."""
    disk = os.statvfs(_nearest(settings.path))
    share = int(disk.f_blocks * disk.f_frsize * (settings.min_free_percent or 0.0) / 100)
    return Room(disk.f_bavail * disk.f_frsize, max(share, settings.min_free_bytes or 0))


def _nearest(path: Path) -> Path:
    """The folder itself, or the nearest one above it that is there: where it would be made."""
    return next(each for each in (path, *path.absolute().parents) if each.is_dir())


def _uuid(sentinel: Path) -> str | None:
    try:
        with sentinel.open("rb") as file:
            return str(json.loads(file.read(4096))["uuid"])
    except FileNotFoundError:
        return None
    except (KeyError, TypeError) as wrong:
        raise ValueError(f"{sentinel.name} cannot be read: it was changed or cut") from wrong
