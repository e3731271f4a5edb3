"""All screenshots of a job in one request: `screenshots.zip`, where it is offered, taken apart into
its files.

It saves most of a job's requests, and nothing rests on it: a bundle that is not offered, not whole,
not what the list says, or made to harm is put away, and so is one whose pictures differ from the
single files, of which a sample is fetched beside each bundle. Then the screenshots are fetched one
by one. Its entries are found by the exact names that Sauce Labs listed, so none of them can choose
where it is written. Source: Jobs API, Get All Screenshots (later documentation).
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Final

from sauce_janitor.errors import ArchiveError

BUNDLE: Final = "screenshots.zip"
_SHOT: Final = re.compile(r"(?:[0-9]{4,6}|final_)screenshot\.(?:png|jpe?g)")
_FEWEST: Final = 3
_REFUSALS: Final = 2
_MANY: Final = 6
# The directory of a bundle of 100,000 entries fits; a longer one is not read.
_LONGEST_READ: Final = 16 * 1024 * 1024
_PIECE: Final = 256 * 1024
_MAX_RATIO: Final = 200
_RATIO_SLACK: Final = 1024 * 1024
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_BROKEN: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    RuntimeError,
    OverflowError,
)


def in_bundle(wanted: Collection[str], listed: Collection[str]) -> tuple[str, ...]:
    """The wanted files that one bundle brings at once; none where that would save little, or the
    list names a bundle itself.
    """
    shots = tuple(name for name in wanted if _SHOT.fullmatch(name))
    listed_shots = sum(_SHOT.fullmatch(name) is not None for name in listed)
    return (
        shots
        if len(shots) >= _FEWEST and 2 * len(shots) >= listed_shots and BUNDLE not in listed
        else ()
    )


class BundleUse:
    """Whether asking for bundles is worth a request: not after it failed for two jobs in a row.
    Threads share one.
    """

    def __init__(self) -> None:
        self._refusals = 0

    @property
    def stands(self) -> bool:
        """Whether to ask."""
        return self._refusals < _REFUSALS

    def worked(self) -> None:
        """A bundle was what it should be."""
        self._refusals = 0

    def failed(self) -> None:
        """It was not, or there was none."""
        self._refusals += 1

    def lied(self) -> None:
        """Its pictures are not the single files: none is asked for any more."""
        self._refusals = _REFUSALS


def sampled(shots: Sequence[str], seed: str) -> tuple[str, ...]:
    """Return the pictures to compare with the single files: one that the seed picks; of many the
    first and last, too.
    """
    picked = shots[
        int.from_bytes(hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()[:8])
        % len(shots)
    ]
    ends = (shots[0], shots[-1]) if len(shots) >= _MANY else ()
    return tuple(dict.fromkeys((*ends, picked)))


class Bundle:
    """A bundle on the disk, its entries checked against the list before one is read. ArchiveError
    for one not to be trusted.
    """

    def __init__(self, stored: BinaryIO, size: int, listed: Collection[str]) -> None:
        with _distrust():
            self._zip = zipfile.ZipFile(_Careful(stored))
        self._entries = self._checked(size, frozenset(listed))

    def _checked(self, size: int, listed: frozenset[str]) -> dict[str, zipfile.ZipInfo]:
        entries: dict[str, zipfile.ZipInfo] = {}
        for entry in self._zip.infolist():
            name = entry.orig_filename  # `filename` is cut at a null byte
            if name not in listed or _SHOT.fullmatch(name) is None:
                raise ArchiveError(
                    f"{BUNDLE} has an entry {name!r:.120} that the list does not have"
                )
            if name in entries:
                raise ArchiveError(f"{BUNDLE} has two entries {name!r:.120}")
            if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
                raise ArchiveError(
                    f"{BUNDLE} has an entry {name!r:.120} that is encrypted or packed in a strange "
                    "way"
                )
            entries[name] = entry
        claimed = sum(entry.file_size for entry in entries.values())
        if (
            claimed > size * _MAX_RATIO + _RATIO_SLACK
            or sum(e.compress_size for e in entries.values()) > size
        ):
            raise ArchiveError(f"{BUNDLE} of {size:,} bytes claims to hold {claimed:,}: refused")
        return entries

    @property
    def names(self) -> frozenset[str]:
        """What it holds."""
        return frozenset(self._entries)

    def read(self, name: str) -> Iterator[bytes]:
        """One entry's bytes in pieces, its checksum compared at the end. Raises ArchiveError."""
        with _distrust(), self._zip.open(self._entries[name]) as entry:
            while piece := entry.read(_PIECE):
                yield piece

    def close(self) -> None:
        """Let go of it; the file under it stays open."""
        self._zip.close()


@contextmanager
def _distrust() -> Iterator[None]:
    try:
        yield
    except _BROKEN as wrong:
        raise ArchiveError(f"{BUNDLE} is no whole zip file ({wrong})") from wrong


class _Careful(io.RawIOBase):
    """The file under a bundle: no read is longer than a bundle's directory may be, whatever its end
    says.
    """

    def __init__(self, stored: BinaryIO) -> None:
        self._stored = stored

    def read(self, size: int = -1, /) -> bytes:
        data = self._stored.read(_LONGEST_READ + 1 if size < 0 else min(size, _LONGEST_READ + 1))
        if len(data) > _LONGEST_READ:
            raise zipfile.BadZipFile("its directory is too long")
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stored.seek(offset, whence)

    def tell(self) -> int:
        return self._stored.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True
