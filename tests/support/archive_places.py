"""Where an archive of a test is, on a disk or in a bucket: what a stranger can do to its files."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from pathlib import Path

from sauce_janitor.archive import ArchiveLocation
from sauce_janitor.model.archive.locations import S3Location


class ArchivePlace(ABC):
    """The files of an archive, by their paths below its root."""

    location: ArchiveLocation

    @abstractmethod
    def paths(self) -> list[str]: ...

    @abstractmethod
    def write(self, path: str, data: bytes) -> None: ...

    @abstractmethod
    def read(self, path: str) -> bytes: ...

    @abstractmethod
    def remove(self, path: str) -> None: ...

    @abstractmethod
    def clear(self) -> None:
        """Leave nothing, as a disk that is not mounted or another bucket of the same name."""

    def find(self, ending: str) -> str:
        """The path that ends like this, the first of several."""
        return next(path for path in self.paths() if path.endswith(ending))

    def jobs(self) -> list[str]:
        """All files of jobs."""
        return [path for path in self.paths() if not path.startswith(".")]


class OnDisk(ArchivePlace):
    def __init__(self, root: Path) -> None:
        self.location = self.root = root

    def paths(self) -> list[str]:
        found = (path for path in self.root.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.root)) for path in found)

    def write(self, path: str, data: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def remove(self, path: str) -> None:
        (self.root / path).unlink()

    def clear(self) -> None:
        shutil.rmtree(self.root)
        self.root.mkdir()


class InBucket(ArchivePlace):
    def __init__(self, location: S3Location) -> None:
        from sauce_janitor.archive.s3.bucket import Bucket

        self.location = location
        self.bucket = Bucket(location)

    def paths(self) -> list[str]:
        return sorted(each.key for each in self.bucket.below(""))

    def write(self, path: str, data: bytes) -> None:
        self.bucket.put(path, data)

    def read(self, path: str) -> bytes:
        return self.bucket.read(path, at_most=2**30)[0]

    def remove(self, path: str) -> None:
        self.bucket.remove([path])

    def clear(self) -> None:
        self.bucket.remove(self.paths())
