"""An archive in a bucket."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from sauce_janitor.archive.disk.folders import shut
from sauce_janitor.archive.disk.room import check_room
from sauce_janitor.archive.prune_records import record_number
from sauce_janitor.archive.receipts import LONGEST, receipt_number
from sauce_janitor.archive.s3.bucket import Bucket
from sauce_janitor.archive.s3.conditions import prove_conditions
from sauce_janitor.archive.s3.job_folder import S3Folder
from sauce_janitor.archive.s3.small_files import S3Files
from sauce_janitor.archive.s3.spool import new_folder, remove_leftovers
from sauce_janitor.archive.s3.staging_area import S3Staging, sweep
from sauce_janitor.archive.storage.places import fits_level, is_before, is_job
from sauce_janitor.archive.storage.ports import SENTINEL, JobFolder, Place
from sauce_janitor.archive.storage.sentinel import read_sentinel
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveUnusableError

_UPLOADS: Final = 4
"""Files of all jobs that are sent or read back at once: each takes 16 MiB at most."""
_PIECE: Final = 1024 * 1024


class S3Root(S3Files):
    """An archive in a bucket, open. `uuid` is the one in its sentinel."""

    locks_reach_all = False

    def __init__(self, bucket: Bucket, found_uuid: str) -> None:
        super().__init__(bucket)
        self.uuid = found_uuid
        self._pool = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="s3")

    def check(self) -> None:
        """Raise ArchiveUnusableError unless it still is the archive that was opened."""
        if read_sentinel(self) != self.uuid:
            raise ArchiveUnusableError(
                f"the archive {self.at()} has lost its sentinel {SENTINEL}, or it is another one "
                "now"
            )

    def check_writable(self, account: str) -> None:
        """Raise ArchiveUnusableError unless objects can be written, under conditions."""
        del account
        with storage_errors(f"write to the archive {self.at()}", of_all=True):
            prove_conditions(self.bucket)
            self._is_proven = True
            remove_leftovers()

    def check_room(self, percent: float, size_bytes: int) -> None:
        """Raise ArchiveUnusableError unless so much of the temporary directory's disk is free."""
        folder = tempfile.gettempdir()
        with storage_errors(f"measure the room of {folder}", of_all=True):
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            check_room(f"the temporary directory {folder}", fd, percent, size_bytes)
        finally:
            shut(fd)

    def lock(self, name: str) -> int:
        """Write the lock file, which others list; there are no locks, so return -1."""
        self.bucket.put(name, b"")
        return -1

    def tidy(self) -> None:
        """Do nothing: no write is ever half done."""

    @contextmanager
    def folder(self, place: Sequence[str]) -> Iterator[S3Folder]:
        """Open the folder of a job. Raises FileNotFoundError where nothing is committed."""
        folder = S3Folder(self.bucket, tuple(place))
        # Files of a pass that was never committed are not in the archive.
        if not any(_is_committed(name) for name in folder.names()):
            raise FileNotFoundError(2, os.strerror(2))
        yield folder

    def has(self, place: Place) -> bool:
        """Tell whether the job has a receipt. Raises OSError."""
        _, objects = self.bucket.level("/".join(place))
        return any(_is_committed(each.key.rpartition("/")[2]) for each in objects)

    def changed(self, place: Place) -> object:
        """Return what changes when a receipt or a record comes. Raises OSError."""
        _, objects = self.bucket.level("/".join(place))
        if not objects:
            raise FileNotFoundError(2, os.strerror(2))
        return tuple((each.key, each.etag) for each in objects)

    def walk(
        self, fixed: Sequence[str | None], after: Place = (), *, by_name: bool = False
    ) -> Iterator[tuple[Place, bool]]:
        """Yield the places of all jobs after `after`. There are no links."""
        with storage_errors(f"list the archive {self.at()}", of_all=True):
            for place in self._walk((), fixed, after, by_name=by_name):
                yield place, False

    def _walk(
        self, above: Place, fixed: Sequence[str | None], after: Place, *, by_name: bool
    ) -> Iterator[Place]:
        wanted = fixed[0] if fixed else None
        names = self.bucket.level("/".join(above))[0] if wanted is None else [wanted]
        places = [(*above, name) for name in names if fits_level(len(above), name)]
        for place in places:
            if is_before(place, after):
                continue
            if not is_job(place):
                yield from self._walk(place, fixed[1:], after, by_name=by_name)
            elif by_name or self.has(place):
                yield place

    def stage(self, place: Place, number: int, *, word: str) -> S3Staging:
        """Begin the pass of this number over a job, under the lease with this word."""
        return S3Staging(self.bucket, place, number, word=word, pool=self._pool)

    def flush_again(self, place: Place, files: Sequence[str]) -> None:
        """Do nothing: what the server acknowledged is durable."""

    def sweep(self, account: str, is_dead: Callable[[str], bool]) -> int:
        """Remove what passes uploaded and never committed, a week after."""
        del is_dead
        with storage_errors(f"remove leftovers from the archive {self.at()}"):
            return sweep(self.bucket, account)

    def add_record(self, place: Place, name: str, data: bytes, *, word: str) -> None:
        """Write a record of pruning. Raises FileExistsError where there is one."""
        del word
        self.bucket.add("/".join((*place, name)), data)

    def remove_files(self, place: Place, paths: Sequence[str]) -> None:
        """Remove these files of a job, its document last. Files already gone are fine."""
        for group in (
            [path for path in paths if "/" in path],
            [path for path in paths if "/" not in path],
        ):
            self.bucket.remove(["/".join((*place, path)) for path in group])

    def add_job(self, place: Place, source: JobFolder, paths: Sequence[str]) -> None:
        """Write these files of a job, read from another archive, in this order."""
        folder, fd = new_folder()
        try:
            for path in paths:
                key = "/".join((*place, path))
                # Receipts and records are written once: they say what is in the archive.
                if receipt_number(path) is not None or record_number(path) is not None:
                    self.bucket.add(key, source.read_small(path, at_most=LONGEST))
                    continue
                # By a file: the client library cannot read a bucket while it writes to one.
                file = folder / "file"
                with source.open(path) as stream, file.open("wb") as spool:
                    shutil.copyfileobj(stream, spool, _PIECE)
                self.bucket.put_file(key, file, file.stat().st_size)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            shut(fd)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _is_committed(name: str) -> bool:
    return receipt_number(name) is not None
