"""Storing a job on a real disk: what is there when it returned, and what is not when it raised."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sauce_janitor.archive import (
    Archive,
    DiskReserve,
    SizeLimits,
    StoreOrigin,
    WriteSettings,
    read_receipt,
)
from sauce_janitor.archive.disk import staging_area
from sauce_janitor.archive.disk.durable import make_durable
from sauce_janitor.errors import (
    ArchiveError,
    BudgetSpentError,
    ForbiddenError,
    SourceError,
    SourceUnavailableError,
)
from sauce_janitor.model.assets import EVERYTHING, Selection
from sauce_janitor.model.jobs import AssetListing, job_id, owner_name
from sauce_janitor.model.stored_jobs import StoredJob
from tests.fakes.asset_shelf import ENDED_AT, HAR, LOG, MP4, PNG, AssetShelf, ShelfBody, document
from tests.support.archive import ORIGIN, ROOMY, VIDEO_ONLY, folder_of, tree

NO_SCREENSHOTS = Selection(frozenset({"all"}), frozenset({"screenshots"}))


def test_a_stored_job_has_its_document_its_assets_and_a_receipt_that_hashes_them(
    archive: Archive, root: Path
) -> None:
    shelf = AssetShelf(
        {"video.mp4": MP4, "log.json": LOG, "network.har": HAR, "0000screenshot.png": PNG}
    )
    stored = archive.store(
        document(name="checkout"), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN
    )
    folder = folder_of(root)
    data = (folder / "receipt.json").read_bytes()
    receipt = read_receipt(data)
    assert stored.sha256 == hashlib.sha256(data).hexdigest()
    assert stored.path == str(folder.relative_to(root))
    assert dict(stored.stored) == {
        name: len(bytes(data)) for name, data in shelf.assets.items() if isinstance(data, bytes)
    }
    assert (stored.added, stored.fetched_assets) == (True, 4)
    assert json.loads((folder / "job.json").read_text())["name"] == "checkout"
    assert receipt.job.sha256 == hashlib.sha256((folder / "job.json").read_bytes()).hexdigest()
    for asset in receipt.assets:
        assert hashlib.sha256((folder / asset.file).read_bytes()).hexdigest() == asset.sha256
    assert receipt.listed == tuple(shelf.assets)
    assert (receipt.policy, receipt.run_id, receipt.selection) == (
        "nightly",
        "run-1",
        EVERYTHING.key,
    )
    assert b"s3cret" not in data
    assert (
        receipt.assets[0].url
        == "https://api.example.com/rest/v1/alice/jobs/00000000000000000000000000000001/assets/video.mp4"
    )
    assert archive.catalogue.prove(tuple(Path(stored.path).parts)).findings == ()
    assert list((root / ".partial" / "eu").iterdir()) == []


def test_nobody_else_may_read_what_is_stored(archive: Archive, root: Path) -> None:
    shelf = AssetShelf({"video.mp4": MP4})
    archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in [root, *root.rglob("*")]}
    assert modes == {True: 0o700, False: 0o600}


def test_what_is_not_wanted_is_in_the_receipt_with_the_reason(archive: Archive, root: Path) -> None:
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG, "0000screenshot.png": PNG})
    archive.store(document(1), shelf.listing, VIDEO_ONLY, shelf.fetch, ORIGIN)
    stored = archive.store(document(2), shelf.listing, NO_SCREENSHOTS, shelf.fetch, ORIGIN)
    first = read_receipt((folder_of(root, 1) / "receipt.json").read_bytes())
    assert {each.name: each.why for each in first.discarded} == {
        "log.json": "discard: rest",
        "0000screenshot.png": "discard: rest",
    }
    second = read_receipt((folder_of(root, 2) / "receipt.json").read_bytes())
    assert {each.name: each.why for each in second.discarded} == {
        "0000screenshot.png": "archive.forbid"
    }
    assert stored.discarded == {"0000screenshot.png"}
    assert shelf.asked == ["video.mp4", "video.mp4", "log.json"]


def test_what_nobody_said_may_be_lost_is_not_called_discarded(archive: Archive) -> None:
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG})
    stored = archive.store(
        document(), shelf.listing, Selection(frozenset({"video"})), shelf.fetch, ORIGIN
    )
    assert (set(stored.stored), stored.discarded) == ({"video.mp4"}, frozenset())


def test_a_second_pass_adds_and_rewrites_nothing(archive: Archive, root: Path) -> None:
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG, "0000screenshot.png": PNG})
    first = archive.store(document(), shelf.listing, VIDEO_ONLY, shelf.fetch, ORIGIN)
    before = {
        path: (path.stat().st_ino, path.read_bytes())
        for path in folder_of(root).rglob("*")
        if path.is_file()
    }
    second = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert shelf.asked == ["video.mp4", "log.json", "0000screenshot.png"]
    assert {path: (path.stat().st_ino, path.read_bytes()) for path in before} == before
    receipt = read_receipt((folder_of(root) / "receipt-2.json").read_bytes())
    assert (receipt.number, receipt.previous, receipt.discarded) == (2, first.sha256, ())
    assert [asset.file for asset in receipt.assets] == [
        "assets/video.mp4",
        "assets-2/log.json",
        "assets-2/0000screenshot.png",
    ]
    assert set(second.stored) == set(shelf.assets)
    assert (second.fetched_assets, second.fetched_bytes) == (2, len(LOG) + len(PNG))
    assert not (folder_of(root) / "job-2.json").exists()
    assert [proof.findings for proof in archive.catalogue.proofs()] == [()]


def test_a_job_that_changed_since_keeps_both_documents(archive: Archive, root: Path) -> None:
    shelf = AssetShelf({"video.mp4": MP4})
    archive.store(document(tags=[]), shelf.listing, VIDEO_ONLY, shelf.fetch, ORIGIN)
    archive.store(document(tags=["keep"]), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    documents = [
        json.loads((folder_of(root) / name).read_text())["tags"]
        for name in ("job.json", "job-2.json")
    ]
    assert documents == [[], ["keep"]]
    assert [proof.findings for proof in archive.catalogue.proofs()] == [()]


def test_storing_what_is_stored_asks_for_nothing_and_writes_nothing(
    archive: Archive, root: Path
) -> None:
    shelf = AssetShelf({"video.mp4": MP4})
    first = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    before = tree(root)
    again = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert tree(root) == before
    assert (again.sha256, again.added, len(shelf.asked)) == (first.sha256, False, 1)
    known = archive.archived(document().job)
    assert known is not None
    assert known.sha256 == first.sha256
    assert archive.archived(document(2).job) is None


def test_an_asset_that_came_later_is_added_to_the_receipt(archive: Archive) -> None:
    shelf = AssetShelf({"log.json": LOG, "video.mp4": MP4})
    archive.store(document(), AssetListing(("log.json",)), EVERYTHING, shelf.fetch, ORIGIN)
    stored = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert set(stored.stored) == {"log.json", "video.mp4"}


def test_a_damaged_file_is_fetched_again_beside_the_damaged_one(
    archive: Archive, root: Path
) -> None:
    shelf = AssetShelf({"log.json": LOG, "video.mp4": MP4})
    archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    damaged = folder_of(root) / "assets" / "video.mp4"
    damaged.write_bytes(MP4[:-1] + b"x")
    archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert damaged.read_bytes() == MP4[:-1] + b"x"
    assert (folder_of(root) / "assets-2" / "video.mp4").read_bytes() == MP4
    assert [proof.findings for proof in archive.catalogue.proofs()] == [()]
    (folder_of(root) / "assets" / "log.json").unlink()
    with pytest.raises(ArchiveError, match=r"damaged, and Sauce Labs does not list .log\.json."):
        archive.store(document(), AssetListing(()), EVERYTHING, shelf.fetch, ORIGIN)


def test_a_purged_job_has_its_document_and_says_so(archive: Archive, root: Path) -> None:
    purged = StoreOrigin("nightly", "run-1", "https://api.example.com", purged=True)
    stored = archive.store(document(), AssetListing(()), EVERYTHING, AssetShelf({}).fetch, purged)
    receipt = read_receipt((folder_of(root) / "receipt.json").read_bytes())
    assert (receipt.purged, receipt.assets, stored.stored) == (True, (), {})
    assert sorted(path.name for path in folder_of(root).iterdir()) == ["job.json", "receipt.json"]


def test_what_was_discarded_and_is_wanted_too_late_is_absent_not_failed(
    archive: Archive, root: Path
) -> None:
    shelf = AssetShelf({"log.json": LOG, "video.mp4": MP4})
    archive.store(document(), shelf.listing, VIDEO_ONLY, shelf.fetch, ORIGIN)
    purged = StoreOrigin("nightly", "run-2", "https://api.example.com", purged=True)
    archive.store(document(), AssetListing(()), EVERYTHING, shelf.fetch, purged)
    receipt = read_receipt((folder_of(root) / "receipt-2.json").read_bytes())
    assert [(each.name, each.why) for each in receipt.absent] == [
        ("log.json", "purged by Sauce Labs")
    ]


@pytest.mark.parametrize(
    ("name", "answers", "sentence"),
    [
        (
            "video.mp4",
            [b"<!DOCTYPE html><html>We are down</html>"],
            "asset 'video.mp4': it is an HTML page instead",
        ),
        (
            "0000screenshot.png",
            [b"<html>"],
            "asset '0000screenshot.png': it is an HTML page instead",
        ),
        (
            "selenium-server.log",
            [ShelfBody([b"<html>"], content_type="text/html")],
            "it is an HTML page instead",
        ),
        (
            "log.json",
            [ShelfBody([b"Bad Gateway"], content_type="text/plain")],
            "the bytes are not JSON",
        ),
        ("log.json", [b'{"errors": "Not ready"}'], "it is an error message instead"),
        ("a.png", [PNG[:100], PNG], "different in two downloads"),
        ("a.png", [ShelfBody([PNG[:100]], framed=False)], "the PNG file has no end"),
        (
            "video.mp4",
            [ShelfBody([MP4], framed=False), ShelfBody([MP4 + b"more"], framed=False)],
            "different in two downloads",
        ),
        ("empty.log", [b"", b"not empty"], "different in two downloads"),
        ("video.mp4", [ShelfBody([MP4], cut=True)], "ended before its length"),
    ],
)
def test_a_body_that_cannot_be_believed_is_missing_and_the_rest_is_stored(
    archive: Archive, root: Path, name: str, answers: list[bytes | ShelfBody], sentence: str
) -> None:
    shelf = AssetShelf({"console.log": b"fine", name: answers})
    stored = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert dict(stored.stored) == {"console.log": 4}
    assert [(each.name, sentence in each.why) for each in stored.missing] == [(name, True)]
    receipt = read_receipt((folder_of(root) / "receipt.json").read_bytes())
    assert receipt.missing == stored.missing
    assert [path.name for path in (folder_of(root) / "assets").iterdir()] == ["console.log"]
    assert [proof.findings for proof in archive.catalogue.proofs()] == [()]
    assert shelf.open_bodies == 0


@pytest.mark.parametrize(
    ("name", "data", "reads", "why"),
    [
        ("0000screenshot.png", b"\xff\xd8\xff\xe0" + b"x" * 50, 1, "the bytes are a JPEG file"),
        ("0000screenshot.png", PNG[:200], 2, "the PNG file has no end"),
        ("video.mp4", MP4[:24] + b"\x00\x00\x01\x00moov", 2, "the MP4 file has no end"),
        ("selenium-server.log", b"<html></html>", 2, "the bytes are an HTML page"),
        ("cucumber.json", b'[{"a": 1},]', 2, "the bytes are not JSON"),
    ],
)
def test_what_only_looks_wrong_is_stored_and_marked(
    archive: Archive, root: Path, name: str, data: bytes, reads: int, why: str
) -> None:
    shelf = AssetShelf({name: data})
    stored = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    receipt = read_receipt((folder_of(root) / "receipt.json").read_bytes())
    assert (folder_of(root) / receipt.assets[0].file).read_bytes() == data
    assert len(shelf.asked) == reads
    assert [(each, said.startswith(why)) for each, said in stored.odd] == [(name, True)]
    assert receipt.assets[0].odd == stored.odd[0][1]
    assert [proof.findings for proof in archive.catalogue.proofs()] == [()]


def test_a_receipt_without_a_mark_is_one_that_older_programs_read(
    archive: Archive, root: Path
) -> None:
    for number, data in ((1, PNG), (2, PNG[:200])):
        shelf = AssetShelf({"0000screenshot.png": data})
        archive.store(document(number), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    versions = [
        json.loads((folder_of(root, number) / "receipt.json").read_text())["version"]
        for number in (1, 2)
    ]
    assert versions == [1, 2]


def test_a_page_that_is_gone_a_moment_later_does_no_harm(archive: Archive, root: Path) -> None:
    shelf = AssetShelf({"video.mp4": [ShelfBody([b"<html>"], content_type="text/html"), MP4]})
    stored = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert (stored.stored["video.mp4"], stored.odd) == (len(MP4), ())
    assert (folder_of(root) / "assets" / "video.mp4").read_bytes() == MP4


def test_a_later_pass_completes_a_receipt(archive: Archive, root: Path) -> None:
    shelf, both = AssetShelf({"log.json": LOG}), AssetListing(("video.mp4", "log.json"))
    first = archive.store(document(), both, EVERYTHING, shelf.fetch, ORIGIN)
    assert (dict(first.stored), [each.name for each in first.missing]) == (
        {"log.json": len(LOG)},
        ["video.mp4"],
    )
    before = tree(root)
    again = archive.store(document(), both, EVERYTHING, shelf.fetch, ORIGIN)
    assert (again.missing, again.added, tree(root)) == (
        first.missing,
        False,
        before,
    ), "nothing new, so no new receipt"

    shelf.assets = {"log.json": LOG, "video.mp4": MP4}
    whole = archive.store(document(), both, EVERYTHING, shelf.fetch, ORIGIN)
    assert (whole.missing, set(whole.stored), whole.fetched_assets) == (
        (),
        {"video.mp4", "log.json"},
        1,
    )
    receipt = read_receipt((folder_of(root) / "receipt-2.json").read_bytes())
    assert (receipt.previous, receipt.missing) == (first.sha256, ())
    assert shelf.asked == ["video.mp4", "log.json", "video.mp4", "video.mp4"]
    assert [proof.findings for proof in archive.catalogue.proofs()] == [()]


def test_what_failed_last_time_is_asked_for_last(archive: Archive) -> None:
    shelf = AssetShelf({"log.json": LOG})
    archive.store(document(), AssetListing(("a.mp4", "log.json")), EVERYTHING, shelf.fetch, ORIGIN)
    shelf.asked.clear()
    archive.store(
        document(), AssetListing(("a.mp4", "late.log", "log.json")), EVERYTHING, shelf.fetch, ORIGIN
    )
    assert shelf.asked == ["late.log", "a.mp4"]


@dataclass
class Outage(AssetShelf):
    """From the `after`-th question on, this comes instead of an answer."""

    after: int = 0
    error: SourceError = field(default_factory=lambda: SourceUnavailableError("nobody answers"))

    @contextmanager
    def fetch(self, name: str) -> Iterator[ShelfBody]:
        if len(self.asked) >= self.after:
            self.asked.append(name)
            raise self.error
        with AssetShelf.fetch(self, name) as body:
            yield body


@pytest.mark.parametrize(
    "error", [SourceUnavailableError("down"), ForbiddenError("403"), BudgetSpentError("spent")]
)
def test_where_nothing_comes_it_is_not_the_files(
    archive: Archive, root: Path, error: SourceError
) -> None:
    shelf = Outage(dict.fromkeys(("a.log", "b.log", "c.log"), b"x"), error=error)
    with pytest.raises(type(error)):
        archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert tree(root) == {}


def test_where_sauce_stops_answering_what_came_is_stored_and_the_rest_is_not_asked_for(
    archive: Archive,
) -> None:
    shelf = Outage({f"{number}.log": b"x" for number in range(9)}, after=3)
    stored = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert (len(stored.stored), len(stored.missing), len(shelf.asked)) == (3, 6, 5)


def test_many_files_in_a_row_that_are_not_there_do_not_take_all_requests(archive: Archive) -> None:
    shelf = AssetShelf({"z.log": b"x"})
    listing = AssetListing((*(f"{number:03d}.log" for number in range(120)), "z.log"))
    stored = archive.store(document(), listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert (len(shelf.asked), stored.stored) == (50, {})
    stored = archive.store(document(), listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert len(shelf.asked) == 100
    stored = archive.store(document(), listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert (set(stored.stored), len(stored.missing)) == (
        {"z.log"},
        120,
    ), "the next pass begins where this one ended"


def test_a_page_in_place_of_a_log_is_believed_when_it_still_comes_a_day_later(root: Path) -> None:
    now = [ENDED_AT + 1000.0]
    page = ShelfBody([b"<html>the test's own page</html>"], content_type="text/html")
    shelf = AssetShelf(
        {"a.log": page, "video.mp4": ShelfBody([b"<html>down</html>"], content_type="text/html")}
    )
    with Archive.open(
        root, account="eu", known_uuid=None, settings=ROOMY, now=lambda: now[0]
    ) as archive:
        missing = []
        for _ in range(3):
            stored = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
            missing.append([each.name for each in stored.missing])
            now[0] += 50_000
    assert missing == [["a.log", "video.mp4"], ["a.log", "video.mp4"], ["video.mp4"]]
    receipt = read_receipt((folder_of(root) / "receipt-2.json").read_bytes())
    assert [(each.name, each.odd) for each in receipt.assets] == [
        ("a.log", "it is an HTML page instead")
    ]


def test_a_page_that_changes_is_never_believed(root: Path) -> None:
    now = [ENDED_AT + 1000.0]
    with Archive.open(
        root, account="eu", known_uuid=None, settings=ROOMY, now=lambda: now[0]
    ) as archive:
        for number in range(4):
            page = ShelfBody([b"<html>request %d</html>" % number], content_type="text/html")
            shelf = AssetShelf({"a.log": page})
            stored = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
            assert [each.name for each in stored.missing] == ["a.log"]
            now[0] += 90_000


def test_a_missing_file_that_is_purged_is_absent(archive: Archive, root: Path) -> None:
    archive.store(
        document(), AssetListing(("video.mp4",)), EVERYTHING, AssetShelf({}).fetch, ORIGIN
    )
    purged = StoreOrigin("nightly", "run-2", "https://api.example.com", purged=True)
    stored = archive.store(document(), AssetListing(()), EVERYTHING, AssetShelf({}).fetch, purged)
    receipt = read_receipt((folder_of(root) / "receipt-2.json").read_bytes())
    assert (stored.missing, [each.name for each in receipt.absent]) == ((), ["video.mp4"])


@pytest.mark.parametrize("body", [ShelfBody([MP4], framed=False), ShelfBody([])])
def test_a_body_that_proves_nothing_is_believed_when_it_comes_twice(
    archive: Archive, body: ShelfBody
) -> None:
    shelf = AssetShelf({"video.mp4": body})
    stored = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert shelf.asked == ["video.mp4", "video.mp4"]
    assert stored.stored["video.mp4"] == sum(map(len, body.pieces))


def test_a_second_pass_that_has_nothing_leaves_the_first_as_it_was(
    archive: Archive, root: Path
) -> None:
    shelf = AssetShelf({"log.json": LOG, "video.mp4": [b"<html>"]})
    archive.store(
        document(),
        shelf.listing,
        Selection(frozenset({"logs"}), discard_rest=True),
        shelf.fetch,
        ORIGIN,
    )
    before = tree(root)
    archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    after = tree(root)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {f"{folder_of(root).relative_to(root)}/receipt-2.json"}


def test_a_job_without_an_end_is_not_archived(archive: Archive, root: Path) -> None:
    with pytest.raises(ArchiveError, match="has no end time"):
        archive.store(
            document(ended_at=None), AssetListing(()), EVERYTHING, AssetShelf({}).fetch, ORIGIN
        )
    assert tree(root) == {}


@pytest.mark.parametrize(
    ("caps", "sentence"),
    [
        (SizeLimits(asset_bytes=len(MP4) - 1), "over the cap of 211 bytes an asset"),
        (SizeLimits(job_bytes=len(MP4) + len(LOG) - 1), "bytes a job"),
    ],
)
def test_what_is_over_a_cap_is_missing_and_the_rest_is_stored(
    root: Path, caps: SizeLimits, sentence: str
) -> None:
    shelf = AssetShelf({"log.json": LOG, "video.mp4": MP4, "z.log": b""})
    settings = WriteSettings(min_free=DiskReserve(percent=0), caps=caps)
    with Archive.open(root, account="eu", known_uuid=None, settings=settings) as archive:
        stored = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert set(stored.stored) == {"log.json", "z.log"}
    assert [(each.name, sentence in each.why) for each in stored.missing] == [("video.mp4", True)]


def test_more_files_than_the_cap_are_refused(root: Path) -> None:
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG})
    settings = WriteSettings(min_free=DiskReserve(percent=0), caps=SizeLimits(assets=1))
    with (
        Archive.open(root, account="eu", known_uuid=None, settings=settings) as archive,
        pytest.raises(ArchiveError, match="lists 2 assets, over the cap of 1"),
    ):
        archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert tree(root) == {}


# The cheaper one of its kind: test_ten_thousand_screenshots_come_as_one_bundle_….
@pytest.mark.thorough
def test_ten_thousand_screenshots_are_stored_under_one_receipt(archive: Archive) -> None:
    shelf = AssetShelf({f"{number:04d}screenshot.png": PNG for number in range(10_000)})
    stored = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert len(stored.stored) == 10_000
    (proof,) = archive.catalogue.proofs()
    assert (proof.findings, proof.files) == ((), 10_001)


HOSTILE = (
    "../../x",
    "../../../../../../tmp/x.log",
    "/etc/passwd",
    "a\0b.log",
    "x" * 5000,
    "CON",
    "con.txt",
    "video.mp4",
    "VIDEO.MP4",
    "vid\u00e9o.bin",
    "vide\u0301o.bin",
    "receipt.json",
    "job.json",
    "assets",
    ".bashrc",
    "..",
    "trailing.",
    "evil\u202e.bin",
    "\udcff.bin",
    "",
)


def test_no_name_leads_outside_and_none_is_lost(archive: Archive, root: Path) -> None:
    shelf = AssetShelf({name: MP4 if name.lower() == "video.mp4" else b"[1]" for name in HOSTILE})
    around = set(root.parent.iterdir())
    stored = archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert set(stored.stored) == set(HOSTILE)
    receipt = read_receipt((folder_of(root) / "receipt.json").read_bytes())
    assert {asset.name for asset in receipt.assets} == set(HOSTILE)
    files = sorted(path.name for path in (folder_of(root) / "assets").iterdir())
    assert len({file.lower() for file in files}) == len(HOSTILE)
    assert sorted(asset.file.removeprefix("assets/") for asset in receipt.assets) == files
    assert sorted(path.name for path in folder_of(root).iterdir()) == [
        "assets",
        "job.json",
        "receipt.json",
    ]
    assert set(root.parent.iterdir()) == around
    assert [proof.findings for proof in archive.catalogue.proofs()] == [()]


def test_owners_that_differ_by_case_have_folders_of_their_own(archive: Archive, root: Path) -> None:
    for owner in ("alice", "Alice", "..a", "CON"):
        archive.store(
            document(owner=owner), AssetListing(()), EVERYTHING, AssetShelf({}).fetch, ORIGIN
        )
    assert sorted(path.name for path in (root / "eu").iterdir()) == [
        "%2e.a",
        "%41lice",
        "%43%4f%4e",
        "alice",
    ]
    assert [proof.receipts[0].document.owner for proof in archive.catalogue.proofs()] == [
        "..a",
        "Alice",
        "CON",
        "alice",
    ]


def test_workers_store_side_by_side(archive: Archive, root: Path) -> None:
    def store(number: int) -> StoredJob:
        shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG, "a.har": HAR, "0.png": PNG})
        return archive.store(document(number), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)

    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(store, range(40)))
    proofs = list(archive.catalogue.proofs())
    assert [proof.findings for proof in proofs] == [()] * 40
    assert {proof.receipts[0].sha256 for proof in proofs} == {each.sha256 for each in stored}
    assert list((root / ".partial" / "eu").iterdir()) == []


def test_what_reads_back_differently_is_not_stored(
    archive: Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that loses what it was given: between the flush and the reading back, a byte turns."""

    def flush_and_turn(folder: int, files: Sequence[str]) -> None:
        make_durable(folder, files)
        for file in files:
            if file.endswith(".mp4"):
                with open(f"/proc/self/fd/{folder}/{file}", "r+b") as stored:  # noqa: PTH123 - below a descriptor
                    stored.seek(100)
                    stored.write(b"!")

    monkeypatch.setattr(staging_area, "make_durable", flush_and_turn)
    shelf = AssetShelf({"video.mp4": MP4})
    with pytest.raises(ArchiveError, match=r"assets/video\.mp4 reads back differently"):
        archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert tree(root) == {}


def test_the_catalogue_knows_every_account_and_job(archive: Archive, root: Path) -> None:
    with Archive.open(root, account="US west", known_uuid=archive.uuid, settings=ROOMY) as other:
        for each, number in ((archive, 1), (archive, 2), (other, 1)):
            each.store(document(number), AssetListing(()), EVERYTHING, AssetShelf({}).fetch, ORIGIN)
    one = job_id(f"{1:032x}")
    assert [place[0] for place in archive.catalogue.places_of(one)] == ["%55%53%20west", "eu"]
    assert [place[-1] for place in archive.catalogue.places(account="eu")] == [one, f"{2:032x}"]
    assert list(archive.catalogue.places(account="eu", owner=owner_name("bob"))) == []
