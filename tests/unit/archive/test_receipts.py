"""A receipt says exactly what was stored, reads back as it was written, and nothing else reads as
one.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.archive.receipt_format import canonical, read_receipt, write_receipt
from sauce_janitor.archive.receipts import ReceiptDocument, StoredFile, Unstored, receipt_number
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.jobs import job_id, owner_name

VIDEO = StoredFile(
    "video.mp4",
    "assets/video.mp4",
    5,
    "a" * 64,
    1_770_000_000,
    "https://api.example.com/x",
    "video/mp4",
)
RECEIPT = ReceiptDocument(
    number=2,
    tool="sauce-janitor 1.0",
    archive="5f0c6a52-0d3b-4c3e-9a55-0d9e1a3c8a11",
    account="eu",
    base_url="https://api.example.com",
    owner=owner_name("alice"),
    job_id=job_id("0" * 31 + "1"),
    ended_at=1_769_000_000,
    policy="nightly",
    run_id="run-1",
    selection="all",
    made_at=1_770_000_001,
    job=StoredFile(
        "job.json", "job.json", 9, "b" * 64, 1_770_000_000, "https://api.example.com/y", None
    ),
    listed=("video.mp4", "log.json"),
    assets=(VIDEO,),
    discarded=(Unstored("log.json", "discard: rest"),),
    absent=(Unstored("gone.log", "purged by Sauce Labs"),),
    previous="c" * 64,
)


@given(st.lists(st.text() | st.sampled_from(["\ud800", "\0", "../../x", "</script>"])))
def test_any_name_survives_in_a_receipt(names: list[str]) -> None:
    receipt = replace(
        RECEIPT, listed=tuple(names), assets=tuple(replace(VIDEO, name=name) for name in names)
    )
    data = write_receipt(receipt)
    assert read_receipt(data) == receipt
    assert data.isascii()


@pytest.mark.parametrize("key", sorted(json.loads(write_receipt(RECEIPT))))
@pytest.mark.parametrize("value", [None, -1, 1.5, "", "../x", [], [{}], {}, True])
def test_a_receipt_with_nonsense_in_any_place_is_refused(key: str, value: object) -> None:
    said = json.loads(write_receipt(RECEIPT))
    if said[key] == value:
        return
    said[key] = value
    try:
        receipt = read_receipt(canonical(said))
    except ArchiveError:
        return
    assert json.loads(write_receipt(receipt)) == said  # a value of the right kind
    texts = {"tool", "archive", "account", "base_url", "policy", "run_id", "selection"}
    lists = {"listed", "assets", "discarded", "absent"}
    of_its_kind = (
        (key in texts and isinstance(value, str))
        or (key in lists and value == [])
        or (key == "previous" and value is None)
        or (key == "purged" and value is True)
    )
    assert of_its_kind, f"{key} may not be {value!r}"


@pytest.mark.parametrize(
    "file",
    [
        "../x",
        "/etc/passwd",
        "assets/../x",
        "assets/a/b",
        "receipt.json",
        "assets/",
        "job-1x.json",
        "assets/.x",
    ],
)
def test_a_receipt_that_points_elsewhere_is_refused(file: str) -> None:
    with pytest.raises(ArchiveError, match="not a file of the archive"):
        read_receipt(write_receipt(replace(RECEIPT, assets=(replace(VIDEO, file=file),))))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "cut or was changed"),
        (b"[" * 100_000, "cut or was changed"),
        (b"[]", "cut or was changed"),
        (b'{"version": 3}', "has version 3; this sauce-janitor knows 2"),
        (b'{"version": 1}', "is not one of ours"),
        (write_receipt(RECEIPT)[:-2], "cut or was changed"),
        (write_receipt(RECEIPT).replace(b" ", b""), "not as it was written"),
        (
            write_receipt(RECEIPT).replace(b'"tool"', b'"tool": "x", "tool"'),
            "not as it was written",
        ),
        (
            write_receipt(RECEIPT).replace(b'"number"', b'"extra": 1, "number"'),
            "not as it was written",
        ),
    ],
)
def test_what_we_did_not_write_is_no_receipt(data: bytes, sentence: str) -> None:
    with pytest.raises(ArchiveError, match=sentence):
        read_receipt(data)


def test_what_json_cannot_hold_is_refused() -> None:
    for value in (float("nan"), float("inf"), {1, 2}, b"x"):
        with pytest.raises(ArchiveError, match="cannot be written as JSON"):
            canonical({"a": value})


@pytest.mark.parametrize(
    ("file", "number"),
    [("receipt.json", 1), ("receipt-2.json", 2), ("receipt-10.json", 10), ("receipt-1.json", None),
     ("receipt-02.json", None), ("job.json", None), ("receipt.json~", None)],
)  # fmt: skip
def test_receipts_are_known_by_their_exact_names(file: str, number: int | None) -> None:
    assert receipt_number(file) == number
