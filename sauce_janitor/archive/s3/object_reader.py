"""An object of a bucket, read as a file."""

from __future__ import annotations

import io
import os
from typing import Any

from sauce_janitor.archive.s3.bucket import Bucket


class S3Reader(io.RawIOBase):
    """An object as a file: read from its start in one request, and from elsewhere after a seek."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        super().__init__()
        self._bucket, self._key, self._at = bucket, key, 0
        self._left = memoryview(b"")
        self._size, self._pieces = bucket.pieces(key, 0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        wanted = max(0, start + offset)
        if wanted != self._at:
            self._at, self._left = wanted, memoryview(b"")
            # A range that begins at the end is refused by servers.
            self._pieces = (
                self._bucket.pieces(self._key, wanted)[1] if wanted < self._size else iter(())
            )
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        memoryview(buffer)[:count] = self._left[:count]
        self._left = self._left[count:]
        self._at += count
        return count
