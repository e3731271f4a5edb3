"""A bucket's prefix that is an archive, or will be one: recognized and made by its sentinel."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar, Final

from sauce_janitor.archive.ownership.owner import OWNER_FILE, claim
from sauce_janitor.archive.s3.bucket import Bucket, bucket_at
from sauce_janitor.archive.s3.conditions import PROBE
from sauce_janitor.archive.s3.root import S3Root
from sauce_janitor.archive.s3.small_files import S3Files
from sauce_janitor.archive.s3.staging_area import PARTIAL
from sauce_janitor.archive.storage.ports import SENTINEL
from sauce_janitor.archive.storage.sentinel import read_sentinel, sentinel_bytes
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveUnusableError
from sauce_janitor.model.archive.locations import S3Location

_LARGEST_SMALL: Final = 256 * 2**20
_OURS_ALREADY: Final = (OWNER_FILE, ".sauce-janitor-pause", PROBE)
"""What may be in a new prefix: what a crash before the sentinel leaves."""


@dataclass(frozen=True, slots=True)
class S3Site:
    """A bucket's prefix that is an archive, or will be one. Raises OSError."""

    location: S3Location
    question: ClassVar[str] = "is it the right bucket and prefix?"
    wanted: ClassVar[str] = "an empty prefix in archive.url"

    def at(self, name: str = "") -> str:
        """Return the address of the archive, or of what has this name in its root."""
        return f"{self.location}/{name}" if name else str(self.location)

    def has(self, name: str) -> bool:
        """Tell whether there is an object of this name."""
        try:
            # Not by HEAD: its answer has no body, and only that names a missing bucket.
            self._bucket.read(name, at_most=_LARGEST_SMALL)
        except FileNotFoundError:
            return False
        return True

    def is_new(self) -> bool:
        """Tell whether an archive may be made here: there is only what this program left."""
        deeper, objects = self._bucket.level("")
        return set(deeper) <= {PARTIAL} and all(
            each.key.startswith(_OURS_ALREADY) for each in objects
        )

    def make(self) -> None:
        """Do nothing: a prefix needs no folder, and a bucket is made by its owner."""

    @contextmanager
    def files(self) -> Iterator[S3Files]:
        """Open the small objects in the root."""
        yield S3Files(self._bucket)

    def open(self, *, known_uuid: str | None, make: bool, maker: str | None = None) -> S3Root:
        """Open the archive here; with `make`, and only where none was known, make it."""
        with storage_errors(f"open the archive {self.at()}", of_all=True):
            files = S3Files(self._bucket)
            found = read_sentinel(files)
            # Only a prefix that no state knows may become an archive.
            if found is None and known_uuid is None and make:
                found = self._made(files, maker)
        if found is None:
            raise ArchiveUnusableError(f"{self.at()} has no sentinel {SENTINEL}: {self.question}")
        if known_uuid is not None and found != known_uuid:
            raise ArchiveUnusableError(
                f"{self.at()} is another archive (its uuid is {found}, this state belongs to "
                f"{known_uuid}): {self.question}"
            )
        return S3Root(self._bucket, found)

    def unsealed(self, uuid: str) -> S3Root:
        """Open what is no archive yet, because the copy of one with this uuid is being made."""
        return S3Root(self._bucket, uuid)

    def _made(self, files: S3Files, maker: str | None) -> str | None:
        if not self.is_new():
            # Another account's first run has made it since.
            if (found := read_sentinel(files)) is not None:
                return found
            raise ArchiveUnusableError(
                f"{self.at()} is not an archive and not empty: name {self.wanted}"
            )
        # The owner is written before the sentinel: after a crash between the two, the state that
        # made the archive still finds it as its own.
        if maker is not None:
            claim(files, maker, at=int(time.time()))
        # Another account's first run may be faster: then its sentinel counts.
        with suppress(FileExistsError):
            files.write(SENTINEL, sentinel_bytes(str(uuid.uuid4())), replaces=False)
        return read_sentinel(files)

    @property
    def _bucket(self) -> Bucket:
        return bucket_at(self.location)
