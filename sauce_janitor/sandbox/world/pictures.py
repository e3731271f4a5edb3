"""Screenshots and videos: valid files that differ between jobs, and never change."""

from __future__ import annotations

import zlib
from functools import lru_cache
from importlib.resources import files
from struct import pack

from sauce_janitor.sandbox.core.chance import SeededBytes

WIDTH, HEIGHT = 480, 300
_PALETTE = bytes.fromhex(
    "ffffff f2f4f7 d0d7de 57606a 1f2328 0969da 1a7f37 cf222e bf8700 8250df ddf4ff dafbe1 ffebe9 "
    "fff8c5 fbefff 000000"
)
_BACKGROUND, _PANEL, _LINE, _TEXT, _HEADER = 0, 1, 2, 3, 4


def screenshot(dice: SeededBytes, number: int) -> bytes:
    """Return a PNG with 16 colours of a page: a header, a side bar, lines of text, a button."""
    accent = 5 + (int(dice.hex(52, 2), 16) + number) % 5
    rows = [_row((_HEADER, WIDTH))] * 28
    side = 90 + int(dice.hex(53, 2), 16) % 60
    for line in range(34):
        length = 60 + (int(dice.hex(line % 60, 4), 16) + number * 37 + line * 11) % (
            WIDTH - side - 80
        )
        gap = _row((_PANEL, side), (_BACKGROUND, WIDTH - side))
        ink = _row(
            (_PANEL, 12),
            (_LINE, side - 24),
            (_PANEL, 12),
            (_BACKGROUND, 20),
            (_TEXT, length),
            (_BACKGROUND, WIDTH),
        )
        rows += [gap] * 3 + [ink] * 4
    button = _row(
        (_PANEL, side), (_BACKGROUND, 20), (accent, 70 + number * 8), (_BACKGROUND, WIDTH)
    )
    rows += [button] * 18
    rows += [_row((_PANEL, side), (_BACKGROUND, WIDTH))] * (HEIGHT - len(rows))
    # The text makes pictures of jobs differ that happen to show the same page.
    return _png(rows[:HEIGHT], text=f"sandbox {dice.hex(0, 32)} {number}")


def video(dice: SeededBytes) -> bytes:
    """Return an H.264 video of twelve seconds.

    The `free` box at its end, which players skip, is different for each job.
    """
    # Sizes differ as well, so a client that mixes up two videos is found out by their length.
    padding = 16_000 + int(dice.hex(54, 4), 16) % 40_000
    seed = bytes.fromhex(dice.hex(0, 64))
    filling = (seed * (padding // len(seed) + 1))[:padding]
    return _base_video() + pack(">I", 8 + padding) + b"free" + filling


@lru_cache(maxsize=1)
def _base_video() -> bytes:
    """Return a video of a web shop: twelve seconds, H.264 baseline, no sound."""
    return files("sauce_janitor.sandbox").joinpath("data", "base.mp4").read_bytes()


def _row(*runs: tuple[int, int]) -> bytes:
    """Return a line of pixels, four bits each, cut at the picture's width.

    The leading 0 means PNG filter type None.
    """
    pixels = b"".join(bytes((colour,)) * length for colour, length in runs)[:WIDTH]
    packed = int(pixels.hex()[1::2].ljust(WIDTH, "0"), 16).to_bytes(WIDTH // 2, "big")
    return b"\0" + packed


def _png(rows: list[bytes], *, text: str) -> bytes:
    # Four bits a pixel and a palette (colour type 3): a screenshot is a few kilobytes, and still
    # real.
    header = pack(">IIBBBBB", WIDTH, HEIGHT, 4, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", _PALETTE),
        (b"tEXt", b"Comment\0" + text.encode()),
        (b"IDAT", zlib.compress(b"".join(rows), 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
