"""The values that the archive's pages show, and the protocol that gives them.

So the pages need to know nothing of disks and databases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from sauce_janitor.model.archive.entries import ArchiveBuild, ArchiveEntry, ArchiveQuery
from sauce_janitor.model.jobs import JobId

Kind = Literal["video", "image", "commands", "har", "json", "text", "other"]
"""How a file is shown. A file of kind `other` can only be saved."""


@dataclass(frozen=True, slots=True)
class ShownFile:
    """One stored asset. `bytes` and `sha256` are those of the original.

    `number` is its position in the job's list; URLs have it instead of the name.
    """

    number: int
    name: str
    bytes: int
    sha256: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class UnstoredAsset:
    """An asset that is not stored, or no longer, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class ShownReceipt:
    """One receipt: its file name, when it was made (epoch seconds), its policy and SHA-256."""

    file: str
    made_at: int
    policy: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ShownJob:
    """One archived job. `facts` are the fields of its job document, by name.

    `started_at` (epoch seconds) is when its video begins.
    """

    entry: ArchiveEntry
    files: tuple[ShownFile, ...]
    remarks: tuple[UnstoredAsset, ...]
    receipts: tuple[ShownReceipt, ...]
    facts: tuple[tuple[str, str], ...]
    started_at: int | None = None

    def of_kind(self, kind: Kind) -> tuple[ShownFile, ...]:
        """Return the files of one kind, in the order of the list."""
        return tuple(file for file in self.files if file.kind == kind)


class ArchiveSource(Protocol):
    """Gives a page what it shows of the archive. Every method may raise a JanitorError."""

    def keep_up(self) -> bool:
        """Bring what is known of the archive up to date. Return whether that is still going on."""

    def search(self, query: ArchiveQuery, /) -> Iterator[ArchiveEntry]:
        """Yield the entries that match, newest first."""

    def count(self, query: ArchiveQuery, /) -> tuple[int, int]:
        """Return how many entries match, and the bytes of their assets."""

    def builds(self, query: ArchiveQuery, /) -> Sequence[ArchiveBuild]:
        """Return the builds of the entries that match, newest first."""

    def owners(self) -> Sequence[str]:
        """Return the owners of all archived jobs."""

    def job(self, account: str, job_id: JobId, /) -> ShownJob | None:
        """Return one job; None if it is not archived."""

    def open(self, job: ShownJob, file: ShownFile, /) -> BinaryIO:
        """Return the original bytes of a file. The caller closes it."""


def kind_of(name: str) -> Kind:
    """Return how a file of this name is shown.

    Only what a browser just paints or plays is shown as it is; HTML, SVG and scripts are shown as
    text.
    """
    lower = name.lower()
    # The commands of the session have a view of their own, other JSON is a tree.
    if lower == "log.json":
        return "commands"
    ending = lower.rpartition(".")[2]
    return _KINDS.get(ending, "other")


_KINDS: dict[str, Kind] = {
    "mp4": "video", "webm": "video",
    "png": "image", "jpg": "image", "jpeg": "image",
    "har": "har", "json": "json",
    "log": "text", "txt": "text", "xml": "text", "html": "text", "htm": "text", "csv": "text",
    "js": "text", "css": "text", "svg": "text", "yml": "text", "yaml": "text", "md": "text",
}  # fmt: skip
