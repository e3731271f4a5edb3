"""Fetches all screenshots of a job in one request, as `screenshots.zip` where Sauce Labs offers it.

It saves most of a job's requests, and nothing depends on it. A bundle is discarded when it is
missing, incomplete, different from the list or made to harm, and also when its pictures differ from
the single files, of which a sample is fetched beside each bundle. Then the screenshots are fetched
one by one. Its entries are found by the exact names that Sauce Labs listed, so that none of them
can choose where it is written. Source: Jobs API, Get All Screenshots (later documentation).
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
    """Return the wanted files that one bundle brings at once.

    None where that would save little, or where the list names a bundle itself.
    """
    shots = tuple(name for name in wanted if _SHOT.fullmatch(name))
    listed_shots = sum(_SHOT.fullmatch(name) is not None for name in listed)
    saves_requests = len(shots) >= _FEWEST and 2 * len(shots) >= listed_shots
    return shots if saves_requests and BUNDLE not in listed else ()


class BundleUse:
    """Tells whether asking for bundles is worth a request: not after it failed for two jobs in a
    row.

    Threads share one.
    """

    def __init__(self) -> None:
        self._refusals = 0

    @property
    def is_worth_asking(self) -> bool:
        """Tell whether to ask for a bundle."""
        return self._refusals < _REFUSALS

    def worked(self) -> None:
        """Record that a bundle was good."""
        self._refusals = 0

    def failed(self) -> None:
        """Record that a bundle was bad or missing."""
        self._refusals += 1

    def differed(self) -> None:
        """Record that a bundle's pictures are not the single files: no further one is asked for."""
        self._refusals = _REFUSALS


def sampled(shots: Sequence[str], seed: str) -> tuple[str, ...]:
    """Return the pictures to compare with the single files: one that the seed picks.

    Of many pictures, the first and the last are compared as well.
    """
    digest = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()
    picked = shots[int.from_bytes(digest[:8]) % len(shots)]
    ends = (shots[0], shots[-1]) if len(shots) >= _MANY else ()
    return tuple(dict.fromkeys((*ends, picked)))


class Bundle:
    """A bundle on the disk, its entries checked against the list before one is read.

    Raises ArchiveError for a bundle that cannot be trusted.
    """

    def __init__(self, stored: BinaryIO, size: int, listed: Collection[str]) -> None:
        with _zip_errors():
            self._zip = zipfile.ZipFile(_BoundedFile(stored))
        self._entries = self._checked(size, frozenset(listed))

    def _checked(self, size: int, listed: frozenset[str]) -> dict[str, zipfile.ZipInfo]:
        entries: dict[str, zipfile.ZipInfo] = {}
        for entry in self._zip.infolist():
            # `filename` is cut at a null byte.
            name = entry.orig_filename
            # Only listed names are written, so no entry chooses a path.
            if name not in listed or _SHOT.fullmatch(name) is None:
                raise ArchiveError(
                    f"{BUNDLE} has an entry {name!r:.120} that the list does not have"
                )
            # Which of two entries is the picture cannot be known.
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
        """Return the names of its entries."""
        return frozenset(self._entries)

    def read(self, name: str) -> Iterator[bytes]:
        """Yield one entry's bytes in pieces, its checksum compared at the end. Raises
        ArchiveError.
        """
        with _zip_errors(), self._zip.open(self._entries[name]) as entry:
            while piece := entry.read(_PIECE):
                yield piece

    def close(self) -> None:
        """Close the bundle; the file under it stays open."""
        self._zip.close()


@contextmanager
def _zip_errors() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise ArchiveError(f"{BUNDLE} is not a complete zip file ({error})") from error


class _BoundedFile(io.RawIOBase):
    """The file under a bundle, with a limit on each read.

    No read is longer than a bundle's directory may be, whatever the end of the zip file says.
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
