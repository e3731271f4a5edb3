"""Every written file reaches the disk, by the quick way where it proves enough and by the plain one
everywhere else.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sauce_janitor.archive import Archive
from sauce_janitor.archive.disk import durable
from sauce_janitor.model.assets import EVERYTHING
from tests.fakes.asset_shelf import PNG, AssetShelf, document
from tests.support.archive import ORIGIN, folder_of


def test_without_a_quick_way_each_file_and_folder_is_flushed_by_itself(
    archive: Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: set[tuple[int, int]] = set()
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        fsync(descriptor)
        found = os.fstat(descriptor)
        flushed.add((found.st_dev, found.st_ino))

    monkeypatch.setattr(durable, "_syncfs_for", lambda device: None)
    monkeypatch.setattr(os, "fsync", noting)
    shelf = AssetShelf({f"{number:04d}screenshot.png": PNG for number in range(20)})
    archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    written = {
        path: (path.stat().st_dev, path.stat().st_ino)
        for path in [folder_of(root), *folder_of(root).rglob("*")]
    }
    assert len(written) == 24
    assert {path.name for path, inode in written.items() if inode not in flushed} == set()
    above = folder_of(root).parents
    assert all(
        (path.stat().st_dev, path.stat().st_ino) in flushed
        for path in above[: above.index(root) + 1]
    )


@pytest.mark.parametrize(
    ("kernel", "kind", "quick"),
    [
        ((5, 7), "ext4", False),
        ((5, 8), "ext4", True),
        ((6, 1), "xfs", True),
        ((6, 1), "nfs4", False),
        ((6, 1), None, False),
    ],
)
def test_the_quick_way_is_taken_only_where_a_failed_write_is_told(
    monkeypatch: pytest.MonkeyPatch, kernel: tuple[int, int], kind: str | None, quick: bool
) -> None:
    monkeypatch.setattr(durable, "_kernel", lambda: kernel)
    monkeypatch.setattr(durable, "kind_of", lambda device: kind)
    assert (durable._syncfs_for.__wrapped__(1) is not None) is quick


def test_the_kind_of_a_file_system_is_read_from_the_mounts() -> None:
    assert durable.kind_of(Path("/proc").stat().st_dev) == "proc"
    assert durable.kind_of(os.makedev(4095, 1048575)) is None
