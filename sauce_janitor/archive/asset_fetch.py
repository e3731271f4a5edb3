"""Fetches one asset from Sauce Labs to the disk.

The bytes are streamed, hashed on the way and bounded. They are believed only for a reason: their
framing, their format, or a second equal read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from sauce_janitor.archive.content.compression import Compressor, unpacked
from sauce_janitor.archive.content.probe import ProbeResult, TrustLevel, probe
from sauce_janitor.archive.disk.folders import new_file, write_all
from sauce_janitor.archive.receipts import Packed
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError

_ROOM_EVERY = 64 * 1024 * 1024


class AssetBody(Protocol):
    """The bytes of an asset as they arrive.

    Iterating raises SourceError unless the framing, where there is one, is met to its end. `framed`
    tells whether the framing of the answer proves that it is complete. `content_type` is the
    answer's, None for none.
    """

    @property
    def framed(self) -> bool: ...
    @property
    def content_type(self) -> str | None: ...
    def __iter__(self) -> Iterator[bytes]: ...


Fetch = Callable[[str], AbstractContextManager[AssetBody]]
"""Open the asset of this name. Raises SourceError, also where it was listed and does not exist."""


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """The most that one job may bring. A larger job stays at Sauce Labs and is reported."""

    asset_bytes: int = 32 * 1024**3
    job_bytes: int = 64 * 1024**3
    assets: int = 50_000


class ByteAllowance:
    """Counts what one job still may write, and checks the room on the disk every 64 MiB."""

    def __init__(self, caps: SizeLimits, check_room: Callable[[], None]) -> None:
        self._caps = caps
        self._check_room = check_room
        self._job = 0
        self._asked = 0

    def give_back(self, asset_bytes: int) -> None:
        """Stop counting the bytes of an asset that was removed."""
        self._job -= asset_bytes
        self._asked = min(self._asked, self._job)

    def take(self, name: str, asset_bytes: int, more: int) -> None:
        """Count `more` bytes of an asset that has `asset_bytes` with them.

        Raises ArchiveError beyond a cap, or when the disk has too little room.
        """
        self._job += more
        if asset_bytes > self._caps.asset_bytes:
            raise ArchiveError(
                f"asset {name!r:.120} is over the cap of {self._caps.asset_bytes:,} bytes an asset"
            )
        if self._job > self._caps.job_bytes:
            raise ArchiveError(
                f"the job's assets are over the cap of {self._caps.job_bytes:,} bytes a job"
            )
        # A system call for each piece would be slow.
        if self._job - self._asked >= _ROOM_EVERY:
            self._asked = self._job
            self._check_room()


@dataclass(frozen=True, slots=True)
class FetchedAsset:
    """One fetched asset: its length, SHA-256 and content type; `packed` where it is stored
    compressed.

    `odd` says why the bytes do not look like the file that the name promises; None where they do.
    """

    bytes: int
    sha256: str
    content_type: str | None
    packed: Packed | None = None
    odd: str | None = None


class UntrustedBodyError(ArchiveError):
    """What came twice in place of an asset reads like another answer, so it is not stored.

    `sha256` is of the bytes, for a later pass to compare. It is None where they can never be the
    asset, or where the two differed.
    """

    def __init__(self, text: str, sha256: str | None = None) -> None:
        super().__init__(text)
        self.sha256 = sha256


@dataclass(frozen=True, slots=True)
class AssetSlot:
    """Where one asset is written: a new file in an open folder, compressed or as it came."""

    folder: int
    file: str
    is_packed: bool = False


def fetch_to_file(
    fetch: Fetch,
    name: str,
    slot: AssetSlot,
    allowance: ByteAllowance,
    *,
    vouched: str | None = None,
) -> FetchedAsset:
    """Store asset `name`; it is not durable yet.

    A body that is unframed, empty or perhaps cut is believed only when a second read brings the
    same bytes. A body that reads like an error page is asked for once more, and refused when it
    comes again, unless it has the SHA-256 `vouched`, which came at least a day ago. Raises
    ArchiveError and whatever `fetch` raises; both name the asset.
    """
    first = _receive(fetch, name, slot, allowance)
    received = first
    # It reads like an error page. A gateway's page may be gone a moment later, so ask again.
    if first.result.trust >= TrustLevel.LATER:
        with storage_errors(f"remove the doubtful download of asset {name!r:.120}"):
            os.unlink(slot.file, dir_fd=slot.folder)
        allowance.give_back(first.fetched.bytes)
        received = _receive(fetch, name, slot, allowance)
    fetched, result = received.fetched, received.result
    if result.trust >= TrustLevel.LATER:
        same = first.fetched.sha256 == fetched.sha256
        # Only equal bytes that may be the asset can be compared with those of another day.
        sha256 = fetched.sha256 if same and result.trust is TrustLevel.LATER else None
        if sha256 is None or sha256 != vouched:
            raise UntrustedBodyError(f"asset {name!r:.120}: {result.why}", sha256)
    # Nothing proves that these bytes are complete, but a second equal read does.
    elif not received.framed or fetched.bytes == 0 or result.trust is TrustLevel.TWICE:
        again = hash_of(fetch, name, allowance)
        if again != (fetched.bytes, fetched.sha256):
            raise ArchiveError(
                f"asset {name!r:.120} was different in two downloads, and nothing shows which one"
                " is complete"
            )
    return fetched


@dataclass(frozen=True, slots=True)
class _ReceivedBody:
    """One body as it arrived, how far it is believed, and whether its framing proves it
    complete.
    """

    fetched: FetchedAsset
    result: ProbeResult
    framed: bool


def _receive(fetch: Fetch, name: str, slot: AssetSlot, allowance: ByteAllowance) -> _ReceivedBody:
    with AssetWriter(name, slot, allowance) as writer:
        with fetch(name) as body:
            for piece in body:
                writer.write(piece)
            content_type, framed = body.content_type, body.framed
        fetched, result = writer.end(content_type)
    # Neither the framing nor the format shows an end. A gateway may cut the body at the same place
    # twice, so two equal reads are not enough.
    if not framed and result.trust is TrustLevel.TWICE:
        result = ProbeResult(TrustLevel.LATER, result.why)
    return _ReceivedBody(fetched, result, framed)


class AssetWriter:
    """Writes one asset: bounded, hashed on the way, and probed at its end. A context manager."""

    def __init__(self, name: str, slot: AssetSlot, allowance: ByteAllowance) -> None:
        self._name, self._slot, self._allowance = name, slot, allowance
        self._digest, self._length = hashlib.sha256(), 0
        self._packer = Compressor() if slot.is_packed else None

    def __enter__(self) -> Self:
        with storage_errors(f"make a file for asset {self._name!r:.120}"):
            self._file = new_file(self._slot.folder, self._slot.file)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with storage_errors(f"close asset {self._name!r:.120}"):
            os.close(self._file)
        if kind is not None:
            self._allowance.give_back(self._length)

    def write(self, piece: bytes | memoryview) -> None:
        """Write the next bytes. Raises ArchiveError beyond a cap, or when the disk does not take
        them.
        """
        self._length += len(piece)
        self._allowance.take(self._name, self._length, len(piece))
        self._digest.update(piece)
        self._put(self._packer.feed(piece) if self._packer else piece)

    def end(self, content_type: str | None) -> tuple[FetchedAsset, ProbeResult]:
        """Finish a complete asset; return what it is and how far it is believed to be what its name
        says.
        """
        if self._packer:
            self._put(self._packer.finish())
        with (
            storage_errors(f"read back asset {self._name!r:.120}"),
            os.fdopen(os.dup(self._file), "rb") as plain,
        ):
            plain.seek(0)
            stored = unpacked(plain) if self._packer else plain
            result = probe(self._name, stored, self._length, content_type)
        packed = self._packer.packed() if self._packer else None
        odd = result.why or None
        return FetchedAsset(
            self._length, self._digest.hexdigest(), content_type, packed, odd
        ), result

    def _put(self, data: bytes | memoryview) -> None:
        with storage_errors(f"write asset {self._name!r:.120}"):
            write_all(self._file, data)


def hash_of(fetch: Fetch, name: str, allowance: ByteAllowance) -> tuple[int, str]:
    """Fetch an asset without storing it; return its length and SHA-256. Raises what `fetch`
    raises.
    """
    digest, length = hashlib.sha256(), 0
    with fetch(name) as body:
        for piece in body:
            length += len(piece)
            allowance.take(name, length, 0)
            digest.update(piece)
    return length, digest.hexdigest()
