"""Writes receipts as the exact bytes of their files, and reads them back. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from sauce_janitor.archive.receipts import Packed, ReceiptDocument, StoredFile, Unstored
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.jobs import MissingFile, job_id, owner_name

VERSIONS: Final = (1, 2)
"""The versions of receipts that are read.

A receipt is version 1 unless it says something that only a newer program understands.
"""
ENCODING: Final = "zstd"
_SHA256 = re.compile(r"[0-9a-f]{64}")
FILE_NAME: Final = re.compile(
    r"(?:job(?:-[1-9][0-9]*)?(?:-[0-9a-f]{16})?\.json"
    r"|assets(?:-[1-9][0-9]*)?/[A-Za-z0-9_][A-Za-z0-9._ @+()=-]*)"
)
"""Matches the path of a stored file beside its receipt."""


def canonical(value: object) -> bytes:
    """Return `value` as JSON, always written the same way.

    It is ASCII (so any name survives), indented, in the order of the keys, with a line end. Raises
    ArchiveError for a value that JSON cannot hold exactly.
    """
    try:
        # ASCII, so that half a surrogate pair in a name survives: UTF-8 cannot hold it.
        text = json.dumps(value, ensure_ascii=True, allow_nan=False, indent=1, default=_plain)
    except (ValueError, TypeError, RecursionError) as error:
        raise ArchiveError(f"cannot be written as JSON: {error}") from error
    return text.encode("ascii") + b"\n"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def day_and_time(at: int) -> str:
    """Return epoch seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_receipt(receipt: ReceiptDocument) -> bytes:
    """Return the exact bytes of the receipt's file."""
    missing = {"missing": [_lacking(each) for each in receipt.missing]} if receipt.missing else {}
    return canonical(
        {
            "version": _version(receipt),
            "number": receipt.number,
            "tool": receipt.tool,
            "archive": receipt.archive,
            "account": receipt.account,
            "base_url": receipt.base_url,
            "owner": receipt.owner,
            "job_id": receipt.job_id,
            "ended_at": day_and_time(receipt.ended_at),
            "policy": receipt.policy,
            "run_id": receipt.run_id,
            "selection": receipt.selection,
            "made_at": day_and_time(receipt.made_at),
            "previous": receipt.previous,
            "job": _file(receipt.job),
            "listed": list(receipt.listed),
            "assets": [_file(asset) for asset in receipt.assets],
            "discarded": [{"name": each.name, "why": each.why} for each in receipt.discarded],
            "absent": [{"name": each.name, "why": each.why} for each in receipt.absent],
            "purged": receipt.purged,
            **missing,
        }
    )


def _version(receipt: ReceiptDocument) -> int:
    """Return the oldest version whose readers understand all of the receipt."""
    # An older program that knows only version 1 then refuses the receipt, instead of taking it for
    # complete.
    return 2 if receipt.missing or any(asset.odd is not None for asset in receipt.assets) else 1


def _lacking(each: MissingFile) -> dict[str, object]:
    value: dict[str, object] = {
        "name": each.name,
        "why": each.why,
        "since": day_and_time(each.since),
    }
    # Left out where nothing came, so that receipts of older programs keep their bytes.
    if each.sha256 is not None and each.came_at is not None:
        value |= {"sha256": each.sha256, "came_at": day_and_time(each.came_at)}
    return value


def _file(stored: StoredFile) -> dict[str, object]:
    value: dict[str, object] = {
        "name": stored.name,
        "file": stored.file,
        "bytes": stored.bytes,
        "sha256": stored.sha256,
        "fetched_at": day_and_time(stored.fetched_at),
        "url": stored.url,
        "content_type": stored.content_type,
    }
    if stored.odd is not None:
        value["odd"] = stored.odd
    if stored.packed:
        value["stored"] = {
            "encoding": ENCODING,
            "bytes": stored.packed.bytes,
            "sha256": stored.packed.sha256,
        }
    return value


