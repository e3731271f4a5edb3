"""What a bundle of screenshots may be, and what is refused before an entry of it is read."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import pytest

from sauce_janitor.archive.content.screenshots import Bundle, BundleUse, in_bundle
from sauce_janitor.errors import ArchiveError
from tests.fakes.asset_shelf import PNG

SHOTS = tuple(f"{n:04d}screenshot.png" for n in range(4))


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as packed:
        for name, data in entries.items():
            packed.writestr(zipfile.ZipInfo(name), data, method)
    return target.getvalue()


def opened(data: bytes, listed: tuple[str, ...] = SHOTS) -> Bundle:
    return Bundle(io.BytesIO(data), len(data), listed)


def test_every_entry_is_read_whole() -> None:
    bundle = opened(zipped({name: name.encode() + PNG for name in SHOTS}, zipfile.ZIP_DEFLATED))

    assert {name: b"".join(bundle.read(name)) for name in bundle.names} == {
        n: n.encode() + PNG for n in SHOTS
    }


@pytest.mark.parametrize(
    ("wanted", "listed", "found"),
    [
        (SHOTS, SHOTS, SHOTS),
        ((*SHOTS, "video.mp4"), (*SHOTS, "video.mp4"), SHOTS),
        (SHOTS[:2], SHOTS[:2], ()),
        (SHOTS[:3], (*SHOTS, "0005screenshot.png", "0006screenshot.png", "0007screenshot.png"), ()),
        (("a.png", "b.png", "c.png"), ("a.png", "b.png", "c.png"), ()),
        (SHOTS, (*SHOTS, "screenshots.zip"), ()),
    ],
)
def test_a_bundle_is_asked_for_only_where_it_saves_requests(
    wanted: tuple[str, ...], listed: tuple[str, ...], found: tuple[str, ...]
) -> None:
    assert in_bundle(wanted, listed) == found


@pytest.mark.parametrize(
    "name",
    [
        "../0000screenshot.png",
        "/etc/0000screenshot.png",
        "0009screenshot.png",
        "0000screenshot.png/",
        "video.mp4",
        "0000screenshot.png\x00/../../x",
    ],
)
def test_an_entry_that_is_not_listed_as_a_screenshot_spoils_the_bundle(name: str) -> None:
    data = bytearray(zipped({**dict.fromkeys(SHOTS, PNG), "N" * len(name): PNG}))
    spoilt = bytes(data).replace(b"N" * len(name), name.encode())

    with pytest.raises(ArchiveError, match=r"an entry .* that the list does not have"):
        opened(spoilt, (*SHOTS, "video.mp4"))


def test_two_entries_of_one_name_spoil_the_bundle() -> None:
    data = zipped({"0000screenshot.png": PNG, "0001screenshot.png": PNG})

    with pytest.raises(ArchiveError, match="two entries"):
        opened(data.replace(b"0001", b"0000"))


def test_a_bundle_that_swells_is_refused_before_it_is_read() -> None:
    bomb = zipped({SHOTS[0]: bytes(60_000_000)}, zipfile.ZIP_DEFLATED)

    with pytest.raises(ArchiveError, match="claims to hold 60,000,000"):
        opened(bomb)


def test_entries_that_share_their_bytes_are_refused() -> None:
    whole = zipped({SHOTS[0]: PNG * 4000})
    directory = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x05\x06")
    entry = whole[directory:end]
    more = b"".join(entry.replace(SHOTS[0].encode(), name.encode()) for name in SHOTS)
    tail = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, len(SHOTS), len(SHOTS), len(more), directory, 0
    )

    with pytest.raises(ArchiveError, match="refused"):
        opened(whole[:directory] + more + tail)


def test_a_directory_that_claims_to_be_endless_is_not_read() -> None:
    whole = zipped({SHOTS[0]: PNG})
    padded = whole[: whole.index(b"PK\x01\x02")] + bytes(20_000_000)
    tail = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, 20_000_000, len(padded) - 20_000_000, 0
    )

    with pytest.raises(ArchiveError, match="directory is too long"):
        opened(padded + tail)


def flipped(data: bytes) -> bytes:
    at = data.index(b"pixels")
    return data[:at] + b"q" + data[at + 1 :]


@pytest.mark.parametrize(
    "spoil",
    [
        flipped,
        lambda data: data[:-10],
        lambda _: b"<html>maintenance</html>",
        lambda data: data.replace(b"PK\x03\x04", b"PK\x03\x05"),
    ],
)
def test_a_bundle_that_is_not_whole_brings_nothing(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ArchiveError, match="not a complete zip file"):
        list(opened(spoil(zipped({SHOTS[0]: PNG}))).read(SHOTS[0]))


def test_an_encrypted_entry_is_refused() -> None:
    data = bytearray(zipped({SHOTS[0]: PNG}))
    data[data.index(b"PK\x01\x02") + 8] |= 1

    with pytest.raises(ArchiveError, match="encrypted"):
        opened(bytes(data))


def test_after_two_failures_in_a_row_nobody_asks_again() -> None:
    offer = BundleUse()
    offer.failed()
    offer.worked()
    offer.failed()
    assert offer.is_worth_asking

    offer.failed()
    assert not offer.is_worth_asking
