"""The archive's commands say what is there, and end with 6 when it is not what it was."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len
from rich.console import Console

from sauce_janitor.archive import Archive
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.archive.archive import archive as group
from sauce_janitor.cli.archive.browse import _table
from sauce_janitor.errors import ArchiveUnusableError, ConfigError
from sauce_janitor.model.archive.entries import ArchiveEntry
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.model.jobs import JobId, Owner
from tests.fakes.asset_shelf import ENDED_AT, LOG, MP4, AssetShelf, document
from tests.support.archive import ORIGIN, VIDEO_ONLY, folder_of

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


def test_list_has_a_line_for_every_job_the_newest_first(config: Path, filled: Archive) -> None:
    said = run(config, "list")
    lines = said.stdout.splitlines()
    assert len(lines) == 3
    assert lines[1].split() == [
        JOB,
        "2025-12-31",
        "23:59",
        "UTC",
        "complete",
        "3",
        "247",
        "B",
        "eu/alice",
        "-",
        "-",
    ]
    assert "2 jobs, 459 B" in said.stderr
    (row,) = json.loads(run(config, "list", "--owner", "bob", "--format", "json").stdout)
    assert (row["owner"], row["assets"], row["ended_at"]) == ("bob", 1, "2025-12-31T23:59:59Z")
    assert json.loads(run(config, "list", "--account", "us", "--format", "json").stdout) == []
    assert "o archived job matches" in run(config, "list", "--account", "us").stderr


@pytest.fixture
def varied(archive: Archive) -> Archive:
    jobs: list[dict[str, Any]] = [
        {"name": "login", "build": "nightly-1", "passed": True},
        {
            "name": "check 50% off",
            "build": "nightly-2",
            "passed": False,
            "error": "Element NOT found",
        },
        {"name": "=cmd()", "build": "PR-7", "status": "error", "error": "timeout"},
    ]
    for number, job in enumerate(jobs, 1):
        shelf = AssetShelf({"video.mp4": MP4})
        archive.store(
            document(number, ended_at=ENDED_AT - number * 86_400, **job),
            shelf.listing,
            EVERYTHING,
            shelf.fetch,
            ORIGIN,
        )
    return archive


FOUND: list[tuple[tuple[str, ...], list[int]]] = [
    ((), [1, 2, 3]),
    (("--build", "nightly-*"), [1, 2]),
    (("--build", "nightly"), []),
    (("--name", "log?n"), [1]),
    (("--build", "[!n]*"), [3]),
    (("--build", "[^n]*"), [3]),
    (("--build", "{PR-*,nightly-1}"), [1, 3]),
    (("--status", "failed", "--status", "error"), [2, 3]),
    (("--text", "not found"), [2]),
    (("--text", "50%"), [2]),
    (("--text", "_"), []),
    (("--since", "2025-12-29"), [1, 2]),
    (("--until", "2025-12-29"), [2, 3]),
    (("--until", "2025-12-29T23:59:59Z"), [3]),
    (("--since", "1h"), []),
    (("--limit", "2"), [1, 2]),
    (("--owner", "nobody"), []),
]


@pytest.mark.parametrize(("asked", "found"), FOUND)
def test_list_finds_jobs_by_what_one_remembers(
    config: Path, varied: Archive, asked: tuple[str, ...], found: list[int]
) -> None:
    rows = json.loads(run(config, "list", *asked, "--format", "json").stdout)
    assert [row["job_id"] for row in rows] == [f"{number:032x}" for number in found]


@pytest.mark.parametrize("width", [80, 130])
def test_a_line_of_the_list_is_no_longer_than_the_terminal(width: int) -> None:
    names = ("short", "long " * 40, "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 90)
    entries = [
        ArchiveEntry(
            "eu",
            Owner("alice"),
            JobId(JOB),
            "eu/alice",
            1,
            1,
            "p",
            3,
            1_000,
            name=name,
            build="nightly-1",
        )
        for name in names
    ]
    screen = Console(width=width, force_terminal=True, file=io.StringIO())
    lines = [line.plain for line in _table(screen, entries)]
    assert len(lines) == 1 + len(names)
    assert max(map(cell_len, lines)) <= width
    piped = [line.plain for line in _table(Console(file=io.StringIO()), entries)]
    assert max(map(cell_len, piped)) > width


def test_list_as_csv_gives_a_spreadsheet_no_formula(config: Path, varied: Archive) -> None:
    rows = list(csv.DictReader(io.StringIO(run(config, "list", "--format", "csv").stdout)))
    assert [row["name"] for row in rows] == ["login", "check 50% off", "'=cmd()"]
    assert rows[1]["error"] == "Element NOT found"


@pytest.mark.parametrize("when", ["yesterday", "2026-13-01", "7m", "2026-01-01T10:00:00"])
def test_a_time_that_is_none_is_a_usage_error(config: Path, varied: Archive, when: str) -> None:
    assert "is not a time" in run(config, "list", "--since", when).output


def test_a_glob_that_looks_like_another_language_is_told(config: Path, varied: Archive) -> None:
    said = run(config, "list", "--build", "PR-7|nightly-1")
    assert said.exit_code == 0
    assert (
        "--build 'PR-7|nightly-1' has a `|`, which does not separate alternatives: it is used as it stands."
        in said.stderr
    )
    assert "used as it stands" not in run(config, "list", "--name", "log*").stderr


def test_show_tells_a_job_as_one_remembers_it(config: Path, varied: Archive) -> None:
    shown = run(config, "show", f"{2:032x}").stdout
    assert shown.startswith("check 50% off\n  failed, 2025-12-29 23:59 UTC")
    assert "error: Element NOT found" in shown
    assert "build nightly-2" in shown
    assert "assets/video.mp4" in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("show", "f" * 32), "has nothing of job"),
        (("verify", "f" * 32), "has nothing of job"),
        (("verify", "--account", "nope"), "has nothing of account 'nope': nothing was verified"),
        (("verify", "--owner", "nobody"), "has nothing of owner 'nobody': nothing was verified"),
        (("show", "../../x"), "no known job has"),
        (("verify", "ABC"), "no known job has"),
        (("list", "--owner", "a/b"), "not a user name"),
    ],
)
def test_what_is_not_there_is_said(
    config: Path, filled: Archive, arguments: tuple[str, ...], sentence: str
) -> None:
    wrong = run(config, *arguments).exception
    assert isinstance(wrong, ConfigError)
    assert sentence in str(wrong)


def test_verify_ends_with_six_only_when_it_found_something(
    config: Path, filled: Archive, root: Path
) -> None:
    whole = run(config, "verify")
    assert (whole.exit_code, whole.stdout) == (
        0,
        f"Verified: 2 jobs, 6 files, {_size(filled):,} bytes, 0 findings\n",
    )
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
