"""A new file is new: nothing that has its name already is written to or through."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sauce_janitor.archive.disk.folders import make_folder, new_file, open_folder, write_file


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield opened
    os.close(opened)


def test_a_file_that_is_there_is_not_written_to(folder: int, tmp_path: Path) -> None:
    write_file(folder, "receipt.json", b"first")
    with pytest.raises(FileExistsError):
        new_file(folder, "receipt.json")
    assert (tmp_path / "receipt.json").read_bytes() == b"first"


def test_a_dangling_link_is_not_written_through(folder: int, tmp_path: Path) -> None:
    (tmp_path / "receipt.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        new_file(folder, "receipt.json")
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_is_no_folder(folder: int, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for reach in (open_folder, make_folder):
        with pytest.raises(OSError, match="Not a directory"):
            reach(folder, "link")
