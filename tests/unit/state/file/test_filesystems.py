"""Only a file system that is known to be local holds the state, whatever its mounts are called and
however they nest.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.errors import RefusedError
from sauce_janitor.state.file import filesystems
from sauce_janitor.state.file.filesystems import (
    MountPoint,
    mount_of,
    parse_mount,
    parse_mountinfo,
    refuse_shared,
)

SHARED = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "virtiofs",
    "afs",
    "ceph",
    "fuse",
    "fuse.ceph",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.mergerfs",
    "fuse.juicefs",
    "fuse.gcsfuse",
    "fuse.blobfuse2",
    "fuse.glusterfs",
    "lustre",
    "gpfs",
    "beegfs",
    "ocfs2",
    "gfs2",
    "pvfs2",
    "orangefs",
    "vboxsf",
    "vmhgfs",
    "prl_fs",
    "fakeowner",
    "drvfs",
    "davfs",
    "webdav",
    "a-new-one",
)


def mountinfo(*mounts: tuple[int, int, str, str]) -> bytes:
    lines = (
        f"{number} {parent} 0:{number} / {point} rw,relatime shared:1 - {kind} source rw,opt=a - b"
        for number, parent, point, kind in mounts
    )
    return "\n".join(lines).encode("utf-8", "surrogateescape") + b"\n"


ROOT = (20, 1, "/", "ext4")


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What this process finds mounted."""
    file = tmp_path / "mountinfo"
    monkeypatch.setattr(filesystems, "_MOUNTINFO", file)
    return file


@pytest.mark.parametrize("kind", SHARED)
def test_a_network_or_shared_file_system_is_refused_and_can_be_accepted_by_its_name(
    mounted: Path, kind: str
) -> None:
    mounted.write_bytes(mountinfo(ROOT, (21, 20, "/mnt/nas", kind)))
    path = Path("/mnt/nas/deep/state.db")
    with pytest.raises(RefusedError) as refused:
        refuse_shared(path, None)
    said = str(refused.value)
    assert f"type {kind} (mounted at /mnt/nas)" in said
    assert "state.path" in said
    assert said.endswith(f"state.accept_filesystem: {kind}")
    with pytest.raises(RefusedError):
        refuse_shared(path, "another")
    refuse_shared(path, kind)
    refuse_shared(Path("/mnt/other/state.db"), None)


@pytest.mark.parametrize("kind", sorted(filesystems.LOCAL))
def test_a_local_file_system_is_accepted(mounted: Path, kind: str) -> None:
    mounted.write_bytes(mountinfo((20, 1, "/", "nfs4"), (21, 20, "/var", kind)))
    refuse_shared(Path("/var/lib/sauce-janitor/state.db"), None)


def test_a_kind_that_cannot_be_told_is_refused(mounted: Path) -> None:
    with pytest.raises(RefusedError, match=r"type unknown \(its type is unknown\)"):
        refuse_shared(Path("/x/state.db"), None)
    refuse_shared(Path("/x/state.db"), "unknown")


def test_a_link_counts_as_what_it_leads_to(mounted: Path, tmp_path: Path) -> None:
    mounted.write_bytes(mountinfo(ROOT, (21, 20, "/mnt/nas", "nfs4")))
    (tmp_path / "folder").symlink_to("/mnt/nas/janitor")
    (tmp_path / "state.db").symlink_to("/mnt/nas/state.db")
    for path in (tmp_path / "folder" / "state.db", tmp_path / "state.db"):
        with pytest.raises(RefusedError, match="nfs4"):
            refuse_shared(path, None)


def test_a_file_that_is_mounted_by_itself_does_not_hide_its_folder(mounted: Path) -> None:
    mounted.write_bytes(
        mountinfo(ROOT, (21, 20, "/mnt/nas", "cifs"), (22, 21, "/mnt/nas/state.db", "ext4"))
    )
    with pytest.raises(RefusedError, match="cifs"):
        refuse_shared(Path("/mnt/nas/state.db"), None)
    mounted.write_bytes(mountinfo(ROOT, (22, 20, "/data/state.db", "nfs4")))
    with pytest.raises(RefusedError, match="nfs4"):
        refuse_shared(Path("/data/state.db"), None)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/mnt/nas", "nfs4"),
        ("/mnt/nas/x", "nfs4"),
        ("/mnt/nas2/x", "ext4"),  # no path prefix is a folder prefix
        ("/mnt/nas/local/x", "xfs"),
        ("/stacked/x", "cifs"),  # the last of two on one point
        ("/over/hidden/x", "tmpfs"),  # mounted below before the point above it was mounted over
        ("/over/shown/x", "btrfs"),
        ("/", "ext4"),
        ("/a b/x", "nfs4"),
        ("/a\nb/x", "nfs4"),
        ("/a\\b/x", "nfs4"),
        ("/a#b/x", "nfs4"),
        ("/a\x0b\x85\u2028b/x", "nfs4"),
    ],
)
def test_the_mount_is_the_one_that_the_kernel_walks_to(path: str, kind: str) -> None:
    text = mountinfo(
        ROOT,
        (21, 20, "/mnt/nas", "nfs4"),
        (22, 21, "/mnt/nas/local", "xfs"),
        (23, 20, "/stacked", "ext4"),
        (24, 23, "/stacked", "cifs"),
        (25, 20, "/over/hidden", "nfs4"),
        (26, 20, "/over", "tmpfs"),
        (27, 26, "/over/shown", "btrfs"),
        (28, 20, "/a\\040b", "nfs4"),
        (29, 20, "/a\\012b", "nfs4"),
        (30, 20, "/a\\134b", "nfs4"),
        (31, 20, "/a\\043b", "nfs4"),
        (32, 20, "/a\x0b\x85\u2028b", "nfs4"),
    )
    found = mount_of(path, parse_mountinfo(text))
    assert found is not None
    assert found.kind == kind


@given(
    st.binary(min_size=1, max_size=20).filter(
        lambda name: not {0, 47} & set(name) and name not in (b".", b"..")
    )
)
def test_any_bytes_in_a_mount_point_are_read(name: bytes) -> None:
    escaped = b"".join(b"\\%03o" % byte if byte in b" \t\n\\#" else bytes((byte,)) for byte in name)
    line = b"21 20 0:21 / /mnt/" + escaped + b" rw - nfs4 server:/x rw"
    found = mount_of(
        os.fsdecode(b"/mnt/" + name + b"/state"), parse_mountinfo(mountinfo(ROOT) + line)
    )
    assert found is not None
    assert (found.kind, found.point) == ("nfs4", b"/mnt/" + name)


def test_lines_that_cannot_be_read_are_left_out() -> None:
    text = b"\x00\n1 2 3\n" + mountinfo(ROOT) + b"a b c d e - ext4\n22 20 0:1 / /x rw - \n"
    assert list(parse_mountinfo(text)) == [MountPoint(20, 1, b"/", "ext4")]


def test_what_mount_prints_on_macos_and_the_bsds_is_read() -> None:
    text = (
        b"/dev/disk3s1s1 on / (apfs, sealed, local)\n//me@nas/x on /Volumes/my (old) share (smbfs,"
        b" nodev)\n"
    )
    assert [(mount.point, mount.kind) for mount in parse_mount(text)] == [
        (b"/", "apfs"),
        (b"/Volumes/my (old) share", "smbfs"),
    ]
    found = mount_of("/Volumes/my (old) share/x", filesystems._nested(parse_mount(text)))
    assert found is not None
    assert found.kind == "smbfs"
