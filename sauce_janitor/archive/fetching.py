"""One asset from Sauce Labs to the disk: streamed, hashed on the way, bounded, and believed only with reason."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from sauce_janitor.archive.folders import disk_errors, new_file, open_file, write_all
from sauce_janitor.archive.probing import what_is_wrong
from sauce_janitor.errors import ArchiveError

_PIECE = 1024 * 1024
_ROOM_EVERY = 64 * 1024 * 1024


class Body(Protocol):
    """An asset's bytes as they come. Iterating raises SourceError unless the framing, where there is one, is met to its end.

    `framed` says whether the answer's framing proves that it is complete; `content_type` is the answer's, None for none.
    """

    @property
    def framed(self) -> bool: ...
    @property
    def content_type(self) -> str | None: ...
    def __iter__(self) -> Iterator[bytes]: ...


Fetch = Callable[[str], AbstractContextManager[Body]]
"""Opens the asset of this name. Raises SourceError, also for one that was listed and is not there."""


@dataclass(frozen=True, slots=True)
class Caps:
    """What one job may bring at most; beyond it the job stays at Sauce Labs and is reported."""

    asset_bytes: int = 32 * 1024**3
    job_bytes: int = 64 * 1024**3
    assets: int = 50_000


class Allowance:
    """What one job may still write; asks for room on the disk again every 64 MiB."""

    def __init__(self, caps: Caps, check_room: Callable[[], None]) -> None:
        self._caps = caps
        self._check_room = check_room
        self._job = 0
        self._asked = 0

    def take(self, name: str, asset_bytes: int, more: int) -> None:
        """Count `more` bytes of an asset that has `asset_bytes` with them. Raises ArchiveError beyond a cap, or the floor's."""
        self._job += more
        if asset_bytes > self._caps.asset_bytes:
            raise ArchiveError(f"asset {name!r:.120} is over the cap of {self._caps.asset_bytes:,} bytes an asset")
        if self._job > self._caps.job_bytes:
            raise ArchiveError(f"the job's assets are over the cap of {self._caps.job_bytes:,} bytes a job")
        if self._job - self._asked >= _ROOM_EVERY:
            self._asked = self._job
            self._check_room()


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of one asset: its length, SHA-256 and the answer's content type."""

    bytes: int
    sha256: str
    content_type: str | None


def fetch_to_file(fetch: Fetch, name: str, folder: int, file: str, allowance: Allowance) -> Fetched:
    """Store asset `name` as `file` in `folder`, not yet durable.

    An unframed or an empty body is believed only when a second read brings the same bytes; a body that is not of its name's
    kind never. Raises ArchiveError and whatever `fetch` raises; both name the asset.
    """
    fetched, framed = _receive(fetch, name, folder, file, allowance)
    if not framed or fetched.bytes == 0:
        again = _receive_again(fetch, name, allowance)
        if again != (fetched.bytes, fetched.sha256):
            raise ArchiveError(f"asset {name!r:.120} came differently twice, and nothing says which is whole")
    with disk_errors(f"read back asset {name!r:.120}"), os.fdopen(open_file(folder, file), "rb") as stored:
        wrong = what_is_wrong(name, stored, fetched.bytes, fetched.content_type)
    if wrong:
        raise ArchiveError(f"asset {name!r:.120}: {wrong}")
    return fetched


def _receive(fetch: Fetch, name: str, folder: int, file: str, allowance: Allowance) -> tuple[Fetched, bool]:
    digest, length = hashlib.sha256(), 0
    with disk_errors(f"make a file for asset {name!r:.120}"):
        target = new_file(folder, file)
    try:
        with fetch(name) as body:
            for piece in body:
                length += len(piece)
                allowance.take(name, length, len(piece))
                digest.update(piece)
                with disk_errors(f"write asset {name!r:.120}"):
                    write_all(target, piece)
            return Fetched(length, digest.hexdigest(), body.content_type), body.framed
    finally:
        with disk_errors(f"close asset {name!r:.120}"):
            os.close(target)


def _receive_again(fetch: Fetch, name: str, allowance: Allowance) -> tuple[int, str]:
    digest, length = hashlib.sha256(), 0
    with fetch(name) as body:
        for piece in body:
            length += len(piece)
            allowance.take(name, length, 0)
            digest.update(piece)
    return length, digest.hexdigest()


def hash_file(folder: int, file: str, *, from_disk: bool) -> tuple[int, str]:
    """Length and SHA-256 of a stored file, read in pieces; `from_disk` asks the kernel to forget its copy first.

    Raises OSError. Only clean pages can be forgotten, so make the file durable before.
    """
    descriptor = open_file(folder, file)
    with os.fdopen(descriptor, "rb", buffering=0) as stored:
        if from_disk and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        digest, length, piece = hashlib.sha256(), 0, bytearray(_PIECE)
        view = memoryview(piece)
        while count := stored.readinto(piece):
            digest.update(view[:count])
            length += count
    return length, digest.hexdigest()
