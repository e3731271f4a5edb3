"""The archive's root folder: held open, identified by its sentinel, and checked for room."""

from __future__ import annotations

import json
import os
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sauce_janitor.archive.disk.folders import disk_errors, new_file, read_small, shut, write_file
from sauce_janitor.archive.ownership.owner import OWNER_FILE, claim
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError

SENTINEL = ".sauce-janitor-archive"
PARTIAL = ".partial"
_ASIDE = SENTINEL + "."
_ALLOWED_IN_A_NEW_ROOT = frozenset({"lost+found", PARTIAL})
_OURS_ALREADY = (_ASIDE, OWNER_FILE, ".sauce-janitor-pause")
"""What a crash before the sentinel leaves in a new root."""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ArchiveRoot:
    """An archive's root. `uuid` is the one in its sentinel; `fd` is the folder, open until
    `close`.
    """

    path: Path
    fd: int
    uuid: str

    @classmethod
    def open(
        cls, path: Path, *, known_uuid: str | None, make: bool, maker: str | None = None
    ) -> ArchiveRoot:
        """Open the archive at `path`; with `make`, and only where none was known, make it.

        A new archive belongs to the state with the id `maker`. Raises ArchiveUnusableError when the
        folder or its sentinel is missing, or the sentinel is another than `known_uuid`: an
        unmounted volume looks just like an empty archive.
        """
        path = path.absolute()
        if make and known_uuid is None:
            with disk_errors(f"make the archive folder {path}", of_all=True):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ArchiveUnusableError(
                f"cannot open the archive {path}: {error.strerror}; is its volume there?"
            ) from error
        try:
            return cls(path, fd, _uuid_of(path, fd, known_uuid, make=make, maker=maker))
        # Whatever happened, close the folder. The error is raised again.
        except BaseException:
            shut(fd)
            raise

    def check(self) -> None:
        """Raise ArchiveUnusableError unless the archive still is the one that was opened.

        A volume that was mounted or unmounted since puts another folder at the path.
        """
        with disk_errors(f"look at the archive {self.path}", of_all=True):
            ours, there = os.fstat(self.fd), self.path.stat()
        # The path leads to another folder than the open one.
        if (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino):
            raise ArchiveUnusableError(
                f"the archive {self.path} is not the folder that was opened: was its volume "
                "mounted or unmounted?"
            )
        found = _read_sentinel(self.path, self.fd)
        if found != self.uuid:
            raise ArchiveUnusableError(
                f"the archive {self.path} has lost its sentinel {SENTINEL}, or it is another one "
                "now"
            )

    def close(self) -> None:
        """Close the folder."""
        shut(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _uuid_of(path: Path, fd: int, known: str | None, *, make: bool, maker: str | None) -> str:
    found = _read_sentinel(path, fd)
    # Only a folder that no state knows may become an archive: an unmounted volume is empty too.
    if found is None and known is None and make:
        with disk_errors(f"look into {path}", of_all=True):
            foreign_names = _foreign_names(fd)
        if foreign_names:
            raise ArchiveUnusableError(
                f"{path} is not an archive and not empty (it has {foreign_names[0]!r}): name an "
                "empty folder as archive.path"
            )
        tidy(path, fd)
        # The owner is written before the sentinel: after a crash between the two, the state that
        # made the archive still finds it as its own.
        if maker is not None:
            claim(path, fd, maker, at=int(time.time()))
        return _make_sentinel(path, fd)
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


def _foreign_names(fd: int) -> list[str]:
    there = sorted(set(os.listdir(fd)) - _ALLOWED_IN_A_NEW_ROOT)
    return [name for name in there if not name.startswith(_OURS_ALREADY)]


def is_new_root(fd: int) -> bool:
    """Tell whether an archive can be made in this folder: it holds only what this program left
    there.

    Raises OSError.
    """
    return not _foreign_names(fd)


def _read_sentinel(path: Path, fd: int) -> str | None:
    try:
        with disk_errors(f"read {path / SENTINEL}", of_all=True):
            document = json.loads(read_small(fd, SENTINEL, at_most=4096))
        if document["format"] != _FORMAT:
            raise ArchiveUnusableError(
                f"{path} was made by a newer sauce-janitor (format {document['format']})"
            )
        return str(uuid.UUID(document["uuid"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveUnusableError(
            f"{path / SENTINEL} cannot be read: it was changed or cut"
        ) from error
    except ArchiveError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def tidy(path: Path, fd: int) -> None:
    """Remove what a crash left of a sentinel or an owner file."""
    with disk_errors(f"tidy the archive {path}", of_all=True):
        for name in os.listdir(fd):
            if name.startswith((_ASIDE, f"{OWNER_FILE}.")):
                os.unlink(name, dir_fd=fd)


def _make_sentinel(path: Path, fd: int) -> str:
    """Make a new uuid, durably, before anyone learns it.

    The file is made under another name and linked: so it is complete or missing, and made only
    once.
    """
    fresh = str(uuid.uuid4())
    aside = _ASIDE + fresh
    text = json.dumps({"what": "sauce-janitor archive", "format": _FORMAT, "uuid": fresh}) + "\n"
    with disk_errors(f"make {path / SENTINEL}", of_all=True):
        file = new_file(fd, aside)
        try:
            os.write(file, text.encode())
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


@dataclass(frozen=True, slots=True)
class DiskReserve:
    """How much room stays free: the larger of a share of the disk and a number of bytes."""

    percent: float = 5.0
    bytes: int = 0


def check_room(path: Path, fd: int, floor: DiskReserve) -> None:
    """Raise ArchiveUnusableError unless there is room above the floor, and inodes."""
    with disk_errors(f"measure the room of {path}", of_all=True):
        disk = os.fstatvfs(fd)
    free = disk.f_bavail * disk.f_frsize
    least = max(floor.bytes, int(disk.f_blocks * disk.f_frsize * floor.percent / 100))
    if free < least:
        raise ArchiveUnusableError(
            f"the archive {path} has {free:,} bytes free, and archive.min_free keeps {least:,} of "
            "them: make room"
        )
    # File systems without a fixed number of inodes report 0.
    if disk.f_files and disk.f_favail < 64:
        raise ArchiveUnusableError(f"the archive {path} has no inodes left: make room")


def check_writable(path: Path, folder: int) -> None:
    """Raise ArchiveUnusableError unless a file can be made in `folder` (read-only mount, missing
    right).
    """
    probe = f"probe-{uuid.uuid4().hex}"
    with disk_errors(f"write to the archive {path}", of_all=True):
        write_file(folder, probe, b"")
        os.unlink(probe, dir_fd=folder)
