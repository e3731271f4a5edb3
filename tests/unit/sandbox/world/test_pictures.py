"""Pictures are real files: a decoder accepts them, and no two jobs have the same."""

from __future__ import annotations

import struct
import zlib

from sauce_janitor.sandbox.core.chance import SeededBytes, key_of
from sauce_janitor.sandbox.world.pictures import HEIGHT, WIDTH, screenshot, video

KEY = key_of(1, "pictures")


def dice(number: int) -> SeededBytes:
    return SeededBytes(KEY, b"job", number)


def png_chunks(data: bytes) -> dict[bytes, bytes]:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    found, place = {}, 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", data, place + 8 + length) == (zlib.crc32(kind + content),)
        found[kind] = content
        place += 12 + length
    return found


def mp4_boxes(data: bytes) -> list[tuple[bytes, int]]:
    found, place = [], 0
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        found.append((kind, length))
        place += length
    assert place == len(data)
    return found


def test_a_screenshot_is_a_whole_png_of_its_size() -> None:
    for number in range(6):
        chunks = png_chunks(screenshot(dice(number), number))

        assert struct.unpack_from(">IIBB", chunks[b"IHDR"]) == (WIDTH, HEIGHT, 4, 3)
        assert len(zlib.decompress(chunks[b"IDAT"])) == HEIGHT * (1 + WIDTH // 2)
        assert list(chunks)[-1] == b"IEND"


def test_a_video_is_a_film_followed_by_a_box_that_players_skip() -> None:
    boxes = mp4_boxes(video(dice(1)))

    assert [kind for kind, _ in boxes] == [b"ftyp", b"moov", b"free", b"mdat", b"free"]
    assert 150_000 < sum(length for _, length in boxes) < 250_000


def test_every_job_has_its_own_bytes_and_always_the_same() -> None:
    assert len({video(dice(number)) for number in range(50)}) == 50
    assert len({screenshot(dice(job), number) for job in range(20) for number in range(5)}) == 100
    assert video(dice(7)) == video(dice(7))
    assert screenshot(dice(7), 2) == screenshot(dice(7), 2)
