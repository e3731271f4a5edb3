"""Screenshots fetched as one and stored as their files, or one by one where that cannot be
trusted.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from sauce_janitor.archive import Archive, DiskReserve, SizeLimits, StoreOrigin, WriteSettings
from sauce_janitor.model.assets import EVERYTHING, Selection
from sauce_janitor.model.jobs import AssetListing
from tests.fakes.asset_shelf import LOG, PNG, AssetShelf, ShelfBody, document

SHOTS = tuple(f"{n:04d}screenshot.png" for n in range(5))
PICTURES = {name: PNG[:8] + name.encode() + PNG[8:] for name in SHOTS}
ORIGIN = StoreOrigin("nightly", "run-1", "https://api.example.com")


def zipped(entries: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as packed:
        for name, data in entries.items():
            packed.writestr(zipfile.ZipInfo(name), data)
    return target.getvalue()


def shelf(bundle: bytes | ShelfBody | None, **more: bytes) -> AssetShelf:
    return AssetShelf(
        {**PICTURES, **more, **({} if bundle is None else {"screenshots.zip": bundle})}
    )


def store(
    archive: Archive, source: AssetShelf, selection: Selection = EVERYTHING, number: int = 1
) -> Mapping[str, int]:
    listing = AssetListing(tuple(name for name in source.assets if name != "screenshots.zip"))
    return archive.store(document(number), listing, selection, source.fetch, ORIGIN).stored


def test_one_request_brings_all_screenshots_and_each_is_a_file_of_its_own(
    archive: Archive, root: Path
) -> None:
    source = shelf(zipped(PICTURES), **{"log.json": LOG})

    store(archive, source)

    assert (source.asked[0], source.asked[-1], len(source.asked)) == (
        "screenshots.zip",
        "log.json",
        3,
    ), "and one to compare"
    place = next(archive.catalogue.places())
    receipt = archive.catalogue.receipts(place)[-1].document
    stored = {file.name: file for file in receipt.assets}
    assert list(stored) == [*SHOTS, "log.json"]
    for name, data in PICTURES.items():
        assert (root.joinpath(*place) / stored[name].file).read_bytes() == data
        assert (stored[name].bytes, stored[name].sha256) == (len(data), sha256(data).hexdigest())
        assert stored[name].url.endswith("/assets/screenshots.zip")
    assert stored["log.json"].url.endswith("/assets/log.json")
    assert not archive.catalogue.prove(place).findings


def test_what_the_bundle_lacks_is_fetched_alone(archive: Archive) -> None:
    source = shelf(zipped({name: PICTURES[name] for name in SHOTS[:3]}))

    assert set(store(archive, source)) == set(SHOTS)
    assert source.asked[0] == "screenshots.zip"
    assert source.asked[1] in SHOTS[:3], "one to compare"
    assert source.asked[2:] == list(SHOTS[3:])


@pytest.mark.parametrize(
    "bundle",
    [
        None,
        b"<html>maintenance</html>",
        zipped(PICTURES)[:-8],
        zipped({**PICTURES, "../../escape.png": PNG}),
        zipped({**PICTURES, "0099screenshot.png": PNG}),
        zipped({**PICTURES, SHOTS[4]: b"no picture"}),
        zipped({}),
        ShelfBody([zipped(PICTURES)], cut=True),
    ],
    ids=[
        "not offered",
        "a page",
        "cut",
        "hostile name",
        "not listed",
        "a foreign entry",
        "empty",
        "broken off",
    ],
)
def test_a_bundle_that_cannot_be_trusted_costs_one_request_and_nothing_else(
    archive: Archive, root: Path, bundle: bytes | ShelfBody | None
) -> None:
    source = shelf(bundle)

    stored = store(archive, source)

    assert stored == {name: len(data) for name, data in PICTURES.items()}
    assert source.asked == ["screenshots.zip", *SHOTS]
    proof = next(archive.catalogue.proofs())
    assert not proof.findings
    assert all(file.url.endswith(file.name) for file in proof.receipts[-1].document.assets)
    assert not [
        found
        for found in root.parent.rglob("*")
        if found.name in {"escape.png", ".spool", "screenshots.zip"}
    ]


def test_a_bundle_of_other_pictures_is_put_away_and_no_other_is_asked_for(archive: Archive) -> None:
    lies = {name: data + b"\0" for name, data in PICTURES.items()}
    for number in (1, 2):
        source = shelf(zipped(lies))
        listing = AssetListing(SHOTS)
        stored = archive.store(document(number), listing, EVERYTHING, source.fetch, ORIGIN)
        assert dict(stored.stored) == {name: len(data) for name, data in PICTURES.items()}
        assert source.asked.count("screenshots.zip") == (number == 1)
        assert [name for name, _ in stored.odd] == ["screenshots.zip"] * (number == 1)
    for place in archive.catalogue.places():
        assert not archive.catalogue.prove(place).findings


def test_of_a_large_bundle_the_first_and_the_last_picture_are_compared_too(
    archive: Archive,
) -> None:
    shots = tuple(f"{n:04d}screenshot.png" for n in range(20))
    pictures = {name: PNG[:8] + name.encode() + PNG[8:] for name in shots}
    source = AssetShelf({**pictures, "screenshots.zip": zipped({**pictures, shots[-1]: PNG})})
    stored = archive.store(document(1), AssetListing(shots), EVERYTHING, source.fetch, ORIGIN)
    assert stored.stored[shots[-1]] == len(pictures[shots[-1]])
    assert [name for name, _ in stored.odd] == ["screenshots.zip"]


def test_pictures_that_can_only_be_had_as_a_bundle_are_taken_from_it(archive: Archive) -> None:
    source = AssetShelf({"screenshots.zip": zipped(PICTURES)})
    stored = archive.store(document(1), AssetListing(SHOTS), EVERYTHING, source.fetch, ORIGIN)
    assert (set(stored.stored), stored.missing) == (set(SHOTS), ())


def test_where_bundles_are_not_offered_two_jobs_find_out(archive: Archive) -> None:
    sources = [shelf(None) for _ in range(4)]
    for number, source in enumerate(sources, 1):
        store(archive, source, number=number)

    assert [source.asked.count("screenshots.zip") for source in sources] == [1, 1, 0, 0]


def test_a_few_wanted_screenshots_are_not_worth_a_bundle(archive: Archive) -> None:
    source = shelf(zipped(PICTURES))

    store(archive, source, Selection(frozenset({"0000*", "0001*"}), discard_rest=True))

    assert source.asked == list(SHOTS[:2])


def test_a_bundle_over_the_caps_fails_as_its_files_do(root: Path) -> None:
    settings = WriteSettings(min_free=DiskReserve(percent=0), caps=SizeLimits(asset_bytes=100))
    with Archive.open(root, account="eu", known_uuid=None, settings=settings) as archive:
        source = shelf(zipped(PICTURES))
        stored = archive.store(document(1), AssetListing(SHOTS), EVERYTHING, source.fetch, ORIGIN)
    assert [each.name for each in stored.missing] == [
        name for name, data in PICTURES.items() if len(data) > 100
    ]
