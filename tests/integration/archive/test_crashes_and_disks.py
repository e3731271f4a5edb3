"""Killed at any step, a failing or full disk, a planted link, another volume: nothing or all, and a
sentence.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sauce_janitor.archive import Archive, Catalogue, DiskReserve, Proof, WriteSettings
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError
from sauce_janitor.model.assets import EVERYTHING
from tests.fakes.asset_shelf import MP4, AssetShelf, ShelfBody, document
from tests.integration.archive import storing_process
from tests.support.archive import ORIGIN, ROOMY, folder_of, tree
from tests.support.components import lacking

SCRIPT = str(Path(storing_process.__file__))


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=150).stdout


def files(root: Path) -> dict[str, bytes]:
    """The archive's files, but for what differs in every run: its uuid stands in the receipts, and
    their hashes follow.
    """
    differs = rb'"archive": "[0-9a-f-]{36}"|"previous": "[0-9a-f]{64}"'
    return {
        name: re.sub(differs, b"", data) for name, data in tree(root).items() if data is not None
    }


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("first", ["", "video"])
def test_a_process_killed_before_any_disk_call_leaves_nothing_or_all(
    tmp_path: Path, first: str, step: int
) -> None:
    base, done = tmp_path / "killed", tmp_path / "done"
    if first:
        storing_process.store(base, first)
        storing_process.store(done, first)
    storing_process.store(done, "all")
    whole, before = files(done), files(base) if first else {}
    calls = int(run(sys.executable, SCRIPT, "kill", str(base), "all", str(step)))
    assert calls > 30
    ends = set()
    for last in range(0, calls + 1, step):
        root = tmp_path / f"killed-{last}"
        if not first:
            assert all(not proof.findings for proof in proofs(root)), (
                f"partly shown when killed before call {last}"
            )
        if (root / ".sauce-janitor-archive").exists():
            with Archive.open(root, account="eu", known_uuid=None, settings=ROOMY) as archive:
                archive.sweep()
            assert files(root) in (before, whole), (
                f"neither nothing nor all when killed before call {last}"
            )
            assert all(not proof.findings for proof in proofs(root))
            ends.add(len(files(root)))
        storing_process.store(root, "all")
        assert files(root) == whole, f"another end after a kill before call {last}"
        shutil.rmtree(root)
    assert ends == {len(before), len(whole)}


def proofs(root: Path) -> list[Proof]:
    if not (root / ".sauce-janitor-archive").exists():
        return []
    with Catalogue.open(root) as catalogue:
        return list(catalogue.proofs())


@pytest.fixture
def folder(tmp_path: Path, call: str) -> Iterator[Path]:
    """A folder, for syncfs on a disk: `make test` keeps temporary folders in memory, where syncfs
    is not used.
    """
    if call != "syncfs":
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="archive-", dir="/var/tmp") as on_disk:
        yield Path(on_disk)


@pytest.fixture
def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        lacking("strace is not installed")
    return found


@pytest.mark.parametrize("call", ["fsync", "syncfs", "renameat", "mkdirat"])
@pytest.mark.parametrize(("first", "and_all_later"), [("", ""), ("video", ""), ("video", "+")])
def test_every_failing_disk_call_fails_the_job_and_leaves_nothing(
    folder: Path, strace: str, call: str, first: str, and_all_later: str
) -> None:
    base, log = folder / "base", folder / "strace.log"
    with Archive.open(base, account="eu", known_uuid=None, settings=ROOMY):
        pass
    if first:
        storing_process.store(base, first)
    before = files(base)
    fired = 0
    for number in range(1, 40):
        root = folder / f"{call}-{number}"
        shutil.copytree(base, root)
        inject = f"inject={call}:error=EIO:when={number}{and_all_later}"
        says = run(
            strace,
            "-f",
            "-o",
            str(log),
            "-e",
            f"trace={call}",
            "-e",
            inject,
            sys.executable,
            SCRIPT,
            "once",
            str(root),
        )
        if "(INJECTED)" not in log.read_text():
            assert says.startswith("stored")
            break
        fired += 1
        assert says.startswith("ArchiveUnusableError: "), says
        assert "Input/output error" in says
        if and_all_later:
            with Archive.open(root, account="eu", known_uuid=None, settings=ROOMY) as archive:
                archive.sweep()
        assert files(root) == before
        assert all(not proof.findings for proof in proofs(root))
    if call == "syncfs" and fired == 0:
        pytest.skip("syncfs is not used on this file system")
    assert fired > 0


def test_everything_is_durable_before_it_is_shown(tmp_path: Path, strace: str) -> None:
    log = tmp_path / "strace.log"
    root = tmp_path / "archive"
    calls = "write,fsync,syncfs,rename,renameat,renameat2"
    run(
        strace,
        "-y",
        "-f",
        "-o",
        str(log),
        "-e",
        f"trace={calls}",
        sys.executable,
        SCRIPT,
        "once",
        str(root),
    )
    dirty: set[str] = set()
    shown = 0
    for line in log.read_text().splitlines():
        call = line.split(None, 1)[1]
        path = re.search(r"<(/[^>]*)>", call)
        if call.startswith("rename"):
            assert not dirty, f"shown before it was durable: {dirty}"
            shown += 1
        elif path and path[1].startswith(str(root)):
            if call.startswith("write"):
                dirty.add(path[1])
            elif call.startswith("syncfs"):
                dirty.clear()
            else:
                dirty.discard(path[1])
    assert shown == 1
    assert re.search(
        r"renameat.*\n.*fsync\(.*/31>\) += 0", log.read_text()
    )  # the day's folder: the commit point


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        lacking("mounting a small disk needs root")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=200", "none", place],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        lacking(f"cannot mount a tmpfs here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_ends_archiving_and_leaves_nothing(small_disk: Path) -> None:
    big = AssetShelf({"video.mp4": ShelfBody([MP4 + bytes(65536)] * 40)})
    small = AssetShelf({"video.mp4": MP4})
    with Archive.open(small_disk, account="eu", known_uuid=None, settings=ROOMY) as archive:
        with pytest.raises(
            ArchiveUnusableError, match=r"write asset 'video\.mp4': No space left on device"
        ):
            archive.store(document(), big.listing, EVERYTHING, big.fetch, ORIGIN)
        assert tree(small_disk) == {}
        archive.store(document(), small.listing, EVERYTHING, small.fetch, ORIGIN)


def test_a_disk_without_inodes_ends_archiving_and_leaves_nothing(small_disk: Path) -> None:
    many = AssetShelf({f"{number}.bin": b"x" for number in range(300)})
    with Archive.open(small_disk, account="eu", known_uuid=None, settings=ROOMY) as archive:
        with pytest.raises(ArchiveUnusableError, match="No space left on device"):
            archive.store(document(), many.listing, EVERYTHING, many.fetch, ORIGIN)
        assert tree(small_disk) == {}


@pytest.mark.parametrize("floor", [DiskReserve(percent=30), DiskReserve(percent=0, bytes=300_000)])
def test_archiving_stops_before_the_disk_is_full(small_disk: Path, floor: DiskReserve) -> None:
    shelf = AssetShelf({"video.mp4": MP4})
    with Archive.open(
        small_disk, account="eu", known_uuid=None, settings=WriteSettings(min_free=floor)
    ) as archive:
        (small_disk / "other").write_bytes(bytes(800_000))
        with pytest.raises(ArchiveUnusableError, match=r"archive\.min_free keeps"):
            archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
        assert shelf.asked == []


def test_a_read_only_archive_is_refused_when_opened_and_when_it_becomes_so(
    small_disk: Path,
) -> None:
    shelf = AssetShelf({"video.mp4": MP4})
    with Archive.open(small_disk, account="eu", known_uuid=None, settings=ROOMY) as archive:
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        with pytest.raises(ArchiveUnusableError, match="Read-only file system"):
            archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    with pytest.raises(
        ArchiveUnusableError, match=r"write to the archive .*: Read-only file system"
    ):
        Archive.open(small_disk, account="eu", known_uuid=None, settings=ROOMY)


def test_a_volume_mounted_over_the_archive_is_noticed_before_the_next_job(
    root: Path, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        lacking("mounting needs root")
    with Archive.open(root, account="eu", known_uuid=None, settings=ROOMY) as archive:
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "none", root],
            capture_output=True,
            check=False,
        ).returncode:
            lacking("cannot mount a tmpfs here")
        try:
            with pytest.raises(ArchiveUnusableError, match="is not the folder that was opened"):
                archive.check()
            with pytest.raises(
                ArchiveUnusableError, match=r"has no sentinel .* is the archive's volume mounted\?"
            ):
                Archive.open(root, account="eu", known_uuid=archive.uuid, settings=ROOMY)
        finally:
            subprocess.run(["umount", root], check=True)


def test_a_file_larger_than_the_system_allows_is_missing_and_the_rest_is_stored(
    tmp_path: Path,
) -> None:
    says = run(sys.executable, SCRIPT, "once", str(tmp_path / "archive"), "2000000", "4")
    assert says.startswith("stored")
    [receipt] = (tmp_path / "archive").rglob("receipt.json")
    assert "File too large" in receipt.read_text()


def test_a_large_asset_costs_no_memory(tmp_path: Path) -> None:
    small, large = (
        int(run(sys.executable, SCRIPT, "once", str(tmp_path / size), "0", size).split()[1])
        for size in ("1", "100")
    )
    assert large - small < 4096  # KiB


@pytest.mark.parametrize("level", [1, 3, 6])
def test_a_link_planted_in_the_archive_is_not_followed(
    archive: Archive, root: Path, tmp_path: Path, level: int
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    planted = root.joinpath(*folder_of(root).relative_to(root).parts[:level])
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.symlink_to(outside)
    shelf = AssetShelf({"video.mp4": MP4})
    with pytest.raises(
        ArchiveError, match="a link or a file stands where a folder of the archive should be"
    ):
        archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert list(outside.iterdir()) == []
    (proof,) = archive.catalogue.proofs()
    assert [finding.damage for finding in proof.findings] == ["link"]


def test_a_link_in_place_of_the_work_folder_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    with Archive.open(root, account="eu", known_uuid=None, settings=ROOMY):
        pass
    shutil.rmtree(root / ".partial")
    (root / ".partial").symlink_to(tmp_path / "outside")
    with pytest.raises(ArchiveUnusableError, match="a link or a file stands"):
        Archive.open(root, account="eu", known_uuid=None, settings=ROOMY)


def test_a_strangers_folder_in_a_jobs_place_is_left_alone(archive: Archive, root: Path) -> None:
    folder_of(root).mkdir(parents=True)
    (folder_of(root) / "mine.txt").write_text("do not touch")
    shelf = AssetShelf({"video.mp4": MP4})
    with pytest.raises(ArchiveError, match=r"lacks receipt\.json"):
        archive.store(document(), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert (folder_of(root) / "mine.txt").read_text() == "do not touch"


def test_sweeping_removes_leftovers_of_this_account_only(archive: Archive, root: Path) -> None:
    for account in ("eu", "us"):
        leftover = root / ".partial" / account / "leftover" / "assets"
        leftover.mkdir(parents=True)
        (leftover / "video.mp4").write_bytes(MP4)
    assert archive.sweep() == 1
    assert [path.name for path in (root / ".partial").glob("*/*")] == ["leftover"]
    assert (root / ".partial" / "us" / "leftover").exists()
