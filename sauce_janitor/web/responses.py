"""Stored files as HTTP answers: whole or in ranges, of types that a browser does not run, and logs
line by line without loading them into memory.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from flask import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from sauce_janitor.web.archive_query import ShownFile

SANDBOX: Final = "default-src 'none'; style-src 'none'; sandbox"
"""The policy of every archived file: it runs nothing and belongs to no origin."""

_SHOWN_AS: Final = {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
}
_PIECE: Final = 64 * 1024
_AT_ONCE: Final = 4 * 1024 * 1024
_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_LONGEST_LINE: Final = 4000
_MOST_LINES: Final = 2000
_MOST_FOUND: Final = 500


def answer(file: ShownFile, stored: BinaryIO, *, save: bool) -> Response:
    """Return the file, or the requested range of it.

    Pictures and videos are shown, all other files are plain text or saved. An answer has at most
    4 MiB of a video: the player requests more when it needs it, and a slow one does not occupy a
    thread.
    """
    ending = file.name.lower().rpartition(".")[2]
    shown = _SHOWN_AS.get(ending)
    headers = {
        "Content-Type": (
            shown
            or ("application/octet-stream" if file.kind == "other" else "text/plain; charset=utf-8")
        ),
        "Content-Security-Policy": SANDBOX,
        "Cache-Control": "private, max-age=600",
        "ETag": f'"{file.sha256}"',
        "Content-Disposition": _disposition(file.name, attached=save or shown is None),
    }
    if request.if_none_match.contains(file.sha256):
        stored.close()
        return Response(status=304, headers=headers)
    # A compressed log cannot be read from the middle.
    if shown is None or not stored.seekable():
        return _whole(stored, file.bytes, headers)
    headers["Accept-Ranges"] = "bytes"
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    # Several ranges, or a malformed one: HTTP allows to ignore the header (RFC 9110, 14.2).
    if asked is None or not any(asked.groups()):
        return _whole(stored, file.bytes, headers)
    try:
        first, last = _bounds(asked, file.bytes)
    except RequestedRangeNotSatisfiable:
        stored.close()
        return Response(status=416, headers=headers | {"Content-Range": f"bytes */{file.bytes}"})
    last = min(last, first + _AT_ONCE - 1)
    stored.seek(first)
    headers |= {
        "Content-Range": f"bytes {first}-{last}/{file.bytes}",
        "Content-Length": str(last - first + 1),
    }
    return Response(_Pieces(stored, last - first + 1), status=206, headers=headers)


def _whole(stored: BinaryIO, size: int, headers: dict[str, str]) -> Response:
    return Response(_Pieces(stored, size), headers=headers | {"Content-Length": str(size)})


def _bounds(asked: re.Match[str], size: int) -> tuple[int, int]:
    start, end = asked.groups()
    if not start:
        # `bytes=-500` means the last 500 bytes.
        first, last = max(0, size - int(end)), size - 1
    else:
        first, last = int(start), min(int(end), size - 1) if end else size - 1
    if first >= size or last < first:
        raise RequestedRangeNotSatisfiable
    return first, last


class _Pieces:
    """Yields so many bytes of a file from its current position.

    The server closes it in any case, also when nobody reads the bytes (HEAD, a client that left).
    """

    def __init__(self, stored: BinaryIO, left: int) -> None:
        self._stored, self._left = stored, left

    def __iter__(self) -> Iterator[bytes]:
        while self._left > 0 and (piece := self._stored.read(min(_PIECE, self._left))):
            self._left -= len(piece)
            yield piece

    def close(self) -> None:
        """Close the file."""
        self._stored.close()


def _disposition(name: str, *, attached: bool) -> str:
    """Return the Content-Disposition header: the name as ASCII, and exactly as in RFC 6266."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)[-120:] or "asset"
    quoted = urllib.parse.quote(name[:400], safe="", errors="replace")
    kind = "attachment" if attached else "inline"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quoted}"


def lines(stored: BinaryIO, *, first: int, count: int) -> dict[str, Any]:
    """Return `count` lines, at most 2,000, from line `first` (from 0) on: `{first, lines, more}`.

    A line of more than 4,000 bytes is cut, and its end says so.
    """
    found: list[str] = []
    with stored:
        for number, line in enumerate(_lines(stored)):
            if number < first:
                continue
            if len(found) == min(count, _MOST_LINES):
                return {"first": first, "lines": found, "more": True}
            found.append(line)
    return {"first": first, "lines": found, "more": False}


def search(stored: BinaryIO, text: str) -> dict[str, Any]:
    """Return the lines that contain the text, without regard to case, at most 500.

    The shape is `{found: [[number, line]], more}`.
    """
    found: list[tuple[int, str]] = []
    wanted = text.casefold()
    with stored:
        for number, line in enumerate(_lines(stored)):
            if wanted in line.casefold():
                if len(found) == _MOST_FOUND:
                    return {"found": found, "more": True}
                found.append((number, line))
    return {"found": found, "more": False}


def _lines(stored: BinaryIO) -> Iterator[str]:
    """Yield lines without their ends. An endless line is read in pieces of 1 MiB and cut."""
    while piece := stored.readline(1024 * 1024):
        cut = len(piece) > _LONGEST_LINE
        text = piece[:_LONGEST_LINE].decode("utf-8", "replace").rstrip("\r\n")
        yield f"{text} … (cut)" if cut else text
        # Skip the rest of a line that is longer than a piece.
        while not piece.endswith(b"\n") and (piece := stored.readline(1024 * 1024)):
            pass
