"""Where the program keeps what outlives a run, in tests of whole processes: a file and a folder, or
PostgreSQL and a bucket.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from sauce_janitor.archive.s3 import staging_area
from tests.support.archive_places import ArchivePlace, InBucket, OnDisk
from tests.support.state import Place

BACKENDS = ("file", "server", "cluster")
"""SQLite and a folder; PostgreSQL and a folder; PostgreSQL and a bucket."""
_FOLDER = "archive: {path: ./archive}"
_FILE = "state: {path: ./state.db}"
DATABASE_PASSWORD = "a-password-of-the-database-0001"
"""Not asked for by the server of the tests, but in the address."""


@dataclass
class Storage:
    """A state and an archive, and how a configuration names them."""

    state: Place
    archive: ArchivePlace
    keys: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def named_in(self, text: str) -> str:
        """Return a configuration that names a file and a folder with these in their place."""
        for line, own in self.keys.items():
            assert line in text, f"{line}\nis not in\n{text}"
            text = text.replace(line, own)
        return text

    def free_leases(self) -> None:
        """Free the leases of processes that were killed, as if 90 seconds had passed."""
        self.state.free_leases()
        if isinstance(self.archive, InBucket):
            for path in self.archive.paths():
                if path.startswith(".sauce-janitor-lease.") and not path.endswith(".lock"):
                    record = json.loads(self.archive.read(path))
                    self.archive.write(path, json.dumps(record | {"released": True}).encode())

    def half_done(self) -> list[str]:
        """What a run that was asked to stop leaves of its unfinished passes, and must not. In a
        bucket notes stay: a sweep removes what they are about after a week.
        """
        if isinstance(self.archive, InBucket):
            return []
        return [path for path in self.archive.paths() if path.startswith(".partial/")]

    def finished(self, account: str) -> dict[str, bytes]:
        """Return what is in the archive a week later, but for who owns it and works there, as two
        archives with the same contents have it.
        """
        if isinstance(self.archive, InBucket):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(staging_area, "_OLD_S", -60)
                staging_area.sweep(self.archive.bucket, account)
        # A file's name in a bucket has digits of its hash, and of the pass that wrote it.
        names = re.compile(rb"\b([0-9a-f]{8})[0-9a-f]{8}(?=-|\.json)")
        return {
            names.sub(rb"\1", path.encode()).decode(): names.sub(rb"\1", self.archive.read(path))
            for path in self.archive.paths()
            if not path.startswith((".sauce-janitor-archive", ".sauce-janitor-owner"))
            and not path.startswith(".sauce-janitor-lease")
        }

    def receipts(self) -> list[dict[str, Any]]:
        """Every receipt of the archive."""
        paths = [path for path in self.archive.jobs() if path.rpartition("/")[2][:7] == "receipt"]
        return [json.loads(self.archive.read(path)) for path in paths]

    def contents(self) -> dict[str, bytes]:
        """Return all that is kept outside the folder of the configuration, by where it is."""
        found: dict[str, bytes] = {}
        if isinstance(self.archive, InBucket):
            found |= {path: self.archive.read(path) for path in self.archive.paths()}
        if isinstance(self.state.where, str):
            with psycopg.connect(self.state.where) as connection:
                names = connection.execute(
                    "SELECT table_name FROM information_schema.tables"
                    " WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
                ).fetchall()
                for (name,) in names:
                    found[name] = _rows(connection, name)
        return found


def _rows(connection: psycopg.Connection[Any], table: str) -> bytes:
    """Return a table as text; bytes in it as they are."""
    cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
    cells = (cell for row in cursor for cell in row)
    return b"\n".join(
        bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode()
        for cell in cells
    )


@dataclass(frozen=True)
class Backend:
    """A kind of storage. `find` gets a server of the tests that are running by its fixture's
    name.
    """

    name: str
    find: Callable[[str], Any]

    @contextmanager
    def storage(self, folder: Path) -> Iterator[Storage]:
        """Yield a new state and an empty archive for a configuration in this folder."""
        disk = OnDisk(folder / "archive")
        if self.name == "file":
            yield Storage(Place(folder / "state.db"), disk)
            return
        postgresql = self.find("postgresql")
        url = postgresql.state()
        keys = {_FILE: "state: {url: {env: STATE_URL}}"}
        environment = {"STATE_URL": url.replace("@", f":{DATABASE_PASSWORD}@")}
        archive: ArchivePlace = disk
        if self.name == "cluster":
            from tests.support.seaweedfs import KEY, SECRET

            s3_server = self.find("s3_server")
            bucket = InBucket(s3_server.location())
            keys[_FOLDER] = (
                f'archive: {{url: "{bucket.location}", endpoint: "{s3_server.endpoint}",'
                " access_key_id: {env: S3_KEY}, secret_access_key: {env: S3_SECRET}}"
            )
            environment |= {"S3_KEY": KEY, "S3_SECRET": SECRET}
            archive = bucket
        try:
            yield Storage(Place(url), archive, keys, environment)
        finally:
            postgresql.drop(url)
