"""What reading the archive again finds: everything that is not as it was stored, by name; and
nothing is ever repaired.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sauce_janitor.archive import Archive, Catalogue, DiskReserve, WriteSettings
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError
from sauce_janitor.model.assets import EVERYTHING, Selection
from sauce_janitor.model.jobs import job_id, owner_name
from tests.fakes.asset_shelf import ENDED_AT, LOG, MP4, AssetShelf, document
from tests.support.archive import ORIGIN, ROOMY, VIDEO_ONLY, folder_of, tree

ALICE, FIRST = owner_name("alice"), job_id(f"{1:032x}")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def add_hard_link(path: Path) -> None:
    os.link(path, path.with_name("second-name"))


def replace_by_link(path: Path) -> None:
    kept = path.parent.parent.parent / "kept"
    path.rename(kept)
    path.symlink_to(kept)


def put_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def write(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes() if path.exists() else b""))


DAMAGES: list[tuple[str, Callable[[Path], object], list[str]]] = [
    ("assets/video.mp4", flip, ["assets/video.mp4: changed (SHA-256 is"]),
    (
        "assets/video.mp4",
        write(lambda data: data[:-1]),
        ["assets/video.mp4: changed (211 bytes, the receipt says 212)"],
    ),
    ("assets/video.mp4", Path.unlink, ["assets/video.mp4: missing (212 bytes of 'video.mp4')"]),
    ("assets/video.mp4", replace_by_link, ["assets/video.mp4: link (not a plain file of its own)"]),
    (
        "assets/video.mp4",
        add_hard_link,
        ["assets/video.mp4: link", "assets/second-name: extra (in no receipt)"],
    ),
    (
        "assets/planted.html",
        write(lambda _: b"boo"),
        ["assets/planted.html: extra (in no receipt)"],
    ),
    ("job.json", flip, ["job.json: changed (SHA-256 is"]),
    ("receipt.json", Path.unlink, ["receipt.json: receipt ("]),
    ("receipt.json", replace_by_link, ["receipt.json: receipt (cannot read"]),
    ("receipt.json", put_a_pipe, ["receipt.json: receipt (cannot read"]),
    ("assets/video.mp4", put_a_pipe, ["assets/video.mp4: link (not a plain file of its own)"]),
    ("receipt-2.json", flip, ["receipt.json: receipt ("]),
    (
        "receipt.json",
        write(lambda data: data.replace(b"nightly", b"hourly1")),
        ["does not follow the receipt"],
    ),
    ("receipt.json", write(lambda data: data[:-9]), ["it is cut or was changed"]),
    ("receipt.json", write(lambda data: data + b" "), ["it is not as it was written"]),
]


@pytest.mark.parametrize(("file", "damage", "named"), DAMAGES)
def test_every_damage_is_found_and_named(
    archive: Archive, root: Path, file: str, damage: Callable[[Path], object], named: list[str]
) -> None:
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG})
    for number in (1, 2):
        archive.store(document(number), shelf.listing, VIDEO_ONLY, shelf.fetch, ORIGIN)
    stored = archive.store(document(1), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert [proof.findings for proof in archive.catalogue.proofs()] == [(), ()]
    damage(folder_of(root) / file)
    before = tree(root)
    first, second = archive.catalogue.proofs()
    assert (second.findings, first.proves(stored.sha256)) == ((), False)
    assert len(first.findings) == len(named)
    for finding, words in zip(first.findings, named, strict=True):
        assert words in str(finding)
        assert str(finding).startswith("eu/alice/2025/12/31/00000000000000000000000000000001/")
    assert tree(root) == before


def test_a_receipt_of_another_job_proves_nothing(archive: Archive, root: Path) -> None:
    shelf = AssetShelf({"video.mp4": MP4})
    archive.store(document(1), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    folder_of(root, 1).rename(folder_of(root, 3))
    (proof,) = archive.catalogue.proofs()
    assert "is the receipt of something else" in str(proof.findings[0])
    with pytest.raises(ArchiveError, match="is the receipt of something else"):
        archive.archived(document(3).job)


def test_a_job_is_proven_by_its_hash_with_or_without_knowing_when_it_ended(
    archive: Archive,
) -> None:
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG})
    first = archive.store(document(), shelf.listing, VIDEO_ONLY, shelf.fetch, ORIGIN)
    second = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    for ended_at in (None, ENDED_AT):
        proof = archive.catalogue.proof("eu", ALICE, FIRST, ended_at=ended_at)
        assert proof is not None
        assert proof.proves(first.sha256)
        assert proof.proves(second.sha256)
        assert not proof.proves("0" * 64)
    assert archive.catalogue.proof("us", ALICE, FIRST) is None
    assert archive.catalogue.proof("eu", ALICE, job_id("f" * 32), ended_at=ENDED_AT) is None


def test_a_file_that_lost_bytes_is_noticed_without_reading_it(archive: Archive, root: Path) -> None:
    shelf = AssetShelf({"video.mp4": MP4})
    archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    (folder_of(root) / "assets" / "video.mp4").write_bytes(b"")
    with pytest.raises(ArchiveError, match="missing or changed"):
        archive.archived(document().job)


def test_the_archive_can_be_read_where_it_cannot_be_written(archive: Archive, root: Path) -> None:
    shelf = AssetShelf({"video.mp4": MP4})
    archive.store(document(), shelf.listing, Selection(frozenset({"all"})), shelf.fetch, ORIGIN)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    with Catalogue.open(root, known_uuid=archive.uuid) as catalogue:
        assert [proof.findings for proof in catalogue.proofs()] == [()]
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_the_sentinel_is_made_once_and_asked_for_ever_after(root: Path, tmp_path: Path) -> None:
    with Archive.open(root, account="eu", known_uuid=None, settings=ROOMY) as first:
        uuid = first.uuid
    for known in (None, uuid):
        with Archive.open(root, account="us", known_uuid=known, settings=ROOMY) as again:
            assert again.uuid == uuid
    other = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(ArchiveUnusableError, match=f"is another archive .its uuid is {uuid}"):
        Archive.open(root, account="eu", known_uuid=other, settings=ROOMY)
    with pytest.raises(ArchiveUnusableError, match="is its volume there"):
        Archive.open(tmp_path / "gone", account="eu", known_uuid=uuid, settings=ROOMY)
    assert not (tmp_path / "gone").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchiveUnusableError, match="has no sentinel"):
        Archive.open(tmp_path / "empty", account="eu", known_uuid=uuid, settings=ROOMY)
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_sentinel_that_goes_away_stops_the_next_job(archive: Archive, root: Path) -> None:
    (root / ".sauce-janitor-archive").unlink()
    with pytest.raises(ArchiveUnusableError, match="has lost its sentinel"):
        archive.store(document(), AssetShelf({}).listing, EVERYTHING, AssetShelf({}).fetch, ORIGIN)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "was changed or cut"),
        ("[1]", "was changed or cut"),
        ('{"format": 2, "uuid": "x"}', "newer sauce-janitor"),
    ],
)
def test_an_unreadable_sentinel_is_refused(root: Path, text: str, sentence: str) -> None:
    root.mkdir()
    (root / ".sauce-janitor-archive").write_text(text)
    with pytest.raises(ArchiveUnusableError, match=sentence):
        Archive.open(root, account="eu", known_uuid=None, settings=ROOMY)


def test_a_strangers_folder_does_not_become_an_archive(root: Path) -> None:
    root.mkdir()
    (root / "holiday.jpg").write_bytes(b"")
    with pytest.raises(ArchiveUnusableError, match=r"not empty .it has 'holiday\.jpg'"):
        Archive.open(
            root,
            account="eu",
            known_uuid=None,
            settings=WriteSettings(min_free=DiskReserve(percent=0)),
        )
    assert [path.name for path in root.iterdir()] == ["holiday.jpg"]
