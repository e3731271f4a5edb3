"""A state that was lost learns from the receipts again what the archive holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sauce_janitor.archive import Archive
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.archive.archive import archive as group
from sauce_janitor.errors import LeaseError
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.state import State
from tests.fakes.asset_shelf import ENDED_AT, LOG, MP4, AssetShelf, document
from tests.support.archive import ORIGIN, VIDEO_ONLY, folder_of

CONFIG = """\
version: 1
accounts: {eu: {base_url: "http://127.0.0.1:1", username: alice, access_key: {env: NOT_NEEDED}}}
archive: {path: ./archive}
state: {path: ./state.db}
policies: [{name: everything, default: true, then: {archive: 5d}}]
"""


@pytest.fixture
def config(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NOT_NEEDED", "a-key-that-is-never-sent")
    path = root.parent / "config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def state(config: Path) -> Iterator[State]:
    """A new one, that has only just listed the first job."""
    with State.open(config.parent / "state.db") as opened:
        opened.accounts.admit("eu", base_url="http://127.0.0.1:1", username="alice")
        job = document(1).job
        opened.jobs.of("eu", job.owner).put([job], unreadable=(), mark=1, now=1, bookmark=None)
        yield opened


@pytest.fixture
def filled(archive: Archive) -> Archive:
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG})
    archive.store(document(1), shelf.listing, VIDEO_ONLY, shelf.fetch, ORIGIN)
    for number in (1, 2, 3):
        archive.store(document(number), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    return archive


def run(config: Path, *arguments: str) -> Result:
    session = Session(config, "json", "error", None)
    return CliRunner().invoke(
        group, arguments, obj=session, catch_exceptions=True, standalone_mode=False
    )


def test_journal_inventory_and_lists_know_the_archive_again(
    config: Path, state: State, filled: Archive
) -> None:
    answer = run(config, "reindex", "--format", "json")

    assert json.loads(answer.stdout) == [
        {"account": "eu", "jobs": 3, "receipts_added": 4, "in_inventory": 1, "unreadable": []}
    ]
    assert answer.return_value == 0
    first = document(1).job
    chain = filled.catalogue.receipts(next(filled.catalogue.places_of(first.id)))
    lines = state.journal.of(first.id)
    assert [(line.kind, line.receipt, line.detail["reindexed"]) for line in lines] == [
        ("archived", receipt.sha256, True) for receipt in chain
    ]
    record = state.jobs.record("eu", first.id, as_of=ENDED_AT)
    assert record is not None
    assert record.archived == frozenset({"video", "all"})
    assert state.journal.verify() == 4
    assert run(config, "verify").exit_code == 0
    assert len(json.loads(run(config, "list", "--format", "json").stdout)) == 3


def test_a_second_time_adds_nothing_but_what_the_inventory_has_learnt_since(
    config: Path, state: State, filled: Archive
) -> None:
    run(config, "reindex")
    second = document(2).job
    state.jobs.of("eu", second.owner).put([second], unreadable=(), mark=2, now=2, bookmark=None)

    (said,) = json.loads(run(config, "reindex", "--format", "json").stdout)

    assert (said["receipts_added"], said["in_inventory"]) == (0, 2)
    record = state.jobs.record("eu", second.id, as_of=ENDED_AT)
    assert record is not None
    assert record.archived == frozenset({"all"})
    assert filled


def test_what_cannot_be_trusted_stays_unknown_and_is_named(
    config: Path, state: State, filled: Archive, root: Path
) -> None:
    (folder_of(root, 2) / "assets/video.mp4").write_bytes(b"short")
    receipt = folder_of(root, 3) / "receipt.json"
    receipt.write_bytes(receipt.read_bytes()[:-7])

    answer = run(config, "reindex")

    assert answer.return_value == 4
    assert "files are missing or of another length: see archive verify" in answer.stdout
    assert "receipt.json: the receipt cannot be read: it is cut or was changed" in answer.stdout
    assert [len(state.journal.of(document(number).job.id)) for number in (1, 2, 3)] == [2, 0, 0]
    assert filled


def test_a_copy_from_another_archive_is_not_taken_for_ours(
    config: Path, state: State, filled: Archive, root: Path
) -> None:
    receipt = folder_of(root, 3) / "receipt.json"
    receipt.write_text(
        receipt.read_text().replace(filled.uuid, "00000000-0000-0000-0000-000000000000")
    )

    assert "was made in another archive" in run(config, "reindex").stdout
    assert state.journal.of(document(3).job.id) == ()


def test_it_waits_for_no_run_that_holds_the_account(
    config: Path, state: State, filled: Archive
) -> None:
    with state.lease("eu", "run 1", now=ENDED_AT):
        assert isinstance(run(config, "reindex").exception, LeaseError)
    assert filled
