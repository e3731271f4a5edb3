"""How far stored bytes are believed to be the asset that its name says.

Length, framing and hash prove a copy. What the bytes look like proves little: people upload what
they like under any name, and recorders crash. A format that is not the name's is therefore stored
with a mark in the receipt. One thing must never pass: another answer in place of the file, such as
a maintenance page or an error message. The original would then be deleted although no copy exists.
Such an answer is recognized where both the bytes and the answer's content type say so. `TrustLevel`
has the degrees.

- Videos, pictures and archives that begin as an HTML page or an error message are refused, unless
  the content type is a medium's: no recorder writes those.
- A text or JSON file that looks like such an answer, and that the content type calls one, is
  believed when the same bytes come again a day later. The page of an outage is gone by then.
- Anything else is stored: at once, or after two equal reads where the bytes may be cut.

A name without a known ending is stored whatever its bytes are. An empty file has no format: two
equal reads vouch for it.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO, Final

from sauce_janitor.archive.content.file_formats import FORMATS, is_of_format, missing_end
from sauce_janitor.archive.content.json_structure import NotJsonError, check_structure

_HEAD = 1024
_WHOLE = 1024 * 1024
_PIECE = 256 * 1024


class TrustLevel(IntEnum):
    """How far bytes are believed, best first."""

    # Nothing speaks against them.
    SOUND = 0
    # Complete, but not of the name's kind: stored with a mark.
    MARKED = 1
    # Perhaps cut: stored with a mark when a second read brings the same.
    TWICE = 2
    # Perhaps another answer: stored with a mark when the same bytes come a day later.
    LATER = 3
    # Surely an error page in place of a video, picture or archive: never stored.
    FOREIGN = 4


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How far the bytes are believed, and `why` not wholly: part of a sentence, empty for SOUND."""

    trust: TrustLevel
    why: str = ""


SOUND: Final = ProbeResult(TrustLevel.SOUND)

_OTHER_BINARIES = frozenset(
    {
        "mkv",
        "avi",
        "bmp",
        "ico",
        "pdf",
        "tar",
        "zst",
        "7z",
        "apk",
        "ipa",
        "aab",
        "jar",
        "wav",
        "mp3",
    }
)

_BEFORE_MARKUP = re.compile(rb"(?:\xef\xbb\xbf|\s|<\?xml[^>]*>|<!--.*?-->)*", re.DOTALL)
_PAGE = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|title|meta|script|h1|center)[\s>/]", re.IGNORECASE
)
_PART_OF_A_PAGE = re.compile(rb"<(?:p|div|h[1-6]|table|img|link|style)[\s>/]", re.IGNORECASE)
_STORAGE_ERROR = re.compile(rb"<Error>\s*<Code>")
_ERROR_WORDS = frozenset(
    {"errors", "error", "message", "detail", "code", "status_code", "fields", "non_field_errors"}
)
_HTML = "it is an HTML page instead"
_MESSAGE = "it is an error message instead"

_PAGES_THEMSELVES = frozenset({"html", "htm", "xhtml", "shtml", "mht", "mhtml"})
_MARKUP_FILES = frozenset({"xml", "svg"})
_SOURCES_OF_PAGES = frozenset(
    {"txt", "md", "vue", "eml", "snap", "ejs", "jsx", "tsx", "js", "ts", "css", "php", "erb"}
)
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_JSON_TYPES = frozenset(
    {"application/json", "text/json", "application/x-ndjson", "application/jsonl"}
)
_UNTOLD_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream"})


def probe(name: str, stream: BinaryIO, size: int, content_type: str | None) -> ProbeResult:
    """Tell how far `stream` is believed to be the asset `name`.

    It is at its start and has `size` bytes.
    """
    if size == 0:
        return SOUND
    head = stream.read(_HEAD)
    ending = name.lower().rpartition(".")[2] if "." in name else ""
    called = (content_type or "").partition(";")[0].strip().lower()
    if ending in FORMATS or ending in _OTHER_BINARIES:
        return _probe_binary(ending, head, (stream, size), called)
    if ending in {"json", "har"}:
        return _probe_json(name, (head, stream, size), called)
    return _probe_text(ending, head, size, called)


def what_is_wrong(name: str, stream: BinaryIO, size: int, content_type: str | None) -> str | None:
    """Return why the bytes are not stored as asset `name` when they come, as part of a sentence.

    None when they are stored.
    """
    result = probe(name, stream, size, content_type)
    return result.why if result.trust >= TrustLevel.LATER else None


# --- videos, pictures and archives ----------------------------------------------------------------


