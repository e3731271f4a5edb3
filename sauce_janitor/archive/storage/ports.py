"""What the archive asks of the place that keeps it: a disk, or a bucket.

Everything else of the archive is written against these. An implementation raises OSError: with
FileNotFoundError where something is not there, and FileExistsError where it must not be replaced.
`storage_errors` makes sentences of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, ClassVar, Final, Protocol, Self

from sauce_janitor.archive.receipts import StoredFile
from sauce_janitor.errors import ArchiveError

SENTINEL: Final = ".sauce-janitor-archive"
"""The small file that makes a folder or a bucket an archive, with its uuid."""

Place = tuple[str, ...]
"""A job's folder below the root: account, owner, year, month, day, id, each as a folder's name."""


class StoreDownError(OSError):
    """The place that keeps the archive refuses, or does not answer: every job would fail alike."""


class ReceiptTakenError(ArchiveError):
    """Another pass committed its receipt of this number first: begin again after it."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of a file without reading it.

    `is_plain`: it is a file, and no link or folder. `is_alone`: it has no second name, under which
    its bytes could be changed.
    """

    size_bytes: int
    is_plain: bool = True
    is_alone: bool = True


class JobFolder(Protocol):
    """A job's folder, open for reading. Paths are relative to it. Raises OSError."""

    @property
    def has_strays(self) -> bool:
        """Tell whether files that no receipt names are normal here: of passes not committed."""

    def names(self) -> list[str]:
        """Return the names of what is directly in it."""

    def files(self) -> dict[str, FileFacts]:
        """Return all files in it, by their paths."""

    def read_small(self, path: str, *, at_most: int) -> bytes:
        """Return a whole file of at most `at_most` bytes."""

    def open(self, path: str) -> BinaryIO:
        """Open a file; the caller closes it."""

    def open_again(self, path: str) -> BinaryIO:
        """Open a file so that its bytes come from where they are stored, and not from memory."""

    def forget_cached(self, names: Iterable[str]) -> None:
        """Make the next read of these small files come from where they are stored."""


class SmallFiles(Protocol):
    """The small files in the archive's root, each replaced as a whole. Raises OSError."""

    def at(self, name: str = "") -> str:
        """Return where the archive, or what has this name in its root, is, for messages."""

    def names(self) -> list[str]:
        """Return the names of the small files. On a disk, all names in the root."""

    def stamp(self, name: str) -> object:
        """Return what changes with every change of the file."""

    def age_s(self, name: str, beside: str) -> float:
        """Return how long ago the file was written, by the clock of whoever stores it.

        `beside` is a file of no content that shows that clock.
        """

    def read(self, name: str, *, at_most: int) -> bytes:
        """Return the whole file."""

    def write(self, name: str, data: bytes, *, replaces: bool) -> None:
        """Write the file, durably and never by half.

        Without `replaces` raises FileExistsError where there is one. Otherwise an implementation
        raises FileExistsError when another process has replaced it since this one read it, if it
        can tell.
        """

    def remove(self, name: str) -> None:
        """Remove the file, durably; do nothing where there is none."""

    def locked(self) -> AbstractContextManager[None]:
        """Keep others from replacing files meanwhile, where there are locks."""


class Staging(Protocol):
    """One pass over one job: what is not proven yet, and how it becomes visible. A context manager.

    `fd` is a folder on this machine's disk, where the files are made.
    """

    fd: int

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...

    def take(self, path: str, size_bytes: int, sha256: str) -> str:
        """Take a complete file below `fd`, and return its path in the archive."""

    def flush(self, files: Sequence[StoredFile]) -> None:
        """Make these files durable. Raises OSError."""

    def read_back(self, files: Sequence[StoredFile]) -> None:
        """Compare what is stored with what came. Raises ArchiveError where it differs."""

    def write_receipt(self, name: str, data: bytes, *, rereads: bool) -> None:
        """Make the receipt ready to be shown. Raises OSError, and ArchiveError where it reads back
        differently.
        """

    def stamps(self, files: Iterable[str]) -> Mapping[str, object]:
        """Return what identifies each of these staged files. Raises OSError."""

    def show(self) -> None:
        """Commit: make the pass part of the archive, durably, all of it or nothing of it."""

    def verify_shown(self, stamps: Mapping[str, object], files: Iterable[StoredFile]) -> None:
        """Raise ArchiveError unless the archive now has the very files that were staged."""


