"""One asset from Sauce Labs to the disk: streamed, hashed on the way, bounded, and believed only with reason."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from sauce_janitor.archive.folders import disk_errors, new_file, write_all
from sauce_janitor.archive.packing import Packer, unpacked
from sauce_janitor.archive.probing import what_is_wrong
from sauce_janitor.archive.receipts import Packed
from sauce_janitor.errors import ArchiveError

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
    """What came of one asset: its length, SHA-256 and the answer's content type; `packed` where it is stored compressed."""

    bytes: int
    sha256: str
    content_type: str | None
    packed: Packed | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one asset goes: a new file in an open folder, compressed or as it came."""

    folder: int
    file: str
    is_packed: bool = False


def fetch_to_file(fetch: Fetch, name: str, slot: Slot, allowance: Allowance) -> Fetched:
    """Store asset `name`, not yet durable.

    An unframed or an empty body is believed only when a second read brings the same bytes; a body that is not of its name's
    kind never. Raises ArchiveError and whatever `fetch` raises; both name the asset.
    """
    with Incoming(name, slot, allowance) as incoming:
        with fetch(name) as body:
            for piece in body:
                incoming.write(piece)
            content_type, framed = body.content_type, body.framed
        fetched = incoming.end(content_type)
        if not framed or fetched.bytes == 0:
            again = _receive_again(fetch, name, allowance)
            if again != (fetched.bytes, fetched.sha256):
                raise ArchiveError(f"asset {name!r:.120} came differently twice, and nothing says which is whole")
    return fetched


class Incoming:
    """One asset being written: bounded, hashed on the way, and looked at when it has ended. A context manager."""

    def __init__(self, name: str, slot: Slot, allowance: Allowance) -> None:
        self._name, self._slot, self._allowance = name, slot, allowance
        self._digest, self._length = hashlib.sha256(), 0
        self._packer = Packer() if slot.is_packed else None

    def __enter__(self) -> Self:
        with disk_errors(f"make a file for asset {self._name!r:.120}"):
            self._file = new_file(self._slot.folder, self._slot.file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        with disk_errors(f"close asset {self._name!r:.120}"):
            os.close(self._file)

    def write(self, piece: bytes | memoryview) -> None:
        """The next bytes. Raises ArchiveError beyond a cap or when the disk does not take them."""
        self._length += len(piece)
        self._allowance.take(self._name, self._length, len(piece))
        self._digest.update(piece)
        self._put(self._packer.feed(piece) if self._packer else piece)

    def end(self, content_type: str | None) -> Fetched:
        """All of it came. ArchiveError when the bytes cannot be what the name says."""
        if self._packer:
            self._put(self._packer.finish())
        with disk_errors(f"read back asset {self._name!r:.120}"), os.fdopen(os.dup(self._file), "rb") as plain:
            plain.seek(0)
            stored = unpacked(plain) if self._packer else plain
            wrong = what_is_wrong(self._name, stored, self._length, content_type)
        if wrong:
            raise ArchiveError(f"asset {self._name!r:.120}: {wrong}")
        packed = self._packer.packed() if self._packer else None
        return Fetched(self._length, self._digest.hexdigest(), content_type, packed)

    def _put(self, data: bytes | memoryview) -> None:
        with disk_errors(f"write asset {self._name!r:.120}"):
            write_all(self._file, data)


def _receive_again(fetch: Fetch, name: str, allowance: Allowance) -> tuple[int, str]:
    digest, length = hashlib.sha256(), 0
    with fetch(name) as body:
        for piece in body:
            length += len(piece)
            allowance.take(name, length, 0)
            digest.update(piece)
    return length, digest.hexdigest()
