"""The small objects in an archive's root, each replaced as a whole and only if it is unchanged."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from sauce_janitor.archive.s3.bucket import Bucket
from sauce_janitor.archive.s3.conditions import prove_conditions


class S3Files:
    """The small objects in an archive's root. Raises OSError.

    It remembers the ETag of what it read last: a write replaces only that.
    """

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._etags: dict[str, str] = {}
        self._is_proven = False

    def at(self, name: str = "") -> str:
        """Return the address of the archive, or of what has this name in its root."""
        return self.bucket.at(name)

    def names(self) -> list[str]:
        """Return the names of the objects in the root."""
        return [each.key for each in self.bucket.level("")[1]]

    def stamp(self, name: str) -> object:
        """Return what changes with every change of the object."""
        found = self.bucket.facts(name)
        return found.etag, found.size_bytes, found.written_at

    def age_s(self, name: str, beside: str) -> float:
        """Return how long ago the object was written, by the server's clock."""
        self.bucket.put(beside, b"")
        return self.bucket.facts(beside).written_at - self.bucket.facts(name).written_at

    def read(self, name: str, *, at_most: int) -> bytes:
        """Return the whole object."""
        data, etag = self.bucket.read(name, at_most=at_most)
        self._remember(name, etag)
        return data

    def write(self, name: str, data: bytes, *, replaces: bool) -> None:
        """Write the object; with `replaces` over the one that was read last.

        Raises FileExistsError where another process wrote it since, or without `replaces` where
        there is one.
        """
        # A server that ignores conditions would let two writers overwrite each other.
        if not self._is_proven:
            prove_conditions(self.bucket)
            self._is_proven = True
        etag = self._etags.get(name) if replaces else None
        if etag is None:
            self._remember(name, self.bucket.add(name, data))
        else:
            self._remember(name, self.bucket.replace(name, data, etag))

    def remove(self, name: str) -> None:
        """Remove the object; do nothing where there is none."""
        self.bucket.remove([name])
        self._etags.pop(name, None)

    def locked(self) -> AbstractContextManager[None]:
        """Do nothing: `write` notices other writers."""
        return nullcontext()

    def _remember(self, name: str, etag: str | None) -> None:
        if etag is None:
            self._etags.pop(name, None)
        else:
            self._etags[name] = etag
