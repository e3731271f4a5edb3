"""How videos, pictures and archives begin and end. Pure."""

from __future__ import annotations

import zipfile
from typing import BinaryIO

_TAIL = 4096
_PNG_END = b"IEND\xaeB`\x82"
_MOST_BOXES = 100_000
_SIGNATURES = {
    "PNG": ((0, b"\x89PNG\r\n\x1a\n"),),
    "JPEG": ((0, b"\xff\xd8\xff"),),
    "GIF": ((0, b"GIF87a"), (0, b"GIF89a")),
    "WebP": ((8, b"WEBP"),),
    "MP4": tuple(
        (4, box)
        for box in (
            b"ftyp", b"styp", b"free", b"skip", b"wide", b"moov",
            b"moof", b"mdat", b"sidx", b"pdin", b"pnot", b"uuid",
        )
    ),
    "WebM": ((0, b"\x1a\x45\xdf\xa3"),),
    "FLV": ((0, b"FLV"),),
    "ZIP": ((0, b"PK\x03\x04"), (0, b"PK\x05\x06")),
    "GZ": ((0, b"\x1f\x8b\x08"),),
}  # fmt: skip
"""Where each format has which bytes. Any of these MP4 boxes may come first.

Source of the MP4 ones: ISO/IEC 14496-12, 4.3 and 8.1, and the QuickTime File Format.
"""
_PICTURES = ("PNG", "JPEG", "GIF", "WebP")
_VIDEOS = ("MP4", "WebM", "FLV")
FORMATS = {
    "png": ("PNG", _PICTURES),
    "jpg": ("JPEG", _PICTURES),
    "jpeg": ("JPEG", _PICTURES),
    "gif": ("GIF", _PICTURES),
    "webp": ("WebP", _PICTURES),
    "mp4": ("MP4", _VIDEOS),
    "m4v": ("MP4", _VIDEOS),
    "mov": ("MP4", _VIDEOS),
    "webm": ("WebM", _VIDEOS),
    "flv": ("FLV", _VIDEOS),
    "zip": ("ZIP", ("ZIP",)),
    "gz": ("GZ", ("GZ",)),
}
"""By ending: the format that it names, and the formats that are accepted in its place."""


def is_of_format(kind: str, head: bytes) -> bool:
    """Tell whether the first bytes are those of the format."""
    return any(head.startswith(magic, place) for place, magic in _SIGNATURES[kind])


def missing_end(kind: str, stream: BinaryIO, size: int) -> str | None:
    """Return why the file is cut, as part of a sentence; None where its end is there or unknown."""
    # These three have an end that is easy to find; others do not, or often have bytes after it.
    if kind == "ZIP" and not zipfile.is_zipfile(stream):
        return "the zip file has no end"
    if kind == "PNG" and not _has_png_end(stream, size):
        return "the PNG file has no end"
    if kind == "MP4" and _is_cut_mp4(stream, size):
        return "the MP4 file has no end"
    return None


def _has_png_end(stream: BinaryIO, size: int) -> bool:
    # Some writers add bytes after the end, so it is looked for in the last 4 KiB.
    stream.seek(max(0, size - _TAIL))
    return _PNG_END in stream.read(_TAIL)


def _is_cut_mp4(stream: BinaryIO, size: int) -> bool:
    """Tell whether a box continues after the end of the file.

    Source: ISO/IEC 14496-12, 4.2: size 1 means 64 more bits of size, 0 means to the end.
    """
    at = 0
    # A crafted file of empty boxes must not keep the program busy.
    for _ in range(_MOST_BOXES):
        stream.seek(at)
        header = stream.read(16)
        if len(header) < 8:
            return False
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:
            return False
        at += length
        if at > size:
            return True
    return False
