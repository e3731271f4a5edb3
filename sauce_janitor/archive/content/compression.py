"""Compresses logs and JSON on the disk (`archive.compress`), and reads any stored file back.

The format is Zstandard, one frame a file, ending in `.zst`: `zstd -d` unpacks it without us.
Readers get the bytes as Sauce Labs sent them. The size that the frame claims is never believed,
only the receipt's length is.
"""

from __future__ import annotations

import hashlib
import io
import os
from typing import Any, BinaryIO, Final

import zstandard

from sauce_janitor.archive.receipts import Packed, StoredFile
from sauce_janitor.archive.storage.ports import JobFolder

ENDING: Final = ".zst"
_PACKABLE: Final = (".json", ".har", ".log", ".txt", ".xml", ".csv", ".html", ".htm")
_LEVEL: Final = 3
_PIECE: Final = 1024 * 1024
# Our own frames need less. A frame that asks for more memory was not written by us.
_LARGEST_WINDOW: Final = 8 * 1024 * 1024


def is_packable(name: str) -> bool:
    """Tell whether an asset of this name is text that becomes much smaller."""
    return name.lower().endswith(_PACKABLE)


class Compressor:
    """Compresses what it is fed, and knows length and hash of the result."""

    def __init__(self) -> None:
        self._stream = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        self._digest, self._length = hashlib.sha256(), 0

    def feed(self, data: bytes | memoryview) -> bytes:
        """Return the bytes to write for `data`, perhaps none yet."""
        return self._out(self._stream.compress(data))

    def finish(self) -> bytes:
        """Return the end of the frame."""
        return self._out(self._stream.flush())

    def packed(self) -> Packed:
        """Return length and hash of the whole result, after `finish`."""
        return Packed(self._length, self._digest.hexdigest())

    def _out(self, data: bytes) -> bytes:
        self._digest.update(data)
        self._length += len(data)
        return data


class _Unpacked(io.RawIOBase):
    """The original bytes of a compressed file; it can seek to its start only.

    Raises OSError for anything that is not a whole frame.
    """

    def __init__(self, stored: BinaryIO) -> None:
        super().__init__()
        self._stored = stored
        self._begin()

    def _begin(self) -> None:
        self._stored.seek(0)
        unpacker = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
        self._stream = unpacker.stream_reader(self._stored, read_size=_PIECE, closefd=False)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        # A compressed stream has no other position that can be reached cheaply.
        if offset or whence != os.SEEK_SET:
            raise io.UnsupportedOperation("a compressed file can only be read from its start")
        self._begin()
        return 0

    def readinto(self, buffer: Any) -> int:
        try:
            return self._stream.readinto(buffer)
        except zstandard.ZstdError as error:
            raise OSError(f"not a whole Zstandard frame: {error}") from error

    def close(self) -> None:
        if not self.closed:
            self._stored.close()
        super().close()


def unpacked(stored: BinaryIO) -> BinaryIO:
    """Return the original bytes of the compressed file, from its start; closing it closes the
    file.
    """
    return io.BufferedReader(_Unpacked(stored), _PIECE)


def open_original(folder: JobFolder, file: StoredFile) -> BinaryIO:
    """Open a stored file's original bytes, however it is stored; `folder` is the job's.

    Nothing is verified. Raises OSError.
    """
    stored = folder.open(file.file)
    return unpacked(stored) if file.packed else stored


def original_of(stored: BinaryIO, *, at_most: int) -> tuple[int, str]:
    """Return length and SHA-256 of what a compressed file holds, read from its start.

    It stops a byte after `at_most`.
    """
    digest, length, piece = hashlib.sha256(), 0, bytearray(_PIECE)
    view = memoryview(piece)
    with unpacked(stored) as original:
        while length <= at_most and (count := original.readinto(piece)):  # type: ignore[attr-defined]  # a BufferedReader
            digest.update(view[:count])
            length += count
    return length, digest.hexdigest()
