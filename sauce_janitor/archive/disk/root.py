"""An archive on a disk: its root folder, held open, and what is done below it."""

from __future__ import annotations

import fcntl
import os
import stat
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from sauce_janitor.archive.disk.copied_files import copy_files, move_files
from sauce_janitor.archive.disk.durable import kind_of, make_durable
from sauce_janitor.archive.disk.folders import (
    NO_LOCKS,
    exists,
    new_file,
    open_folder,
    reach,
    remove_tree,
    shut,
    write_all,
    write_file,
)
from sauce_janitor.archive.disk.job_folder import DiskFolder
from sauce_janitor.archive.disk.room import check_room
from sauce_janitor.archive.disk.small_files import DiskFiles
from sauce_janitor.archive.disk.staging_area import DiskStaging, partial_folder, sweep
from sauce_janitor.archive.disk.walk import walk
from sauce_janitor.archive.ownership.owner import OWNER_FILE
from sauce_janitor.archive.storage.ports import SENTINEL, JobFolder, Place
from sauce_janitor.archive.storage.sentinel import read_sentinel
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError

ASIDE: Final = SENTINEL + "."
"""How the name of a sentinel that is being made begins."""
_LOCKS_REACH_ALL = frozenset(
    {
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "btrfs",
        "zfs",
        "f2fs",
        "jfs",
        "tmpfs",
        "ramfs",
        "overlay",
        "bcachefs",
    }
)
"""File systems that only one kernel mounts."""


