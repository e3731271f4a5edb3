"""A whole archive copied between a real disk and a real S3 server."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.archive import (
    Archive,
    ArchiveCopy,
    Catalogue,
    HoldMirror,
    LeaseHolder,
    MirroredHold,
    MirroredPause,
    PauseMirror,
    Pruner,
    copy_archive,
    has_archive,
    read_owner,
)
from sauce_janitor.archive.exports import archive_copy
from sauce_janitor.errors import ArchiveUnusableError, LeaseError, RefusedError
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.model.jobs import job_id, owner_name
from sauce_janitor.model.permits import PrunePermit
from tests.fakes.asset_shelf import LOG, MP4, AssetShelf, document
from tests.support.archive import ORIGIN, ROOMY, VIDEO_ONLY, WordsInState
from tests.support.archive_places import ArchivePlace, InBucket, OnDisk
from tests.support.seaweedfs import Seaweedfs

HOLD = MirroredHold(job_id(f"{1:032x}"), "jane", "audit", 1, None)
MakePlace = Callable[[str], ArchivePlace]


@pytest.fixture
def make_place(tmp_path: Path, request: pytest.FixtureRequest) -> MakePlace:
    numbers = count(1)

    def make(kind: str) -> ArchivePlace:
        if kind == "disk":
            return OnDisk(tmp_path / f"archive-{next(numbers)}")
        server: Seaweedfs = request.getfixturevalue("s3_server")
        return InBucket(server.location())

    return make


def fill(place: ArchivePlace, jobs: int = 3, *, paused: bool = True) -> None:
    """Jobs with one and with two receipts, a pruned file, a hold and a pause."""
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG})
    with Archive.open(place.location, account="eu", known_uuid=None, settings=ROOMY) as archive:
        for number in range(1, jobs + 1):
            selections = (VIDEO_ONLY, EVERYTHING) if number % 2 else (EVERYTHING,)
            for selection in selections:
                archive.store(document(number), shelf.listing, selection, shelf.fetch, ORIGIN)
        catalogue, root = archive.catalogue, archive.catalogue.root
        at = next(catalogue.places())
        receipts = catalogue.receipts(at)
        video = next(each for each in receipts[-1].document.assets if each.name == "video.mp4")
        permit = PrunePermit(
            job_id(at[-1]), owner_name("alice"), frozenset({video.file}), "keep_for", 1
        )
        pruner = Pruner(root, "eu", run_id="run-2", now=lambda: 1_800_000_000)
        pruner.prune(pruner.draft(at, receipts, (), permit))
        archive.holds.replace([HOLD])
    if paused:
        PauseMirror(place.location).pause(MirroredPause("jane", "a move", 5), is_known=True)


def copy(source: ArchivePlace, target: ArchivePlace) -> ArchiveCopy:
    with Catalogue.open(source.location) as catalogue:
        return copy_archive(catalogue, target.location, from_=source.location)


def what_is_in(place: ArchivePlace) -> Any:
    with Catalogue.open(place.location) as catalogue:
        proofs = [
            (proof.place, proof.receipts, proof.findings, proof.records)
            for proof in catalogue.proofs()
        ]
        holds = HoldMirror(catalogue.root, "eu").holds()
        return catalogue.root.uuid, proofs, holds, read_owner(catalogue.root)


@pytest.mark.parametrize(
    ("from_", "to"), [("disk", "s3"), ("s3", "disk"), ("s3", "s3"), ("disk", "disk")]
)
def test_the_copy_is_the_same_archive(make_place: MakePlace, from_: str, to: str) -> None:
    source, target = make_place(from_), make_place(to)
    fill(source)
    before = {path: source.read(path) for path in source.paths()}
    done = copy(source, target)
    assert (done.jobs, done.there, done.refused) == (3, 0, [])
    assert what_is_in(target) == what_is_in(source)
    assert all(not findings for _, _, findings, _ in what_is_in(target)[1])
    assert PauseMirror(target.location).paused() == MirroredPause("jane", "a move", 5)
    assert {path: source.read(path) for path in source.paths()} == before
    assert archive_copy.UNFINISHED not in target.paths()
    again = copy(source, target)
    assert (again.jobs, again.there) == (0, 3)


@pytest.mark.parametrize("to", ["disk", "s3"])
def test_a_copy_goes_on_after_an_interruption(
    make_place: MakePlace, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    source, target = make_place("disk"), make_place(to)
    fill(source, jobs=5)
    real, copied = archive_copy._Copier.copy, list[object]()

    def cut(self: archive_copy._Copier, place: Any) -> None:
        if len(copied) >= 2:
            raise KeyboardInterrupt
        copied.append(place)
        real(self, place)

    with monkeypatch.context() as cutting:
        cutting.setattr(archive_copy._Copier, "copy", cut)
        with pytest.raises(KeyboardInterrupt):
            copy(source, target)
    assert not has_archive(target.location)
    with pytest.raises(ArchiveUnusableError):
        Archive.open(target.location, account="eu", known_uuid=None, settings=ROOMY)
    done = copy(source, target)
    assert (done.jobs, done.there) == (3, 2)
    assert what_is_in(target) == what_is_in(source)


@pytest.mark.parametrize("to", ["disk", "s3"])
def test_a_later_copy_brings_what_came_since(make_place: MakePlace, to: str) -> None:
    source, target = make_place("disk"), make_place(to)
    fill(source, jobs=2)
    copy(source, target)
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG, "more.txt": b"more"})
    with Archive.open(source.location, account="eu", known_uuid=None, settings=ROOMY) as archive:
        for number in (2, 3):
            archive.store(document(number), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
        archive.holds.replace([])
    assert (copy(source, target).jobs, what_is_in(target)) == (2, what_is_in(source))


def test_an_archive_that_is_not_paused_is_not_copied(make_place: MakePlace) -> None:
    source, target = make_place("disk"), make_place("disk")
    fill(source, paused=False)
    with pytest.raises(RefusedError, match="is not paused"):
        copy(source, target)
    assert target.paths() == []


@pytest.mark.parametrize("from_", ["disk", "s3"])
def test_nothing_is_copied_while_a_run_that_began_before_the_pause_works(
    make_place: MakePlace, from_: str
) -> None:
    source, target, words = make_place(from_), make_place("disk"), WordsInState()
    fill(source)
    run = LeaseHolder(str(uuid.uuid4()), words, "run-1")
    with (
        Archive.open(source.location, account="eu", known_uuid=None, settings=ROOMY, claimant=run),
        pytest.raises(LeaseError, match=r"run run-1 .* still works on account eu"),
    ):
        copy(source, target)
    assert target.paths() == []
    assert copy(source, target).jobs == 3


@pytest.mark.parametrize("to", ["disk", "s3"])
def test_a_copy_that_is_in_use_keeps_its_holds_and_leases(make_place: MakePlace, to: str) -> None:
    source, target, words = make_place("disk"), make_place(to), WordsInState()
    fill(source)
    copy(source, target)
    more = MirroredHold(job_id(f"{2:032x}"), "joe", "audit", 2, None)
    run = LeaseHolder(str(uuid.uuid4()), words, "run-1")
    pause = PauseMirror(target.location)
    pause.resume(is_known=True)
    with pytest.raises(RefusedError, match="is in use since it was copied"):
        copy(source, target)
    with Archive.open(
        target.location, account="eu", known_uuid=None, settings=ROOMY, claimant=run
    ) as archive:
        assert archive.holds.holds() == (HOLD,)
        archive.holds.replace([HOLD, more])
    pause.pause(MirroredPause("joe", "later", 9), is_known=True)
    before = {path: target.read(path) for path in target.paths()}
    with pytest.raises(RefusedError, match="is in use since it was copied"):
        copy(source, target)
    assert {path: target.read(path) for path in target.paths()} == before


@pytest.mark.parametrize("to", ["disk", "s3"])
def test_only_an_empty_place_or_the_same_archive_is_a_target(
    make_place: MakePlace, to: str
) -> None:
    source, other, full = make_place("disk"), make_place(to), make_place(to)
    fill(source)
    fill(other)
    with pytest.raises(ArchiveUnusableError, match="is another archive"):
        copy(source, other)
    full.write("holiday.jpg", b"not ours")
    with pytest.raises(ArchiveUnusableError, match="not a copy of this archive and not empty"):
        copy(source, full)
    assert full.paths() == ["holiday.jpg"]


@pytest.mark.parametrize("to", ["disk", "s3"])
def test_a_damaged_job_is_named_and_the_copy_is_no_archive(make_place: MakePlace, to: str) -> None:
    source, target = make_place("disk"), make_place(to)
    fill(source)
    log = source.find("log.json")
    data = source.read(log)
    source.write(log, data[:-1] + b"!")
    done = copy(source, target)
    assert (done.jobs, len(done.refused)) == (2, 1)
    assert not has_archive(target.location)
    source.write(log, data)
    assert copy(source, target).refused == []
    assert what_is_in(target) == what_is_in(source)
