"""Which file system a path lies on, and whether SQLite's locks and shared memory hold there."""

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
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "reiser4", "nilfs2", "ubifs",
     # an overlay's upper layer is local: Linux takes no other
     "tmpfs", "ramfs", "rootfs", "overlay", "overlayfs", "aufs",
     "apfs", "hfs", "ufs", "ffs", "hammer", "hammer2"}
)  # fmt: skip
"""File systems of one machine. A network or shared one cannot be told by a list of names: each
month brings a new one. Source: https://sqlite.org/wal.html, section 1, and
https://sqlite.org/howtocorrupt.html, section 2.1.
"""
UNKNOWN: Final = "unknown"
"""What a file system is called whose kind the operating system does not tell."""

_MOUNTINFO: Final = Path("/proc/self/mountinfo")
_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")
_MOUNT_LINE: Final = re.compile(rb".*? on (?P<point>/.*) \((?P<kind>[^,)]+)")


@dataclass(frozen=True, slots=True)
class MountPoint:
    """One mount: its number and its parent's, its point's path, and the kind of its file system.

    `is_frozen`: the file system itself is read-only, at every place where it is mounted.
    """

    number: int
    parent: int
    point: bytes
    kind: str
    is_frozen: bool = False


def refuse_shared(path: Path, accepted: str | None) -> None:
    """RefusedError where the file at `path`, or its folder, lies on a file system that is not known
    to be local.

    Links are followed. `accepted` is the one kind that is taken besides.
    """
    file = Path(os.path.realpath(path))
    mounts = tuple(_mounts())
    # SQLite keeps its log and shared memory beside the file: a file that is mounted by itself must
    # not hide its folder
    for place in (file.parent, file):
        found = mount_of(str(place), mounts)
        kind = UNKNOWN if found is None else found.kind
        if kind in LOCAL or kind == accepted:
            continue
        where = (
            "its kind cannot be told" if found is None else f"mounted at {os.fsdecode(found.point)}"
        )
        raise RefusedError(
            f"the state {path} would lie on a file system of the kind {kind} ({where}), which is"
            " not known to be local: SQLite's locks do not hold on network and shared ones. Name a"
            " path on a local disk as state.path, or, where you know that only one machine uses"
            f" it, set state.accept_filesystem: {kind}"
        )


def nobody_writes(path: Path) -> bool:
    """Return whether nobody can change the file at `path`: its file system is local and read-only.

    A mount that is read-only may show what is written at another place: what counts is the file
    system itself. False where that cannot be told.
    """
    mounts = tuple(_mounts())
    place = Path(os.path.realpath(path))
    found = [mount_of(str(each), mounts) for each in (place.parent, place)]
    return all(mount is not None and mount.is_frozen and mount.kind in LOCAL for mount in found)


def mount_of(path: str, mounts: Iterable[MountPoint]) -> MountPoint | None:
    """Return the mount that a real path leads to, as the kernel walks it; None where no mount is
    above it.

    A mount hides all that was mounted below its point before it, and the point's own earlier
    mounts.
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
    """The mount at this point of another one, the last where there are several."""
    if here is None:  # a changed root, of which only what is mounted below is shown
        return next((mount for mount in reversed(mounts) if mount.point == point), None)
    own = (
        mount
        for mount in reversed(mounts)
        if mount.parent == here.number and mount.number != here.number
    )
    return next((mount for mount in own if mount.point == point), None)


def parse_mountinfo(text: bytes) -> Iterator[MountPoint]:
    """Read /proc/self/mountinfo. Source: proc_pid_mountinfo(5): space, tab, newline, backslash and
    # are octal escapes.
    """
    for line in text.split(
        b"\n"
    ):  # not splitlines: a point may hold what Python takes for the end of a line
        before, _, after = line.partition(b" - ")
        fields, kind = before.split(b" "), after.split(b" ")[0]
        if len(fields) >= 5 and fields[0].isdigit() and fields[1].isdigit() and kind:
            point = _ESCAPE.sub(lambda found: bytes((int(found[1], 8) & 0xFF,)), fields[4])
            options = after.split(b" ")[
                2:3
            ]  # of the file system; those of the mount stand before the dash
            is_frozen = b"ro" in b"".join(options).split(b",")
            yield MountPoint(
                int(fields[0]), int(fields[1]), point, kind.decode("ascii", "replace"), is_frozen
            )


def parse_mount(text: bytes) -> Iterator[MountPoint]:
    """Read what mount(8) prints on macOS and the BSDs: `/dev/disk3s1 on /Volumes/a b (apfs,
    local)`; each below the root.
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
    """Mounts without numbers of their parents: each is below the longest point that holds it."""
    found = list(mounts)
    for mount in found:
        above = [each for each in found if each is not mount and _holds(each.point, mount.point)]
        parent = max(above, key=lambda each: len(each.point), default=None)
        yield MountPoint(mount.number, parent.number if parent else 0, mount.point, mount.kind)


def _holds(point: bytes, path: bytes) -> bool:
    return path != point and path.startswith(point.rstrip(b"/") + b"/")
