"""The mirror of holds is whole or as before, and read anew when it was replaced; one that cannot be
read holds everything.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sauce_janitor.archive import HoldMirror, MirroredHold
from sauce_janitor.archive.disk.root import DiskRoot
from sauce_janitor.archive.disk.site import DiskSite
from sauce_janitor.errors import ArchiveUnusableError
from sauce_janitor.model.jobs import JobId

HOLD = MirroredHold(JobId("a" * 32), "jane", "audit", 5, None)
OTHER = MirroredHold(JobId("b" * 32), "joe", "a \N{SNOWMAN} look", 6, 99)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[DiskRoot]:
    with DiskSite(tmp_path / "archive").open(known_uuid=None, make=True) as opened:
        yield opened


def file_of(root: DiskRoot) -> Path:
    [path] = root.path.glob(".sauce-janitor-holds.*")
    return path


def test_no_mirror_is_no_holds(root: DiskRoot) -> None:
    assert HoldMirror(root, "eu").holds() == ()


def test_another_reader_sees_what_was_replaced(root: DiskRoot) -> None:
    reader, writer = HoldMirror(root, "eu"), HoldMirror(root, "eu")
    writer.replace([OTHER, HOLD])
    assert reader.holds() == (HOLD, OTHER)
    writer.replace([OTHER])
    assert reader.holds() == (OTHER,)
    assert file_of(root).stat().st_mode & 0o777 == 0o600
    assert HoldMirror(root, "us").holds() == ()


def test_one_that_vanishes_after_it_held_something_holds_everything(root: DiskRoot) -> None:
    mirror = HoldMirror(root, "eu")
    mirror.replace([HOLD])
    mirror.holds()
    file_of(root).unlink()
    with pytest.raises(ArchiveUnusableError, match="has vanished"):
        mirror.holds()


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "\xff", '{"format": 2}', "[" * 100_000])
def test_one_that_is_none_holds_everything(root: DiskRoot, text: str) -> None:
    HoldMirror(root, "eu").replace([HOLD])
    file_of(root).write_text(text, encoding="latin-1")
    with pytest.raises(ArchiveUnusableError, match="every job is held"):
        HoldMirror(root, "eu").holds()


@pytest.mark.parametrize(
    ("key", "value"), [("account", "us"), ("holds", []), ("format", 2), ("sha256", "0" * 64)]
)
def test_one_that_was_edited_holds_everything(root: DiskRoot, key: str, value: object) -> None:
    HoldMirror(root, "eu").replace([HOLD])
    path = file_of(root)
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ArchiveUnusableError, match="every job is held"):
        HoldMirror(root, "eu").holds()


def test_a_link_in_its_place_is_not_followed(root: DiskRoot, tmp_path: Path) -> None:
    HoldMirror(root, "eu").replace([HOLD])
    path = file_of(root)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArchiveUnusableError):
        HoldMirror(root, "eu").holds()


def test_a_write_that_fails_leaves_the_one_before(
    root: DiskRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = HoldMirror(root, "eu")
    mirror.replace([HOLD])

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ArchiveUnusableError, match="No space left"):
            mirror.replace([OTHER])
    assert mirror.holds() == (HOLD,)
    assert len(list(root.path.glob(".sauce-janitor-holds.*"))) == 1


def _without_locks(error: int) -> Callable[..., None]:
    def flock(_file: int, _what: int) -> None:
        raise OSError(error, os.strerror(error))

    return flock


def test_a_lock_that_fails_is_told_in_a_sentence(
    root: DiskRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", _without_locks(errno.EIO))
    with (
        pytest.raises(
            ArchiveUnusableError, match=r"cannot lock the archive .*: Input/output error"
        ),
        HoldMirror(root, "eu").locked(),
    ):
        pass


def test_where_there_are_no_locks_it_is_replaced_all_the_same(
    root: DiskRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", _without_locks(errno.ENOLCK))
    mirror = HoldMirror(root, "eu")
    with mirror.locked():
        mirror.replace([HOLD])
    assert mirror.holds() == (HOLD,)
