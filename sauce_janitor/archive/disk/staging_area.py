"""The staging folder, where one pass builds what is not proven yet, and how it becomes visible.

A first pass builds the job's whole folder and moves it into place by one rename. A later pass adds
to an existing folder: its files first, its receipt last, so that the receipt's rename is the
commit. What a crash leaves is undone from `pass.json`, which says where the files were going.
"""

from __future__ import annotations

import json
import os
import stat
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeAlias

from sauce_janitor.archive.content.read_back import differs, read_back, read_back_receipt
from sauce_janitor.archive.disk.durable import make_durable
from sauce_janitor.archive.disk.folders import (
    exists,
    make_folder,
    open_folder,
    reach,
    read_small,
    remove_tree,
    shut,
    write_file,
)
from sauce_janitor.archive.disk.job_folder import DiskFolder
from sauce_janitor.archive.receipts import StoredFile, assets_name, job_name, receipt_name
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.safety_numbers import DAY_S

PARTIAL = ".partial"
_PASS = "pass.json"  # noqa: S105 - a file's name
_OLD_S = DAY_S

Stamp: TypeAlias = tuple[int, int, int]
"""Inode, size and time of the last change (ns), which a rename keeps. An inode alone may be
reused.
"""


class DiskStaging:
    """One job's staging folder, removed when the block ends unless it was shown. `fd` is the
    folder.
    """

    def __init__(self, root: int, place: tuple[str, ...], number: int, *, word: str = "") -> None:
        self._root, self._place, self._number = root, place, number
        self._partial = -1
        self._name = f"{place[-1]}-{word}-{uuid.uuid4().hex}"
        self._stuck = False
        self.fd = -1

    def __enter__(self) -> Self:
        self._partial = partial_folder(self._root, self._place[0])
        with storage_errors("make a temporary folder in the archive"):
            try:
                os.mkdir(self._name, 0o700, dir_fd=self._partial)
                self.fd = open_folder(self._partial, self._name)
                self._write_destination()
            # Whatever happened, close and remove the folder. The error is raised again.
            except BaseException:
                self._close()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _write_destination(self) -> None:
        if self._number > 1:
            document = json.dumps({"place": self._place, "number": self._number})
            write_file(self.fd, _PASS, document.encode())
            make_durable(self.fd, [_PASS])
            os.fsync(self._partial)

    def _close(self) -> None:
        if self.fd >= 0:
            shut(self.fd)
        if not self._stuck:
            remove_tree(self._partial, self._name)
        shut(self._partial)

    def take(self, path: str, size_bytes: int, sha256: str) -> str:
        """Return the path as it is: the file already has its name in the archive."""
        del size_bytes, sha256
        return path

    def flush(self, files: Sequence[StoredFile]) -> None:
        """Make these files durable. Raises OSError."""
        make_durable(self.fd, [file.file for file in files])

    def read_back(self, files: Sequence[StoredFile]) -> None:
        """Compare what the disk has with what came. Raises ArchiveError where it differs."""
        read_back(DiskFolder(self.fd), files)

    def write_receipt(self, name: str, data: bytes, *, rereads: bool) -> None:
        """Write the receipt, durably, beside the files. Raises OSError and ArchiveError."""
        write_file(self.fd, name, data)
        make_durable(self.fd, [name])
        if rereads:
            read_back_receipt(DiskFolder(self.fd), name, data)

    def show(self) -> None:
        """Make it part of the archive, durably: all of it when this returns, none of it when it
        raises.

        Where the disk refuses to undo a half-shown pass, the staging folder stays until `sweep`
        can.
        """
        with storage_errors(f"move job {self._place[-1]} into its place in the archive"):
            if self._number == 1:
                self._show_folder()
            else:
                self._show_additions()

    def _show_folder(self) -> None:
        *above, name = self._place
        with reach(self._root, above, make=True) as day:
            os.rename(self._name, name, src_dir_fd=self._partial, dst_dir_fd=day)
            try:
                os.fsync(day)
            except OSError:
                with suppress(OSError):
                    os.rename(name, self._name, src_dir_fd=day, dst_dir_fd=self._partial)
                raise

    def _show_additions(self) -> None:
        with reach(self._root, self._place) as folder:
            receipt = receipt_name(self._number)
            try:
                for name in (assets_name(self._number), job_name(self._number)):
                    if exists(self.fd, name):
                        _move(self.fd, folder, name)
                os.fsync(folder)
                _move(self.fd, folder, receipt)
                os.fsync(folder)
            # Whatever happened, an interrupt included: half a pass must not stay visible. The
            # error is raised again.
            except BaseException:
                # Stuck until the moves are undone: the sweep needs the staged files to do so later.
                self._stuck = True
                with suppress(OSError):
                    # The receipt goes first: without it, nothing of the pass counts.
                    if exists(folder, receipt) and not exists(self.fd, receipt):
                        os.rename(receipt, receipt, src_dir_fd=folder, dst_dir_fd=self.fd)
                    _undo(folder, self.fd, self._number)
                    self._stuck = False
                raise

    def stamps(self, files: Iterable[str]) -> dict[str, Stamp]:
        """Return the stamp of each of these files, as they stand in the staging folder. Raises
        OSError.
        """
        return {name: _stamp(self.fd, name) for name in files}

    def verify_shown(self, stamps: Mapping[str, object], files: Iterable[StoredFile]) -> None:
        """Raise ArchiveError unless the archive now has the very files that were staged, all of
        them.

        A second writer (another machine, an old copy of this state) may have emptied the folder
        between the last check and the rename. What such a rename showed is undone where possible,
        and never counts.
        """
        hashed = {file.file: file for file in files}
        try:
            with reach(self._root, self._place) as folder:
                for name, stamp in stamps.items():
                    # A changed stamp alone proves nothing: where the hash is known, the bytes
                    # decide.
                    if _stamp(folder, name) != stamp and (
                        name not in hashed or differs(DiskFolder(folder), hashed[name])
                    ):
                        raise OSError(f"{name} is another file")
        except OSError as error:
            self._take_back()
            raise ArchiveError(
                f"job {self._place[-1]} is not in the archive as it was written ({error}): does "
                "another machine work there?"
            ) from error

    def _take_back(self) -> None:
        with suppress(OSError):
            if self._number == 1:
                *above, name = self._place
                with reach(self._root, above) as day:
                    os.rename(name, self._name, src_dir_fd=day, dst_dir_fd=self._partial)
            else:
                with reach(self._root, self._place) as folder:
                    receipt = receipt_name(self._number)
                    os.rename(receipt, receipt, src_dir_fd=folder, dst_dir_fd=self.fd)
                    _undo(folder, self.fd, self._number)


