"""A job's keys in a bucket, seen as a folder."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO, ClassVar

from sauce_janitor.archive.s3.bucket import Bucket
from sauce_janitor.archive.s3.object_reader import S3Reader
from sauce_janitor.archive.storage.ports import FileFacts, Place

_PIECE = 1024 * 1024


@dataclass(frozen=True)
class S3Folder:
    """A job's keys, listed once. Raises OSError."""

    bucket: Bucket
    place: Place
    has_strays: ClassVar[bool] = True
    """What a pass uploaded and did not commit is in no receipt, and not in the archive."""

    @cached_property
    def listed(self) -> dict[str, FileFacts]:
        """Return all keys below the job's, and what is known of them."""
        prefix = "/".join(self.place)
        return {
            each.key.removeprefix(f"{prefix}/"): FileFacts(each.size_bytes)
            for each in self.bucket.below(prefix)
        }

    def names(self) -> list[str]:
        """Return the names of what is directly in it."""
        return sorted({path.partition("/")[0] for path in self.listed})

    def files(self) -> dict[str, FileFacts]:
        """Return all files in it, by their paths."""
        return dict(self.listed)

    def read_small(self, path: str, *, at_most: int) -> bytes:
        """Return a whole file of at most `at_most` bytes."""
        return self.bucket.read(self._key(path), at_most=at_most)[0]

    def open(self, path: str) -> BinaryIO:
        """Open a file; the caller closes it."""
        return io.BufferedReader(S3Reader(self.bucket, self._key(path)), _PIECE)

    def open_again(self, path: str) -> BinaryIO:
        """Open a file. Its bytes always come from the server."""
        return S3Reader(self.bucket, self._key(path))  # type: ignore[return-value] # a raw stream

    def forget_cached(self, names: Iterable[str]) -> None:
        """Do nothing: nothing is kept in memory."""

    def _key(self, path: str) -> str:
        return "/".join((*self.place, path))
