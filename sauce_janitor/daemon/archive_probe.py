"""Whether the archive can be written now, checked without opening, creating or locking anything."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sauce_janitor.archive import SENTINEL, ArchiveLocation, Catalogue, has_archive
from sauce_janitor.config import ArchiveConfig
from sauce_janitor.errors import ArchiveError
from sauce_janitor.operations.wiring.disk_space import nearest, room_of


def trouble(settings: ArchiveConfig, known_uuid: str | None) -> str | None:
    """Return why the archive cannot be written, None if it can. `known_uuid` is the one that the
    state knows at this path.
    """
    path = settings.location
    if not isinstance(path, Path):
        return _bucket_trouble(path, known_uuid)
    try:
        found = _uuid(path / SENTINEL)
        # The empty folder of a volume that is not mounted looks like a new archive.
        if known_uuid is not None and found != known_uuid:
            what = "has no sentinel" if found is None else "is another one"
            return f"the archive {path} {what}: is its volume mounted?"
        # Before the first run there is no archive: then the folder above must be writable.
        there = nearest(path)
        if not os.access(there, os.W_OK | os.X_OK):
            return f"the archive {path} cannot be written: {there} is read-only for this user"
        room = room_of(settings)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return f"the archive {path} cannot be looked at: {why}"
    if room.free < room.floor:
        return (
            f"the archive {path} has {room.free:,} bytes free, and archive.min_free keeps"
            f" {room.floor:,} of them: make room"
        )
    return None


def _bucket_trouble(location: ArchiveLocation, known_uuid: str | None) -> str | None:
    try:
        # Before the first run there is no archive: then the server must answer.
        if known_uuid is not None or has_archive(location):
            Catalogue.open(location, known_uuid=known_uuid).close()
    except ArchiveError as error:
        return str(error)
    return None


def _uuid(sentinel: Path) -> str | None:
    try:
        with sentinel.open("rb") as file:
            return str(json.loads(file.read(4096))["uuid"])
    except FileNotFoundError:
        return None
    except (KeyError, TypeError) as error:
        raise ValueError(f"{sentinel.name} cannot be read: it was changed or cut") from error