def read_receipt(data: bytes) -> ReceiptDocument:
    """Parse a receipt file.

    Strict: exactly the keys and types that `write_receipt` writes, and exactly its bytes when
    written again. Raises ArchiveError for one that is cut, changed, or of a newer version.
    """
    try:
        value = json.loads(data)
        version = value["version"]
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        raise ArchiveError("the receipt cannot be read: it is cut or was changed") from error
    # Before anything else is read: a newer version may mean something else by the same keys.
    if version not in VERSIONS:
        raise ArchiveError(
            f"the receipt has version {version!r}; this sauce-janitor knows {VERSIONS[-1]}"
        )
    try:
        receipt = _receipt(value)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArchiveError(f"the receipt is not one of ours: {error}") from error
    # A receipt is proof only as it was written: any other bytes were changed by somebody.
    if write_receipt(receipt) != data:
        raise ArchiveError("the receipt was changed: it is not as it was written")
    return receipt


def _receipt(value: dict[str, object]) -> ReceiptDocument:
    purged, previous = value["purged"], value["previous"]
    if not isinstance(purged, bool):
        raise TypeError("purged is neither true nor false")
    return ReceiptDocument(
        number=_count(value["number"]),
        tool=_text(value["tool"]),
        archive=_text(value["archive"]),
        account=_text(value["account"]),
        base_url=_text(value["base_url"]),
        owner=owner_name(value["owner"]),
        job_id=job_id(value["job_id"]),
        ended_at=epoch_of(value["ended_at"]),
        policy=_text(value["policy"]),
        run_id=_text(value["run_id"]),
        selection=_text(value["selection"]),
        made_at=epoch_of(value["made_at"]),
        job=_stored(value["job"]),
        listed=tuple(_text(name) for name in _list(value["listed"])),
        assets=tuple(_stored(each) for each in _list(value["assets"])),
        discarded=_unstored(value["discarded"]),
        absent=_unstored(value["absent"]),
        purged=purged,
        previous=None if previous is None else _digest(previous),
        missing=tuple(_missing(each) for each in _list(value.get("missing", []))),
    )


def _stored(value: object) -> StoredFile:
    each = _object(value)
    file = _text(each["file"])
    # A path that leaves the job's folder must not be read as one of its files.
    if FILE_NAME.fullmatch(file) is None:
        raise ValueError(f"not a file of the archive: {file!r:.80}")
    kind = each["content_type"]
    return StoredFile(
        name=_text(each["name"]),
        file=file,
        bytes=_count(each["bytes"]),
        sha256=_digest(each["sha256"]),
        fetched_at=epoch_of(each["fetched_at"]),
        url=_text(each["url"]),
        content_type=None if kind is None else _text(kind),
        packed=_packed(_object(each["stored"])) if "stored" in each else None,
        odd=_text(each["odd"]) if "odd" in each else None,
    )


def _missing(value: object) -> MissingFile:
    each = _object(value)
    came = "sha256" in each
    return MissingFile(
        name=_text(each["name"]),
        why=_text(each["why"]),
        since=epoch_of(each["since"]),
        sha256=_digest(each["sha256"]) if came else None,
        came_at=epoch_of(each["came_at"]) if came else None,
    )


def _packed(value: dict[str, object]) -> Packed:
    if value["encoding"] != ENCODING:
        raise ValueError(f"an encoding that this version does not know: {value['encoding']!r:.80}")
    return Packed(bytes=_count(value["bytes"]), sha256=_digest(value["sha256"]))


def _unstored(value: object) -> tuple[Unstored, ...]:
    return tuple(
        Unstored(_text(_object(each)["name"]), _text(_object(each)["why"])) for each in _list(value)
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r:.80}")
    return value


def _digest(value: object) -> str:
    text = _text(value)
    if _SHA256.fullmatch(text) is None:
        raise ValueError(f"not a SHA-256: {text!r:.80}")
    return text


def _count(value: object) -> int:
    # `type`, because a bool is an int in Python.
    if type(value) is not int or value < 0:
        raise TypeError(f"not a count: {value!r:.80}")
    return value


def epoch_of(value: object) -> int:
    """Return the epoch seconds of what `day_and_time` wrote. Raises TypeError and ValueError."""
    return int(
        datetime.strptime(_text(value), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    )


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"not a list: {value!r:.80}")
    return value


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"not an object: {value!r:.80}")
    return value
