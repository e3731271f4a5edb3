"""What Sauce Labs, or whoever can run a test there, may send: docs/reference/archive.md has a
sentence on each.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from sauce_janitor.archive import Archive, DiskReserve, WriteSettings
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.model.jobs import AssetListing
from tests.fakes.asset_shelf import LOG, MP4, PNG, AssetShelf, ShelfBody, document
from tests.support.archive import ORIGIN, folder_of


def store(
    archive: Archive, shelf: AssetShelf, listing: AssetListing | None = None
) -> dict[str, int]:
    return dict(
        archive.store(document(), listing or shelf.listing, EVERYTHING, shelf.fetch, ORIGIN).stored
    )


def test_ten_thousand_screenshots_come_as_one_bundle_and_stand_under_one_receipt(
    root: Path,
) -> None:
    pictures = {
        f"{number:04d}screenshot.png": PNG[:8] + b"%d" % number + PNG[8:]
        for number in range(10_000)
    }
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as packed:
        for name, data in pictures.items():
            packed.writestr(zipfile.ZipInfo(name), data)
    shelf = AssetShelf({**pictures, "screenshots.zip": target.getvalue()})

    inline = WriteSettings(verify="inline", min_free=DiskReserve(percent=0))
    with Archive.open(root, account="eu", known_uuid=None, settings=inline) as archive:
        stored = store(archive, shelf, AssetListing(tuple(pictures)))

    assert stored == {name: len(data) for name, data in pictures.items()}
    assert shelf.asked[0] == "screenshots.zip"
    assert len(shelf.asked) == 4, "three of the ten thousand are compared with the single files"
    assert len(list((folder_of(root) / "assets").iterdir())) == 10_000


def test_an_asset_that_grew_since_the_list_is_stored_as_it_came(archive: Archive) -> None:
    """The list has no sizes: what counts is that the answer is whole by its own framing."""
    shelf = AssetShelf({"selenium-server.log": [ShelfBody([b"a line\n"] * 2000)]})

    assert store(archive, shelf) == {"selenium-server.log": 14_000}


def test_an_asset_that_grows_while_it_is_fetched_is_not_believed(
    archive: Archive, root: Path
) -> None:
    growing: list[bytes | ShelfBody] = [
        ShelfBody([b"line 1\n"], framed=False),
        ShelfBody([b"line 1\nline 2\n"], framed=False),
    ]
    shelf = AssetShelf({"selenium-server.log": growing})

    assert store(archive, shelf) == {}
    [receipt] = root.rglob("receipt.json")
    assert "was different in two downloads" in receipt.read_text()


def test_an_empty_asset_is_stored_empty_when_it_comes_empty_twice(
    archive: Archive, root: Path
) -> None:
    shelf = AssetShelf({"console.log": b""})

    assert store(archive, shelf) == {"console.log": 0}
    assert shelf.asked == ["console.log", "console.log"]
    assert (folder_of(root) / "assets/console.log").read_bytes() == b""
    assert not next(archive.catalogue.proofs()).findings


def test_names_that_differ_by_case_alone_have_files_that_differ_by_more(
    archive: Archive, root: Path
) -> None:
    shelf = AssetShelf(
        {"video.mp4": MP4, "VIDEO.MP4": MP4 + bytes(8), "Video.mp4": MP4 + bytes(16)}
    )

    assert len(store(archive, shelf)) == 3
    files = [path.name for path in (folder_of(root) / "assets").iterdir()]
    assert len({file.lower() for file in files}) == len(files) == 3
    receipt = archive.catalogue.receipts(next(archive.catalogue.places()))[-1].document
    assert {file.name: file.bytes for file in receipt.assets} == {
        "video.mp4": len(MP4), "VIDEO.MP4": len(MP4) + 8, "Video.mp4": len(MP4) + 16
    }  # fmt: skip


def test_an_asset_that_is_called_like_our_own_files_takes_no_place_of_theirs(
    archive: Archive, root: Path
) -> None:
    shelf = AssetShelf(
        {"receipt.json": LOG, "job.json": LOG, "pruned.json": LOG, ".sauce-janitor-archive": b"x"}
    )

    assert len(store(archive, shelf)) == 4
    assert sorted(path.name for path in folder_of(root).iterdir()) == [
        "assets",
        "job.json",
        "receipt.json",
    ]
    assert not next(archive.catalogue.proofs()).findings
