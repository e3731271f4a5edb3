"""Exports: checked by the programs that people have, whole or not there, never over something else,
flat in memory.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner, Result

from sauce_janitor.archive import Archive, JobContents, Pruner, contents_of
from sauce_janitor.archive.disk.root import DiskRoot
from sauce_janitor.archive.exports import exporter, targets
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.archive.archive import archive as group
from sauce_janitor.errors import ConfigError, JanitorError
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.model.jobs import job_id, owner_name
from sauce_janitor.model.permits import PrunePermit
from tests.fakes.asset_shelf import HAR, LOG, MP4, AssetShelf, document
from tests.support.archive import ORIGIN, ROOMY, VIDEO_ONLY, folder_of

CONFIG = """\
version: 1
accounts: {eu: {region: eu-central-1}}
archive: {path: ./archive}
state: {path: ./state.db}
policies: [{name: everything, default: true, then: {archive: 5d}}]
"""
JOB = f"{1:032x}"
LONG_LOG = b"[" + b",".join([LOG[1:-1]] * 50) + b"]"
ASSETS: dict[str, bytes] = {
    "video.mp4": MP4,
    "log.json": LONG_LOG,
    "network.har": HAR,
    "../../evil.log": b"evil\n",
}


@pytest.fixture
def config(root: Path, archive: Archive) -> Path:
    """Three jobs: two of a build, the first of them in two passes."""
    for number, build in ((1, "nightly-1"), (2, "nightly-1"), (3, "PR-7")):
        shelf = AssetShelf(dict(ASSETS))
        if number == 1:
            archive.store(document(1, build=build), shelf.listing, VIDEO_ONLY, shelf.fetch, ORIGIN)
        archive.store(document(number, build=build), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    path = root.parent / "config.yaml"
    path.write_text(CONFIG)
    return path


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        group,
        ["export", *arguments],
        obj=Session(config, None, "info", None),
        standalone_mode=False,
    )


def unpacked(target: Path) -> Path:
    """The export as a folder, unpacked by programs that are not ours."""
    if target.is_dir():
        return target
    folder = target.with_name(target.name + ".d")
    folder.mkdir()
    if target.suffix == ".zip":
        with zipfile.ZipFile(target) as packed:
            assert packed.testzip() is None
            packed.extractall(folder)
    else:
        with (
            target.open("rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file) as stream,
            tarfile.open(fileobj=stream, mode="r|") as packed,
        ):
            packed.extractall(folder, filter="data")
    return folder


def sha256sum(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["out", "out.zip", "out.tar.zst"])
def test_anyone_can_check_an_export_by_sha256sum(config: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    said = run(config, JOB, "-o", str(target))
    assert (said.exit_code, said.return_value) == (0, 0)
    folder = unpacked(target)
    checked = sha256sum(folder)
    assert (checked.returncode, checked.stderr) == (0, "")
    listed = {line.split("  ", 1)[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == listed | {"SHA256SUMS"}
    job = folder / "eu" / "alice" / JOB
    assert (job / "assets" / "video.mp4").read_bytes() == MP4
    assert (job / "assets-2" / "log.json").read_bytes() == LONG_LOG
    assert {path.name for path in job.iterdir()} >= {"job.json", "receipt.json", "receipt-2.json"}
    assert "evil" in {path.read_text().strip() for path in job.rglob("*.log")}
    (job / "assets" / "video.mp4").write_bytes(MP4[:-1] + b"!")
    assert sha256sum(folder).returncode == 1


def test_unzip_finds_a_zip_whole(
    config: Path, tmp_path: Path, component: Callable[[str], Path]
) -> None:
    component("unzip")
    run(config, "nightly-*", "-o", str(tmp_path / "out.zip"))
    assert (
        subprocess.run(
            ["unzip", "-tq", tmp_path / "out.zip"], check=False, capture_output=True
        ).returncode
        == 0
    )


@pytest.mark.parametrize(
    ("what", "jobs"),
    [
        (("nightly-1",), 2),
        (("nightly-*",), 2),
        (("--build", "PR-7"), 1),
        (("--owner", "alice"), 3),
        (("--all",), 3),
        ((JOB, "--status", "complete"), 1),
    ],
)
def test_a_build_or_what_one_looks_for_is_exported(
    config: Path, tmp_path: Path, what: tuple[str, ...], jobs: int
) -> None:
    said = run(config, *what, "-o", str(tmp_path / "out"))
    assert f"Exported: {jobs} job" in said.output
    assert len(list((tmp_path / "out").rglob("job.json"))) >= jobs


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ((), "nothing is selected"),
        (("PR-8",), "o archived job matches"),
        (("f" * 32,), "o archived job matches"),
        (("PR-7", "--build", "x"), "give the build once"),
    ],
)
def test_what_is_not_there_is_said_and_nothing_is_written(
    config: Path, tmp_path: Path, what: tuple[str, ...], sentence: str
) -> None:
    said = run(config, *what, "-o", str(tmp_path / "out"))
    assert sentence in str(said.exception)
    assert not list(tmp_path.glob("*out*"))


def test_compressed_assets_come_out_as_originals(root: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    packing = replace(ROOMY, compress=True)
    with Archive.open(root, account="eu", known_uuid=None, settings=packing) as archive:
        shelf = AssetShelf(dict(ASSETS))
        archive.store(document(1), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert list(root.rglob("*.zst"))
    config = root.parent / "config.yaml"
    config.write_text(CONFIG)
    assert run(config, JOB, "-o", str(tmp_path / "out")).return_value == 0
    assert sha256sum(tmp_path / "out").returncode == 0
    assert not list((tmp_path / "out").rglob("*.zst"))
    assert (
        tmp_path / "out" / "eu" / "alice" / JOB / "assets" / "log.json"
    ).read_bytes() == LONG_LOG


def test_what_was_pruned_is_said_in_the_export(
    config: Path, archive: Archive, tmp_path: Path
) -> None:
    place = ("eu", "alice", "2025", "12", "31", JOB)
    catalogue = archive.catalogue
    pruner = Pruner(catalogue.root, "eu", run_id="run-2", now=lambda: 1_800_000_000)
    permit = PrunePermit(
        job_id(JOB), owner_name("alice"), frozenset({"assets/video.mp4"}), "p: keep_for 90d", 1
    )
    pruner.prune(pruner.draft(place, catalogue.receipts(place), catalogue.records(place), permit))
    assert run(config, JOB, "-o", str(tmp_path / "out")).return_value == 0
    assert sha256sum(tmp_path / "out").returncode == 0
    assert {path.name for path in (tmp_path / "out").rglob("*")} & {"pruned.json", "video.mp4"} == {
        "pruned.json"
    }


def test_a_job_that_does_not_verify_is_left_out_and_named(
    config: Path, root: Path, tmp_path: Path
) -> None:
    (folder_of(root, 2) / "assets" / "video.mp4").write_bytes(MP4[:-1] + b"!")
    said = run(config, "--all", "-o", str(tmp_path / "out.zip"))
    assert said.return_value == 6
    assert f"left out: eu/alice/2025/12/31/{2:032x}/assets/video.mp4: changed" in said.output
    folder = unpacked(tmp_path / "out.zip")
    assert sha256sum(folder).returncode == 0
    assert not list(folder.rglob(f"{2:032x}"))
    alone = run(config, f"{2:032x}", "-o", str(tmp_path / "alone"))
    assert "video.mp4: changed" in str(alone.exception)
    assert not (tmp_path / "alone").exists()


@pytest.mark.parametrize("name", ["out.tar.gz", "out.TGZ", "out.7z"])
def test_a_packing_that_is_not_known_is_no_folders_name(
    config: Path, tmp_path: Path, name: str
) -> None:
    wrong = run(config, JOB, "-o", str(tmp_path / name)).exception
    assert isinstance(wrong, ConfigError)
    assert "name a folder, FILE.zip or FILE.tar.zst" in str(wrong)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["out", "out.zip", "out.tar.zst"])
def test_nothing_is_overwritten_unless_it_is_said(config: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    assert run(config, JOB, "-o", str(target)).return_value == 0
    kept = sorted(path.name for path in tmp_path.iterdir())
    again = run(config, "PR-7", "-o", str(target))
    assert isinstance(again.exception, ConfigError)
    assert "exists: name another place, or add --force" in str(again.exception)
    assert run(config, "PR-7", "-o", str(target), "--force").return_value == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    assert not list(unpacked(target).rglob(JOB))


def test_a_folder_that_no_export_made_is_never_replaced(config: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("years")
    said = run(config, JOB, "-o", str(home), "--force")
    assert "was not made by an export" in str(said.exception)
    assert (home / "thesis.txt").read_text() == "years"
    link = tmp_path / "link"
    link.symlink_to(home)
    assert isinstance(run(config, JOB, "-o", str(link), "--force").exception, ConfigError)
    assert isinstance(run(config, JOB, "-o", str(tmp_path / "no" / "where")).exception, ConfigError)


class FullDiskError(OSError):
    def __init__(self) -> None:
        super().__init__(28, "No space left on device")


@pytest.mark.parametrize("wrong", [FullDiskError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", ["out", "out.zip", "out.tar.zst"])
def test_half_an_export_is_never_left(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    wrong: Callable[[], BaseException],
) -> None:
    before = sorted(tmp_path.rglob("*"))
    real, calls = exporter._Verifying.read, 0

    def read(self: exporter._Verifying, size: int = -1, /) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise wrong()
        return real(self, size)

    monkeypatch.setattr(exporter._Verifying, "read", read)
    said = run(config, "--all", "-o", str(tmp_path / name))
    if wrong is FullDiskError:
        assert isinstance(said.exception, JanitorError)
        assert "No space left on device. Nothing is left of it" in str(said.exception)
    assert [path for path in sorted(tmp_path.rglob("*")) if "state.db" not in path.name] == before


def test_a_file_that_changes_between_verifying_and_copying_spoils_the_whole(
    config: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(at: DiskRoot, place: tuple[str, ...]) -> JobContents | None:
        (folder_of(root) / "assets" / "video.mp4").write_bytes(MP4[:-1] + b"!")
        return contents_of(at, place)

    monkeypatch.setattr("sauce_janitor.archive.exports.exporter.contents_of", spoilt)
    said = run(config, JOB, "-o", str(tmp_path / "out"))
    assert "changed while it was copied" in str(said.exception)
    assert not list(tmp_path.glob("*out*"))


MEASURE = """
import sys
from pathlib import Path
from sauce_janitor.archive import Catalogue, export
with Catalogue.open(Path(sys.argv[1])) as catalogue:
    export(catalogue, catalogue.places(), Path(sys.argv[2]), force=False)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.parametrize("name", ["out.zip", "out.tar.zst"])
def test_memory_does_not_grow_with_the_files(
    root: Path, archive: Archive, tmp_path: Path, name: str
) -> None:
    def peak(target: str) -> int:
        made = subprocess.run(
            [sys.executable, "-c", MEASURE, str(root), str(tmp_path / target)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        )
        return int(made.stdout)

    shelf = AssetShelf({"video.mp4": MP4})
    archive.store(document(1), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    small = peak("small-" + name)
    shelf = AssetShelf(
        {
            "video.mp4": MP4 + os.urandom(2**20) * 40,
            "big.log": os.urandom(2**19).hex().encode() * 16,
        }
    )
    archive.store(document(2), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    assert peak("large-" + name) - small < 12 * 1024


def test_times_that_a_zip_cannot_hold_are_taken_as_its_first(tmp_path: Path) -> None:
    with targets.written(tmp_path / "a.zip", force=False) as sink:
        sink.add("x", 1, 0, io.BytesIO(b"x"))
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert packed.infolist()[0].date_time[0] == 1980
