"""Whether stored bytes are of the kind their name says. Reads the file back in pieces; never holds more than a few MiB.

A maintenance page or an error message answered with 200 must not pass as a video: the original would be deleted on the
strength of it. What is checked, by the name's ending:

- every name but `.html` and `.htm`: the bytes are no HTML page;
- `.mp4`, `.m4v`, `.flv`, `.png`, `.jpg`, `.gif`, `.zip`, `.gz`: the format's signature; of a video, PNG and zip its end, too:
  a body without framing may be cut at the same place twice;
- `.json`, `.har`: up to 1 MiB it is parsed; above that strings, brackets and their nesting are followed to the end as a stream,
  which catches a cut or foreign body and costs no memory. A HAR has `log` at its top;
- `.json`, `.log`: the bytes are no API error message.

Names without a known ending are taken as they are. An empty file has no format: two equal reads vouch for it.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import BinaryIO

from sauce_janitor.archive.structure import NotJsonError, check_structure

_HEAD = 1024
_WHOLE = 1024 * 1024
_PIECE = 256 * 1024
_TAIL = 4096
_PNG_END = b"IEND\xaeB`\x82"
_MOST_BOXES = 100_000

_SIGNATURES = {
    "mp4": ((4, b"ftyp"),),
    "m4v": ((4, b"ftyp"),),
    "flv": ((0, b"FLV"),),
    "png": ((0, b"\x89PNG\r\n\x1a\n"),),
    "jpg": ((0, b"\xff\xd8\xff"),),
    "jpeg": ((0, b"\xff\xd8\xff"),),
    "gif": ((0, b"GIF87a"), (0, b"GIF89a")),
    "zip": ((0, b"PK\x03\x04"), (0, b"PK\x05\x06")),
    "gz": ((0, b"\x1f\x8b\x08"),),
}
_BEFORE_MARKUP = re.compile(rb"(?:\xef\xbb\xbf|\s|<\?xml[^>]*>|<!--.*?-->)*", re.DOTALL)
_MARKUP = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|meta|script|h1|center)[\s>/]", re.IGNORECASE)
_ERROR_WORDS = frozenset({"errors", "error", "message", "detail", "code", "status_code", "fields", "non_field_errors"})


def what_is_wrong(name: str, stream: BinaryIO, size: int, content_type: str | None) -> str | None:
    """Why the bytes cannot be asset `name`, as a sentence fragment, or None when they can. `stream` is at its start."""
    if size == 0:
        return None
    head = stream.read(_HEAD)
    ending = name.lower().rpartition(".")[2] if "." in name else ""
    if ending not in {"html", "htm"} and _is_html(head, None if ending in {"xml", "svg"} else content_type):
        return "an HTML page came instead"
    signatures = _SIGNATURES.get(ending)
    if signatures and not any(head.startswith(magic, place) for place, magic in signatures):
        return f"the bytes are no {ending.upper()} file"
    if ending == "zip" and not zipfile.is_zipfile(stream):
        return "the zip file has no end"
    if ending == "png" and not _has_png_end(stream, size):
        return "the PNG file has no end"
    if ending in {"mp4", "m4v"} and _is_cut_mp4(stream, size):
        return f"the {ending.upper()} file has no end"
    if ending in {"json", "log"} and size <= _HEAD and _is_error_message(head):
        return "an error message came instead"
    if ending in {"json", "har"}:
        stream.seek(0)
        return _wrong_with_json(stream, size, har=ending == "har")
    return None


def _has_png_end(stream: BinaryIO, size: int) -> bool:
    stream.seek(max(0, size - _TAIL))
    return _PNG_END in stream.read(_TAIL)


def _is_cut_mp4(stream: BinaryIO, size: int) -> bool:
    """Whether a box goes on behind the file's end. Source: ISO/IEC 14496-12, 4.2: size 1 has 64 bits more, 0 is to the end."""
    at = 0
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


def _is_html(head: bytes, content_type: str | None) -> bool:
    before = _BEFORE_MARKUP.match(head)
    start = head[before.end() :] if before else head
    if _MARKUP.match(start):
        return True
    is_called_html = content_type is not None and content_type.partition(";")[0].strip().lower() == "text/html"
    return is_called_html and start.startswith(b"<") and not head.lstrip().startswith(b"<?xml")


def _is_error_message(data: bytes) -> bool:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and bool(said) and said.keys() <= _ERROR_WORDS


def _wrong_with_json(stream: BinaryIO, size: int, *, har: bool) -> str | None:
    what = "HAR" if har else "JSON"
    if size > _WHOLE:
        wrong = _wrong_with_structure(stream)
        if wrong:
            return f"the bytes are no {what} ({wrong})"
        stream.seek(0)
        return "the JSON is no HAR (no log near its top)" if har and b'"log"' not in stream.read(_PIECE) else None
    data = stream.read(size)
    try:
        said = json.loads(data.decode(_encoding(data), "replace"))
    except RecursionError:
        wrong = _wrong_with_structure(io.BytesIO(data))
        return f"the bytes are no {what} ({wrong})" if wrong else None
    except ValueError as why:
        return f"the bytes are no {what} ({why})"
    return "the JSON is no HAR (no log at its top)" if har and not (isinstance(said, dict) and "log" in said) else None


def _encoding(data: bytes) -> str:
    return "utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"


def _wrong_with_structure(stream: BinaryIO) -> str | None:
    try:
        check_structure(iter(lambda: stream.read(_PIECE), b""))
    except NotJsonError as why:
        return str(why)
    return None
