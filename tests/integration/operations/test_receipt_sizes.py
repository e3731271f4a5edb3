"""What a job's assets weigh is told by a fair sample of an account's receipts, however the archive
is skewed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from sauce_janitor.archive import (
    Archive,
    Catalogue,
    DiskReserve,
    ReceiptDocument,
    StoredFile,
    WriteSettings,
    job_place,
)
from sauce_janitor.archive.receipt_format import write_receipt
from sauce_janitor.model.jobs import job_id, owner_name
from sauce_janitor.operations.wiring.footprint import weights_of
from sauce_janitor.operations.wiring.receipt_sizes import ReceiptSizes, sizes_of
from sauce_janitor.state import State

DAY = 86_400
NOW = 1_780_000_000
LAST_YEAR = 1_750_000_000
SMALL, LARGE = 1_000, 9_000
OLD, NEW = 700, 300
MEAN = (OLD * SMALL + NEW * LARGE) / (OLD + NEW)


def put(
    root: Path, number: int, *, owner: str, policy: str, video_bytes: int, ended_at: int
) -> None:
    """Write a receipt where the archive has it; the files themselves play no part."""
    text = hashlib.sha256(str(number).encode()).hexdigest()

    def stored(name: str, size: int) -> StoredFile:
        return StoredFile(
            name,
            name if name == "job.json" else f"assets/{name}",
            size,
            text,
            ended_at,
            "http://x/y",
        )

    receipt = ReceiptDocument(
        number=1,
        tool="sauce-janitor",
        archive="a",
        account="eu",
        base_url="http://x",
        owner=owner_name(owner),
        job_id=job_id(text[:32]),
        ended_at=ended_at,
        policy=policy,
        run_id="r",
        selection="video",
        made_at=ended_at,
        job=stored("job.json", 1),
        listed=("video.mp4",),
        assets=(stored("video.mp4", video_bytes),),
    )
    folder = root.joinpath(*job_place("eu", receipt.owner, receipt.job_id, ended_at))
    folder.mkdir(parents=True)
    (folder / "receipt.json").write_bytes(write_receipt(receipt))


@pytest.fixture(scope="module")
def skewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """First a year of one policy's small jobs, then a month of another's large ones, of an owner
    that comes later.
    """
    root = tmp_path_factory.mktemp("skewed") / "archive"
    Archive.open(
        root, account="eu", known_uuid=None, settings=WriteSettings(min_free=DiskReserve(percent=0))
    ).close()
    for number in range(OLD):
        at = LAST_YEAR + number * DAY // 2
        put(root, number, owner="alice", policy="pull-requests", video_bytes=SMALL, ended_at=at)
    for number in range(OLD, OLD + NEW):
        at = LAST_YEAR + 350 * DAY + number * DAY // 10
        put(root, number, owner="zoe", policy="nightly", video_bytes=LARGE, ended_at=at)
    return root


def drawn(root: Path) -> list[ReceiptDocument]:
    with Catalogue.open(root) as catalogue:
        return [receipt.document for receipt in catalogue.sample(500, account="eu")]


def test_the_mean_is_that_of_all_receipts_not_of_the_oldest_500(skewed: Path) -> None:
    sizes = sizes_of(skewed, "eu")
    assert sizes.receipts == 500
    assert sizes.a_job["video"] == pytest.approx(MEAN, rel=0.1)


def test_the_sample_is_spread_over_owners_policies_and_time(skewed: Path) -> None:
    receipts = drawn(skewed)
    assert {receipt.owner for receipt in receipts} == {"alice", "zoe"}
    recent = sum(receipt.policy == "nightly" for receipt in receipts)
    assert recent == pytest.approx(500 * NEW / (OLD + NEW), rel=0.15)
    months = {(receipt.ended_at - LAST_YEAR) // (30 * DAY) for receipt in receipts}
    assert months >= set(range(11))


def test_the_sample_is_the_same_each_time_and_a_new_job_changes_at_most_one_of_it(
    skewed: Path,
) -> None:
    before = [receipt.job_id for receipt in drawn(skewed)]
    assert [receipt.job_id for receipt in drawn(skewed)] == before
    put(skewed, 1_000_000, owner="bob", policy="nightly", video_bytes=LARGE, ended_at=LAST_YEAR)
    assert len(set(before) - {receipt.job_id for receipt in drawn(skewed)}) <= 1


def test_a_receipt_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    Archive.open(
        root, account="eu", known_uuid=None, settings=WriteSettings(min_free=DiskReserve(percent=0))
    ).close()
    for number in range(3):
        put(root, number, owner="alice", policy="nightly", video_bytes=LARGE, ended_at=LAST_YEAR)
    next(root.rglob("receipt.json")).write_text("{")
    sizes = sizes_of(root, "eu")
    assert (sizes.receipts, sizes.a_job["video"], sizes.trouble) == (2, LARGE, None)


def test_without_an_archive_sizes_are_typical_ones_and_an_unusable_one_says_why(
    tmp_path: Path,
) -> None:
    assert sizes_of(tmp_path / "none", "eu") == ReceiptSizes()
    sizes = sizes_of(tmp_path, "eu")
    assert (sizes.receipts, str(tmp_path) in str(sizes.trouble)) == (0, True)


def test_a_full_sample_serves_for_a_day(skewed: Path, tmp_path: Path) -> None:
    with State.open(tmp_path / "state.db") as state:
        drawn = weights_of(skewed, state, "eu", now=NOW)
        assert drawn.receipts == 500
        large = (skewed / "eu" / "zoe").rename(skewed / "eu" / ".aside")
        assert weights_of(skewed, state, "eu", now=NOW + DAY - 1) == drawn
        assert (
            weights_of(skewed, state, "eu", now=NOW + DAY).by_class["video"]
            < drawn.by_class["video"]
        )
        large.rename(skewed / "eu" / "zoe")
        assert weights_of(tmp_path / "another", state, "eu", now=NOW).receipts == 0


def test_a_note_of_sizes_that_cannot_be_read_is_drawn_anew(skewed: Path, tmp_path: Path) -> None:
    with State.open(tmp_path / "state.db") as state:
        for note in ("", "[]", json.dumps({"archive": str(tmp_path / "empty"), "at": NOW})):
            state.notes.write("receipt sizes eu", note)
            assert weights_of(tmp_path / "empty", state, "eu", now=NOW).receipts == 0
