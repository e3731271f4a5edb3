"""`archive.compress`: less room on the disk, the same bytes for whoever reads, and the same
proof.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard

from sauce_janitor.archive import Archive, Damage, DiskReserve, StoreOrigin, WriteSettings
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.assets import EVERYTHING
from tests.fakes.asset_shelf import HAR, LOG, MP4, AssetShelf, ShelfBody, document

LONG_LOG = b"12:00:00.000 INFO a line of a log, as long as they are\n" * 40_000
LONG_JSON = b"[" + b",\n".join([LOG] * 40_000) + b"]"
ASSETS = {
    "log.json": LONG_JSON,
    "selenium-server.log": LONG_LOG,
    "network.har": HAR,
    "video.mp4": MP4,
    "log.json.zst": b"somebody's own",
    "empty.log": b"",
}
ORIGIN = StoreOrigin("nightly", "run-1", "https://api.example.com")


@pytest.fixture
def archive(root: Path) -> Iterator[Archive]:
    settings = WriteSettings(min_free=DiskReserve(percent=0), compress=True)
    with Archive.open(root, account="eu", known_uuid=None, settings=settings) as opened:
        opened.store(
            document(), AssetShelf(ASSETS).listing, EVERYTHING, AssetShelf(ASSETS).fetch, ORIGIN
        )
        yield opened


def folder_of(archive: Archive, root: Path) -> Path:
    return root.joinpath(*next(archive.catalogue.places()))


def test_logs_and_json_are_stored_small_and_the_receipt_has_both_hashes(
    archive: Archive, root: Path
) -> None:
    folder = folder_of(archive, root)
    said = {
        each["name"]: each for each in json.loads((folder / "receipt.json").read_text())["assets"]
    }

    for name, data in ASSETS.items():
        assert (said[name]["bytes"], said[name]["sha256"]) == (len(data), sha256(data).hexdigest())
        stored = (folder / said[name]["file"]).read_bytes()
        if "stored" in said[name]:
            assert said[name]["stored"] == {
                "encoding": "zstd", "bytes": len(stored), "sha256": sha256(stored).hexdigest()
            }  # fmt: skip
            assert zstandard.ZstdDecompressor().decompressobj().decompress(stored) == data
        else:
            assert stored == data
    assert {name for name in said if "stored" in said[name]} == {
        "selenium-server.log",
        "network.har",
        "empty.log",
    }
    assert said["selenium-server.log"]["file"] == "assets/selenium-server.log.zst"
    assert said["selenium-server.log"]["stored"]["bytes"] * 20 < len(LONG_LOG)


def test_whoever_opens_an_asset_gets_the_bytes_that_sauce_sent(archive: Archive) -> None:
    place = next(archive.catalogue.places())
    for file in archive.catalogue.receipts(place)[-1].document.assets:
        with archive.catalogue.open_asset(place, file) as original:
            assert original.read() == ASSETS[file.name]


def test_verifying_reads_both_and_names_a_flipped_byte(archive: Archive, root: Path) -> None:
    assert not next(archive.catalogue.proofs()).findings
    stored = folder_of(archive, root) / "assets/selenium-server.log.zst"
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)

    findings = next(archive.catalogue.proofs()).findings

    assert [(found.file, found.damage) for found in findings] == [
        ("assets/selenium-server.log.zst", Damage.CHANGED)
    ]


def test_a_frame_that_holds_something_else_is_found_even_where_its_own_hash_was_forged(
    archive: Archive, root: Path
) -> None:
    folder = folder_of(archive, root)
    receipt = json.loads((folder / "receipt.json").read_text())
    entry = next(each for each in receipt["assets"] if each["name"] == "selenium-server.log")
    forged = zstandard.ZstdCompressor().compress(b"0" * 10_000_000)
    (folder / entry["file"]).write_bytes(forged)
    entry["stored"] |= {"bytes": len(forged), "sha256": sha256(forged).hexdigest()}
    (folder / "receipt.json").write_text(json.dumps(receipt, indent=1) + "\n")

    findings = next(archive.catalogue.proofs()).findings

    assert [found.file for found in findings] == ["assets/selenium-server.log.zst"]
    assert "does not unpack to the bytes that Sauce Labs sent" in findings[0].detail


def test_an_encoding_of_another_version_is_not_taken_for_ours(archive: Archive, root: Path) -> None:
    receipt = folder_of(archive, root) / "receipt.json"
    receipt.write_text(receipt.read_text().replace('"zstd"', '"brotli"'))

    with pytest.raises(ArchiveError, match="does not know: 'brotli'"):
        archive.catalogue.receipts(next(archive.catalogue.places()))


def test_a_foreign_body_is_found_out_though_it_is_compressed_on_the_way(archive: Archive) -> None:
    source = AssetShelf({"log.json": ShelfBody([b"<html>down</html>"], content_type="text/html")})

    stored = archive.store(document(2), source.listing, EVERYTHING, source.fetch, ORIGIN)
    assert ["HTML" in each.why for each in stored.missing] == [True]


def test_an_archive_may_be_compressed_from_a_day_on(root: Path) -> None:
    roomy = WriteSettings(min_free=DiskReserve(percent=0))
    source = AssetShelf({"selenium-server.log": LONG_LOG})
    with Archive.open(root, account="eu", known_uuid=None, settings=roomy) as plain:
        plain.store(document(1), source.listing, EVERYTHING, source.fetch, ORIGIN)
        uuid = plain.uuid
    packing = WriteSettings(min_free=DiskReserve(percent=0), compress=True)
    with Archive.open(root, account="eu", known_uuid=uuid, settings=packing) as packed:
        packed.store(document(2), source.listing, EVERYTHING, source.fetch, ORIGIN)
        assert not packed.store(document(1), source.listing, EVERYTHING, source.fetch, ORIGIN).added
        assert [len(proof.findings) for proof in packed.catalogue.proofs()] == [0, 0]
