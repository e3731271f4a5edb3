"""What the archive's page shows, and whom it asks: values and a protocol, so that it knows nothing
of disks and databases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from sauce_janitor.model.archive_entries import ArchiveBuild, ArchiveEntry, ArchiveQuery
from sauce_janitor.model.jobs import JobId

Kind = Literal["video", "image", "commands", "har", "json", "text", "other"]
"""How a file is shown: what is `other` can only be saved."""


@dataclass(frozen=True, slots=True)
class ShownFile:
    """One stored asset; `bytes` and `sha256` are the original's.

    `number` is its place in the job's list: no URL is made of a name.
    """

    number: int
    name: str
    bytes: int
    sha256: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class UnstoredAsset:
    """An asset that is not stored, or not any more, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class ShownReceipt:
    """One receipt: its file's name, when it was made (epoch seconds), for which policy, and its
    SHA-256.
    """

    file: str
    made_at: int
    policy: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ShownJob:
    """One archived job. `facts` are what its document says of it, by name.

    `started_at` (epoch seconds) is where its film begins.
    """

    entry: ArchiveEntry
    files: tuple[ShownFile, ...]
    remarks: tuple[UnstoredAsset, ...]
    receipts: tuple[ShownReceipt, ...]
    facts: tuple[tuple[str, str], ...]
    started_at: int | None = None

    def of_kind(self, kind: Kind) -> tuple[ShownFile, ...]:
        """Its files of one kind, in their order."""
        return tuple(file for file in self.files if file.kind == kind)


class ArchiveSource(Protocol):
    """The archive, as a page looks at it. Every method may raise a JanitorError."""

    def search(self, query: ArchiveQuery, /) -> Iterator[ArchiveEntry]:
        """The entries that are asked for, newest first."""

    def count(self, query: ArchiveQuery, /) -> tuple[int, int]:
        """How many there are, and the bytes of their assets."""

    def builds(self, query: ArchiveQuery, /) -> Sequence[ArchiveBuild]:
        """The builds of those entries, newest first."""

    def owners(self) -> Sequence[str]:
        """Whose jobs there are."""

    def job(self, account: str, job_id: JobId, /) -> ShownJob | None:
        """One job; None when the archive has nothing of it."""

    def open(self, job: ShownJob, file: ShownFile, /) -> BinaryIO:
        """The original bytes of a file; close it."""


def kind_of(name: str) -> Kind:
    """How a file of this name is shown. Nothing but what a browser only paints or plays is ever
    shown as it is.
    """
    lower = name.lower()
    if lower == "log.json":
        return "commands"
    ending = lower.rpartition(".")[2]
    return _KINDS.get(ending, "other")


_KINDS: dict[str, Kind] = {
    "mp4": "video", "webm": "video", "png": "image", "jpg": "image", "jpeg": "image", "har": "har", "json": "json",
    "log": "text", "txt": "text", "xml": "text", "html": "text", "htm": "text", "csv": "text", "js": "text", "css": "text",
    "svg": "text", "yml": "text", "yaml": "text", "md": "text",
}  # fmt: skip