@dataclass(frozen=True, slots=True)
class DiskRoot(DiskFiles):
    """An archive on a disk. `uuid` is the one in its sentinel; `fd` is the folder, open until
    `close`.
    """

    uuid: str

    def check(self) -> None:
        """Raise ArchiveUnusableError unless the archive still is the one that was opened.

        A volume that was mounted or unmounted since puts another folder at the path.
        """
        with storage_errors(f"look at the archive {self.path}", of_all=True):
            ours, there = os.fstat(self.fd), self.path.stat()
        # The path leads to another folder than the open one.
        if (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino):
            raise ArchiveUnusableError(
                f"the archive {self.path} is not the folder that was opened: was its volume "
                "mounted or unmounted?"
            )
        found = read_sentinel(self)
        if found != self.uuid:
            raise ArchiveUnusableError(
                f"the archive {self.path} has lost its sentinel {SENTINEL}, or it is another one "
                "now"
            )

    def check_writable(self, account: str) -> None:
        """Raise ArchiveUnusableError unless a file can be made (read-only mount, missing right)."""
        probe = f"probe-{uuid.uuid4().hex}"
        with (
            self._partial(account) as folder,
            storage_errors(f"write to the archive {self.path}", of_all=True),
        ):
            write_file(folder, probe, b"")
            os.unlink(probe, dir_fd=folder)

    def check_room(self, percent: float, size_bytes: int) -> None:
        """Raise ArchiveUnusableError unless the larger of a share of the disk and a number of bytes
        is free, and inodes.
        """
        check_room(f"the archive {self.path}", self.fd, percent, size_bytes)

    @property
    def locks_reach_all(self) -> bool:
        """Tell whether only one kernel mounts this file system: then its locks bind everybody."""
        return kind_of(os.fstat(self.fd).st_dev) in _LOCKS_REACH_ALL

    def lock(self, name: str) -> int:
        """Take the lock file, and return its descriptor; -1 where there are no locks.

        Raises BlockingIOError when it is taken.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(name, flags, 0o600, dir_fd=self.fd)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            shut(file)
            # A file system without locks: the record alone decides.
            if error.errno in NO_LOCKS:
                return -1
            raise
        return file

    def tidy(self) -> None:
        """Remove what a crash left of a sentinel or an owner file."""
        # Not what another account is making just now.
        with self.locked():
            tidy_root(self)

    @contextmanager
    def folder(self, place: Sequence[str]) -> Iterator[DiskFolder]:
        """Open the folder of a job. Raises OSError."""
        with reach(self.fd, place) as folder:
            yield DiskFolder(folder)

    def has(self, place: Place) -> bool:
        """Tell whether the job has a folder, whatever is in it. Raises OSError."""
        *above, name = place
        try:
            with reach(self.fd, above) as day:
                return exists(day, name)
        except FileNotFoundError:
            return False

    def changed(self, place: Place) -> object:
        """Return what changes when a receipt or a record comes: both are files of the folder."""
        return self.path.joinpath(*place).lstat().st_mtime_ns

    def walk(
        self, fixed: Sequence[str | None], after: Place = (), *, by_name: bool = False
    ) -> Iterator[tuple[Place, bool]]:
        """Yield the places of all jobs after `after`, and of links in place of any folder."""
        return walk(self.fd, (), fixed, after, by_name=by_name)

    def stage(self, place: Place, number: int, *, word: str) -> DiskStaging:
        """Begin the pass of this number over a job, under the lease with this word."""
        return DiskStaging(self.fd, place, number, word=word)

    def flush_again(self, place: Place, files: Sequence[str]) -> None:
        """Flush once more what is there, for whoever wrote it may have died before."""
        with reach(self.fd, place) as folder:
            make_durable(folder, files)
        with reach(self.fd, place[:-1]) as day:
            os.fsync(day)

    def sweep(self, account: str, is_dead: Callable[[str], bool]) -> int:
        """Remove what crashed passes left, and return how many."""
        with self._partial(account) as partial:
            return sweep(self.fd, partial, is_dead)

    def add_record(self, place: Place, name: str, data: bytes, *, word: str) -> None:
        """Write a record of pruning into a job's folder, durably.

        Raises FileExistsError where there is one.
        """
        aside = f"pruned-{word}-{uuid.uuid4().hex}"
        with self._partial(place[0]) as partial:
            try:
                file = new_file(partial, aside)
                try:
                    write_all(file, data)
                    os.fsync(file)
                finally:
                    os.close(file)
                with reach(self.fd, place) as folder:
                    # A rename would replace the record that is there.
                    if exists(folder, name):
                        raise FileExistsError(name)
                    os.rename(aside, name, src_dir_fd=partial, dst_dir_fd=folder)
                    os.fsync(folder)
            # Whatever happened, leave no staged file behind. The error is raised again.
            except BaseException:
                with suppress(OSError):
                    os.unlink(aside, dir_fd=partial)
                raise

    def remove_files(self, place: Place, paths: Sequence[str]) -> None:
        """Remove these files of a job, in this order, durably. Files already gone are fine."""
        with reach(self.fd, place) as folder:
            for above, names in by_folder(paths):
                _remove_from(folder, above, names)
            os.fsync(folder)

    def add_job(self, place: Place, source: JobFolder, paths: Sequence[str]) -> None:
        """Write these files of a job, read from another archive, in this order, durably."""
        *above, name = place
        with self._partial(place[0]) as partial:
            aside = f"{name}--{uuid.uuid4().hex}"
            os.mkdir(aside, 0o700, dir_fd=partial)
            try:
                with reach(partial, [aside]) as folder:
                    copy_files(source, folder, paths)
                    with reach(self.fd, above, make=True) as day:
                        # The whole folder appears by one rename, as one that was stored here.
                        if not exists(day, name):
                            os.rename(aside, name, src_dir_fd=partial, dst_dir_fd=day)
                        # An earlier copy is there, and the job has another receipt since.
                        else:
                            with reach(day, [name]) as there:
                                move_files(folder, there, paths)
                        os.fsync(day)
            finally:
                remove_tree(partial, aside)

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

    @contextmanager
    def _partial(self, account: str) -> Iterator[int]:
        partial = partial_folder(self.fd, account)
        try:
            yield partial
        finally:
            shut(partial)


def tidy_root(files: DiskFiles) -> None:
    """Remove what a crash left of a sentinel or an owner file."""
    with storage_errors(f"tidy the archive {files.path}", of_all=True):
        for name in files.names():
            if name.startswith((ASIDE, f"{OWNER_FILE}.")):
                os.unlink(name, dir_fd=files.fd)


def by_folder(paths: Iterable[str]) -> Iterable[tuple[str, list[str]]]:
    """Group paths by the folder that they are in, in their order."""
    folders: dict[str, list[str]] = {}
    for path in paths:
        above, _, name = path.rpartition("/")
        folders.setdefault(above, []).append(name)
    return folders.items()


def _remove_from(folder: int, above: str, names: Collection[str]) -> None:
    try:
        below = open_folder(folder, above) if above else os.dup(folder)
    except FileNotFoundError:
        return
    try:
        for name in names:
            with suppress(FileNotFoundError):
                # A folder or link in the file's place is not ours to remove.
                if not stat.S_ISREG(os.stat(name, dir_fd=below, follow_symlinks=False).st_mode):
                    raise ArchiveError(
                        f"{above}/{name} in the archive is not a regular file: it is left there"
                    )
                os.unlink(name, dir_fd=below)
        os.fsync(below)
    finally:
        shut(below)
    if above:
        # A folder that is not empty stays.
        with suppress(OSError):
            os.rmdir(above, dir_fd=folder)
