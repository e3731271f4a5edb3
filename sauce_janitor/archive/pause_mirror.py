"""The pause, mirrored in the archive's root: a lost state loses no pause.

It is one small file, made and removed as a whole. A file that cannot be read counts as a pause:
each read raises an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sauce_janitor.archive.disk.folders import disk_errors, shut
from sauce_janitor.archive.disk.root import SENTINEL, is_new_root
from sauce_janitor.archive.ownership.owner import read_plain, write_plain
from sauce_janitor.errors import ArchiveUnusableError

PAUSE_FILE: Final = ".sauce-janitor-pause"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class MirroredPause:
    """Who paused, why and when (epoch seconds UTC)."""

    by: str
    reason: str
    at: int


class PauseMirror:
    """The mirror in the archive at a path, for any thread. Raises ArchiveUnusableError.

    It is read again each time; where there is none, that costs one system call.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    def paused(self) -> MirroredPause | None:
        """Return the pause in force; None where there is none, or no archive."""
        with disk_errors(f"look for a pause in {self._path}", of_all=True):
            try:
                # `lstat`, because a link that leads nowhere counts as a pause, too: it cannot be
                # read.
                os.lstat(self._path / PAUSE_FILE)
            except (FileNotFoundError, NotADirectoryError):
                return None
        with self._folder() as folder:
            document = read_plain(self._path, folder, PAUSE_FILE)
        # It was lifted a moment ago.
        if document is None:
            return None
        try:
            if document["format"] != _FORMAT:
                raise ValueError("another format")
            return MirroredPause(str(document["by"]), str(document["reason"]), int(document["at"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ArchiveUnusableError(
                f"{self._path / PAUSE_FILE} cannot be read: it was changed or cut"
            ) from error

    def pause(self, pause: MirroredPause, *, is_known: bool) -> None:
        """Pause, durably. A pause that is there stays. Where no archive was ever made, its folder
        is made.

        `is_known` says that the state knows an archive at this path. When it is missing then, its
        volume is not mounted.
        """
        if not (self._path / SENTINEL).exists():
            # An empty mount point: the pause would be hidden once the volume is back.
            if is_known:
                raise ArchiveUnusableError(
                    f"{self._path} has no sentinel {SENTINEL}: is the archive's volume mounted?"
                )
            with disk_errors(f"make the archive folder {self._path}", of_all=True):
                self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._folder() as folder:
            # No archive yet. A folder with other files may be a typing error in the path.
            if not (self._path / SENTINEL).exists() and not is_new_root(folder):
                raise ArchiveUnusableError(
                    f"{self._path} is not an archive and not empty: name an empty folder as "
                    "archive.path"
                )
            document = {
                "what": "sauce-janitor pause",
                "format": _FORMAT,
                "by": pause.by,
                "reason": pause.reason,
                "at": pause.at,
            }
            with suppress(FileExistsError):
                write_plain(self._path, folder, PAUSE_FILE, document, replaces=False)

    def resume(self, *, is_known: bool) -> None:
        """Lift the pause, durably, even one that cannot be read; do nothing where there is none."""
        # The volume is not mounted: its pause cannot be seen, let alone lifted.
        if is_known and not (self._path / SENTINEL).exists():
            raise ArchiveUnusableError(
                f"{self._path} has no sentinel {SENTINEL}, so it is unknown whether it is "
                "paused: is the archive's volume mounted?"
            )
        if not os.path.lexists(self._path / PAUSE_FILE):
            return
        with (
            self._folder() as folder,
            disk_errors(f"remove {self._path / PAUSE_FILE}", of_all=True),
        ):
            with suppress(FileNotFoundError):
                os.unlink(PAUSE_FILE, dir_fd=folder)
            os.fsync(folder)

    @contextmanager
    def _folder(self) -> Iterator[int]:
        with disk_errors(f"open the archive {self._path}", of_all=True):
            folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield folder
        finally:
            shut(folder)
