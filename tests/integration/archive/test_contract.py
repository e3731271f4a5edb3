"""What an archive promises, on a real disk and on a real S3 server."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sauce_janitor.archive import (
    Archive,
    ArchiveLocation,
    Catalogue,
    Damage,
    DiskReserve,
    HoldMirror,
    LeaseHolder,
    MirroredHold,
    MirroredPause,
    PauseMirror,
    Pruner,
    SizeLimits,
    WriteSettings,
    contents_of,
    document_of,
    hand_over,
    has_archive,
    read_owner,
)
from sauce_janitor.errors import (
    ArchiveError,
    ArchiveUnusableError,
    LeaseError,
    RefusedError,
    StateError,
)
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.model.jobs import job_id, owner_name
from sauce_janitor.model.permits import PrunePermit
from tests.fakes.asset_shelf import LOG, MP4, PNG, AssetShelf, ShelfBody, document
from tests.support.archive import ORIGIN, ROOMY, VIDEO_ONLY, WordsInState
from tests.support.archive_places import ArchivePlace, InBucket, OnDisk
from tests.support.seaweedfs import Seaweedfs

PLACE = ("eu", "alice", "2025", "12", "31", f"{1:032x}")
ALICE = owner_name("alice")
HOLD = MirroredHold(job_id(f"{1:032x}"), "jane", "audit", 1, None)


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> ArchivePlace:
    if request.param == "disk":
        return OnDisk(tmp_path / "archive")
    server: Seaweedfs = request.getfixturevalue("s3_server")
    return InBucket(server.location())


@pytest.fixture
def archive(place: ArchivePlace) -> Iterator[Archive]:
    with opened(place) as found:
        yield found


def opened(place: ArchivePlace, settings: WriteSettings = ROOMY, **more: object) -> Archive:
    known = more.pop("known", None)
    assert known is None or isinstance(known, str)
    return Archive.open(
        place.location,
        account="eu",
        known_uuid=known,
        settings=settings,
        **more,  # type: ignore[arg-type]
    )


def shelf() -> AssetShelf:
    return AssetShelf({"video.mp4": MP4, "log.json": LOG, "../../x": b"text", "empty.txt": b""})


def store(archive: Archive, number: int = 1, assets: AssetShelf | None = None) -> str:
    there = assets or shelf()
    return archive.store(document(number), there.listing, EVERYTHING, there.fetch, ORIGIN).sha256


# --- storing and reading ------------------------------------------------------------------------


def test_what_is_stored_is_read_byte_for_byte(archive: Archive, place: ArchivePlace) -> None:
    store(archive)
    contents = contents_of(archive.catalogue.root, PLACE)
    assert contents is not None
    found = {}
    for file in contents.assets:
        with archive.catalogue.open_asset(PLACE, file) as stream:
            found[file.name] = stream.read()
    assert found == {"video.mp4": MP4, "log.json": LOG, "../../x": b"text", "empty.txt": b""}
    assert document_of(archive.catalogue.root, contents) == document().document
    assert all(path.startswith("/".join(PLACE)) for path in place.jobs())
    (proof,) = archive.catalogue.proofs()
    assert (proof.findings, proof.files) == ((), 5)


def test_a_later_pass_adds_and_rewrites_nothing(archive: Archive, place: ArchivePlace) -> None:
    there = shelf()
    archive.store(document(), there.listing, VIDEO_ONLY, there.fetch, ORIGIN)
    before = {path: place.read(path) for path in place.jobs()}
    stored = archive.store(document(), there.listing, EVERYTHING, there.fetch, ORIGIN)
    assert stored.fetched_assets == 3
    after = {path: place.read(path) for path in place.jobs()}
    assert before.items() <= after.items()
    (proof,) = archive.catalogue.proofs()
    assert [receipt.file for receipt in proof.receipts] == ["receipt.json", "receipt-2.json"]
    assert proof.findings == ()
    again = archive.store(document(), there.listing, EVERYTHING, there.fetch, ORIGIN)
    assert (again.added, again.fetched_assets) == (False, 0)


def test_compressed_files_are_read_as_they_came(place: ArchivePlace) -> None:
    settings = dataclasses.replace(ROOMY, compress=True)
    text = b'{"a": "long"}' * 5000
    with opened(place, settings) as archive:
        store(archive, assets=AssetShelf({"log.json": b"[" + text + b"]", "a.txt": text}))
        (proof,) = archive.catalogue.proofs()
        assert proof.findings == ()
        contents = contents_of(archive.catalogue.root, PLACE)
        assert contents is not None
        (asset,) = (file for file in contents.assets if file.name == "a.txt")
        assert asset.packed is not None
        with archive.catalogue.open_asset(PLACE, asset) as stream:
            assert stream.read() == text


def test_large_files_come_back(archive: Archive) -> None:
    data = bytes(range(256)) * 100_000  # 25.6 MB: several parts where files are sent in parts
    store(
        archive,
        assets=AssetShelf(
            {
                "big.bin": ShelfBody(
                    [data[i : i + 1_000_000] for i in range(0, len(data), 1_000_000)]
                )
            }
        ),
    )
    (proof,) = archive.catalogue.proofs()
    assert (proof.findings, proof.size_bytes > len(data)) == ((), True)


def test_many_at_once(archive: Archive, place: ArchivePlace) -> None:
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda number: store(archive, number), range(1, 17)))
    proofs = list(archive.catalogue.proofs())
    assert [proof.findings for proof in proofs] == [()] * 16
    assert {proof.receipts[0].sha256 for proof in proofs} == set(stored)
    assert not [path for path in place.paths() if path.startswith(".partial")]


@pytest.mark.parametrize("where", ["disk", "s3"])
def test_accounts_that_begin_at_once_make_one_archive(
    request: pytest.FixtureRequest, tmp_path: Path, where: str
) -> None:
    """One of them removed the sentinel that another one was making, and that run failed."""
    for attempt in range(10):
        location: ArchiveLocation = tmp_path / str(attempt)
        if where == "s3":
            server: Seaweedfs = request.getfixturevalue("s3_server")
            location = server.location()

        def begin(number: int, location: ArchiveLocation = location) -> str:
            begun = Archive.open(location, account=f"a{number}", known_uuid=None, settings=ROOMY)
            begun.sweep()
            begun.close()
            return begun.uuid

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(begin, range(8)))) == 1


def test_a_pass_that_fails_shows_nothing(archive: Archive) -> None:
    broken = AssetShelf({"log.json": LOG, "video.mp4": ShelfBody([MP4])})

    def fetch(name: str) -> object:
        if name == "video.mp4":
            raise ArchiveUnusableError("the disk is full")
        return broken.fetch(name)

    with pytest.raises(ArchiveUnusableError):
        archive.store(document(), broken.listing, EVERYTHING, fetch, ORIGIN)  # type: ignore[arg-type]
    assert list(archive.catalogue.proofs()) == []
    assert archive.archived(document().job) is None
    assert not archive.catalogue.has_folder("eu", ALICE, document().job.id, ended_at=None)
    assert contents_of(archive.catalogue.root, PLACE) is None
    store(archive)
    assert [proof.findings for proof in archive.catalogue.proofs()] == [()]


def test_a_closed_archive_commits_nothing(place: ArchivePlace) -> None:
    archive = opened(place)
    archive.close()
    with pytest.raises(ArchiveUnusableError, match="was closed"):
        store(archive)


def test_jobs_are_found_by_account_owner_and_id(archive: Archive) -> None:
    for number in (1, 2, 3):
        store(archive, number)
    places = list(archive.catalogue.places())
    assert [place[-1] for place in places] == [f"{number:032x}" for number in (1, 2, 3)]
    assert list(archive.catalogue.places(account="us")) == []
    assert list(archive.catalogue.places(account="eu", owner=owner_name("bob"))) == []
    assert list(archive.catalogue.places_of(job_id(f"{2:032x}"))) == [places[1]]
    assert [place for place, _ in archive.catalogue.walk(after=places[0])] == places[1:]
    assert len(list(archive.catalogue.sample(2, account="eu"))) == 2
    assert archive.catalogue.has_folder("eu", ALICE, job_id(f"{2:032x}"), ended_at=None)
    assert not archive.catalogue.has_folder("eu", ALICE, job_id(f"{9:032x}"), ended_at=1)


# --- damage -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "damage"),
    [("video.mp4", Damage.CHANGED), ("receipt.json", Damage.RECEIPT)],
)
def test_changed_bytes_are_found(
    archive: Archive, place: ArchivePlace, ending: str, damage: Damage
) -> None:
    store(archive)
    path = place.find(ending)
    data = place.read(path)
    place.write(path, data[:-20] + b"!" + data[-19:])
    (proof,) = archive.catalogue.proofs()
    assert [finding.damage for finding in proof.findings] == [damage]


def test_a_missing_file_is_found_and_fetched_again(archive: Archive, place: ArchivePlace) -> None:
    store(archive)
    place.remove(place.find("video.mp4"))
    (proof,) = archive.catalogue.proofs()
    assert [finding.damage for finding in proof.findings] == [Damage.MISSING]
    with pytest.raises(ArchiveError, match="missing or changed"):
        archive.archived(document().job)
    store(archive)
    (proof,) = archive.catalogue.proofs()
    assert (proof.findings, len(proof.receipts)) == ((), 2)


def test_a_missing_receipt_is_found(archive: Archive, place: ArchivePlace) -> None:
    there = shelf()
    archive.store(document(), there.listing, VIDEO_ONLY, there.fetch, ORIGIN)
    archive.store(document(), there.listing, EVERYTHING, there.fetch, ORIGIN)
    place.remove(place.find("receipt.json"))
    (proof,) = archive.catalogue.proofs()
    assert [finding.damage for finding in proof.findings] == [Damage.RECEIPT]
    with pytest.raises(ArchiveError, match=r"lacks receipt\.json"):
        archive.archived(document().job)


# --- sentinel, owner, lease -----------------------------------------------------------------------


def test_an_archive_is_known_by_its_sentinel(place: ArchivePlace) -> None:
    assert not has_archive(place.location)
    with pytest.raises(ArchiveUnusableError):
        Catalogue.open(place.location)
    with opened(place) as archive:
        known = archive.uuid
        assert has_archive(place.location)
    with opened(place, known=known) as again:
        assert again.uuid == known
    with pytest.raises(ArchiveUnusableError, match="is another archive"):
        opened(place, known=str(uuid.uuid4()))
    with opened(place, known=known) as archive:
        place.remove(".sauce-janitor-archive")
        with pytest.raises(ArchiveUnusableError, match="has lost its sentinel"):
            archive.check()
        with pytest.raises(ArchiveUnusableError, match="has lost its sentinel"):
            store(archive)
    with pytest.raises(ArchiveUnusableError, match="has no sentinel"):
        opened(place, known=known)


@pytest.mark.parametrize(
    "name", ["holiday.jpg", ".sauce-janitor-copy", ".sauce-janitor-holds.eu.json"]
)
def test_what_is_no_archive_is_not_made_one(place: ArchivePlace, name: str) -> None:
    """Nor an unfinished copy, or what is left of an archive that lost its sentinel."""
    place.write(name, b"not ours")
    with pytest.raises(ArchiveUnusableError, match="is not an archive and not empty"):
        opened(place)
    assert place.paths() == [name]


def holder(words: WordsInState, instance: str, run: str = "run-1") -> LeaseHolder:
    return LeaseHolder(instance, words, run)


def test_an_archive_has_one_owner(place: ArchivePlace) -> None:
    mine, other = str(uuid.uuid4()), str(uuid.uuid4())
    with opened(place, claimant=holder(WordsInState(), mine)) as archive:
        store(archive)
    with pytest.raises(RefusedError, match="belongs to another state"):
        opened(place, claimant=holder(WordsInState(), other))
    with Catalogue.open(place.location) as catalogue:
        hand_over(catalogue.root, other, by="jane", at=1)
        owner = read_owner(catalogue.root)
    assert owner is not None
    assert (owner.instance, owner.before[0]["instance"]) == (other, mine)


def test_one_run_at_a_time_has_the_lease(place: ArchivePlace) -> None:
    mine, words = str(uuid.uuid4()), WordsInState()
    with opened(place, claimant=holder(words, mine)) as archive:
        with pytest.raises(LeaseError, match="another run works on account eu"):
            opened(place, claimant=holder(words, mine, "run-2"))
        store(archive)
    with opened(place, claimant=holder(words, mine, "run-2")) as archive:
        store(archive, 2)
    with pytest.raises(RefusedError, match="has no record of that: it is an older copy"):
        opened(place, claimant=holder(WordsInState(), mine))


END = f"{{}} {'ab' * 32}"
"""The end of a journal, as the archive notes it."""


def test_a_state_that_lost_its_newest_lines_is_refused(place: ArchivePlace) -> None:
    """Although it knows the run that worked here last: the lines came after that was written."""
    mine, words = str(uuid.uuid4()), WordsInState()
    words.journal = [END.format(1)]
    with opened(place, claimant=holder(words, mine)) as archive:
        store(archive)
        behind = words.copy()
        words.journal += [END.format(2), END.format(3)]
    with pytest.raises(RefusedError, match=r"journal lacks line 3 of then.*archive adopt"):
        opened(place, claimant=holder(behind, mine))
    # Whoever has that line goes on, also with more lines than then.
    words.journal.append(END.format(4))
    with opened(place, claimant=holder(words, mine)) as archive:
        store(archive, 2)


def test_lines_that_are_lost_during_a_run_are_missed_by_the_next_one(place: ArchivePlace) -> None:
    mine, words = str(uuid.uuid4()), WordsInState()
    words.journal = [END.format(1), END.format(2)]
    with opened(place, claimant=holder(words, mine)) as archive:
        store(archive)
        words.journal = [END.format(1), END.format(2).replace("ab", "cd")]
    with pytest.raises(RefusedError, match="journal lacks line 2 of then"):
        opened(place, claimant=holder(words, mine))


def test_a_lease_of_an_earlier_version_notes_no_end_of_the_journal(place: ArchivePlace) -> None:
    mine, words = str(uuid.uuid4()), WordsInState()
    with opened(place, claimant=holder(words, mine)):
        pass
    record = ".sauce-janitor-lease.eu"
    place.write(record, place.read(record).replace(b', "journal": ""', b""))
    with opened(place, claimant=holder(words, mine)) as archive:
        store(archive)
    place.write(record, place.read(record).replace(b'"journal": ""', b'"journal": "x"'))
    with pytest.raises(ArchiveUnusableError, match="it was changed or cut"):
        opened(place, claimant=holder(words, mine))


def test_a_state_that_does_not_answer_releases_the_lease(
    place: ArchivePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, words = str(uuid.uuid4()), WordsInState()
    words.journal = [END.format(1)]

    def away(*_: object) -> str:
        raise StateError("the connection to it was lost")

    with opened(place, claimant=holder(words, mine)) as archive:
        store(archive)
        monkeypatch.setattr(words, "journal_end", away)
    monkeypatch.undo()
    record = json.loads(place.read(".sauce-janitor-lease.eu"))
    assert (record["released"], record["journal"]) == (True, END.format(1))


def test_a_lost_lease_commits_nothing(place: ArchivePlace) -> None:
    with opened(place, claimant=holder(WordsInState(), str(uuid.uuid4()))) as archive:
        record = ".sauce-janitor-lease.eu"
        place.write(record, place.read(record).replace(b'"beat": 0', b'"beat": 9'))
        with pytest.raises(LeaseError, match="lost the lease"):
            store(archive)
        assert list(archive.catalogue.places()) == []


# --- mirrors --------------------------------------------------------------------------------------


def test_holds_are_mirrored(archive: Archive, place: ArchivePlace) -> None:
    mirror = archive.holds
    assert mirror.holds() == ()
    mirror.replace([HOLD])
    other = dataclasses.replace(HOLD, reason="more")
    with Catalogue.open(place.location) as catalogue:
        reader = HoldMirror(catalogue.root, "eu")
        assert reader.holds() == (HOLD,)
        mirror.replace([HOLD, other])
        assert reader.holds() == (HOLD, other)
        assert [len(each.holds()) for each in HoldMirror(catalogue.root, "us").others([])] == [2]
        assert mirror.holds() == (HOLD, other)
        place.write(".sauce-janitor-holds.eu.json", b"{")
        with pytest.raises(ArchiveUnusableError, match="every job is held"):
            reader.holds()
        place.remove(".sauce-janitor-holds.eu.json")
        with pytest.raises(ArchiveUnusableError, match="vanished"):
            mirror.holds()


def test_a_pause_is_mirrored(place: ArchivePlace) -> None:
    mirror, pause = PauseMirror(place.location), MirroredPause("jane", "audit", 5)
    assert mirror.paused() is None
    with pytest.raises(ArchiveUnusableError, match="has no sentinel"):
        mirror.pause(pause, is_known=True)
    mirror.pause(pause, is_known=False)
    mirror.pause(MirroredPause("joe", "later", 6), is_known=False)
    assert mirror.paused() == pause
    with opened(place):
        assert PauseMirror(place.location).paused() == pause
    mirror.resume(is_known=True)
    mirror.resume(is_known=True)
    assert mirror.paused() is None
    place.write(".sauce-janitor-pause", b"not JSON")
    with pytest.raises(ArchiveUnusableError, match="cannot be read"):
        mirror.paused()


# --- pruning --------------------------------------------------------------------------------------


def test_pruned_files_go_and_their_record_stays(archive: Archive, place: ArchivePlace) -> None:
    store(archive)
    catalogue = archive.catalogue
    (video,) = (
        file for file in catalogue.receipts(PLACE)[-1].document.assets if file.name == "video.mp4"
    )
    permit = PrunePermit(job_id(f"{1:032x}"), ALICE, frozenset({video.file}), "keep_for 90d", 1)
    pruner = Pruner(catalogue.root, "eu", run_id="run-2", now=lambda: 1_800_000_000)
    draft = pruner.draft(PLACE, catalogue.receipts(PLACE), catalogue.records(PLACE), permit)
    assert pruner.left(PLACE, draft.made) == (video.file,)
    pruner.prune(draft)
    assert pruner.left(PLACE, draft.made) == ()
    assert not [path for path in place.jobs() if path.endswith("video.mp4")]
    (proof,) = catalogue.proofs()
    assert (proof.findings, len(proof.records)) == ((), 1)
    pruner.finish(PLACE, draft.made)  # as after a crash: nothing is left to do
    with pytest.raises(ArchiveError, match="exists already"):
        pruner.prune(dataclasses.replace(draft, data=draft.data + b" "))
    stored = archive.archived(document().job)
    assert stored is not None
    assert stored.pruned == {"video.mp4"}


# --- limits ---------------------------------------------------------------------------------------


def test_a_file_beyond_the_cap_is_missing(place: ArchivePlace) -> None:
    caps = SizeLimits(asset_bytes=500)
    with opened(place, dataclasses.replace(ROOMY, caps=caps)) as archive:
        big = AssetShelf({"log.json": LOG, "shot.png": PNG * 5})
        stored = archive.store(document(), big.listing, EVERYTHING, big.fetch, ORIGIN)
    assert [each.name for each in stored.missing] == ["shot.png"]


def test_too_little_room_is_told(place: ArchivePlace) -> None:
    with pytest.raises(ArchiveUnusableError, match=r"archive\.min_free keeps"):
        opened(place, WriteSettings(min_free=DiskReserve(bytes=2**60)))