class Store(SmallFiles, Protocol):
    """An archive that is open. `uuid` is the one in its sentinel."""

    @property
    def uuid(self) -> str: ...

    def check(self) -> None:
        """Raise ArchiveUnusableError unless it still is the archive that was opened."""

    def check_writable(self, account: str) -> None:
        """Raise ArchiveUnusableError unless the account's jobs can be written."""

    def check_room(self, percent: float, size_bytes: int) -> None:
        """Raise ArchiveUnusableError unless so much stays free."""

    @property
    def locks_reach_all(self) -> bool:
        """Tell whether a lock in the root binds everybody who could write there."""

    def lock(self, name: str) -> int:
        """Take the lock file, and return its descriptor; -1 where there are no locks.

        Raises BlockingIOError when it is taken.
        """

    def tidy(self) -> None:
        """Remove what a crash left of small files."""

    def folder(self, place: Sequence[str]) -> AbstractContextManager[JobFolder]:
        """Open the folder of a job. Raises OSError."""

    def has(self, place: Place) -> bool:
        """Tell whether the job has a folder, whatever is in it. Raises OSError."""

    def changed(self, place: Place) -> object:
        """Return what changes when a receipt or a record comes. Raises OSError."""

    def walk(
        self, fixed: Sequence[str | None], after: Place = (), *, by_name: bool = False
    ) -> Iterator[tuple[Place, bool]]:
        """Yield the places of all jobs after `after`, and of links in place of any folder.

        `fixed` are the names to take at each level, None for all. `by_name` looks at no job's
        folder, which is faster.
        """

    def stage(self, place: Place, number: int, *, word: str) -> Staging:
        """Begin the pass of this number over a job, under the lease with this word."""

    def flush_again(self, place: Place, files: Sequence[str]) -> None:
        """Make durable what is there, for whoever wrote it may have died before."""

    def sweep(self, account: str, is_dead: Callable[[str], bool]) -> int:
        """Remove what crashed passes left, and return how many.

        `is_dead` tells of a lease's word whether its run has surely ended.
        """

    def add_record(self, place: Place, name: str, data: bytes, *, word: str) -> None:
        """Write a record of pruning into a job's folder, durably.

        Raises FileExistsError where there is one.
        """

    def remove_files(self, place: Place, paths: Sequence[str]) -> None:
        """Remove these files of a job, in this order, durably. Files already gone are fine."""

    def add_job(self, place: Place, source: JobFolder, paths: Sequence[str]) -> None:
        """Write these files of a job, read from another archive, in this order, durably.

        Raises FileExistsError where a receipt or a record with other bytes is there.
        """

    def close(self) -> None:
        """Close it."""


class Site(Protocol):
    """Where an archive is, or will be made; nothing is open. Raises OSError.

    `question` asks why an archive may be missing, `wanted` says what a configuration must name.
    """

    question: ClassVar[str]
    wanted: ClassVar[str]

    def at(self, name: str = "") -> str:
        """Return where the archive, or what has this name in its root, is, for messages."""

    def has(self, name: str) -> bool:
        """Tell whether the root has a file of this name, even one that cannot be read."""

    def is_new(self) -> bool:
        """Tell whether an archive may be made here: there is nothing else."""

    def make(self) -> None:
        """Make the root, empty, where there is none."""

    def files(self) -> AbstractContextManager[SmallFiles]:
        """Open the small files in the root."""

    def open(self, *, known_uuid: str | None, make: bool, maker: str | None = None) -> Store:
        """Open the archive here; with `make`, and only where none was known, make it.

        A new archive belongs to the state with the id `maker`. Raises ArchiveUnusableError when it
        is missing, or another than `known_uuid`.
        """

    def unsealed(self, uuid: str) -> Store:
        """Open what is no archive yet, because the copy of one with this uuid is being made."""