def _probe_binary(
    ending: str, head: bytes, whole: tuple[BinaryIO, int], called: str
) -> ProbeResult:
    answer = _other_answer(head, whole[1])
    if answer:
        is_medium = called.startswith(("video/", "image/", "audio/"))
        return ProbeResult(TrustLevel.TWICE if is_medium else TrustLevel.FOREIGN, answer)
    if ending not in FORMATS:
        return SOUND
    named, family = FORMATS[ending]
    found = next((kind for kind in family if is_of_format(kind, head)), None)
    if found is None:
        # A gateway may have sent a text such as "Service Unavailable", and called it a text.
        is_called_text = called.startswith("text/") or called in {*_JSON_TYPES, "application/xml"}
        return ProbeResult(
            TrustLevel.LATER if is_called_text else TrustLevel.TWICE,
            f"the bytes are not a {ending.upper()} file",
        )
    if cut := missing_end(found, *whole):
        return ProbeResult(TrustLevel.TWICE, cut)
    return (
        SOUND if found == named else ProbeResult(TrustLevel.MARKED, f"the bytes are a {found} file")
    )


# --- texts ----------------------------------------------------------------------------------------


def _probe_text(ending: str, head: bytes, size: int, called: str) -> ProbeResult:
    if ending in _PAGES_THEMSELVES:
        return SOUND
    start = _after_preamble(head)
    is_page = _PAGE.match(start) is not None
    is_called_page = called in _HTML_TYPES
    # A page that the answer calls a page may be an error page of a gateway.
    if is_called_page and (
        is_page or (ending not in _MARKUP_FILES and _PART_OF_A_PAGE.match(start))
    ):
        return ProbeResult(TrustLevel.LATER, _HTML)
    if called in _JSON_TYPES and size <= _HEAD and _is_error_message(head):
        return ProbeResult(TrustLevel.LATER, _MESSAGE)
    if ending not in _MARKUP_FILES and _STORAGE_ERROR.match(start):
        return ProbeResult(TrustLevel.LATER, _MESSAGE)
    if is_page and ending not in _MARKUP_FILES | _SOURCES_OF_PAGES:
        return ProbeResult(TrustLevel.TWICE, "the bytes are an HTML page")
    return SOUND


def _probe_json(name: str, whole: tuple[bytes, BinaryIO, int], called: str) -> ProbeResult:
    head, stream, size = whole
    is_har = name.lower().endswith(".har")
    if answer := _other_answer(head, size):
        # Sauce Labs writes log.json (a list) and HAR itself: neither is an object of error words.
        is_message = answer == _MESSAGE
        surely = is_har or name.lower() == "log.json" or not is_message
        return ProbeResult(TrustLevel.LATER if surely else TrustLevel.TWICE, answer)
    stream.seek(0)
    error = _json_problem(stream, size, har=is_har)
    if error is None:
        return SOUND
    is_called_json = called in _JSON_TYPES | _UNTOLD_TYPES
    return ProbeResult(TrustLevel.TWICE if is_called_json else TrustLevel.LATER, error)


def _other_answer(head: bytes, size: int) -> str | None:
    """Return what the bytes are if they are an answer about the file instead of the file."""
    start = _after_preamble(head)
    if _PAGE.match(start):
        return _HTML
    if _STORAGE_ERROR.match(start) or (size <= _HEAD and _is_error_message(head)):
        return _MESSAGE
    return None


def _after_preamble(head: bytes) -> bytes:
    before = _BEFORE_MARKUP.match(head)
    return head[before.end() :] if before else head


def _is_error_message(data: bytes) -> bool:
    """Tell whether it is an object of error words with any content: `{"errors": []}` is no
    error.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.keys() <= _ERROR_WORDS and any(document.values())


def _json_problem(stream: BinaryIO, size: int, *, har: bool) -> str | None:
    what = "HAR" if har else "JSON"
    # It is too large to parse in memory, so only its structure is checked.
    if size > _WHOLE:
        error = _structure_problem(stream)
        if error:
            return f"the bytes are not {what} ({error})"
        stream.seek(0)
        return (
            "the JSON is not a HAR (no log near its top)"
            if har and b'"log"' not in stream.read(_PIECE)
            else None
        )
    data = stream.read(size)
    try:
        document = json.loads(data.decode(_encoding(data), "replace"))
    # Nested too deeply for the parser, which proves nothing against the file.
    except RecursionError:
        error = _structure_problem(io.BytesIO(data))
        return f"the bytes are not {what} ({error})" if error else None
    except ValueError as why:
        return None if not har and _is_json_lines(data) else f"the bytes are not {what} ({why})"
    return (
        "the JSON is not a HAR (no log at its top)"
        if har and not (isinstance(document, dict) and "log" in document)
        else None
    )


def _is_json_lines(data: bytes) -> bool:
    """Tell whether each line is a JSON object or list by itself, as loggers write under the name
    .json.
    """
    lines = [line for line in data.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    try:
        return all(isinstance(json.loads(line), dict | list) for line in lines) and bool(lines)
    except (ValueError, RecursionError):
        return False


def _encoding(data: bytes) -> str:
    return "utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"


def _structure_problem(stream: BinaryIO) -> str | None:
    try:
        check_structure(iter(lambda: stream.read(_PIECE), b""))
    except NotJsonError as why:
        return str(why)
    return None
