"""Folders on this machine's disk, in which a pass over a job is made before it is uploaded."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_NAME: Final = "sauce-janitor-spool-"


def new_folder() -> tuple[Path, int]:
    """Make a folder in the temporary directory (`TMPDIR`), locked while this process uses it.

    Raises OSError.
    """
    path = Path(tempfile.mkdtemp(prefix=_NAME))
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    # Without locks, what a killed process leaves here stays for the system to remove.
    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return path, fd


def remove_leftovers() -> int:
    """Remove the folders of processes that were killed, and return how many."""
    removed = 0
    for path in Path(tempfile.gettempdir()).glob(f"{_NAME}*"):
        with suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                # Refused while its process lives.
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(fd).st_uid == os.getuid():
                    shutil.rmtree(path)
                    removed += 1
            finally:
                os.close(fd)
    return removed
