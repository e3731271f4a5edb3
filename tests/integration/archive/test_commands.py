"""The archive's commands say what is there, and end with 6 when it is not what it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sauce_janitor.archive import Archive
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.archiving import archive as group
from sauce_janitor.errors import ArchiveUnusableError, ConfigError
from sauce_janitor.retention.assets import EVERYTHING
from tests.fakes.asset_shelf import LOG, MP4, AssetShelf, document
from tests.integration.archive.test_storing import ORIGIN, VIDEO_ONLY, folder_of

CONFIG = """\
version: 1
accounts: {eu: {region: eu-central-1}}
archive: {path: ./archive}
state: {path: ./state.db}
policies: [{name: everything, default: true, then: {archive: 5d}}]
"""
JOB = f"{1:032x}"


@pytest.fixture
def config(root: Path) -> Path:
    path = root.parent / "config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def filled(archive: Archive) -> Archive:
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG, "evil\x1b[2J\u202e.log": b"x"})
    archive.store(document(1), shelf.listing, VIDEO_ONLY, shelf.fetch, ORIGIN)
    archive.store(document(1), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    archive.store(document(2, "bob"), shelf.listing, VIDEO_ONLY, shelf.fetch, ORIGIN)
    return archive


def run(config: Path, *arguments: str) -> Result:
    session = Session(config, None, "info", None)
    return CliRunner().invoke(group, arguments, obj=session, catch_exceptions=True)


def test_list_has_a_line_for_every_job(config: Path, filled: Archive) -> None:
    lines = run(config, "list").stdout.splitlines()
    assert len(lines) == 3
    assert lines[1].split() == [JOB, "2025-12-31", "3", str(len(MP4) + len(LOG) + 1), "eu/alice", "nightly"]
    (row,) = json.loads(run(config, "list", "--owner", "bob", "--format", "json").stdout)
    assert (row["owner"], row["assets"], row["ended_at"]) == ("bob", 1, "2025-12-31T23:59:59Z")
    assert json.loads(run(config, "list", "--account", "us", "--format", "json").stdout) == []
    assert "holds no job" in run(config, "list", "--account", "us").stderr


def test_show_names_every_file_and_what_is_not_stored_without_control_characters(config: Path, filled: Archive) -> None:
    shown = run(config, "show", JOB).stdout
    assert "receipt-2.json" in shown
    assert "assets-2/log.json" in shown
    assert "evil[2J.log" in shown
    assert "\x1b" not in shown
    (job,) = json.loads(run(config, "show", f"{2:032x}", "--format", "json").stdout)
    assert [receipt["receipt"]["owner"] for receipt in job["receipts"]] == ["bob"]
    assert "not stored" in run(config, "show", f"{2:032x}").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("show", "f" * 32), "holds nothing of job"),
        (("verify", "f" * 32), "holds nothing of job"),
        (("show", "../../x"), "not a job id"),
        (("verify", "ABC"), "not a job id"),
        (("list", "--owner", "a/b"), "not a user name"),
    ],
)
def test_what_is_not_there_is_said(config: Path, filled: Archive, arguments: tuple[str, ...], sentence: str) -> None:
    wrong = run(config, *arguments).exception
    assert isinstance(wrong, ConfigError)
    assert sentence in str(wrong)


def test_verify_ends_with_six_only_when_it_found_something(config: Path, filled: Archive, root: Path) -> None:
    whole = run(config, "verify")
    assert (whole.exit_code, whole.stdout) == (0, f"Verified: 2 jobs, 6 files, {_size(filled):,} bytes, 0 findings\n")
    (folder_of(root) / "assets" / "video.mp4").write_bytes(MP4[:-1] + b"!")
    damaged = run(config, "verify")
    assert damaged.exit_code == 6
    assert "assets/video.mp4: changed (SHA-256 is" in damaged.stdout
    (finding,) = json.loads(run(config, "verify", JOB, "--format", "json").stdout)["findings"]
    assert (finding["file"], finding["damage"]) == ("assets/video.mp4", "changed")
    assert run(config, "verify", f"{2:032x}").exit_code == 0
    assert run(config, "verify", "--owner", "bob").exit_code == 0


def _size(archive: Archive) -> int:
    return sum(proof.size_bytes for proof in archive.catalogue.proofs())


def test_an_archive_that_is_not_there_is_no_empty_archive(config: Path) -> None:
    assert isinstance(run(config, "verify").exception, ArchiveUnusableError)
