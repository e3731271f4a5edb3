"""A shelf of assets to fetch from: keeps what was asked for, and can bring other bytes, no framing,
or an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import AssetListing, Job, JobDocument, JobState, job_id, owner_name

ENDED_AT = 1_767_225_599  # 2025-12-31T23:59:59Z
MP4 = b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 200
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 50 + b"\x00\x00\x00\x00IEND\xaeB`\x82"
LOG = b'[{"method": "GET", "path": "url"}]'
HAR = b'{"log": {"version": "1.2", "entries": []}}'


@dataclass
class ShelfBody:
    """One answer's body: pieces, and what its framing says of them."""

    pieces: list[bytes]
    framed: bool = True
    content_type: str | None = None
    cut: bool = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.cut:
            raise AnswerError("the answer ended before its length")


@dataclass
class AssetShelf:
    """Assets by name: bytes, or one answer after the other (the last one stays). `asked` are the
    names in order.
    """

    assets: Mapping[str, bytes | ShelfBody | list[bytes | ShelfBody]]
    asked: list[str] = field(default_factory=list)
    open_bodies: int = 0

    @property
    def listing(self) -> AssetListing:
        return AssetListing(tuple(self.assets))

    @contextmanager
    def fetch(self, name: str) -> Iterator[ShelfBody]:
        self.asked.append(name)
        if name not in self.assets:
            raise AnswerError(f"asset {name!r} is listed and not there (404)")
        kept = self.assets[name]
        answer = (
            kept.pop(0)
            if isinstance(kept, list) and len(kept) > 1
            else kept[0]
            if isinstance(kept, list)
            else kept
        )
        body = (
            answer
            if isinstance(answer, ShelfBody)
            else ShelfBody([answer[:1000], answer[1000:]] if answer else [])
        )
        self.open_bodies += 1
        try:
            yield body
        finally:
            self.open_bodies -= 1


def document(
    number: int = 1, owner: str = "alice", *, ended_at: int | None = ENDED_AT, **more: object
) -> JobDocument:
    """A finished job's document."""
    job = Job(job_id(f"{number:032x}"), owner_name(owner), JobState.FINISHED, ended_at=ended_at)
    return JobDocument(job, {"id": job.id, "owner": owner, "end_time": ended_at, **more})
