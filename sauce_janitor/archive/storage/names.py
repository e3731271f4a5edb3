"""Names for folders and files, made from names that other people chose. Pure.

Anyone who can run a test chooses asset names. So a name becomes a file name only if every file
system in use (case-folding, Unicode-normalizing, Windows) would keep it as it is and apart from its
neighbors; otherwise the file gets an index.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import unquote

from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.jobs import Job, JobId, Owner

_SAFE_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._ @+()=-]{0,118}[A-Za-z0-9_)-])?")
_SAFE_ENDING = re.compile(r"\.([a-z0-9]{1,8})")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])")
_OURS = re.compile(r"(?:receipt|job)(?:-[0-9]+)?\.json|assets(?:-[0-9]+)?|pass\.json")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.@+")
_LONGEST_FOLDER = 200


def _is_reserved(name: str) -> bool:
    """Tell whether Windows gives the name to a device: `con`, `con.txt` and `con .txt`."""
    return _RESERVED.fullmatch(name.lower().partition(".")[0].rstrip(" ")) is not None


def _is_safe(name: str) -> bool:
    return (
        _SAFE_NAME.fullmatch(name) is not None
        and not _is_reserved(name)
        and _OURS.fullmatch(name.lower()) is None
    )


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Return the file name of each distinct asset name, in order.

    It is the asset's own name where that is safe and free, else an index: the name's position in
    the list, with its ending where that is harmless: `0007.mp4`, else `0007.bin`.
    """
    in_order = tuple(dict.fromkeys(names))
    files: dict[str, str] = {}
    taken: set[str] = set()
    for name in in_order:
        if _is_safe(name) and name.lower() not in taken:
            files[name] = name
            taken.add(name.lower())
    for place, name in enumerate(in_order):
        if name not in files:
            files[name] = _indexed(place, name, taken)
            taken.add(files[name])
    return {name: files[name] for name in in_order}


def _indexed(place: int, name: str, taken: set[str]) -> str:
    ending = _SAFE_ENDING.fullmatch(name[name.rfind(".") :].lower()) if "." in name else None
    tail = f".{ending[1]}" if ending else ".bin"
    stem, again = f"{place:04d}", 1
    while stem + tail in taken:
        again += 1
        stem = f"{place:04d}-{again}"
    return stem + tail


def folder_name(name: str) -> str:
    """Return an owner or account as a folder's name, reversible with `name_of_folder`.

    What is not lower-case or plain is percent-encoded, so two names that differ only by case stay
    apart on every file system. A name too long for a folder is cut and ends in `~` and a hash; the
    receipts hold it whole.
    """
    encoded = "".join(char if char in _PLAIN else _percent(char) for char in name)
    # The archive skips hidden names, and tools take a dash for an option.
    if encoded.startswith((".", "-")) or _is_reserved(encoded):
        encoded = _percent(encoded[0]) + encoded[1:]
    # Windows drops a dot at the end.
    if encoded.endswith("."):
        encoded = encoded[:-1] + _percent(".")
    if len(encoded) > _LONGEST_FOLDER:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{encoded[:100].rpartition('%')[0] or encoded[:100]}~{digest[:32]}"
    return encoded


def _percent(char: str) -> str:
    return "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))


def name_of_folder(folder: str) -> str | None:
    """Return the owner or account that `folder_name` made this folder for.

    None for a name that was cut, or that `folder_name` did not make.
    """
    try:
        name = unquote(folder, errors="surrogatepass")
    except UnicodeDecodeError:
        return None
    return name if folder_name(name) == folder and "~" not in folder else None


def job_place(account: str, owner: Owner, job_id: JobId, ended_at: int) -> tuple[str, ...]:
    """Return the folder of a job below the root: account, owner, year, month, day of its end (UTC),
    id.
    """
    day = datetime.fromtimestamp(ended_at, UTC)
    return (folder_name(account), folder_name(owner), f"{day:%Y}", f"{day:%m}", f"{day:%d}", job_id)


def place_of(account: str, job: Job) -> tuple[str, ...]:
    """Return `job_place` of a finished job.

    Raises ArchiveError for a job without an end: it has not finished, so it cannot be archived yet.
    """
    if not isinstance(job.ended_at, int):
        raise ArchiveError(f"job {job.id} has no end time, so it is not archived yet")
    return job_place(account, job.owner, job.id, job.ended_at)
