"""Files of a job that come from another archive."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from sauce_janitor.archive.disk.durable import make_durable
from sauce_janitor.archive.disk.folders import exists, new_file, reach, write_all
from sauce_janitor.archive.storage.ports import JobFolder

_PIECE = 1024 * 1024


def copy_files(source: JobFolder, folder: int, paths: Sequence[str]) -> None:
    """Write these files into a new folder, durably. Raises OSError."""
    for path in paths:
        above, _, name = path.rpartition("/")
        with reach(folder, [above] if above else [], make=True) as below:
            file = new_file(below, name)
            try:
                with source.open(path) as stream:
                    while piece := stream.read(_PIECE):
                        write_all(file, piece)
            finally:
                os.close(file)
    make_durable(folder, paths)


def move_files(source: int, target: int, paths: Sequence[str]) -> None:
    """Move those of these files that the target lacks, in this order, durably. Raises OSError."""
    for path in paths:
        above, _, name = path.rpartition("/")
        parts = [above] if above else []
        with reach(source, parts) as taken, reach(target, parts, make=True) as there:
            if not exists(there, name):
                with suppress(FileNotFoundError):
                    os.rename(name, name, src_dir_fd=taken, dst_dir_fd=there)
                os.fsync(there)