def _stamp(folder: int, path: str) -> Stamp:
    """Return the stamp of the file at this path, at most one folder below; a link is never
    followed.

    Raises OSError.
    """
    above, _, name = path.rpartition("/")
    below = open_folder(folder, above) if above else os.dup(folder)
    try:
        found = os.stat(name, dir_fd=below, follow_symlinks=False)
    finally:
        shut(below)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _move(source: int, target: int, name: str) -> None:
    """Rename, never over anything. The lease keeps others from writing between check and rename."""
    if exists(target, name):
        raise ArchiveError(f"{name} exists already: another program wrote to the archive")
    os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)


def _undo(folder: int, aside: int, number: int) -> None:
    """Move back the files of a pass that has no receipt. A file that a receipt lists is never
    touched.
    """
    if exists(folder, receipt_name(number)):
        return
    for name in (assets_name(number), job_name(number)):
        if exists(folder, name) and not exists(aside, name):
            os.rename(name, name, src_dir_fd=folder, dst_dir_fd=aside)
    os.fsync(folder)


def sweep(root: int, partial: int, is_dead: Callable[[str], bool] = lambda _word: True) -> int:
    """Remove what crashed passes left, and return how many. Only while the account's lease is held.

    `is_dead` tells of a lease's word whether the run that worked under it has surely ended. What
    others left is removed after a day without a change.
    """
    swept = 0
    with storage_errors("remove leftovers from the archive"):
        for name in sorted(os.listdir(partial)):
            # It may be the unfinished work of a run on another machine.
            if not is_dead(_word_of(name)) and not _is_old(partial, name):
                continue
            if stat.S_ISDIR(os.stat(name, dir_fd=partial, follow_symlinks=False).st_mode):
                _undo_leftover(root, partial, name)
                remove_tree(partial, name)
                swept += 1
            else:
                os.unlink(name, dir_fd=partial)
    return swept


def _word_of(name: str) -> str:
    """Return the lease's word in the name of a staged folder or file; "" for an older version's."""
    parts = name.split("-")
    return parts[1] if len(parts) == 3 else ""


def _is_old(partial: int, name: str) -> bool:
    """Tell whether nothing changed in it for a day, by the clock of the file system.

    A new file shows what time that clock has.
    """
    probe = f"clock-{uuid.uuid4().hex}"
    write_file(partial, probe, b"")
    try:
        now = os.stat(probe, dir_fd=partial, follow_symlinks=False).st_mtime
    finally:
        os.unlink(probe, dir_fd=partial)
    return now - os.stat(name, dir_fd=partial, follow_symlinks=False).st_mtime > _OLD_S


def _undo_leftover(root: int, partial: int, name: str) -> None:
    leftover = open_folder(partial, name)
    try:
        if not exists(leftover, _PASS):
            return
        try:
            document = json.loads(read_small(leftover, _PASS, at_most=65536))
            place, number = tuple(map(str, document["place"])), int(document["number"])
        # The crash cut the file, and that was before anything was moved.
        except (ValueError, KeyError, TypeError):
            return
        # Never follow a path that this program would not have written.
        if number < 2 or any("/" in part or part in {"", ".", ".."} for part in place):
            return
        with suppress(FileNotFoundError), reach(root, place) as folder:
            _undo(folder, leftover, number)
    finally:
        shut(leftover)


def partial_folder(root: int, account_folder: str) -> int:
    """Open the folder of the account's staging folders.

    It is on the archive's own file system: only there is a rename one step.
    """
    with storage_errors("make the folder for work in progress in the archive", of_all=True):
        above = make_folder(root, PARTIAL)
        try:
            return make_folder(above, account_folder)
        finally:
            shut(above)
