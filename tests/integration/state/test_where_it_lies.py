"""The kernel's own mounts, and every way into the state."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sauce_janitor.errors import RefusedError
from sauce_janitor.state import State
from sauce_janitor.state.file import filesystems
from tests.support.components import lacking
from tests.support.state import ROOT


def test_a_state_on_this_machine_s_disk_opens_and_one_on_a_shared_mount_is_refused_before_anything_is_made(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    State.open(path).close()
    info = tmp_path / "mountinfo"
    info.write_text(
        f"1 0 0:1 / / rw - ext4 d rw\n2 1 0:2 / {tmp_path} rw - fuse.sshfs host:/x rw\n"
    )
    monkeypatch.setattr(filesystems, "_MOUNTINFO", info)
    with pytest.raises(RefusedError, match=r"fuse\.sshfs"):
        State.open(tmp_path / "other" / "state.db")
    assert not (tmp_path / "other").exists()
    State.open(path, accept_filesystem="fuse.sshfs").close()


def test_real_mounts_with_odd_names_nested_and_stacked_are_found(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        lacking("mounting needs root")
    script = r"""
        set -e
        mount --make-rprivate /
        odd="$1/a b$(printf '\n')\\#x"; mkdir -p "$odd"; mount -t tmpfs none "$odd"
        mkdir "$odd/proc"; mount -t proc proc "$odd/proc"
        mkdir -p "$1/over/below"; mount -t proc proc "$1/over/below"; mount -t tmpfs none "$1/over"; mkdir "$1/over/below"
        mkdir "$1/bound"; mount --bind "$odd/proc" "$1/bound"
        ln -s "$odd/proc" "$1/link"
        exec "$2" -c '
import os, sys
from sauce_janitor.state.file.filesystems import _mounts, mount_of
for place in ("a b\\#x/y", "a b\\#x/proc", "over/below/y", "bound/1", "link/y"):
    print(mount_of(os.path.realpath(sys.argv[1] + "/" + place), _mounts()).kind)
' "$1"
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), sys.executable],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if "Operation not permitted" in done.stderr or "permission denied" in done.stderr:
        lacking("this machine lets nobody mount")
    assert done.stdout.split() == ["tmpfs", "proc", "tmpfs", "proc", "proc"], done.stderr


def test_every_command_opens_the_state_with_what_the_configuration_accepts() -> None:
    opened = 0
    for file in (ROOT / "sauce_janitor").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "State.open",
                "State.look",
            ):
                assert "accept_filesystem" in {keyword.arg for keyword in node.keywords}, (
                    f"{file}:{node.lineno}"
                )
                opened += 1
    assert opened >= 8
