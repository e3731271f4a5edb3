"""One asset from Sauce Labs to the disk: streamed, hashed on the way, bounded, and believed only
with reason.
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
from sauce_janitor.archive.content.probe import ProbeResult, TrustLevel, judge
from sauce_janitor.archive.disk.folders import disk_errors, new_file, write_all
from sauce_janitor.archive.receipts import Packed
from sauce_janitor.errors import ArchiveError

_ROOM_EVERY = 64 * 1024 * 1024


class AssetBody(Protocol):
    """An asset's bytes as they come. Iterating raises SourceError unless the framing, where there
    is one, is met to its end.

    `framed` says whether the answer's framing proves that it is complete; `content_type` is the
    answer's, None for none.
    """

    @property
    def framed(self) -> bool: ...
    @property
    def content_type(self) -> str | None: ...
    def __iter__(self) -> Iterator[bytes]: ...


Fetch = Callable[[str], AbstractContextManager[AssetBody]]
"""Opens the asset of this name. Raises SourceError, also for one that was listed and is not
there.
"""


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """What one job may bring at most; beyond it the job stays at Sauce Labs and is reported."""

    asset_bytes: int = 32 * 1024**3
    job_bytes: int = 64 * 1024**3
    assets: int = 50_000


class ByteAllowance:
    """What one job may still write; asks for room on the disk again every 64 MiB."""

    def __init__(self, caps: SizeLimits, check_room: Callable[[], None]) -> None:
        self._caps = caps
        self._check_room = check_room
        self._job = 0
        self._asked = 0

    def give_back(self, asset_bytes: int) -> None:
        """Count the bytes of an asset no more: it was removed."""
        self._job -= asset_bytes
        self._asked = min(self._asked, self._job)

    def take(self, name: str, asset_bytes: int, more: int) -> None:
        """Count `more` bytes of an asset that has `asset_bytes` with them. Raises ArchiveError
        beyond a cap, or the floor's.
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
        if self._job - self._asked >= _ROOM_EVERY:
            self._asked = self._job
            self._check_room()


@dataclass(frozen=True, slots=True)
class FetchedAsset:
    """What came of one asset: its length, SHA-256 and the answer's content type; `packed` where it
    is stored compressed.

    `odd` says why the bytes do not look like the file that the name promises; None where they do.
    """

    bytes: int
    sha256: str
    content_type: str | None
    packed: Packed | None = None
    odd: str | None = None


class UntrustedBodyError(ArchiveError):
    """What came twice in place of an asset reads like somebody else's answer: it is not stored.

    `sha256` is of the bytes, for a later pass to compare; None where they can never be the asset,
    or differed.
    """

    def __init__(self, text: str, sha256: str | None = None) -> None:
        super().__init__(text)
        self.sha256 = sha256


@dataclass(frozen=True, slots=True)
class AssetSlot:
    """Where one asset goes: a new file in an open folder, compressed or as it came."""

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
    """Store asset `name`, not yet durable.

    An unframed, an empty or a perhaps cut body is believed only when a second read brings the same
    bytes. One that reads like an error page is asked for once more, and refused when it comes
    again, unless it has the SHA-256 `vouched`, which came a day ago. Raises ArchiveError and
    whatever `fetch` raises; both name the asset.
    """
    first = _receive(fetch, name, slot, allowance)
    came = first
    if first.judgement.trust >= TrustLevel.LATER:
        # A gateway's page may be gone a moment later.
        with disk_errors(f"remove what came for asset {name!r:.120}"):
            os.unlink(slot.file, dir_fd=slot.folder)
        allowance.give_back(first.fetched.bytes)
        came = _receive(fetch, name, slot, allowance)
    fetched, judgement = came.fetched, came.judgement
    if judgement.trust >= TrustLevel.LATER:
        same = first.fetched.sha256 == fetched.sha256
        sha256 = fetched.sha256 if same and judgement.trust is TrustLevel.LATER else None
        if sha256 is None or sha256 != vouched:
            raise UntrustedBodyError(f"asset {name!r:.120}: {judgement.why}", sha256)
    elif not came.framed or fetched.bytes == 0 or judgement.trust is TrustLevel.TWICE:
        again = hash_of(fetch, name, allowance)
        if again != (fetched.bytes, fetched.sha256):
            raise ArchiveError(
                f"asset {name!r:.120} came differently twice, and nothing says which is whole"
            )
    return fetched


@dataclass(frozen=True, slots=True)
class _Came:
    """One body as it came, how far it is believed, and whether its framing proves it complete."""

    fetched: FetchedAsset
    judgement: ProbeResult
    framed: bool


def _receive(fetch: Fetch, name: str, slot: AssetSlot, allowance: ByteAllowance) -> _Came:
    with AssetWriter(name, slot, allowance) as incoming:
        with fetch(name) as body:
            for piece in body:
                incoming.write(piece)
            content_type, framed = body.content_type, body.framed
        fetched, judgement = incoming.end(content_type)
    if not framed and judgement.trust is TrustLevel.TWICE:
        # Neither the framing nor the format has an end: a gateway may cut it at the same place
        # twice.
        judgement = ProbeResult(TrustLevel.LATER, judgement.why)
    return _Came(fetched, judgement, framed)


class AssetWriter:
    """One asset being written: bounded, hashed on the way, and looked at when it has ended. A
    context manager.
    """

    def __init__(self, name: str, slot: AssetSlot, allowance: ByteAllowance) -> None:
        self._name, self._slot, self._allowance = name, slot, allowance
        self._digest, self._length = hashlib.sha256(), 0
        self._packer = Compressor() if slot.is_packed else None

    def __enter__(self) -> Self:
        with disk_errors(f"make a file for asset {self._name!r:.120}"):
            self._file = new_file(self._slot.folder, self._slot.file)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        wrong: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with disk_errors(f"close asset {self._name!r:.120}"):
            os.close(self._file)
        if kind is not None:
            self._allowance.give_back(self._length)

    def write(self, piece: bytes | memoryview) -> None:
        """The next bytes. Raises ArchiveError beyond a cap or when the disk does not take them."""
        self._length += len(piece)
        self._allowance.take(self._name, self._length, len(piece))
        self._digest.update(piece)
        self._put(self._packer.feed(piece) if self._packer else piece)

    def end(self, content_type: str | None) -> tuple[FetchedAsset, ProbeResult]:
        """All of it came: what it is, and how far it is believed to be what the name says."""
        if self._packer:
            self._put(self._packer.finish())
        with (
            disk_errors(f"read back asset {self._name!r:.120}"),
            os.fdopen(os.dup(self._file), "rb") as plain,
        ):
            plain.seek(0)
            stored = unpacked(plain) if self._packer else plain
            judgement = judge(self._name, stored, self._length, content_type)
        packed = self._packer.packed() if self._packer else None
        odd = judgement.why or None
        return FetchedAsset(
            self._length, self._digest.hexdigest(), content_type, packed, odd
        ), judgement

    def _put(self, data: bytes | memoryview) -> None:
        with disk_errors(f"write asset {self._name!r:.120}"):
            write_all(self._file, data)


def hash_of(fetch: Fetch, name: str, allowance: ByteAllowance) -> tuple[int, str]:
    """Fetch an asset without storing it; its length and SHA-256. Raises whatever `fetch` raises."""
    digest, length = hashlib.sha256(), 0
    with fetch(name) as body:
        for piece in body:
            length += len(piece)
            allowance.take(name, length, 0)
            digest.update(piece)
    return length, digest.hexdigest()
