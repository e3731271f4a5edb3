"""Which file system a path is on, and whether SQLite's locks and shared memory work there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sauce_janitor.errors import RefusedError

LOCAL: Final = frozenset(
    {
        "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs",
        "reiser4", "nilfs2", "ubifs",
        # An overlay's upper layer is local: Linux allows no other.
        "tmpfs", "ramfs", "rootfs", "overlay", "overlayfs", "aufs",
        "apfs", "hfs", "ufs", "ffs", "hammer", "hammer2",
    }
)  # fmt: skip
"""File systems of one machine. Network and shared ones cannot be listed by name: new ones appear
all the time. Source: https://sqlite.org/wal.html, section 1, and
https://sqlite.org/howtocorrupt.html, section 2.1.
"""
UNKNOWN: Final = "unknown"
"""The name for a file system whose kind the operating system does not report."""

_MOUNTINFO: Final = Path("/proc/self/mountinfo")
_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")
_MOUNT_LINE: Final = re.compile(rb".*? on (?P<point>/.*) \((?P<kind>[^,)]+)")


@dataclass(frozen=True, slots=True)
class MountPoint:
    """One mount: its number and its parent's, the path of its point, and the kind of its file
    system.

    `is_frozen`: the file system itself is read-only, everywhere it is mounted.
    """

    number: int
    parent: int
    point: bytes
    kind: str
    is_frozen: bool = False


def refuse_shared(path: Path, accepted: str | None) -> None:
    """Raise RefusedError where the file at `path`, or its folder, is on a file system that is not
    known to be local.

    Links are followed. `accepted` is the one kind accepted besides the local ones.
    """
    file = Path(os.path.realpath(path))
    mounts = tuple(_mounts())
    # SQLite keeps its log and shared memory beside the file, so the folder counts even where the
    # file is mounted by itself.
    for place in (file.parent, file):
        found = mount_of(str(place), mounts)
        kind = UNKNOWN if found is None else found.kind
        if kind in LOCAL or kind == accepted:
            continue
        where = "its type is unknown" if found is None else f"mounted at {os.fsdecode(found.point)}"
        raise RefusedError(
            f"the state {path} would be on a file system of type {kind} ({where}), which is"
            " not known to be local: SQLite's locks do not hold on network and shared ones. Name a"
            " path on a local disk as state.path, or, where you know that only one machine uses"
            f" it, set state.accept_filesystem: {kind}"
        )


def nobody_writes(path: Path) -> bool:
    """Return whether nobody can change the file at `path`: its file system is local and read-only.

    A read-only mount may show what is written through another mount, so the file system itself
    counts. False where that is unknown.
    """
    mounts = tuple(_mounts())
    place = Path(os.path.realpath(path))
    found = [mount_of(str(each), mounts) for each in (place.parent, place)]
    return all(mount is not None and mount.is_frozen and mount.kind in LOCAL for mount in found)


def mount_of(path: str, mounts: Iterable[MountPoint]) -> MountPoint | None:
    """Return the mount that a real path leads to, as the kernel walks it; None where no mount is
    above it.

    A mount hides everything mounted below its point before it, and earlier mounts on the same
    point.
    """
    known = tuple(mounts)
    numbers = {mount.number for mount in known}
    here = next(
        (mount for mount in known if mount.point == b"/" and mount.parent not in numbers), None
    )
    if here is None:
        here = next((mount for mount in known if mount.point == b"/"), None)
    prefix = b""
    for part in (b"", *[part for part in os.fsencode(path).split(b"/") if part]):
        prefix = prefix if not part else prefix + b"/" + part
        while (above := _mounted_on(here, prefix or b"/", known)) is not None:
            here = above
    return here


def _mounted_on(
    here: MountPoint | None, point: bytes, mounts: tuple[MountPoint, ...]
) -> MountPoint | None:
    """Return the mount at this point of another one, the last where there are several."""
    # After a chroot only the mounts below the new root are listed.
    if here is None:
        return next((mount for mount in reversed(mounts) if mount.point == point), None)
    own = (
        mount
        for mount in reversed(mounts)
        if mount.parent == here.number and mount.number != here.number
    )
    return next((mount for mount in own if mount.point == point), None)


def parse_mountinfo(text: bytes) -> Iterator[MountPoint]:
    """Yield the mounts in /proc/self/mountinfo. Source: proc_pid_mountinfo(5): space, tab, newline,
    backslash and # are octal escapes.
    """
    # Not splitlines: a path may contain what Python takes for the end of a line.
    for line in text.split(b"\n"):
        before, _, after = line.partition(b" - ")
        fields, kind = before.split(b" "), after.split(b" ")[0]
        if len(fields) >= 5 and fields[0].isdigit() and fields[1].isdigit() and kind:
            point = _ESCAPE.sub(lambda found: bytes((int(found[1], 8) & 0xFF,)), fields[4])
            # The options of the file system; those of the mount stand before the dash.
            options = after.split(b" ")[2:3]
            is_frozen = b"ro" in b"".join(options).split(b",")
            yield MountPoint(
                int(fields[0]), int(fields[1]), point, kind.decode("ascii", "replace"), is_frozen
            )


def parse_mount(text: bytes) -> Iterator[MountPoint]:
    """Yield the mounts that mount(8) prints on macOS and the BSDs: `/dev/disk3s1 on /Volumes/a b
    (apfs, local)`; each below the root.
    """
    for number, line in enumerate(text.split(b"\n"), start=1):
        if found := _MOUNT_LINE.match(line):
            yield MountPoint(
                number, 0, found["point"], found["kind"].strip().decode("ascii", "replace")
            )


def _mounts() -> Iterator[MountPoint]:
    try:
        if sys.platform == "linux":
            yield from parse_mountinfo(_MOUNTINFO.read_bytes())
        else:
            yield from _nested(
                parse_mount(subprocess.run(["/sbin/mount"], capture_output=True, check=True).stdout)
            )
    except (OSError, subprocess.SubprocessError):
        return


def _nested(mounts: Iterable[MountPoint]) -> Iterator[MountPoint]:
    """Yield mounts whose parents have no numbers: each is below the longest point that
    contains it.
    """
    found = list(mounts)
    for mount in found:
        above = [each for each in found if each is not mount and _holds(each.point, mount.point)]
        parent = max(above, key=lambda each: len(each.point), default=None)
        yield MountPoint(mount.number, parent.number if parent else 0, mount.point, mount.kind)


def _holds(point: bytes, path: bytes) -> bool:
    return path != point and path.startswith(point.rstrip(b"/") + b"/")
