"""A folder that is an archive, or will be one: recognized and made by its sentinel."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from sauce_janitor.archive.disk.folders import new_file, shut
from sauce_janitor.archive.disk.root import ASIDE, DiskRoot, tidy_root
from sauce_janitor.archive.disk.small_files import DiskFiles
from sauce_janitor.archive.disk.staging_area import PARTIAL
from sauce_janitor.archive.ownership.owner import OWNER_FILE, claim
from sauce_janitor.archive.storage.ports import SENTINEL
from sauce_janitor.archive.storage.sentinel import read_sentinel, sentinel_bytes
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveUnusableError

_ALLOWED_IN_A_NEW_ROOT: Final = frozenset({"lost+found", PARTIAL})
_OURS_ALREADY: Final = (ASIDE, OWNER_FILE, ".sauce-janitor-pause")
"""What a crash before the sentinel leaves in a new root."""


@dataclass(frozen=True, slots=True)
class DiskSite:
    """A folder that is an archive, or will be one. Raises OSError."""

    path: Path
    question: ClassVar[str] = "is the archive's volume mounted?"
    wanted: ClassVar[str] = "an empty folder as archive.path"

    def at(self, name: str = "") -> str:
        """Return the path of the archive, or of what has this name in its root."""
        return str(self.path / name)

    def has(self, name: str) -> bool:
        """Tell whether the root has a file of this name, even one that cannot be read."""
        try:
            # `lstat`, because a link that leads nowhere is there, too.
            os.lstat(self.path / name)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def is_new(self) -> bool:
        """Tell whether an archive may be made here: there is only what this program left."""
        with self.files() as files:
            return not _foreign_names(files.fd)

    def make(self) -> None:
        """Make the folder where there is none."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def files(self) -> Iterator[DiskFiles]:
        """Open the small files in the root."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield DiskFiles(self.path, fd)
        finally:
            shut(fd)

    def open(self, *, known_uuid: str | None, make: bool, maker: str | None = None) -> DiskRoot:
        """Open the archive here; with `make`, and only where none was known, make it.

        A new archive belongs to the state with the id `maker`. Raises ArchiveUnusableError when the
        folder or its sentinel is missing, or the sentinel is another than `known_uuid`: an
        unmounted volume looks just like an empty archive.
        """
        if make and known_uuid is None:
            with storage_errors(f"make the archive folder {self.path}", of_all=True):
                self.make()
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ArchiveUnusableError(
                f"cannot open the archive {self.path}: {error.strerror}; is its volume there?"
            ) from error
        try:
            files = DiskFiles(self.path, fd)
            found = _uuid_of(files, known_uuid, make=make, maker=maker)
            return DiskRoot(self.path, fd, found)
        # Whatever happened, close the folder. The error is raised again.
        except BaseException:
            shut(fd)
            raise

    def unsealed(self, uuid: str) -> DiskRoot:
        """Open what is no archive yet, because the copy of one with this uuid is being made."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return DiskRoot(self.path, fd, uuid)


def _uuid_of(files: DiskFiles, known: str | None, *, make: bool, maker: str | None) -> str:
    path, found = files.path, read_sentinel(files)
    # Only a folder that no state knows may become an archive: an unmounted volume is empty too.
    if found is None and known is None and make:
        # Two accounts may begin with a new archive at the same time.
        with files.locked():
            return read_sentinel(files) or _made(files, maker)
    if found is None:
        raise ArchiveUnusableError(
            f"{path} has no sentinel {SENTINEL}: is the archive's volume mounted?"
        )
    if known is not None and found != known:
        raise ArchiveUnusableError(
            f"{path} is another archive (its uuid is {found}, this state belongs to {known}): is "
            "the right volume mounted?"
        )
    return found


def _made(files: DiskFiles, maker: str | None) -> str:
    """Make an archive of the folder, and return its uuid."""
    with storage_errors(f"look into {files.path}", of_all=True):
        foreign_names = _foreign_names(files.fd)
    if foreign_names:
        raise ArchiveUnusableError(
            f"{files.path} is not an archive and not empty (it has {foreign_names[0]!r}): name an "
            "empty folder as archive.path"
        )
    tidy_root(files)
    # The owner is written before the sentinel: after a crash between the two, the state that
    # made the archive still finds it as its own.
    if maker is not None:
        claim(files, maker, at=int(time.time()))
    return _make_sentinel(files.path, files.fd)


def _foreign_names(fd: int) -> list[str]:
    there = sorted(set(os.listdir(fd)) - _ALLOWED_IN_A_NEW_ROOT)
    return [name for name in there if not name.startswith(_OURS_ALREADY)]


def _make_sentinel(path: Path, fd: int) -> str:
    """Make a new uuid, durably, before anyone learns it.

    The file is made under another name and linked: so it is complete or missing, and made only
    once.
    """
    fresh = str(uuid.uuid4())
    aside = ASIDE + fresh
    with storage_errors(f"make {path / SENTINEL}", of_all=True):
        file = new_file(fd, aside)
        try:
            os.write(file, sentinel_bytes(fresh))
            os.fsync(file)
        finally:
            os.close(file)
        try:
            os.link(aside, SENTINEL, src_dir_fd=fd, dst_dir_fd=fd, follow_symlinks=False)
        except FileExistsError as taken:
            raise ArchiveUnusableError(
                f"{path} was made an archive by another process just now; try again"
            ) from taken
        finally:
            with suppress(OSError):
                os.unlink(aside, dir_fd=fd)
        os.fsync(fd)
        above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(above)
        finally:
            shut(above)
    return fresh
