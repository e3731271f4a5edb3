"""Makes one sentence of what the disk or the bucket that keeps the archive raises."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sauce_janitor.archive.storage.ports import StoreDownError
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError

_OF_THE_WHOLE_DISK = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EIO,
        errno.ESTALE,
        errno.ENODEV,
        errno.ENXIO,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
    }
)


@contextmanager
def storage_errors(doing: str, *, of_all: bool = False) -> Iterator[None]:
    """Turn an OSError of a disk call into one sentence; `doing` says what was tried, on what.

    Raises ArchiveUnusableError where every other job would fail too (or `of_all`), else
    ArchiveError.
    """
    try:
        yield
    except OSError as error:
        of_every_job = isinstance(error, StoreDownError) or error.errno in _OF_THE_WHOLE_DISK
        kind = ArchiveUnusableError if of_all or of_every_job else ArchiveError
        # This is how O_NOFOLLOW and O_DIRECTORY report a link or a file.
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise kind(
                f"cannot {doing}: a link or a file stands where a folder of the archive should be"
            ) from error
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise kind(f"cannot {doing}: {reason}") from error
