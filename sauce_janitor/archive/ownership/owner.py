"""Whose archive this is: the identity of the one state that may write to it, in a small file in the
archive's root.

Two states on one archive would sweep each other's work away, and each would prune what the other's
journal vouches for.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sauce_janitor.archive.disk.folders import disk_errors, new_file, read_small, write_all
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError, RefusedError

OWNER_FILE: Final = ".sauce-janitor-owner"
_FORMAT: Final = 1
_LARGEST: Final = 65_536
_REMEMBERED: Final = 20


@dataclass(frozen=True, slots=True)
class ArchiveOwner:
    """The state that owns an archive: its instance id, since when (epoch seconds), on which host,
    and who owned it before.
    """

    instance: str
    since: int
    host: str
    before: tuple[dict[str, Any], ...] = ()


def read_owner(path: Path, root: int) -> ArchiveOwner | None:
    """The owner of the archive at `path`; None where nobody claimed it yet. ArchiveUnusableError
    when that cannot be read.
    """
    said = read_plain(path, root, OWNER_FILE)
    if said is None:
        return None
    try:
        if said["format"] != _FORMAT:
            raise ArchiveUnusableError(f"{path / OWNER_FILE} was written by a newer sauce-janitor")
        return ArchiveOwner(str(uuid.UUID(said["instance"])), int(said["since"]), str(said["host"]),
                            tuple(dict(each) for each in said["before"]))  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise ArchiveUnusableError(
            f"{path / OWNER_FILE} cannot be read: it was changed or cut"
        ) from wrong


def claim(path: Path, root: int, instance: str, *, at: int) -> None:
    """Make the archive this state's if it is nobody's. RefusedError when it is another's."""
    owner = read_owner(path, root)
    if owner is None:
        owner = ArchiveOwner(instance, at, socket.gethostname())
        with suppress(FileExistsError):  # another state was faster: it is read again below
            _write(path, root, owner, replaces=False)
            return
        owner = read_owner(path, root)
    if owner is None or owner.instance != instance:
        raise RefusedError(foreign(path, owner))


def foreign(path: Path, owner: ArchiveOwner | None) -> str:
    """Why a state may not write to another's archive, and what to do."""
    whose = f"{owner.instance[:8]} on {owner.host}" if owner else "unknown"
    return (
        f"the archive {path} belongs to another state ({whose}): give this state an archive of its "
        "own; or, if that state is lost or was replaced for good, `sauce-janitor archive adopt` "
        "takes the archive over. Nothing was changed"
    )


def hand_over(path: Path, root: int, instance: str, *, by: str, at: int) -> None:
    """Make the archive this state's, whoever owned it; who did is kept in the file. Every lease on
    it must be held.
    """
    owner = read_owner(path, root)
    before = owner.before if owner else ()
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
        path,
        root,
        ArchiveOwner(instance, at, socket.gethostname(), before[-_REMEMBERED:]),
        replaces=True,
    )


def _write(path: Path, root: int, owner: ArchiveOwner, *, replaces: bool) -> None:
    document = {
        "what": "sauce-janitor owner",
        "format": _FORMAT,
        "instance": owner.instance,
        "since": owner.since,
        "host": owner.host,
        "before": list(owner.before),
    }
    write_plain(path, root, OWNER_FILE, document, replaces=replaces)


def read_plain(path: Path, root: int, name: str) -> dict[str, Any] | None:
    """A small JSON object in the archive's root; None where there is none. Raises
    ArchiveUnusableError.
    """
    try:
        with disk_errors(f"read {path / name}", of_all=True):
            said = json.loads(read_small(root, name, at_most=_LARGEST))
        if not isinstance(said, dict):
            raise TypeError("not an object")
    except (ValueError, TypeError, RecursionError) as wrong:
        raise ArchiveUnusableError(
            f"{path / name} cannot be read: it was changed or cut"
        ) from wrong
    except ArchiveError as wrong:
        if isinstance(wrong.__cause__, FileNotFoundError):
            return None
        raise
    return said


def write_plain(
    path: Path, root: int, name: str, said: dict[str, Any], *, replaces: bool = True
) -> None:
    """Write a small JSON object into the archive's root, whole and durable; FileExistsError where
    it must not replace one.

    Raises ArchiveUnusableError.
    """
    aside = f"{name}.{uuid.uuid4().hex}"
    taken: FileExistsError | None = None
    with disk_errors(f"write {path / name}", of_all=True):
        file = new_file(root, aside)
        try:
            try:
                write_all(file, (json.dumps(said) + "\n").encode())
                os.fsync(file)
            finally:
                os.close(file)
            if replaces:
                os.rename(aside, name, src_dir_fd=root, dst_dir_fd=root)
            else:
                os.link(aside, name, src_dir_fd=root, dst_dir_fd=root, follow_symlinks=False)
        except FileExistsError as found:
            taken = found
        finally:
            with suppress(FileNotFoundError):
                os.unlink(aside, dir_fd=root)
        os.fsync(root)
    if taken is not None:
        raise taken
