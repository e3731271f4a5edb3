"""Pruning on a real disk: what goes, what stays and explains it, and what any crash leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.archive import Archive, Catalogue, PruneFile, Pruner
from sauce_janitor.archive.prune import PruneDraft
from sauce_janitor.archive.storage.ports import Place
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.model.jobs import job_id, owner_name
from sauce_janitor.model.permits import PrunePermit
from tests.fakes.asset_shelf import HAR, LOG, MP4, AssetShelf, document
from tests.support.archive import ORIGIN, VIDEO_ONLY, folder_of, tree

PERMIT = PrunePermit(
    job_id(f"{1:032x}"),
    owner_name("alice"),
    frozenset({"assets/video.mp4"}),
    "nightly: keep_for 90d",
    1,
)
PLACE: Place = ("eu", "alice", "2025", "12", "31", f"{1:032x}")


@pytest.fixture
def filled(archive: Archive) -> Archive:
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG, "network.har": HAR})
    archive.store(document(), shelf.listing, VIDEO_ONLY, shelf.fetch, ORIGIN)
    archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    return archive


def pruner(archive: Archive) -> Pruner:
    return Pruner(archive.catalogue.root, "eu", run_id="run-2", now=lambda: 1_800_000_000)


def draft(archive: Archive, permit: PrunePermit = PERMIT) -> PruneDraft:
    catalogue = archive.catalogue
    return pruner(archive).draft(PLACE, catalogue.receipts(PLACE), catalogue.records(PLACE), permit)


def records(archive: Archive) -> tuple[PruneFile, ...]:
    return archive.catalogue.records(PLACE)


def test_a_pruned_file_is_gone_and_its_line_in_the_receipt_is_not(
    filled: Archive, root: Path
) -> None:
    before = tree(root)
    pruner(filled).prune(draft(filled))
    after = tree(root)
    gone = before.keys() - after.keys()
    assert gone == {
        str(folder_of(root).relative_to(root) / name) for name in ("assets/video.mp4", "assets")
    }
    assert {name: data for name, data in after.items() if name in before} == {
        name: data for name, data in before.items() if name not in gone
    }
    receipt = json.loads((folder_of(root) / "receipt-2.json").read_text())
    assert "video.mp4" in {asset["name"] for asset in receipt["assets"]}
    (record,) = records(filled)
    assert record.file == "pruned.json"
    assert (record.record.why, record.record.run_id) == ("nightly: keep_for 90d", "run-2")
    assert [(file.name, file.bytes) for file in record.record.files] == [("video.mp4", len(MP4))]


def test_what_was_pruned_is_no_damage_and_still_proves(filled: Archive, root: Path) -> None:
    newest = filled.catalogue.receipts(PLACE)[-1]
    pruner(filled).prune(draft(filled))
    proof = filled.catalogue.prove(PLACE)
    assert proof.findings == ()
    assert proof.proves(newest.sha256)
    assert (proof.files, [record.file for record in proof.records]) == (3, ["pruned.json"])
    assert filled.catalogue.is_whole(PLACE, newest)


def test_a_second_pruning_follows_the_first_and_may_take_all_that_is_left(
    filled: Archive, root: Path
) -> None:
    pruner(filled).prune(draft(filled))
    rest = frozenset({"job.json", "assets-2/log.json", "assets-2/network.har"})
    pruner(filled).prune(draft(filled, replace(PERMIT, files=rest)))
    assert sorted(path.name for path in folder_of(root).iterdir()) == [
        "pruned-2.json",
        "pruned.json",
        "receipt-2.json",
        "receipt.json",
    ]
    first, second = records(filled)
    assert second.record.previous == first.sha256
    assert filled.catalogue.prove(PLACE).findings == ()


@pytest.mark.parametrize(
    "files", [{"assets/video.mp4", "receipt.json"}, {"assets/other.mp4"}, {"../../x"}]
)
def test_nothing_that_no_receipt_lists_is_ever_removed(
    filled: Archive, root: Path, files: set[str]
) -> None:
    before = tree(root)
    with pytest.raises(ArchiveError, match="is in no receipt"):
        draft(filled, replace(PERMIT, files=frozenset(files)))
    assert tree(root) == before


def test_nothing_is_removed_twice(filled: Archive) -> None:
    pruner(filled).prune(draft(filled))
    with pytest.raises(ArchiveError, match="was pruned before"):
        draft(filled)


def test_a_permit_for_another_job_removes_nothing(filled: Archive) -> None:
    with pytest.raises(ArchiveError, match="is not the folder of job"):
        draft(filled, replace(PERMIT, job_id=job_id(f"{2:032x}")))


def test_a_link_in_place_of_a_file_or_folder_leads_nowhere(
    filled: Archive, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "video.mp4").write_bytes(MP4)
    assets = folder_of(root) / "assets"
    assets.rename(tmp_path / "kept")
    assets.symlink_to(outside)
    with pytest.raises(ArchiveError, match="a link or a file stands where a folder"):
        pruner(filled).prune(draft(filled))
    assert (outside / "video.mp4").exists()
    assets.unlink()
    assets.mkdir()
    (assets / "video.mp4").symlink_to(outside / "video.mp4")
    (record,) = records(filled)
    with pytest.raises(ArchiveError, match="is not a regular file"):
        pruner(filled).finish(PLACE, record)
    assert (outside / "video.mp4").exists()


class Crash(BaseException):
    """The process ends here."""


CALLS = ["rename", "fsync", "unlink", "rmdir"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("at", range(1, 8))
def test_a_crash_at_any_step_leaves_an_archive_that_verifies_and_can_be_finished(
    filled: Archive, root: Path, monkeypatch: pytest.MonkeyPatch, call: str, at: int
) -> None:
    whole = tree(root)
    made = draft(
        filled, replace(PERMIT, files=frozenset({"assets/video.mp4", "assets-2/log.json"}))
    )
    real: Callable[..., object] = getattr(os, call)
    calls = 0

    def crashing(*given: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        if calls == at:
            raise Crash
        return real(*given, **more)

    monkeypatch.setattr(os, call, crashing)
    try:
        pruner(filled).prune(made)
    except Crash:
        pass
    finally:
        monkeypatch.undo()
    filled.sweep()
    assert filled.catalogue.prove(PLACE).findings == ()
    standing = records(filled)
    if not standing:
        assert tree(root) == whole
        return
    pruner(filled).finish(PLACE, standing[0])
    pruner(filled).finish(PLACE, standing[0])
    assert not (folder_of(root) / "assets" / "video.mp4").exists()
    assert not (folder_of(root) / "assets-2" / "log.json").exists()
    assert (folder_of(root) / "assets-2" / "network.har").read_bytes() == HAR
    assert filled.catalogue.prove(PLACE).findings == ()


def test_a_file_that_a_record_names_and_that_is_still_there_is_as_its_receipt_says(
    filled: Archive, root: Path
) -> None:
    kept = (folder_of(root) / "assets" / "video.mp4").read_bytes()
    pruner(filled).prune(draft(filled))
    (folder_of(root) / "assets").mkdir()
    (folder_of(root) / "assets" / "video.mp4").write_bytes(kept)
    assert filled.catalogue.prove(PLACE).findings == ()
    (folder_of(root) / "assets" / "video.mp4").write_bytes(b"x" * len(kept))
    (finding,) = filled.catalogue.prove(PLACE).findings
    assert (finding.file, str(finding.damage)) == ("assets/video.mp4", "changed")


def edited(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], object]:
    def edit(path: Path) -> None:
        said = json.loads(path.read_text())
        change(said)
        path.write_bytes(json.dumps(said, ensure_ascii=True, indent=1).encode() + b"\n")

    return edit


LIES: list[tuple[str, Callable[[Path], object]]] = [
    ("cut or was changed", lambda path: path.write_bytes(path.read_bytes()[:-40])),
    ("not as it was written", lambda path: path.write_bytes(path.read_bytes() + b" ")),
    (
        "lists files that no receipt has",
        edited(lambda said: said["files"][0].update(file="assets/x.mp4")),
    ),
    ("not a file of the archive", edited(lambda said: said["files"][0].update(file="../../x"))),
    ("the record of something else", edited(lambda said: said.update(receipt="ab" * 32))),
    ("the record of something else", edited(lambda said: said.update(owner="bob"))),
    ("has version 2", edited(lambda said: said.update(version=2))),
    ("does not follow", edited(lambda said: said.update(previous="ab" * 32))),
]


@pytest.mark.parametrize(("sentence", "lie"), LIES, ids=[sentence for sentence, _ in LIES])
def test_a_record_that_was_made_up_or_edited_is_a_finding(
    filled: Archive, root: Path, sentence: str, lie: Callable[[Path], object]
) -> None:
    pruner(filled).prune(draft(filled))
    lie(folder_of(root) / "pruned.json")
    (finding,) = filled.catalogue.prove(PLACE).findings
    assert sentence in finding.detail
    with pytest.raises(ArchiveError, match=r"pruned\.json"):
        filled.catalogue.records(PLACE)


def test_a_later_pass_does_not_fetch_what_was_pruned_again(filled: Archive, root: Path) -> None:
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG, "network.har": HAR})
    pruner(filled).prune(draft(filled))
    again = filled.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert (again.added, shelf.asked) == (False, [])
    shelf = AssetShelf(
        {"video.mp4": MP4, "log.json": LOG, "network.har": HAR, "more.log": b"more\n"}
    )
    grown = filled.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert (grown.added, shelf.asked) == (True, ["more.log"])
    assert filled.catalogue.prove(PLACE).findings == ()
    assert not list(root.rglob("video.mp4"))


def test_a_small_job_of_which_a_file_was_pruned_is_vouched_for_again(archive: Archive) -> None:
    shelf = AssetShelf({"video.mp4": MP4})
    archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    pruner(archive).prune(draft(archive))
    assert not archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN).added
    assert archive.archived(document().job) is not None


def test_a_catalogue_reads_records_without_the_right_to_write(filled: Archive, root: Path) -> None:
    pruner(filled).prune(draft(filled))
    with Catalogue.open(root) as catalogue:
        assert [each.file for each in catalogue.records(PLACE)] == ["pruned.json"]
