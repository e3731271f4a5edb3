"""Which state owns the archive: the only one that may write to it, in a small file in the root.

Two states on one archive would remove each other's unfinished work, and each would prune files that
the other's journal relies on.
"""

from __future__ import annotations

import json
import socket
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sauce_janitor.archive.storage.ports import SmallFiles
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError, RefusedError

OWNER_FILE: Final = ".sauce-janitor-owner"
_FORMAT: Final = 1
_LARGEST: Final = 65_536
_REMEMBERED: Final = 20


@dataclass(frozen=True, slots=True)
class ArchiveOwner:
    """The state that owns an archive: its instance id, since when, on which host, and earlier
    owners.

    `since` is epoch seconds UTC.
    """

    instance: str
    since: int
    host: str
    before: tuple[dict[str, Any], ...] = ()


def read_owner(root: SmallFiles) -> ArchiveOwner | None:
    """Return the owner of the archive; None where nobody claimed it yet.

    Raises ArchiveUnusableError when the file cannot be read.
    """
    document = read_plain(root, OWNER_FILE)
    if document is None:
        return None
    try:
        if document["format"] != _FORMAT:
            raise ArchiveUnusableError(
                f"{root.at(OWNER_FILE)} was written by a newer sauce-janitor"
            )
        return ArchiveOwner(
            instance=str(uuid.UUID(document["instance"])),
            since=int(document["since"]),
            host=str(document["host"]),
            before=tuple(dict(each) for each in document["before"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveUnusableError(
            f"{root.at(OWNER_FILE)} cannot be read: it was changed or cut"
        ) from error


def claim(root: SmallFiles, instance: str, *, at: int) -> None:
    """Make the archive this state's if it has no owner. Raises RefusedError when it has another."""
    owner = read_owner(root)
    if owner is None:
        owner = ArchiveOwner(instance, at, socket.gethostname())
        # Another state may be faster: then its file is read below.
        with suppress(FileExistsError):
            _write(root, owner, replaces=False)
            return
        owner = read_owner(root)
    # Another state claimed it first.
    if owner is None or owner.instance != instance:
        raise RefusedError(foreign(root.at(), owner))


def foreign(where: str, owner: ArchiveOwner | None) -> str:
    """Return why a state may not write to another's archive there, and what to do."""
    owner_text = f"{owner.instance[:8]} on {owner.host}" if owner else "unknown"
    return (
        f"the archive {where} belongs to another state ({owner_text}): give this state an archive"
        " of its own; or, if that state is lost or was replaced for good,"
        " `sauce-janitor archive adopt` takes the archive over. Nothing was changed"
    )


def hand_over(root: SmallFiles, instance: str, *, by: str, at: int) -> None:
    """Make the archive this state's, whoever owned it; the file keeps the earlier owners.

    The caller must hold every lease on the archive.
    """
    owner = read_owner(root)
    before = owner.before if owner else ()
    # Adopting one's own archive adds nothing to the history.
    if owner and owner.instance != instance:
        before = (
            *before,
            {
                "instance": owner.instance,
                "since": owner.since,
                "host": owner.host,
                "until": at,
                "by": by,
            },
        )
    _write(
        root,
        ArchiveOwner(instance, at, socket.gethostname(), before[-_REMEMBERED:]),
        replaces=True,
    )


def _write(root: SmallFiles, owner: ArchiveOwner, *, replaces: bool) -> None:
    document = {
        "what": "sauce-janitor owner",
        "format": _FORMAT,
        "instance": owner.instance,
        "since": owner.since,
        "host": owner.host,
        "before": list(owner.before),
    }
    write_plain(root, OWNER_FILE, document, replaces=replaces)


def read_plain(root: SmallFiles, name: str) -> dict[str, Any] | None:
    """Read a small JSON object in the archive's root; None where there is none.

    Raises ArchiveUnusableError.
    """
    try:
        with storage_errors(f"read {root.at(name)}", of_all=True):
            document = json.loads(root.read(name, at_most=_LARGEST))
        if not isinstance(document, dict):
            raise TypeError("not an object")
    except (ValueError, TypeError, RecursionError) as error:
        raise ArchiveUnusableError(
            f"{root.at(name)} cannot be read: it was changed or cut"
        ) from error
    except ArchiveError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
    return document


def write_plain(
    root: SmallFiles, name: str, document: dict[str, Any], *, replaces: bool = True
) -> None:
    """Write a small JSON object into the archive's root, complete and durable.

    Raises FileExistsError where it must not replace one, and ArchiveUnusableError.
    """
    taken: FileExistsError | None = None
    with storage_errors(f"write {root.at(name)}", of_all=True):
        try:
            root.write(name, (json.dumps(document) + "\n").encode(), replaces=replaces)
        except FileExistsError as found:
            taken = found
    if taken is not None:
        raise taken
