"""The log of requests and their effects: a list in memory, and optionally JSON lines in a file."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, overload

from sauce_janitor.sandbox.core.messages import DestroyedAsset


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request as the server saw it.

    `at` is when it was read, in epoch seconds. `path` is the request line's target, without the
    tokens of signed links. `endpoint` is None for an unknown URL. `user` is the owner of the
    credentials, None for missing or wrong ones (`has_credentials` says which). `status` is None if
    the connection was dropped. `size` is the body's size in bytes, uncompressed. `jobs_deleted`,
    `stopped`, `updated` and `destroyed` are what was really done, whatever the answer says.
    `faults` are the faults that took part.
    """

    at: float
    method: str
    path: str
    endpoint: str | None
    user: str | None
    has_credentials: bool
    status: int | None
    size: int
    job_id: str | None
    jobs_deleted: int
    stopped: bool
    updated: bool
    destroyed: tuple[DestroyedAsset, ...]
    faults: tuple[str, ...]

    def line(self) -> dict[str, object]:
        """Return the entry as it is written to the file."""
        return {
            "at": round(self.at, 3),
            "method": self.method,
            "path": self.path,
            "endpoint": self.endpoint,
            "user": self.user,
            "has_credentials": self.has_credentials,
            "status": self.status,
            "size": self.size,
            "job_id": self.job_id,
            "jobs_deleted": self.jobs_deleted,
            "stopped": self.stopped,
            "updated": self.updated,
            "destroyed": [
                {"name": asset.name, "size": asset.size, "listed": asset.is_listed}
                for asset in self.destroyed
            ],
            "faults": list(self.faults),
        }


class RequestLog(Sequence[LoggedRequest]):
    """The requests so far, oldest first. Safe to read while the sandbox answers."""

    def __init__(self, path: Path | None = None) -> None:
        self._entries: list[LoggedRequest] = []
        self._lock = threading.Lock()
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path is not None else None

    def add(self, entry: LoggedRequest) -> None:
        """Append an entry. A line in the file is flushed at once."""
        with self._lock:
            self._entries.append(entry)
            if self._file is not None:
                self._file.write(json.dumps(entry.line(), ensure_ascii=False) + "\n")
                # A test in another process reads the file while the sandbox runs.
                self._file.flush()

    def clear(self) -> None:
        """Remove the entries in memory. The file stays."""
        with self._lock:
            self._entries.clear()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def writes(self) -> list[LoggedRequest]:
        """Return all requests except GET and HEAD."""
        return [entry for entry in self if entry.method not in {"GET", "HEAD"}]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[LoggedRequest]:
        # A copy, because requests arrive while a caller iterates.
        return iter(tuple(self._entries))

    @overload
    def __getitem__(self, place: int) -> LoggedRequest: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[LoggedRequest]: ...
    def __getitem__(self, place: int | slice) -> LoggedRequest | Sequence[LoggedRequest]:
        return self._entries[place]
