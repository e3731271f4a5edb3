"""The pause, mirrored in the archive's root: a lost state loses no pause.

It is one small file, made and removed as a whole. A file that cannot be read counts as a pause:
each read raises an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from sauce_janitor.archive.ownership.owner import read_plain, write_plain
from sauce_janitor.archive.storage.ports import SENTINEL, SmallFiles
from sauce_janitor.archive.storage.sites import ArchiveLocation, site_of
from sauce_janitor.archive.storage.storage_errors import storage_errors
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

    def __init__(self, location: ArchiveLocation) -> None:
        self._site = site_of(location)

    def paused(self) -> MirroredPause | None:
        """Return the pause in force; None where there is none, or no archive."""
        site = self._site
        with storage_errors(f"look for a pause in {site.at()}", of_all=True):
            # One that cannot be read counts as a pause, too.
            if not site.has(PAUSE_FILE):
                return None
        with self._files() as files:
            document = read_plain(files, PAUSE_FILE)
        # It was lifted a moment ago.
        if document is None:
            return None
        try:
            if document["format"] != _FORMAT:
                raise ValueError("another format")
            return MirroredPause(str(document["by"]), str(document["reason"]), int(document["at"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ArchiveUnusableError(
                f"{site.at(PAUSE_FILE)} cannot be read: it was changed or cut"
            ) from error

    def pause(self, pause: MirroredPause, *, is_known: bool) -> None:
        """Pause, durably. A pause that is there stays. Where no archive was ever made, its folder
        is made.

        `is_known` says that the state knows an archive at this path. When it is missing then, its
        volume is not mounted.
        """
        site = self._site
        if not self._has(SENTINEL):
            # An empty mount point: the pause would be hidden once the volume is back.
            if is_known:
                raise ArchiveUnusableError(
                    f"{site.at()} has no sentinel {SENTINEL}: {site.question}"
                )
            with storage_errors(f"make the archive folder {site.at()}", of_all=True):
                site.make()
        with self._files() as files:
            # No archive yet. A folder with other files may be a typing error in the path.
            if not self._has(SENTINEL) and not site.is_new():
                raise ArchiveUnusableError(
                    f"{site.at()} is not an archive and not empty: name {site.wanted}"
                )
            document = {
                "what": "sauce-janitor pause",
                "format": _FORMAT,
                "by": pause.by,
                "reason": pause.reason,
                "at": pause.at,
            }
            with suppress(FileExistsError):
                write_plain(files, PAUSE_FILE, document, replaces=False)

    def resume(self, *, is_known: bool) -> None:
        """Lift the pause, durably, even one that cannot be read; do nothing where there is none."""
        site = self._site
        # The volume is not mounted: its pause cannot be seen, let alone lifted.
        if is_known and not self._has(SENTINEL):
            raise ArchiveUnusableError(
                f"{site.at()} has no sentinel {SENTINEL}, so it is unknown whether it is "
                f"paused: {site.question}"
            )
        if not self._has(PAUSE_FILE):
            return
        with (
            self._files() as files,
            storage_errors(f"remove {site.at(PAUSE_FILE)}", of_all=True),
        ):
            files.remove(PAUSE_FILE)

    def _has(self, name: str) -> bool:
        with storage_errors(f"look for {self._site.at(name)}", of_all=True):
            return self._site.has(name)

    @contextmanager
    def _files(self) -> Iterator[SmallFiles]:
        with ExitStack() as stack:
            with storage_errors(f"open the archive {self._site.at()}", of_all=True):
                files = stack.enter_context(self._site.files())
            yield files
