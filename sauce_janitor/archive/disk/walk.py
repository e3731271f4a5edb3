"""Walks the job folders of the archive in the order of their names, never through a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from sauce_janitor.archive.disk.folders import open_folder, shut
from sauce_janitor.archive.storage.places import fits_level, is_before, is_job
from sauce_janitor.archive.storage.ports import Place
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError

_DEEPEST = 4


def walk(
    folder: int,
    above: Place,
    fixed: Sequence[str | None],
    after: Place = (),
    *,
    by_name: bool = False,
) -> Iterator[tuple[Place, bool]]:
    """Yield the places of all jobs after `after`, and of links in place of any folder on the way.

    `by_name` takes what is named like a job for a job's folder and does not look at it. That costs
    one system call a day instead of several a job.
    """
    wanted = fixed[0] if fixed else None
    with storage_errors(f"list the archive's folder {'/'.join(above) or '.'}"):
        names = sorted(os.listdir(folder)) if wanted is None else [wanted]
    for name in names:
        if not fits_level(len(above), name):
            continue
        place = (*above, name)
        # It comes before the place to resume after.
        if is_before(place, after):
            continue
        if by_name and is_job(place):
            yield place, False
            continue
        try:
            with storage_errors(f"open the archive's folder {'/'.join(place)}"):
                kind = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
                # A link is reported, and nothing behind it is read.
                if stat.S_ISLNK(kind):
                    yield place, True
                if not stat.S_ISDIR(kind):
                    continue
                below = open_folder(folder, name)
        except ArchiveError as error:
            # It was removed since the folder was listed.
            if isinstance(error.__cause__, FileNotFoundError):
                continue
            raise
        try:
            if is_job(place):
                yield place, False
            else:
                yield from walk(below, place, fixed[1:], after, by_name=by_name)
        finally:
            shut(below)


def files_below(folder: int, above: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Yield everything in a job's folder that is no folder, by its path.

    Links are listed, not followed. Folders below the fourth level are not searched.
    """
    for name in os.listdir(folder):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode) and above.count("/") < _DEEPEST:
            below = open_folder(folder, name)
            try:
                yield from files_below(below, f"{above}{name}/")
            finally:
                shut(below)
        else:
            yield above + name, found
