"""A thread that a stop left behind: it shows nothing any more, and writes to no descriptor that is
another's by then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sauce_janitor.archive import Archive, AssetBody
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError
from sauce_janitor.model.assets import EVERYTHING
from tests.fakes.asset_shelf import LOG, MP4, AssetShelf, ShelfBody, document
from tests.support.archive import ORIGIN, ROOMY, tree

SECONDS = 20.0


class Stalling:
    """A source that brings half of a file, and the rest when it is told to."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    @contextmanager
    def fetch(self, name: str) -> Iterator[AssetBody]:
        assert name
        yield self

    def __iter__(self) -> Iterator[bytes]:
        yield MP4[:100]
        self.begun.set()
        assert self.go_on.wait(SECONDS)
        yield MP4[100:]

    framed = True
    content_type: str | None = None


@pytest.fixture
def left_behind(root: Path) -> Iterator[tuple[threading.Thread, Stalling, list[BaseException]]]:
    """A thread in the midst of storing a job, in an archive that was closed under it."""
    source, ended = Stalling(), list[BaseException]()
    archive = Archive.open(root, account="eu", known_uuid=None, settings=ROOMY)
    shelf = AssetShelf({"video.mp4": ShelfBody([])})

    def store() -> None:
        try:
            archive.store(document(), shelf.listing, EVERYTHING, source.fetch, ORIGIN)
        except ArchiveError as wrong:
            ended.append(wrong)

    thread = threading.Thread(target=store)
    thread.start()
    assert source.begun.wait(SECONDS)
    archive.close()
    yield thread, source, ended
    source.go_on.set()
    thread.join(SECONDS)


def test_what_it_was_storing_is_not_shown(
    left_behind: tuple[threading.Thread, Stalling, list[BaseException]], root: Path
) -> None:
    thread, source, ended = left_behind

    source.go_on.set()
    thread.join(SECONDS)

    assert [str(wrong) for wrong in ended] == [
        "the archive was closed while a job was still being stored: nothing of it is kept"
    ]
    assert tree(root) == {}


def test_the_next_run_is_not_in_its_way_nor_it_in_the_next_runs(
    left_behind: tuple[threading.Thread, Stalling, list[BaseException]], root: Path
) -> None:
    thread, source, ended = left_behind
    uuid = (root / ".sauce-janitor-archive").read_text()
    shelf = AssetShelf({"log.json": LOG})
    with Archive.open(root, account="eu", known_uuid=None, settings=ROOMY) as archive:
        archive.sweep()
        archive.store(document(2), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
        source.go_on.set()
        thread.join(SECONDS)
        assert [len(proof.findings) for proof in archive.catalogue.proofs()] == [0]
        archive.store(document(1), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
        assert [len(proof.findings) for proof in archive.catalogue.proofs()] == [0, 0]
    assert len(ended) == 1
    assert (root / ".sauce-janitor-archive").read_text() == uuid


def test_its_descriptors_are_closed_when_it_ends_and_not_before(
    left_behind: tuple[threading.Thread, Stalling, list[BaseException]],
) -> None:
    thread, source, _ = left_behind
    assert any(path.endswith("/archive") for path in open_paths())

    source.go_on.set()
    thread.join(SECONDS)

    assert not any("/archive" in path for path in open_paths())


def open_paths() -> set[str]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists
            found.add(str(descriptor.readlink()))
    return found


def test_a_closed_archive_takes_no_job(root: Path) -> None:
    archive = Archive.open(root, account="eu", known_uuid=None, settings=ROOMY)
    archive.close()
    archive.close()
    shelf = AssetShelf({"log.json": LOG})

    with pytest.raises(ArchiveUnusableError, match="was closed"):
        archive.check()
    with pytest.raises(ArchiveUnusableError, match="was closed"):
        archive.archived(document().job)
    with pytest.raises(ArchiveUnusableError, match="was closed"):
        archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)


def test_who_reads_keeps_the_archive_open_and_nobody_begins_to_when_it_is_closed(
    root: Path,
) -> None:
    archive = Archive.open(root, account="eu", known_uuid=None, settings=ROOMY)
    with archive.reading() as catalogue:
        archive.close()
        assert list(catalogue.places()) == []
    with pytest.raises(ArchiveUnusableError), archive.reading():
        pass
