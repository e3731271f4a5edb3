"""Folders and files below the archive's root, reached only through open folders, never through a
link.

Every step takes a folder's descriptor and one name, so that nothing planted or renamed on the way
can lead outside.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: somebody may put a pipe in a file's place, and opening it would wait forever.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
"""The errors of a file system without locks."""


def shut(descriptor: int) -> None:
    """Close a folder, or a file that was only read. An error then says nothing about what is
    stored.
    """
    with suppress(OSError):
        os.close(descriptor)


def open_folder(parent: int, name: str) -> int:
    """Open the folder `name` in `parent`. Raises OSError when it is missing or no folder (a link,
    too).
    """
    return os.open(name, _FOLDER, dir_fd=parent)


def make_folder(parent: int, name: str) -> int:
    """Open the folder `name` in `parent`. A missing one is made for our user alone, durably.

    Raises OSError.
    """
    made = False
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
        made = True
    folder = open_folder(parent, name)
    if made:
        os.fsync(parent)
    return folder


@contextmanager
def reach(root: int, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """Open the folder at `parts` below `root` while the block runs. Raises OSError as `open_folder`
    does.
    """
    folder = os.dup(root)
    try:
        for part in parts:
            deeper = make_folder(folder, part) if make else open_folder(folder, part)
            shut(folder)
            folder = deeper
        yield folder
    finally:
        shut(folder)


def new_file(folder: int, name: str) -> int:
    """Open a new file for writing and reading, for our user alone. Raises OSError when it
    exists.
    """
    return os.open(name, _NEW_FILE, 0o600, dir_fd=folder)


def write_all(file: int, data: bytes | memoryview) -> None:
    """Write every byte. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def write_file(folder: int, name: str, data: bytes) -> None:
    """Write a new file with `data`; it is not durable yet. Raises OSError."""
    file = new_file(folder, name)
    try:
        write_all(file, data)
    finally:
        os.close(file)


def open_file(folder: int, name: str) -> int:
    """Open the regular file `name` for reading. Raises OSError when it is missing, a link or no
    file.
    """
    file = os.open(name, _READ, dir_fd=folder)
    # A pipe, a device or a folder may stand there.
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.ELOOP, "not a regular file")
    return file


def read_small(folder: int, name: str, *, at_most: int) -> bytes:
    """Return the whole of a file of at most `at_most` bytes. Raises OSError, EFBIG for a larger
    one.
    """
    file = open_file(folder, name)
    with os.fdopen(file, "rb") as stream:
        data = stream.read(at_most + 1)
    if len(data) > at_most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return data


def exists(folder: int, name: str) -> bool:
    """Tell whether anything has this name, even a dangling link."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def remove_tree(parent: int, name: str) -> None:
    """Remove a folder of ours that was never committed. What cannot be removed waits for the next
    sweep.
    """
    with suppress(OSError):
        shutil.rmtree(name, dir_fd=parent)
